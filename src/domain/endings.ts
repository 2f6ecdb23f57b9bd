// How claims end, other than by being given back.

import type { Freed } from "../contract/entities.ts";
import type { ReleaseReason } from "../contract/events.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import { view } from "./listeners.ts";
import * as ports from "./ports.ts";
import { hasDied } from "./processes.ts";
import { select, type Row } from "./serviceRows.ts";

/** Ends the claims whose time is over. An expired one is never shown or honoured, however late this runs. */
export function releaseExpired(world: World): void {
  const rows = world.db.query(`${select} WHERE expires_at <= ?`).all(world.clock.now()) as Row[];
  endAll(world, rows, "expired");
}

/** Ends the claims whose process has died, or whose process number belongs to another by now. */
export function releaseDead(world: World): void {
  const rows = world.db.query(`${select} WHERE pid IS NOT NULL`).all() as Row[];
  endAll(
    world,
    rows.filter((row) => hasDied(world, row)),
    "pid_died",
  );
}

/** Ends what an agent holds. */
export function releaseOf(
  world: World,
  agent: string,
  reason: ReleaseReason,
  caller: Caller,
): Freed[] {
  releaseExpired(world);
  return world.journal.commit(() => {
    const rows = world.db.query(`${select} WHERE agent = ? ORDER BY id`).all(agent) as Row[];
    for (const row of rows) end(world, row, reason, caller);
    return rows.map(({ id, port }) => ({ id, port }));
  });
}

export function endAll(world: World, rows: Row[], reason: ReleaseReason): void {
  if (rows.length === 0) return;
  world.journal.commit(() => {
    for (const row of rows) end(world, row, reason, daemonCaller);
  });
}

/** Ends one claim and records why. Its port stays remembered. */
export function end(world: World, row: Row, reason: ReleaseReason, caller: Caller): void {
  const { id, port } = row;
  const server = serverOf(world, row);
  world.db.query("DELETE FROM services WHERE id = ?").run(id);
  ports.markReleased(world, id, server);
  world.journal.record("service.release", id, caller.actor, { port, reason });
}

/** The server of a claim; also one that has begun to listen since the last round. */
function serverOf(world: World, row: Row): ports.Server | undefined {
  const { seenPid, seenMark, seenAt, claimer } = row;
  const now = seenAt === null ? view(world, row).own : undefined;
  const [pid, mark] = [seenPid ?? now?.process.pid, seenMark ?? now?.birthmark];
  return typeof pid === "number" && typeof mark === "string" ? { pid, mark, claimer } : undefined;
}
