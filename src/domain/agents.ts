// Agents: who is registered, and who has not been heard from. What they hold is released where both can be seen.

import type { Agent, AgentStatus, Registered } from "../contract/entities.ts";
import type { EventData } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import { defaultMaxLocks, defaultMaxServices, type InputOf } from "../contract/operations.ts";
import { countRows } from "../store/queries.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import { birthmarkOf, hasDied } from "./processes.ts";
import { countOf } from "./registry.ts";

/** An agent that is silent for so long is stale. */
const silenceMs = 120_000;

/** One that is known to live by itself, by its process or an open stream, is written down no more often than this. */
const noteEveryMs = 30_000;

/** A stale one is kept so long. */
const keepStaleMs = 7 * 86_400_000;

type Row = Omit<Agent, "metadata" | "services" | "locks"> & {
  pidMark: string | null;
  metadata: string | null;
  staleAt: number;
};

const select = `
  SELECT id, name, type, pid, pid_mark AS pidMark, metadata, max_services AS maxServices, max_locks AS maxLocks, status,
         registered_at AS registeredAt, last_heartbeat_at AS lastHeartbeatAt, stale_at AS staleAt
  FROM agents`;

/** Registers an agent, or updates what is given of one that is. Throws `invalid_input` for a dead `pid`. */
export function register(
  world: World,
  { id, metadata, pid, ...given }: InputOf<"registerAgent">,
  caller: Caller,
): Registered {
  return world.journal.commit(() => {
    const before = findRow(world, id);
    const now = world.clock.now();
    const row: Row = {
      ...(before ?? { ...blank, id, registeredAt: now }),
      // A process that has died is none to live with.
      ...(before && hasDied(world, before) && { pid: null, pidMark: null }),
      ...given,
      ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }),
      ...(pid !== undefined && { pid, pidMark: birthmarkOf(world, pid) }),
      status: "active",
      lastHeartbeatAt: now,
      staleAt: now + silenceMs,
    };
    write(world, row);
    world.journal.record("agent.register", id, caller.actor, {
      name: row.name,
      type: row.type,
      pid: row.pid,
      maxServices: row.maxServices,
      maxLocks: row.maxLocks,
      existing: before !== undefined,
    });
    return { ...toAgent(world, row), registered: before === undefined };
  });
}

/** Notes that an agent was heard from, and revives it. Throws `not_found` where it is not registered. */
export function heartbeat(world: World, { id }: InputOf<"heartbeat">, caller: Caller): Agent {
  return world.journal.commit(() => {
    const row = getRow(world, id);
    note(world, row);
    world.journal.record("agent.heartbeat", id, caller.actor, { revived: row.status === "stale" });
    return get(world, { id });
  });
}

/** Notes that an agent has done something else. Of a name that is not registered nothing is noted. */
export function hear(world: World, id: string): void {
  world.journal.commit(() => {
    const row = findRow(world, id);
    if (!row) return;
    note(world, row);
    if (row.status === "stale") world.journal.record("agent.heartbeat", id, id, { revived: true });
  });
}

/** Notes that an agent was there until now. It is no sign that it still is: a connection also ends with its process. */
export function noteEnd(world: World, id: string): void {
  const row = findRow(world, id);
  if (row?.status === "active") world.journal.commit(() => noteAt(world, id));
}

/** Removes an agent. What it holds is the caller's to release. Throws `not_found` where it is not registered. */
export function unregister(world: World, { id }: InputOf<"unregisterAgent">, caller: Caller): void {
  world.journal.commit(() => {
    getRow(world, id);
    world.db.query("DELETE FROM agents WHERE id = ?").run(id);
    world.journal.record("agent.unregister", id, caller.actor, { reason: "asked" });
  });
}

export function list(
  world: World,
  { status }: InputOf<"agents">,
): { agents: Agent[]; count: number } {
  const rows = world.db.query(`${select} ORDER BY id`).all() as Row[];
  const agents = rows
    .filter((row) => status === undefined || row.status === status)
    .map((row) => toAgent(world, row));
  return { agents, count: agents.length };
}

/** Throws `not_found` where it is not registered. */
export function get(world: World, { id }: InputOf<"agent">): Agent {
  return toAgent(world, getRow(world, id));
}

export function count(world: World, status: AgentStatus): number {
  return countRows(world.db, "agents WHERE status = ?", status);
}

/** Why an agent is no longer there. */
export type Gone = { id: string; reason: EventData["agent.stale"]["reason"] };

/**
 * Looks at every active agent, and returns those that are gone: silent for too long, or their process has died.
 * `present` are those with an open stream or a held request.
 */
export function observe(world: World, present: ReadonlySet<string>): Gone[] {
  const rows = world.db.query(`${select} WHERE status = 'active'`).all() as Row[];
  const now = world.clock.now();
  return rows.flatMap((row): Gone[] => {
    const { id, pid, lastHeartbeatAt, staleAt } = row;
    if (hasDied(world, row)) return [{ id, reason: "pid_died" }];
    if (pid === null && !present.has(id)) return staleAt <= now ? [{ id, reason: "silent" }] : [];
    if (now - lastHeartbeatAt >= noteEveryMs) world.journal.commit(() => note(world, row));
    return [];
  });
}

/** Marks an agent as stale. What it holds is the caller's to release. */
export function markStale(world: World, { id, reason }: Gone): void {
  world.journal.commit(() => {
    const { lastHeartbeatAt } = getRow(world, id);
    world.db
      .query("UPDATE agents SET status = 'stale', stale_at = ? WHERE id = ?")
      .run(world.clock.now(), id);
    world.journal.record("agent.stale", id, daemonCaller.actor, { reason, lastHeartbeatAt });
  });
}

/** Forgets the agents that have been stale for long. */
export function prune(world: World): void {
  const before = world.clock.now() - keepStaleMs;
  const rows = world.db
    .query("SELECT id FROM agents WHERE status = 'stale' AND stale_at < ?")
    .all(before) as { id: string }[];
  if (rows.length === 0) return;
  world.journal.commit(() => {
    for (const { id } of rows) {
      world.db.query("DELETE FROM agents WHERE id = ?").run(id);
      world.journal.record("agent.unregister", id, daemonCaller.actor, { reason: "forgotten" });
    }
  });
}

/** The time passed without us, because the machine slept or the clock was set: nobody was silent through it. */
export function forgive(world: World, gapMs: number): void {
  world.journal.commit(() => {
    world.db.query("UPDATE agents SET stale_at = stale_at + ? WHERE status = 'active'").run(gapMs);
  });
}

/** At the daemon's start: nobody could be heard while it was away, however its clock was set meanwhile. */
export function resume(world: World): void {
  world.journal.commit(() => {
    world.db
      .query("UPDATE agents SET stale_at = ? WHERE status = 'active'")
      .run(world.clock.now() + silenceMs);
  });
}

const blank = {
  name: null,
  type: null,
  pid: null,
  pidMark: null,
  metadata: null,
  maxServices: defaultMaxServices,
  maxLocks: defaultMaxLocks,
};

/** Whoever speaks is alive, so a process of theirs that has died is none they live with. */
function note(world: World, row: Row): void {
  if (hasDied(world, row)) {
    world.db.query("UPDATE agents SET pid = NULL, pid_mark = NULL WHERE id = ?").run(row.id);
  }
  noteAt(world, row.id);
}

function noteAt(world: World, id: string): void {
  const now = world.clock.now();
  world.db
    .query("UPDATE agents SET status = 'active', last_heartbeat_at = ?, stale_at = ? WHERE id = ?")
    .run(now, now + silenceMs, id);
}

function findRow(world: World, id: string): Row | undefined {
  return (world.db.query(`${select} WHERE id = ?`).get(id) as Row | null) ?? undefined;
}

function getRow(world: World, id: string): Row {
  const row = findRow(world, id);
  if (row) return row;
  throw new Fault("not_found", `The agent ${id} is not registered`, {
    hint: `register it: port-daddy agent register ${id}`,
  });
}

function write(world: World, row: Row): void {
  world.db
    .query(
      `INSERT OR REPLACE INTO agents (id, name, type, pid, pid_mark, metadata, max_services, max_locks, status,
                                      registered_at, last_heartbeat_at, stale_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      row.id,
      row.name,
      row.type,
      row.pid,
      row.pidMark,
      row.metadata,
      row.maxServices,
      row.maxLocks,
      row.status,
      row.registeredAt,
      row.lastHeartbeatAt,
      row.staleAt,
    );
}

function toAgent(world: World, row: Row): Agent {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    pid: row.pid,
    metadata: row.metadata === null ? null : JSON.parse(row.metadata),
    maxServices: row.maxServices,
    maxLocks: row.maxLocks,
    status: row.status,
    registeredAt: row.registeredAt,
    lastHeartbeatAt: row.lastHeartbeatAt,
    services: countOf(world, row.id, "services"),
    locks: countOf(world, row.id, "locks"),
  };
}
