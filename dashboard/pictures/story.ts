// What the log tells, put together: from claim to release is one span, from acquire to release another, and each
// message is a dot.

import type { ActivityEntry } from "../../src/contract/entities.ts";
import type { EventData, EventName } from "../../src/contract/events.ts";
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
export function storyOf(entries: readonly ActivityEntry[], held: Held): Story {
  const telling: Telling = { spans: openSpans(), dots: [] };
  for (const entry of entries) {
    // What a later version tells is passed over.
    if (!Object.hasOwn(steps, entry.event)) continue;
    const step = steps[entry.event as keyof typeof steps] as Step<EventName>;
    step(telling, entry as Told<EventName>);
  }
  closeWith(telling.spans, held);
  return { spans: telling.spans.all, dots: telling.dots };
}

type Telling = { spans: OpenSpans; dots: Dot[] };

/** An entry of which each fact may be missing: the log may hold what another version wrote. */
type Told<N extends EventName> = Omit<ActivityEntry, "metadata"> & {
  metadata: Partial<EventData[N]>;
};

/** What an event adds to the story. */
type Step<N extends EventName> = (telling: Telling, entry: Told<N>) => void;

const steps = {
  "service.claim": claim,
  "service.release": release,
  "service.start": start,
  "service.stop": stop,
  "lock.acquire": acquire,
  "lock.extend": extend,
  "lock.release": unlock,
  "message.publish": publish,
} satisfies { [N in EventName]?: Step<N> };

function claim({ spans }: Telling, entry: Told<"service.claim">): void {
  const { targetId: id, timestamp: at, metadata, actor } = entry;
  const isAgain = metadata.existing === true;
  const known = spans.find("service", id);
  if (known && !isAgain) spans.end(known, at, "ended");
  const since = isAgain ? metadata.createdAt : at;
  const span = isAgain && known ? known : spans.begin("service", id, since, at);
  span.activeAt = at;
  span.who = metadata.agent ?? actor;
  if (metadata.status === "running") startRunning(span, isAgain ? span.from : at);
}

function release({ spans }: Telling, entry: Told<"service.release">): void {
  endAsTold(spans, spans.current("service", entry), entry);
}

function start({ spans }: Telling, entry: Told<"service.start">): void {
  startRunning(spans.current("service", entry), entry.timestamp);
}

function stop({ spans }: Telling, entry: Told<"service.stop">): void {
  const span = spans.current("service", entry);
  startRunning(span, span.from);
  stopRunning(span, entry.timestamp);
}

function acquire({ spans }: Telling, entry: Told<"lock.acquire">): void {
  const { targetId: name, timestamp: at, metadata, actor } = entry;
  const known = spans.find("lock", name);
  if (known) spans.end(known, at, "ended");
  spans.begin("lock", name, at, at).who = metadata.owner ?? actor;
}

function extend({ spans }: Telling, entry: Told<"lock.extend">): void {
  spans.current("lock", entry).who ||= entry.metadata.owner ?? "";
}

function unlock({ spans }: Telling, entry: Told<"lock.release">): void {
  const span = spans.current("lock", entry);
  span.who = entry.metadata.owner ?? span.who;
  endAsTold(spans, span, entry);
}

function publish({ dots }: Telling, entry: Told<"message.publish">): void {
  const { targetId: channel, timestamp: at, metadata, actor } = entry;
  dots.push({ channel, who: metadata.sender ?? actor, at, preview: metadata.preview ?? "" });
}

function endAsTold(
  spans: OpenSpans,
  span: Span,
  { action, timestamp, metadata: { reason } }: Told<"service.release" | "lock.release">,
): void {
  const byItself = action === "cleanup" ? "cleanup" : "ended";
  spans.end(span, timestamp, reason === "forced" ? "forced" : byItself, reason);
}

type OpenSpans = ReturnType<typeof openSpans>;

/** All spans in the order in which they were told of, and of each name the one that is going on. */
function openSpans() {
  const all: Span[] = [];
  const open = new Map<string, Span>();

  function find(kind: Span["kind"], name: string): Span | undefined {
    return open.get(`${kind} ${name}`);
  }

  function begin(kind: Span["kind"], name: string, from: number | undefined, at: number): Span {
    const began = { from, to: undefined, who: "", ending: "held", reason: undefined } as const;
    const span: Span = { ...began, kind, name, running: [], activeAt: at };
    open.set(`${kind} ${name}`, span);
    all.push(span);
    return span;
  }

  /** The one that an entry goes on with; one that nothing was told of began before. */
  function current(
    kind: Span["kind"],
    { targetId: name, timestamp: at }: Pick<ActivityEntry, "targetId" | "timestamp">,
  ): Span {
    const span = find(kind, name) ?? begin(kind, name, undefined, at);
    span.activeAt = at;
    return span;
  }

  function end(span: Span, to: number, ending: Ending, reason?: string): void {
    Object.assign(span, { to, ending, reason });
    stopRunning(span, to);
    open.delete(`${span.kind} ${span.name}`);
  }

  return { all, find, begin, current, end, goingOn: () => [...open.values()] };
}

/** What is held goes on, whatever was told of it; all else is over. */
function closeWith(spans: OpenSpans, { services, locks }: Held): void {
  for (const { id, createdAt, agent, status } of services.values()) {
    const span = spans.find("service", id) ?? spans.begin("service", id, createdAt, createdAt);
    span.from ??= createdAt;
    span.who ||= agent ?? "";
    if (status === "running") startRunning(span, span.from);
  }
  for (const { name, acquiredAt, owner } of locks.values()) {
    const span = spans.find("lock", name) ?? spans.begin("lock", name, acquiredAt, acquiredAt);
    span.from ??= acquiredAt;
    span.who ||= owner;
  }
  // Its end was not told, but it is there no more.
  for (const span of spans.goingOn())
    if (!(span.kind === "service" ? services : locks).has(span.name))
      spans.end(span, span.activeAt, "ended");
}

/** Goes on with what runs already. */
function startRunning({ running }: Span, from: number | undefined): void {
  const last = running.at(-1);
  if (last === undefined || last.to !== undefined) running.push({ from, to: undefined });
}

function stopRunning({ running }: Span, to: number): void {
  const last = running.at(-1);
  if (last) last.to ??= to;
}
