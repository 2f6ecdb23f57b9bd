// What can happen: one row an event. The row of an event in the database is the activity log, the replay of streams
// and what webhook deliveries are made from.

import type { Claimed } from "./entities.ts";
import * as duration from "./duration.ts";

/** Why a claim ended. What the daemon ended by itself is logged as `cleanup`, with this as the reason. */
export type ReleaseReason = "released" | "expired" | "pid_died" | "stopped";

/** What each event carries beside its target, actor and instant. */
export type EventData = {
  "service.claim": Pick<Claimed, "port" | "existing"> & Partial<Claimed>;
  "service.release": { port: number; reason: ReleaseReason };
  "service.start": { port: number; pid: number | null; command: string | null };
  "service.stop": { port: number };
  "service.endpoint": { environment: string; url: string | null };
  "daemon.start": { version: string; pid: number; port: number | null };
  "daemon.stop": { version: string; uptimeMs: number };
};

export type EventName = keyof EventData;

type EventRow<D> = {
  summary: string;
  /** The action in the activity log. */
  action: string | ((data: D) => string);
  /** The event in one sentence, the actor as its subject left out. */
  sentence: (target: string, data: D) => string;
  /** Whether webhooks can ask for it. */
  webhook: boolean;
};

const causes: Record<Exclude<ReleaseReason, "released">, string> = {
  expired: "it expired",
  pid_died: "its process has died",
  stopped: "its server has ended and not come back",
};

export const events: { [N in EventName]: EventRow<EventData[N]> } = {
  "service.claim": {
    summary: "Service was claimed",
    action: "claim",
    sentence: (id, { port, existing, movedFrom }) =>
      movedFrom
        ? `moved ${id} from port ${movedFrom.port} to ${port}`
        : `claimed ${id}${existing ? " again" : ""} → port ${port}`,
    webhook: true,
  },
  "service.release": {
    summary: "Service was released",
    action: ({ reason }) => (reason === "released" ? "release" : "cleanup"),
    sentence: (id, { port, reason }) =>
      reason === "released"
        ? `released ${id} (port ${port})`
        : `freed ${id} (port ${port}): ${causes[reason]}`,
    webhook: true,
  },
  "service.start": {
    summary: "Service began to listen on its port",
    action: "service_start",
    sentence: (id, { port, pid, command }) =>
      `saw ${id} start on port ${port}${pid === null ? "" : ` (process ${pid}: ${command ?? "?"})`}`,
    webhook: false,
  },
  "service.stop": {
    summary: "Service no longer listens on its port",
    action: "service_stop",
    sentence: (id, { port }) => `saw ${id} stop on port ${port}`,
    webhook: false,
  },
  "service.endpoint": {
    summary: "URL of a service was set or removed",
    action: "endpoint_set",
    sentence: (id, { environment, url }) =>
      url === null
        ? `removed the ${environment} URL of ${id}`
        : `set the ${environment} URL of ${id} to ${url}`,
    webhook: false,
  },
  "daemon.start": {
    summary: "Daemon started",
    action: "daemon_start",
    sentence: (_, { version, pid }) => `started port-daddy ${version}, pid ${pid}`,
    webhook: true,
  },
  "daemon.stop": {
    summary: "Daemon stopping",
    action: "daemon_stop",
    sentence: (_, { uptimeMs }) => `stopped port-daddy after ${duration.brief(uptimeMs)}`,
    webhook: true,
  },
};

export function actionOf<N extends EventName>(name: N, data: EventData[N]): string {
  const { action } = events[name];
  return typeof action === "string" ? action : action(data);
}

/** The sentence of a stored event; one of a later version, not known here, is told by its name. */
export function sentenceOf(event: string, target: string, data: Record<string, unknown>): string {
  if (!Object.hasOwn(events, event)) return `${event} ${target}`;
  const row = events[event as EventName] as EventRow<Record<string, unknown>>;
  return row.sentence(target, data);
}
