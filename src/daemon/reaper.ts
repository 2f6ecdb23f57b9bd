// Frees what belongs to the dead, and nothing else.

import * as activity from "../domain/activity.ts";
import * as services from "../domain/services.ts";
import type { World } from "../world.ts";

/** How often the dead are looked for. */
export const reapEveryMs = 2_000;

/** How often the activity log is cut to its retention. */
export const pruneEveryMs = 10 * 60_000;

export function reap(world: World): void {
  services.releaseExpired(world);
  services.releaseDead(world);
}

export function prune(world: World): void {
  activity.prune(world);
}
