// Cuts what is kept for a while to its retention: all of it now and then, and as it grows what is kept by number.

import * as activity from "../domain/activity.ts";
import * as agents from "../domain/agents.ts";
import * as deliveries from "../domain/deliveries.ts";
import * as launches from "../domain/launches.ts";
import * as messages from "../domain/messages.ts";
import { indexLog } from "../store/logIndex.ts";
import type { World } from "../world.ts";

/** So many events may come between two looks. To delete as many takes some five milliseconds. */
export const eventsBetweenLooks = 2_000;

/** Also what has become too old. */
export function prune(world: World): void {
  messages.prune(world);
  agents.prune(world);
  deliveries.prune(world);
  launches.prune(world);
  index(world);
  activity.prune(world);
}

/**
 * From now on, cuts the log and the deliveries as they grow. Under load there would be many times as much by the next
 * time that everything is pruned, in a file that never shrinks, and to delete it would hold up everybody for seconds.
 */
export function pruneAsItGrows(
  world: World,
  stopping: AbortSignal,
  report: (error: unknown) => void,
): void {
  const { journal } = world;
  let [lastLook, isDue] = [journal.landedId(), false];
  function look(): void {
    isDue = false;
    if (stopping.aborted) return;
    lastLook = journal.landedId();
    try {
      deliveries.prune(world);
      index(world);
      activity.pruneSurplus(world);
    } catch (error) {
      report(error); // The next look may find the disk with room again.
    }
  }
  journal.watch({
    landed() {
      if (isDue || journal.landedId() - lastLook < eventsBetweenLooks) return;
      isDue = true;
      // Whoever waits for this turn is answered first.
      setImmediate(look);
    },
    undone() {},
  });
}

/** What prunes the log finds by its indices, and under a load that never pauses nobody else brings them up to date. */
function index(world: World): void {
  world.journal.commit(() => indexLog(world.db));
}
