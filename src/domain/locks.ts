// Locks: one holder at a time, from the moment it is acquired until it is released, lapses or its process dies.

import type { FreedLock, Lock, LockState } from "../contract/entities.ts";
import type { UnlockReason } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import { defaultTtlMs, type InputOf } from "../contract/operations.ts";
import { matcher } from "../contract/pattern.ts";
import { countRows } from "../store/queries.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import { held, notHeld, requireOwner } from "./lockFaults.ts";
import { countWaiting, findRow, select, toLock, write, type Row } from "./lockRows.ts";
import { birthmarkOf, hasDied } from "./processes.ts";
import { requireRoom } from "./registry.ts";

/** After a start of the daemon every holder has at least so long to be heard from. */
const restartGraceMs = 15_000;

/**
 * Acquires a lock. It is not re-entrant: also for the holder itself it is held. Asked again by the same `attempt`, it
 * is the same acquisition. Throws `held` naming the holder, `limit_reached`, `invalid_input` for a dead `pid`.
 */
export function acquire(world: World, input: InputOf<"lock">, caller: Caller): Lock {
  const row = findLiving(world, input.name);
  if (row && isAttempt(row, input, caller)) return grantAgain(world, row);
  if (row || countWaiting(world, input.name) > 0)
    throw held(world, input.name, row, ownerOf(input, caller));
  return take(world, input, caller);
}

/** Whether nobody has a lock; one whose holder is gone is freed by that. */
export function isFree(world: World, name: string): boolean {
  return findLiving(world, name) === undefined;
}

/** The lock that an attempt was granted before: its answer was lost, and nobody else takes it back. */
export function findGranted(
  world: World,
  input: InputOf<"lock">,
  caller: Caller,
): Lock | undefined {
  const row = findLiving(world, input.name);
  return row && isAttempt(row, input, caller) ? grantAgain(world, row) : undefined;
}

/** Extends a lock. Throws `not_found` where it is not held, `not_owner` for anybody but its holder. */
export function extend(
  world: World,
  { name, owner, fence, ttl, pid, whileAlive }: InputOf<"extendLock">,
  caller: Caller,
): Lock {
  const row = findLiving(world, name) ?? notHeld(world, name);
  requireOwner(row, ownerOf({ owner }, caller), fence);
  const ttlMs = ttl ?? row.ttlMs;
  const extended: Row = {
    ...row,
    ...(pid !== undefined && { pid, pidMark: birthmarkOf(world, pid) }),
    ...(whileAlive !== undefined && { whileAlive: Number(whileAlive) }),
    ttlMs,
    expiresAt: world.clock.now() + ttlMs,
  };
  const lock = toLock(world, extended);
  world.journal.commit(() => {
    write(world, extended);
    world.journal.record("lock.extend", name, caller.actor, {
      owner: lock.owner,
      pid: lock.pid,
      fence: lock.fence,
      expiresAt: lock.expiresAt,
    });
  });
  return lock;
}

/** Releases a lock. Throws `not_found` where it is not held, `not_owner` for anybody but its holder without `force`. */
export function release(
  world: World,
  { name, owner, fence, force }: InputOf<"unlock">,
  caller: Caller,
): { released: boolean; lock: Lock } {
  // Also where its process has died: whoever gives it back then, as the command that ran it, does so by right.
  const row = findCurrent(world, name) ?? notHeld(world, name);
  // By force, one need not be the holder; but a fence that is given says from whom the lock is taken.
  requireOwner(row, force ? row.owner : ownerOf({ owner }, caller), fence);
  world.journal.commit(() => free(world, row, force ? "forced" : "released", caller));
  return { released: true, lock: toLock(world, row) };
}

/** Takes an acquisition back that could not be delivered; does nothing where it has ended meanwhile. */
export function takeBack(world: World, { name, fence }: Lock): void {
  const row = findCurrent(world, name);
  if (row?.fence !== fence || row.askedAgain) return;
  world.journal.commit(() => free(world, row, "caller_gone", daemonCaller));
}

export function list(
  world: World,
  { owner, pattern }: InputOf<"locks">,
): { locks: Lock[]; count: number } {
  freeLapsed(world);
  const isMatch = matcher(pattern ?? "*");
  const rows = world.db.query(`${select} ORDER BY name`).all() as Row[];
  const locks = rows
    .filter((row) => isMatch(row.name) && (owner === undefined || row.owner === owner))
    .map((row) => toLock(world, row));
  return { locks, count: locks.length };
}

export function get(world: World, { name }: InputOf<"lockState">): LockState {
  const row = findCurrent(world, name);
  return { name, held: row !== undefined, lock: row ? toLock(world, row) : null };
}

export function count(world: World): number {
  return countRows(world.db, "locks WHERE expires_at > ?", world.clock.now());
}

/** The locks that are held, by fence, and since when. */
export function acquisitions(world: World): Map<number, number> {
  const rows = world.db.query("SELECT fence, acquired_at FROM locks").values();
  return new Map(rows as [number, number][]);
}

/** Frees the locks whose time is over. Whoever looks at locks has this done first, however late the reaper runs. */
export function freeLapsed(world: World): void {
  const rows = world.db.query(`${select} WHERE expires_at <= ?`).all(world.clock.now()) as Row[];
  freeAll(world, rows, "expired");
}

/** Frees the locks whose process has died. */
export function freeDead(world: World): void {
  const rows = world.db.query(`${select} WHERE pid IS NOT NULL`).all() as Row[];
  freeAll(
    world,
    rows.filter((row) => hasDied(world, row)),
    "pid_died",
  );
}

/** Extends the locks that live with a process, while that lives. Nobody asked for it, so it is no event. */
export function extendLiving(world: World): void {
  const now = world.clock.now();
  const rows = world.db
    .query(`${select} WHERE while_alive AND expires_at - ? < ttl_ms / 2`)
    .all(now) as Row[];
  const living = rows.filter((row) => row.pid !== null && !hasDied(world, row));
  if (living.length === 0) return;
  world.journal.commit(() => {
    for (const row of living) write(world, { ...row, expiresAt: now + row.ttlMs });
  });
}

/** Frees what an agent holds. */
export function freeOf(
  world: World,
  agent: string,
  reason: UnlockReason,
  caller: Caller,
): FreedLock[] {
  freeLapsed(world);
  return world.journal.commit(() => {
    const rows = world.db.query(`${select} WHERE agent = ? ORDER BY name`).all(agent) as Row[];
    for (const row of rows) free(world, row, reason, caller);
    return rows.map(({ name, fence }) => ({ name, fence }));
  });
}

/** The time passed without us, because the machine slept or the clock was set: nobody's lock lapsed through it. */
export function forgive(world: World, gapMs: number): void {
  world.journal.commit(() => {
    world.db.query("UPDATE locks SET expires_at = expires_at + ?").run(gapMs);
  });
}

/**
 * At the daemon's start: a holder that could not reach us has a while to do so. None has more than its whole time, which
 * it would where the clock was set back meanwhile.
 */
export function resume(world: World): void {
  const now = world.clock.now();
  world.journal.commit(() => {
    world.db
      .query("UPDATE locks SET expires_at = max(min(expires_at, ? + ttl_ms), ?)")
      .run(now, now + restartGraceMs);
  });
}

/** Why a wait for a lock has ended without it: somebody has it still. */
export function stillHeld(world: World, name: string, as?: string): Fault {
  return held(world, name, findCurrent(world, name), as);
}

/** When a lock lapses, unless it is extended; `undefined` where nobody has it. */
export function lapseOf(world: World, name: string): number | undefined {
  const row = world.db.query("SELECT expires_at AS at FROM locks WHERE name = ?").get(name);
  return (row as { at: number } | null)?.at;
}

function isAttempt(row: Row, { attempt, owner }: InputOf<"lock">, caller: Caller): boolean {
  const as = ownerOf({ owner }, caller) ?? row.owner;
  return row.attempt !== null && row.attempt === attempt && row.owner === as;
}

/** Makes somebody the holder of a lock that is free: the caller has seen that it is. */
export function take(world: World, input: InputOf<"lock">, caller: Caller): Lock {
  const { name, ttl = defaultTtlMs, pid, metadata, attempt } = input;
  const agent = caller.agent ?? null;
  requireRoom(world, agent, "locks");
  const now = world.clock.now();
  const row: Row = {
    name,
    // Whoever has no name gets one, which is needed to unlock.
    owner: ownerOf(input, caller) ?? crypto.randomUUID(),
    agent,
    pid: pid ?? null,
    pidMark: pid === undefined ? null : birthmarkOf(world, pid),
    fence: world.sequences.fences.next(),
    acquiredAt: now,
    expiresAt: now + ttl,
    ttlMs: ttl,
    metadata: metadata === undefined ? null : JSON.stringify(metadata),
    attempt: attempt ?? null,
    askedAgain: 0,
    whileAlive: 0,
  };
  const { owner, fence, expiresAt } = row;
  world.journal.commit(() => {
    write(world, row);
    world.journal.record("lock.acquire", name, caller.actor, {
      owner,
      agent,
      pid: row.pid,
      fence,
      expiresAt,
    });
  });
  return toLock(world, row);
}

function grantAgain(world: World, row: Row): Lock {
  world.journal.commit(() => write(world, { ...row, askedAgain: 1 }));
  return toLock(world, row);
}

/** Who a caller is as an owner: whom it names, else its agent, else the process behind it. */
export function ownerOf(
  { owner }: { owner?: string | undefined },
  { agent, id }: Caller,
): string | undefined {
  return owner ?? agent ?? id;
}

/** The lock of a name, unless its time is over: then it is freed, and a refusal does not undo that. */
function findCurrent(world: World, name: string): Row | undefined {
  const row = findRow(world, name);
  if (!row || row.expiresAt > world.clock.now()) return row;
  freeAll(world, [row], "expired");
  return undefined;
}

/** The same, unless its process has died. */
function findLiving(world: World, name: string): Row | undefined {
  const row = findCurrent(world, name);
  if (!row || !hasDied(world, row)) return row;
  freeAll(world, [row], "pid_died");
  return undefined;
}

function freeAll(world: World, rows: Row[], reason: UnlockReason): void {
  if (rows.length === 0) return;
  world.journal.commit(() => {
    for (const row of rows) free(world, row, reason, daemonCaller);
  });
}

function free(
  world: World,
  { name, owner, fence }: Row,
  reason: UnlockReason,
  caller: Caller,
): void {
  world.db.query("DELETE FROM locks WHERE name = ?").run(name);
  world.journal.record("lock.release", name, caller.actor, { owner, fence, reason });
}
