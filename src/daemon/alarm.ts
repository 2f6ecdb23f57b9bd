// Wakes those who wait for locks at the moment when a lock lapses or a wait is over.

import * as lockQueue from "../domain/lockQueue.ts";
import type { World } from "../world.ts";

export type Alarm = {
  /** Sets it anew: what is waited for has changed. */
  set(): void;
  clear(): void;
};

/** How soon what could not be done is tried again. */
const tryAgainAfterMs = 1_000;

/** `catchUp` notices time that passed without us: nobody's lock lapses by it. */
export function createAlarm(
  world: World,
  catchUp: () => void,
  report: (error: unknown) => void,
): Alarm {
  let timer: Timer | undefined;
  function clear(): void {
    clearTimeout(timer);
    timer = undefined;
  }
  function ring(): void {
    try {
      catchUp();
      lockQueue.wake(world);
    } catch (error) {
      report(error); // The reaper's next round tries again.
    }
    // What is still due has failed, as on a full disk.
    setIn(tryAgainAfterMs);
  }
  function setIn(leastMs: number): void {
    clear();
    if (world.lockQueue.size === 0) return;
    const inMs = lockQueue.nextWake(world) - world.clock.now();
    if (Number.isFinite(inMs)) timer = setTimeout(ring, Math.max(leastMs, inMs));
  }
  const set = () => setIn(1);
  world.journal.listen(({ event }) => {
    if (event.startsWith("lock.")) set();
  });
  return { set, clear };
}
