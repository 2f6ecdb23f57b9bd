// Watches the living and frees what belongs to the dead, and nothing else.

import { releaseDead, releaseExpired } from "../domain/endings.ts";
import * as liveness from "../domain/liveness.ts";
import type { World } from "../world.ts";

/** How often the living are looked at and the dead are looked for. */
export const reapEveryMs = 2_000;

/** How often the activity log is cut to its retention. */
export const pruneEveryMs = 10 * 60_000;

/** A round this much early or late means that the machine slept, we were stopped, or the clock was set. */
const tolerableMs = 3_000;

/** Makes the round that runs every `reapEveryMs`. What counts silence does not count time that nobody could use. */
export function makeReaper(world: World): () => void {
  let last = world.clock.now();
  liveness.resume(world);
  return function round() {
    const now = world.clock.now();
    const gapMs = now - last - reapEveryMs;
    last = now;
    if (Math.abs(gapMs) > tolerableMs) liveness.forgive(world, gapMs);
    reap(world);
  };
}

/** One look at everything. */
export function reap(world: World): void {
  releaseExpired(world);
  releaseDead(world);
  liveness.observe(world);
}
