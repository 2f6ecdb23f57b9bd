// What the log tells, put together: from claim to release is one span, from acquire to release another, and each
// message is a dot.

import type { ActivityEntry } from "../../src/contract/entities.ts";
import type { Hold, Seen } from "../state.ts";

/** held: it has not ended; forced: somebody freed a lock by force; cleanup: the daemon ended it by itself. */
export type Ending = "held" | "ended" | "forced" | "cleanup";

/** Where `from` is missing it began before anything that is known; where `to` is missing it goes on. */
export type Run = { from: number | undefined; to: number | undefined };

export type Span = Run & {
  kind: "service" | "lock";
  name: string;
  /** The agent or owner, else whoever asked for it; empty where that is not known. */
  who: string;
  ending: Ending;
  /** Why it ended. */
  reason: string | undefined;
  /** When something listened on the port of a service. */
  running: Run[];
  /** When something was last told of it. */
  activeAt: number;
};

export type Dot = { channel: string; who: string; at: number; preview: string };

export type Story = { spans: readonly Span[]; dots: readonly Dot[] };

type Held = {
  services: ReadonlyMap<string, Seen>;
  locks: ReadonlyMap<string, Hold>;
};

/** `entries` oldest first; what is held at their end is in `services` and `locks`. */
export function tell(entries: readonly ActivityEntry[], { services, locks }: Held): Story {
  const spans: Span[] = [];
  const dots: Dot[] = [];
  const open = new Map<string, Span>();

  function begin(kind: Span["kind"], name: string, from: number | undefined, at: number): Span {
    const began = { from, to: undefined, who: "", ending: "held", reason: undefined } as const;
    const span: Span = { ...began, kind, name, running: [], activeAt: at };
    open.set(`${kind} ${name}`, span);
    spans.push(span);
    return span;
  }

  /** The one that is going on; one that nothing was told of began before. */
  function current(kind: Span["kind"], { targetId, timestamp }: ActivityEntry): Span {
    const span = open.get(`${kind} ${targetId}`) ?? begin(kind, targetId, undefined, timestamp);
    span.activeAt = timestamp;
    return span;
  }

  function end(span: Span, to: number, ending: Ending, reason?: string): void {
    Object.assign(span, { to, ending, reason });
    stopRunning(span, to);
    open.delete(`${span.kind} ${span.name}`);
  }

  function claim(entry: ActivityEntry): void {
    const { targetId: id, timestamp: at, metadata, actor } = entry;
    const isAgain = metadata["existing"] === true;
    const known = open.get(`service ${id}`);
    if (known && !isAgain) end(known, at, "ended");
    const since = isAgain ? numberOf(metadata, "createdAt") : at;
    const span = isAgain && known ? known : begin("service", id, since, at);
    span.activeAt = at;
    span.who = textOf(metadata, "agent") ?? actor;
    if (metadata["status"] === "running" && !isRunning(span))
      span.running.push({ from: isAgain ? span.from : at, to: undefined });
  }

  function release(kind: Span["kind"], entry: ActivityEntry): void {
    const reason = textOf(entry.metadata, "reason");
    const span = current(kind, entry);
    if (kind === "lock") span.who = textOf(entry.metadata, "owner") ?? span.who;
    const byItself = entry.action === "cleanup" ? "cleanup" : "ended";
    end(span, entry.timestamp, reason === "forced" ? "forced" : byItself, reason);
  }

  const steps: ReadonlyMap<string, (entry: ActivityEntry) => void> = new Map([
    ["service.claim", claim],
    ["service.release", (entry) => release("service", entry)],
    [
      "service.start",
      (entry) => {
        const span = current("service", entry);
        if (!isRunning(span)) span.running.push({ from: entry.timestamp, to: undefined });
      },
    ],
    [
      "service.stop",
      (entry) => {
        const span = current("service", entry);
        if (!isRunning(span)) span.running.push({ from: span.from, to: undefined });
        stopRunning(span, entry.timestamp);
      },
    ],
    [
      "lock.acquire",
      (entry) => {
        const { targetId: name, timestamp: at, metadata, actor } = entry;
        const known = open.get(`lock ${name}`);
        if (known) end(known, at, "ended");
        begin("lock", name, at, at).who = textOf(metadata, "owner") ?? actor;
      },
    ],
    [
      "lock.extend",
      (entry) => void (current("lock", entry).who ||= textOf(entry.metadata, "owner") ?? ""),
    ],
    ["lock.release", (entry) => release("lock", entry)],
    [
      "message.publish",
      ({ targetId: channel, timestamp: at, metadata, actor }) => {
        const who = textOf(metadata, "sender") ?? actor;
        dots.push({ channel, who, at, preview: textOf(metadata, "preview") ?? "" });
      },
    ],
  ]);

  for (const entry of entries) steps.get(entry.event)?.(entry);

  for (const { id, createdAt, agent, status } of services.values()) {
    const span = open.get(`service ${id}`) ?? begin("service", id, createdAt, createdAt);
    span.from ??= createdAt;
    span.who ||= agent ?? "";
    if (status === "running" && !isRunning(span))
      span.running.push({ from: span.from, to: undefined });
  }
  for (const { name, acquiredAt, owner } of locks.values()) {
    const span = open.get(`lock ${name}`) ?? begin("lock", name, acquiredAt, acquiredAt);
    span.from ??= acquiredAt;
    span.who ||= owner;
  }
  // Its end was not told, but it is there no more.
  for (const span of [...open.values()])
    if (!(span.kind === "service" ? services : locks).has(span.name))
      end(span, span.activeAt, "ended");
  return { spans, dots };
}

function isRunning({ running }: Span): boolean {
  const last = running.at(-1);
  return last !== undefined && last.to === undefined;
}

function stopRunning({ running }: Span, to: number): void {
  const last = running.at(-1);
  if (last) last.to ??= to;
}

function textOf(metadata: ActivityEntry["metadata"], name: string): string | undefined {
  const value = metadata[name];
  return typeof value === "string" ? value : undefined;
}

function numberOf(metadata: ActivityEntry["metadata"], name: string): number | undefined {
  const value = metadata[name];
  return typeof value === "number" ? value : undefined;
}
