// What the dashboard knows, and how each thing that the stream tells changes it. Pure: whoever replays a log from any
// snapshot comes to the same state.

import type {
  ActivityEntry,
  Agent,
  Channel,
  Lock,
  Service,
  Webhook,
} from "../src/contract/entities.ts";
import type { EventData, EventName } from "../src/contract/events.ts";
import type { Live, Server, Snapshot, Waiting } from "../src/contract/feed.ts";

/** What events tell of a service; whether it runs stands in `servers`. */
export type Claim = Omit<Service, "status" | "listener" | "lastSeenAt">;
/** What events tell of a lock; who waits stands in `waiting`. */
export type Hold = Omit<Lock, "waiting" | "metadata">;
/** What events tell of an agent; when it was heard from stands in `heard`. */
export type Member = Omit<Agent, "pid" | "metadata" | "services" | "locks" | "lastHeartbeatAt">;

/** A claim with what is seen of it. */
export type Seen = Claim & Server;

export type State = {
  /** Everything up to this event is in here; 0 before anything has come. */
  id: number;
  services: ReadonlyMap<string, Claim>;
  locks: ReadonlyMap<string, Hold>;
  agents: ReadonlyMap<string, Member>;
  /** What happened, oldest first, without a hole up to `id`. */
  entries: readonly ActivityEntry[];
  /** Everything that happened since this instant is in `entries`; 0 is everything that the log still has. */
  coveredSince: number;
  waiting: readonly Waiting[];
  channels: readonly Channel[];
  webhooks: readonly Webhook[];
  servers: ReadonlyMap<string, Server>;
  heard: ReadonlyMap<string, number>;
  expiries: ReadonlyMap<string, number>;
  /** How many attempts were made to deliver to each webhook, since the daemon started. */
  attempts: ReadonlyMap<string, number>;
};

export type Received =
  | { kind: "snapshot"; snapshot: Snapshot }
  | { kind: "event"; entry: ActivityEntry }
  | { kind: "live"; live: Partial<Live> }
  /** All entries before one and since an instant, newest first as the log answers them. */
  | { kind: "history"; before: number; since: number; entries: readonly ActivityEntry[] };

/** So many entries are kept in the page; older ones are asked for. */
export const maxEntries = 5_000;

export const nothing: State = {
  id: 0,
  services: new Map(),
  locks: new Map(),
  agents: new Map(),
  entries: [],
  coveredSince: Infinity,
  waiting: [],
  channels: [],
  webhooks: [],
  servers: new Map(),
  heard: new Map(),
  expiries: new Map(),
  attempts: new Map(),
};

const unseen: Server = { status: "assigned", listener: null };

/** What is seen of a service. */
export function serverOf(servers: State["servers"], id: string): Server {
  return servers.get(id) ?? unseen;
}

/** The claims with what is seen of them. */
export function seen({
  services,
  servers,
}: Pick<State, "services" | "servers">): ReadonlyMap<string, Seen> {
  return new Map(
    services.values().map((claim) => [claim.id, { ...claim, ...serverOf(servers, claim.id) }]),
  );
}

export function reduce(state: State, received: Received): State {
  switch (received.kind) {
    case "snapshot":
      return fromSnapshot(state, received.snapshot);
    case "event":
      return withEvent(state, received.entry);
    case "live":
      return withLive(state, received.live);
    case "history":
      return withHistory(state, received);
  }
}

function fromSnapshot(state: State, { id, services, locks, agents, channels }: Snapshot): State {
  // What happened between the last event and the snapshot was not told.
  const log = id === state.id ? {} : { entries: [], coveredSince: Infinity };
  return {
    ...state,
    ...log,
    id,
    services: new Map(
      services.map(({ status: _, listener: __, lastSeenAt: ___, ...claim }) => [claim.id, claim]),
    ),
    locks: new Map(locks.map(({ waiting: _, metadata: __, ...hold }) => [hold.name, hold])),
    agents: new Map(
      agents.map(({ id, name, type, maxServices, maxLocks, status, registeredAt }) => [
        id,
        { id, name, type, maxServices, maxLocks, status, registeredAt },
      ]),
    ),
    channels,
  };
}

function withEvent(state: State, entry: ActivityEntry): State {
  if (entry.id <= state.id) return state;
  // Of an event that a later version knows, its place in the log is all there is to know.
  const change = Object.hasOwn(changes, entry.event)
    ? (changes[entry.event as EventName] as Change<EventName>)
    : unchanged;
  const changed = change(state, entry.targetId, entry.metadata as never, entry.timestamp);
  return { ...state, ...changed, id: entry.id, ...kept([...state.entries, entry], state) };
}

/** As much of the log as the page keeps: what is cut off is not covered any more. */
function kept(
  entries: readonly ActivityEntry[],
  { coveredSince }: Pick<State, "coveredSince">,
): Pick<State, "entries" | "coveredSince"> {
  if (entries.length <= maxEntries) return { entries, coveredSince };
  const newest = entries.slice(-maxEntries);
  return { entries: newest, coveredSince: Math.max(coveredSince, newest[0]!.timestamp + 1) };
}

function withLive(
  state: State,
  { servers, heard, expiries, attempts, ...lists }: Partial<Live>,
): State {
  return {
    ...state,
    ...lists,
    ...(servers && { servers: new Map(Object.entries(servers)) }),
    ...(heard && { heard: new Map(Object.entries(heard)) }),
    ...(expiries && { expiries: new Map(Object.entries(expiries)) }),
    ...(attempts && { attempts: new Map(Object.entries(attempts)) }),
  };
}

/** The id before which older entries go on without a hole. */
export function firstId({ entries, id }: Pick<State, "entries" | "id">): number {
  return entries[0]?.id ?? id + 1;
}

function withHistory(
  state: State,
  { before, since, entries }: Extract<Received, { kind: "history" }>,
): State {
  // Since it was asked for, a gap has thrown away what it goes before.
  if (before !== firstId(state)) return state;
  const coveredSince = Math.min(state.coveredSince, since);
  return { ...state, ...kept([...entries.toReversed(), ...state.entries], { coveredSince }) };
}

/** What an event changes beside the log. */
type Change<N extends EventName> = (
  state: State,
  target: string,
  data: EventData[N],
  at: number,
) => Partial<State>;

const unchanged = () => ({});

/**
 * A snapshot may hold what events after it tell of, so each change is the same when it is made twice: it says how its
 * target is from here on.
 */
const changes: { [N in EventName]: Change<N> } = {
  "service.claim": ({ services }, id, claimed, at) => ({
    services: put(services, id, toClaim(id, claimed, at)),
  }),
  "service.release": ({ services }, id) => ({ services: without(services, id) }),
  "service.start": unchanged,
  "service.stop": unchanged,
  "service.launch": unchanged,
  "service.ready": unchanged,
  "service.hijacked": unchanged,
  "service.exit": unchanged,
  "service.endpoint": ({ services }, id, { environment, url }) => {
    const { [environment]: _, ...urls } = services.get(id)?.urls ?? {};
    return {
      services: patch(services, id, {
        urls: url === null ? urls : { ...urls, [environment]: url },
      }),
    };
  },
  "lock.acquire": ({ locks }, name, { owner, agent, pid, fence, expiresAt }, at) => ({
    locks: put(locks, name, { name, owner, agent, pid, fence, expiresAt, acquiredAt: at }),
  }),
  "lock.extend": ({ locks }, name, { pid, expiresAt }) => ({
    locks: patch(locks, name, { pid, expiresAt }),
  }),
  "lock.release": ({ locks }, name) => ({ locks: without(locks, name) }),
  "message.publish": unchanged,
  "channel.clear": unchanged,
  "agent.register": ({ agents }, id, { existing: _, pid: __, ...facts }, at) => {
    const registeredAt = agents.get(id)?.registeredAt ?? at;
    return { agents: put(agents, id, { ...facts, id, status: "active", registeredAt }) };
  },
  "agent.heartbeat": ({ agents }, id) => ({ agents: patch(agents, id, { status: "active" }) }),
  "agent.unregister": ({ agents }, id) => ({ agents: without(agents, id) }),
  "agent.stale": ({ agents }, id) => ({ agents: patch(agents, id, { status: "stale" }) }),
  "webhook.add": unchanged,
  "webhook.update": unchanged,
  "webhook.remove": unchanged,
  "webhook.pause": unchanged,
  "webhook.resume": unchanged,
  "daemon.start": unchanged,
  "daemon.stop": unchanged,
};

/** The log leaves out what is null. */
function toClaim(id: string, claimed: EventData["service.claim"], at: number): Claim {
  const { port, pid, agent, cmd, cwd, urls, health, metadata, createdAt, expiresAt } = claimed;
  return {
    id,
    port,
    pid: pid ?? null,
    agent: agent ?? null,
    cmd: cmd ?? null,
    cwd: cwd ?? null,
    urls: urls ?? {},
    health: health ?? null,
    metadata: metadata ?? null,
    createdAt: createdAt ?? at,
    expiresAt: expiresAt ?? null,
  };
}

function put<T>(of: ReadonlyMap<string, T>, key: string, value: T): ReadonlyMap<string, T> {
  return new Map(of).set(key, value);
}

/** Changes what is there; of what is not there nothing is known. */
function patch<T>(
  of: ReadonlyMap<string, T>,
  key: string,
  change: Partial<T>,
): ReadonlyMap<string, T> {
  const value = of.get(key);
  return value === undefined ? of : put(of, key, { ...value, ...change });
}

function without<T>(of: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  const rest = new Map(of);
  rest.delete(key);
  return rest;
}
