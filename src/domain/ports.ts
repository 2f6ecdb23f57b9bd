// Which port an identity gets.
//
// The one asked for; else the one it had last; else the lowest in range that nobody remembers; else the one released
// longest ago. Never a reserved one, one that browsers refuse, or one that does not bind at this moment. Asked for by its
// number, a port is had back also from under the identity's own server, seen there when its claim ended.

import { badPorts } from "../contract/badPorts.ts";
import { processInWords, type Moved } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { contains, format, parse, type Range } from "../contract/range.ts";
import type { Database } from "../store/database.ts";
import type { Journal } from "../store/journal.ts";
import type { World } from "../world.ts";

/** What a claim asks for: a port, or a range as `a-b`. */
export type Wish = { port?: number; range?: string };
export type Choice = {
  port: number;
  /** The identity's own server, where that has outlived an earlier claim and listens on it. */
  server?: Server;
  movedFrom?: Moved;
  warning?: string;
};

/** The process that serves a claim, what tells it from a later one of the same number, and who claimed for it. */
export type Server = { pid: number; mark: string; claimer: string | null };

/**
 * Chooses a port for an identity that holds none, or that moves; `last` is the one it had. Must run inside the commit
 * that stores it, so that nothing happens between the probe and the row.
 * Throws `held` or `invalid_input` where a port asked for cannot be had, `no_port` where none is left.
 */
export function choose(world: World, id: string, wish: Wish, last: number | undefined): Choice {
  if (wish.port !== undefined) return requested(world, id, wish.port);
  const within = wish.range === undefined ? undefined : parse(wish.range);
  const movedFrom = last === undefined ? undefined : whyNot(world, id, last, within);
  if (last !== undefined && movedFrom === undefined) return withWarning(last);
  return { port: search(world, within ?? world.config.range), ...(movedFrom && { movedFrom }) };
}

/** Remembers a port as the identity's, held by it from now on, instead of the one that it had before. */
export function remember(world: World, id: string, port: number, before: number | undefined): void {
  world.db
    .query(
      `INSERT INTO port_memory (id, port) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET
         port = excluded.port, released_at = NULL,
         server_pid = NULL, server_mark = NULL, server_claimer = NULL`,
    )
    .run(id, port);
  world.rememberedPorts.add(port);
  if (before !== undefined && before !== port) world.rememberedPorts.lookAgain(before);
}

/** Marks the identity's port as released now. It stays remembered, with the process that serves it. */
export function markReleased(world: World, id: string, server: Server | undefined): void {
  world.db
    .query(
      `UPDATE port_memory SET released_at = ?, server_pid = ?, server_mark = ?, server_claimer = ? WHERE id = ?`,
    )
    .run(world.clock.now(), server?.pid ?? null, server?.mark ?? null, server?.claimer ?? null, id);
}

/** Why a port is never given out unasked; `null` where it may be. */
export function refusal(world: World, port: number): string | null {
  if (world.config.reserved.has(port)) return "reserved";
  return badPorts.has(port) ? "browsers refuse it" : null;
}

export type RememberedPorts = {
  /** The lowest port from here on that nobody remembers. */
  nextUnknown(from: number): number;
  add(port: number): void;
  /** For a port that an identity no longer remembers: another may. */
  lookAgain(port: number): void;
};

/**
 * The ports that somebody remembers, kept beside the table so that looking for a fresh one need not ask the database
 * for each. What changed and is then undone is looked up again.
 */
export function indexRemembered(db: Database, journal: Journal): RememberedPorts {
  const marks = new Uint8Array(65_536);
  const notLanded = new Set<number>();
  function lookUp(port: number): void {
    marks[port] = isRemembered(db, port) ? 1 : 0;
  }
  const rows = db.query("SELECT port FROM port_memory").all() as { port: number }[];
  for (const { port } of rows) marks[port] = 1;
  journal.watch({ landed: () => notLanded.clear(), undone: () => notLanded.forEach(lookUp) });
  return {
    nextUnknown(from) {
      const port = marks.indexOf(0, from);
      return port < 0 ? Number.POSITIVE_INFINITY : port;
    },
    add(port) {
      marks[port] = 1;
      notLanded.add(port);
    },
    lookAgain(port) {
      lookUp(port);
      notLanded.add(port);
    },
  };
}

function requested(world: World, id: string, port: number): Choice {
  if (world.config.reserved.has(port)) {
    throw new Fault("invalid_input", `Port ${port} is reserved and never assigned`, {
      details: { field: "port" },
      hint: `let one be chosen: port-daddy claim ${id}`,
    });
  }
  const owner = claimant(world, port);
  if (owner !== undefined && owner !== id) throw heldByIdentity(port, owner);
  const obstacle = world.probe.obstacle(port);
  if (obstacle === "in_use") {
    const server = findOwnServer(world, id, port);
    if (!server) throw heldByProcess(world, id, port);
    return { ...withWarning(port), server };
  }
  if (obstacle === "not_permitted") {
    throw new Fault("invalid_input", `Port ${port} is not permitted to this user`, {
      details: { field: "port" },
      hint: `let one be chosen: port-daddy claim ${id}`,
    });
  }
  return withWarning(port);
}

function withWarning(port: number): Choice {
  return badPorts.has(port)
    ? { port, warning: `browsers refuse to connect to port ${port}` }
    : { port };
}

/** The very process that served this identity there when its claim ended, if that listens on the port still. */
function findOwnServer(world: World, id: string, port: number): Server | undefined {
  const server = world.db
    .query(
      `SELECT server_pid AS pid, server_mark AS mark, server_claimer AS claimer FROM port_memory
       WHERE id = ? AND port = ? AND server_pid IS NOT NULL AND server_mark IS NOT NULL`,
    )
    .get(id, port) as Server | null;
  if (!server) return undefined;
  const isThere = world.probe
    .listenersOn(port)
    .some(({ process, birthmark }) => process.pid === server.pid && birthmark === server.mark);
  return isThere ? server : undefined;
}

function heldByIdentity(port: number, owner: string): Fault {
  return new Fault("held", `Port ${port} is held by ${owner}`, {
    details: { port, holder: { id: owner, process: null } },
    hint: `see who that is: port-daddy who ${port}`,
  });
}

function heldByProcess(world: World, id: string, port: number): Fault {
  const process = world.probe.listenersOn(port)[0]?.process ?? null;
  return new Fault("held", `Port ${port} is in use by ${processInWords(process)}`, {
    details: { port, holder: { id: null, process } },
    hint: `let another be chosen: port-daddy claim ${id}`,
  });
}

/** Why the port an identity had cannot be had again; `undefined` where it can. */
function whyNot(
  world: World,
  id: string,
  port: number,
  within: Range | undefined,
): Moved | undefined {
  if (within && !contains(within, port)) return { port, reason: "out_of_range", holder: null };
  if (world.config.reserved.has(port)) return { port, reason: "reserved", holder: null };
  const owner = claimant(world, port);
  if (owner !== undefined && owner !== id)
    return { port, reason: "held", holder: { id: owner, process: null } };
  const obstacle = world.probe.obstacle(port);
  if (obstacle === "not_permitted") return { port, reason: "not_permitted", holder: null };
  if (obstacle) {
    const process = world.probe.listenersOn(port)[0]?.process ?? null;
    return { port, reason: "in_use", holder: { id: null, process } };
  }
  return undefined;
}

function search(world: World, range: Range): number {
  const port = lowestFresh(world, range) ?? releasedLongestAgo(world, range);
  if (port === undefined) throw noneLeft(world, range);
  return port;
}

function lowestFresh(world: World, range: Range): number | undefined {
  // A bind that fails is dear, and what has a port keeps it for long; a second later it is looked at again.
  const { nextUnknown } = world.rememberedPorts;
  for (let port = nextUnknown(range.start); port <= range.end; port = nextUnknown(port + 1))
    if (!world.probe.wasInUse(port) && isAvailable(world, port)) return port;
  return undefined;
}

function releasedLongestAgo(world: World, range: Range): number | undefined {
  const rows = world.db
    .query(
      `SELECT port FROM port_memory AS own
       WHERE released_at IS NOT NULL AND port BETWEEN ? AND ?
         AND NOT EXISTS (SELECT 1 FROM services WHERE services.port = own.port)
         AND NOT EXISTS (SELECT 1 FROM port_memory AS other
                         WHERE other.port = own.port AND other.released_at > own.released_at)
       ORDER BY released_at, port`,
    )
    .all(range.start, range.end) as { port: number }[];
  return rows.find(({ port }) => isAvailable(world, port))?.port;
}

function isAvailable(world: World, port: number): boolean {
  return refusal(world, port) === null && world.probe.obstacle(port) === undefined;
}

function noneLeft(world: World, range: Range): Fault {
  // Not those that run, nor those of this very moment, which may be this claim's own and about to be undone.
  const longestUnused = world.db
    .query(
      `SELECT id, port, last_seen_at AS lastSeenAt FROM services
       WHERE port BETWEEN ? AND ? AND last_seen_at < ?
         AND (seen_at IS NULL OR silent_since IS NOT NULL) ORDER BY last_seen_at, id LIMIT 10`,
    )
    .all(range.start, range.end, world.clock.now()) as {
    id: string;
    port: number;
    lastSeenAt: number;
  }[];
  const names = longestUnused.map(({ id }) => id).join(", ");
  return new Fault("no_port", `No port is left in ${format(range)}`, {
    details: { range: format(range), longestUnused },
    hint: names
      ? `longest unused are ${names}; free one: port-daddy release ${longestUnused[0]!.id}`
      : `allow others: port-daddy claim <id> --range 20000-29999`,
  });
}

/** The port that an identity had last, if it ever had one. */
export function remembered(world: World, id: string): number | undefined {
  const row = world.db.query("SELECT port FROM port_memory WHERE id = ?").get(id) as {
    port: number;
  } | null;
  return row?.port;
}

function isRemembered(db: Database, port: number): boolean {
  return db.query("SELECT 1 FROM port_memory WHERE port = ? LIMIT 1").get(port) !== null;
}

function claimant(world: World, port: number): string | undefined {
  const row = world.db.query("SELECT id FROM services WHERE port = ?").get(port) as {
    id: string;
  } | null;
  return row?.id;
}
