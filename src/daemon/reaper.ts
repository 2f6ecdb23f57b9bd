// Watches the living and frees what belongs to the dead, and nothing else.

import type { Freed, FreedLock } from "../contract/entities.ts";
import * as agents from "../domain/agents.ts";
import { releaseDead, releaseExpired, releaseOf } from "../domain/endings.ts";
import * as launches from "../domain/launches.ts";
import * as liveness from "../domain/liveness.ts";
import * as lockQueue from "../domain/lockQueue.ts";
import * as locks from "../domain/locks.ts";
import * as messages from "../domain/messages.ts";
import type { Caller, World } from "../world.ts";
import { daemonCaller } from "../world.ts";

/** How often the living are looked at and the dead are looked for. */
export const reapEveryMs = 2_000;

/** How often what is kept for a while is cut to its retention. */
export const pruneEveryMs = 10 * 60_000;

/** A round this much early or late means that the machine slept, we were stopped, or the clock was set. */
const tolerableMs = 3_000;

export type Reaper = {
  /** At the daemon's start: who could not reach it while it was away has a while to do so. */
  resume(): void;
  /** The round that runs every `reapEveryMs`. */
  round(): void;
  /** Notices time that passed without us, before anything is judged by it. Cheap where there was none. */
  catchUp(): void;
};

/** What counts silence does not count time that nobody could use. `present` are the agents with something open. */
export function createReaper(world: World, present: () => ReadonlySet<string>): Reaper {
  let last = world.clock.now();
  function catchUp(): void {
    const now = world.clock.now();
    const gapMs = now - last - reapEveryMs;
    if (Math.abs(gapMs) <= tolerableMs) return;
    forgive(world, gapMs);
    last = now;
  }
  return {
    resume: () => resume(world),
    catchUp,
    round() {
      catchUp();
      last = world.clock.now();
      reap(world, present());
    },
  };
}

/** One look at everything. */
export function reap(world: World, present: ReadonlySet<string> = new Set()): void {
  releaseExpired(world);
  releaseDead(world);
  launches.endDead(world);
  liveness.observe(world);
  for (const gone of agents.observe(world, present)) {
    world.journal.commit(() => {
      agents.markStale(world, gone);
      releaseAll(world, gone.id, "agent_stale", daemonCaller);
    });
  }
  locks.extendLiving(world);
  locks.freeLapsed(world);
  locks.freeDead(world);
  lockQueue.wake(world);
  messages.removeExpired(world);
}

/** Releases everything an agent holds, and nobody else's. */
export function releaseAll(
  world: World,
  agent: string,
  reason: "agent_stale" | "agent_unregistered",
  caller: Caller,
): { services: Freed[]; locks: FreedLock[] } {
  lockQueue.dismiss(world, agent);
  return {
    services: releaseOf(world, agent, reason, caller),
    locks: locks.freeOf(world, agent, reason, caller),
  };
}

function resume(world: World): void {
  world.journal.commit(() => {
    liveness.resume(world);
    locks.resume(world);
    agents.resume(world);
  });
}

function forgive(world: World, gapMs: number): void {
  world.journal.commit(() => {
    liveness.forgive(world, gapMs);
    locks.forgive(world, gapMs);
    agents.forgive(world, gapMs);
  });
  lockQueue.forgive(world, gapMs);
}
