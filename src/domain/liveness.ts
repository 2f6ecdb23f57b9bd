// What is seen of claims over time: when a server starts and stops, and when a stopped one has been gone for good.

import { daemonCaller, type Sighting, type World } from "../world.ts";
import { end } from "./endings.ts";
import { view } from "./listeners.ts";
import { live, type Row } from "./serviceRows.ts";

/**
 * Looks at every claim and stores what has changed. A claim that was seen running ends when its process has died and
 * its port has been silent for the grace; where the process cannot be seen, silence alone decides.
 */
export function observe(world: World): void {
  const steps = observable(world).flatMap((row) => nextStep(world, row) ?? []);
  if (steps.length > 0) world.journal.commit(() => steps.forEach((step) => step()));
}

/** The claims of which something can have changed: one that was never seen to listen, and does not, is as it was. */
function observable(world: World): Row[] {
  // Looked at now, so that whoever shows what was seen in the next second shows what has been noted.
  const listening = JSON.stringify([...world.probe.listening(0)]);
  return live(
    world,
    "(seen_at IS NOT NULL OR port IN (SELECT value FROM json_each(?)))",
    listening,
  );
}

/** The time passed without us, because the machine slept or the clock was set: nobody was silent through it. */
export function forgive(world: World, gapMs: number): void {
  world.journal.commit(() => {
    world.db
      .query("UPDATE services SET silent_since = silent_since + ? WHERE silent_since IS NOT NULL")
      .run(gapMs);
  });
}

/** At the daemon's start: what was silent before has the whole grace again, because nobody looked meanwhile. */
export function resume(world: World): void {
  world.journal.commit(() => {
    world.db
      .query("UPDATE services SET silent_since = ? WHERE silent_since IS NOT NULL")
      .run(world.clock.now());
  });
}

/** What there is to store of a claim, if anything. */
function nextStep(world: World, row: Row): (() => void) | undefined {
  const { own } = view(world, row);
  const wasRunning = row.seenAt !== null && row.silentSince === null;
  if (own) {
    const isSame = own.process.pid === row.seenPid && (own.birthmark ?? null) === row.seenMark;
    return wasRunning && isSame ? undefined : () => hasStarted(world, row, own);
  }
  if (wasRunning) return () => hasStopped(world, row);
  return isGoneForGood(world, row) ? () => end(world, row, "stopped", daemonCaller) : undefined;
}

function hasStarted(world: World, row: Row, { process, birthmark }: Sighting): void {
  const now = world.clock.now();
  world.db
    .query(
      `UPDATE services SET seen_pid = ?, seen_mark = ?, seen_at = coalesce(seen_at, ?), silent_since = NULL,
                           last_seen_at = ? WHERE id = ?`,
    )
    .run(process.pid, birthmark ?? null, now, now, row.id);
  if (row.seenAt !== null && row.silentSince === null) return; // Another of its processes has the socket now.
  const { pid, command } = process;
  world.journal.record("service.start", row.id, daemonCaller.actor, {
    port: row.port,
    pid,
    command,
  });
}

function hasStopped(world: World, { id, port }: Row): void {
  const now = world.clock.now();
  world.db
    .query("UPDATE services SET silent_since = ?, last_seen_at = ? WHERE id = ?")
    .run(now, now, id);
  world.journal.record("service.stop", id, daemonCaller.actor, { port });
}

function isGoneForGood(world: World, { silentSince, seenPid, seenMark }: Row): boolean {
  if (silentSince === null || world.clock.now() - silentSince < world.config.graceMs) return false;
  return seenPid === null || world.probe.birthmark(seenPid) !== seenMark;
}
