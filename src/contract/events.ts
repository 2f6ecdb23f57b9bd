// What can happen: one row an event. The row of an event in the database is the activity log, the replay of streams
// and what webhook deliveries are made from.

import type { Agent, Claimed, Lock, Webhook } from "./entities.ts";
import * as duration from "./duration.ts";

/** Why a claim ended. What the daemon ended by itself is logged as `cleanup`, with this as the reason. */
export const releaseReasons = [
  "released",
  "expired",
  "pid_died",
  "stopped",
  "agent_unregistered",
  "agent_stale",
] as const;
export type ReleaseReason = (typeof releaseReasons)[number];

/** Why a lock was freed; `caller_gone`: whoever waited for it had gone when it was granted. */
export const unlockReasons = [
  "released",
  "forced",
  "expired",
  "pid_died",
  "agent_unregistered",
  "agent_stale",
  "caller_gone",
] as const;
export type UnlockReason = (typeof unlockReasons)[number];

/** What each event carries beside its target, actor and instant. */
export type EventData = {
  "service.claim": Pick<Claimed, "port" | "existing"> & Partial<Claimed>;
  "service.release": { port: number; reason: ReleaseReason };
  "service.start": { port: number; pid: number | null; command: string | null };
  "service.stop": { port: number };
  "service.endpoint": { environment: string; url: string | null };
  "service.launch": { port: number; pid: number; command: string; directory: string };
  "service.ready": { port: number; url: string; afterMs: number };
  "service.hijacked": { port: number; pid: number | null; command: string | null };
  /** `code` is null where whoever watched over the command has died. */
  "service.exit": { code: number | null; restarting: boolean };
  "lock.acquire": Pick<Lock, "owner" | "agent" | "pid" | "fence" | "expiresAt">;
  "lock.extend": Pick<Lock, "owner" | "pid" | "fence" | "expiresAt">;
  "lock.release": Pick<Lock, "owner" | "fence"> & { reason: UnlockReason };
  /** Of the payload the beginning: the message itself is kept by its channel's retention. */
  "message.publish": { id: number; sender: string | null; preview: string };
  "channel.clear": { deleted: number };
  "agent.register": Pick<Agent, "name" | "type" | "pid" | "maxServices" | "maxLocks"> & {
    existing: boolean;
  };
  "agent.heartbeat": { revived: boolean };
  /** `forgotten`: it had been stale for long. */
  "agent.unregister": { reason: "asked" | "forgotten" };
  "agent.stale": { reason: "silent" | "pid_died"; lastHeartbeatAt: number };
  "webhook.add": Pick<Webhook, "url" | "events">;
  "webhook.update": Pick<Webhook, "url" | "events" | "active">;
  "webhook.remove": Pick<Webhook, "url">;
  "webhook.pause": { reason: string };
  "webhook.resume": { dropped: number };
  "daemon.start": { version: string; pid: number; port: number | null };
  "daemon.stop": { version: string; uptimeMs: number };
};

export type EventName = keyof EventData;

/** What a webhook is sent when somebody tests it. */
export const testEvent = "webhook.test";

type EventRow<D> = {
  summary: string;
  /** The action in the activity log; where it depends on the data, all that it can be. */
  action: string | { of: (data: D) => string; all: readonly string[] };
  /** The event in one sentence, the actor as its subject left out. */
  sentence: (target: string, data: D) => string;
  /** Whether webhooks can ask for it. */
  webhook: boolean;
};

/** Why what was held has ended, in words; what its holder gave back needs none. */
const causes: Record<Exclude<ReleaseReason | UnlockReason, "released">, string> = {
  forced: "it was freed by force",
  expired: "it expired",
  pid_died: "its process has died",
  stopped: "its server has ended and not come back",
  agent_unregistered: "its agent was unregistered",
  agent_stale: "its agent went stale",
  caller_gone: "whoever waited for it had gone",
};

/** The words for a reason as the log has it; for one that another version wrote there are none. */
export function causeOf(reason: string): string | undefined {
  return Object.hasOwn(causes, reason) ? causes[reason as keyof typeof causes] : undefined;
}

/** What somebody asked for is theirs; what the daemon does by itself is a cleanup. */
function orCleanup(asked: string): { of: (data: { reason: string }) => string; all: string[] } {
  const reasons = ["released", "forced", "agent_unregistered", "asked"];
  return {
    of: ({ reason }) => (reasons.includes(reason) ? asked : cleanup),
    all: [asked, cleanup],
  };
}

const cleanup = "cleanup";

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
    action: orCleanup("release"),
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
  "service.launch": {
    summary: "Service was launched",
    action: "launch",
    sentence: (id, { port, command }) => `launched ${id} on port ${port}: ${command}`,
    webhook: false,
  },
  "service.ready": {
    summary: "Launched service listens on its port",
    action: "launch_ready",
    sentence: (id, { url, afterMs }) => `had ${id} ready at ${url} in ${duration.brief(afterMs)}`,
    webhook: true,
  },
  "service.hijacked": {
    summary: "Somebody else took the port of a launched service",
    action: "hijack",
    sentence: (id, { port, pid, command }) =>
      `saw port ${port} of ${id} taken by ${pid === null ? "a process that cannot be seen" : `process ${pid} (${command ?? "?"})`}`,
    webhook: true,
  },
  "service.exit": {
    summary: "Command of a launched service ended",
    action: "launch_exit",
    sentence: (id, { code, restarting }) =>
      code === null
        ? `lost sight of ${id}: whoever watched over its command has died`
        : `saw the command of ${id} end with ${code}${restarting ? ", and starts it again" : ""}`,
    webhook: true,
  },
  "lock.acquire": {
    summary: "Lock was acquired",
    action: "lock_acquire",
    sentence: (name, { owner, fence }) => `locked ${name} for ${owner} (fence ${fence})`,
    webhook: true,
  },
  "lock.extend": {
    summary: "Lock was extended",
    action: "lock_extend",
    sentence: (name, { fence }) => `extended the lock ${name} (fence ${fence})`,
    webhook: false,
  },
  "lock.release": {
    summary: "Lock was released",
    action: orCleanup("lock_release"),
    sentence: (name, { owner, fence, reason }) =>
      reason === "released"
        ? `unlocked ${name} of ${owner} (fence ${fence})`
        : reason === "forced"
          ? `unlocked ${name} (fence ${fence}) by force: ${owner} had it`
          : `freed the lock ${name} of ${owner} (fence ${fence}): ${causes[reason]}`,
    webhook: true,
  },
  "message.publish": {
    summary: "Message was published",
    action: "publish",
    sentence: (channel, { id, preview }) => `published ${id} to ${channel}: ${preview}`,
    webhook: true,
  },
  "channel.clear": {
    summary: "Channel was cleared",
    action: "channel_clear",
    sentence: (channel, { deleted }) =>
      `cleared ${channel} of ${deleted} ${deleted === 1 ? "message" : "messages"}`,
    webhook: false,
  },
  "agent.register": {
    summary: "Agent registered",
    action: "agent_register",
    sentence: (id, { existing }) => `registered the agent ${id}${existing ? " again" : ""}`,
    webhook: true,
  },
  "agent.heartbeat": {
    summary: "Agent sent a heartbeat",
    action: "agent_heartbeat",
    sentence: (id, { revived }) =>
      revived ? `heard from the stale agent ${id} again` : `heard from the agent ${id}`,
    webhook: false,
  },
  "agent.unregister": {
    summary: "Agent unregistered",
    action: orCleanup("agent_unregister"),
    sentence: (id, { reason }) =>
      reason === "asked"
        ? `unregistered the agent ${id}`
        : `forgot the agent ${id}, which had been stale for long`,
    webhook: true,
  },
  "agent.stale": {
    summary: "Agent went stale",
    action: cleanup,
    sentence: (id, { reason }) =>
      reason === "silent"
        ? `marked the agent ${id} as stale: nothing was heard from it`
        : `marked the agent ${id} as stale: its process has died`,
    webhook: true,
  },
  "webhook.add": {
    summary: "Webhook was added",
    action: "webhook_add",
    sentence: (id, { url }) => `added the webhook ${id} to ${url}`,
    webhook: false,
  },
  "webhook.update": {
    summary: "Webhook was updated",
    action: "webhook_update",
    sentence: (id) => `updated the webhook ${id}`,
    webhook: false,
  },
  "webhook.remove": {
    summary: "Webhook was removed",
    action: "webhook_remove",
    sentence: (id, { url }) => `removed the webhook ${id} to ${url}`,
    webhook: false,
  },
  "webhook.pause": {
    summary: "Webhook was paused",
    action: "webhook_pause",
    sentence: (id, { reason }) => `paused the webhook ${id}: ${reason}`,
    webhook: false,
  },
  "webhook.resume": {
    summary: "Webhook was resumed",
    action: "webhook_resume",
    sentence: (id, { dropped }) => `resumed the webhook ${id}, which missed ${dropped} events`,
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

/** The names of the events that webhooks can ask for. */
export const webhookEvents = (Object.keys(events) as EventName[]).filter(
  (name) => events[name].webhook,
);

export function actionOf<N extends EventName>(name: N, data: EventData[N]): string {
  const { action } = events[name];
  return typeof action === "string" ? action : action.of(data);
}

/** The actions that an event can be in the log. */
export function actionsOf(name: EventName): readonly string[] {
  const { action } = events[name];
  return typeof action === "string" ? [action] : action.all;
}

/** Every action that the log can hold. */
export const actions: readonly string[] = [
  ...new Set((Object.keys(events) as EventName[]).flatMap(actionsOf)),
];

/** The sentence of a stored event; one of a later version, not known here, is told by its name. */
export function sentenceOf(event: string, target: string, data: Record<string, unknown>): string {
  if (!Object.hasOwn(events, event)) return `${event} ${target}`;
  const row = events[event as EventName] as EventRow<Record<string, unknown>>;
  return row.sentence(target, data);
}
