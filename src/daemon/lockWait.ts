// Requests for a lock, at once or held until it is free. What cannot be delivered any more is taken back.

import type { Lock } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import * as lockQueue from "../domain/lockQueue.ts";
import * as locks from "../domain/locks.ts";
import type { Caller } from "../world.ts";
import type { Daemon } from "./daemon.ts";
import { goneFault, stoppingFault, type HeldRequest } from "./request.ts";

/** Acquires a lock at once or not at all. */
export async function acquireNow(
  { world }: Daemon,
  input: InputOf<"lock">,
  caller: Caller,
  { signal }: HeldRequest,
): Promise<Lock> {
  const lock = locks.acquire(world, input, caller);
  await world.journal.landed();
  if (signal.aborted) locks.takeBack(world, lock);
  return lock;
}

/**
 * Answers when the lock is acquired, first come first served. Throws `timed_out` naming the holder, `limit_reached`,
 * `unavailable` where the daemon stops meanwhile.
 */
export async function untilAcquired(
  { world, alarm, live, stopping }: Daemon,
  input: InputOf<"lock">,
  caller: Caller,
  { signal, hold }: HeldRequest,
): Promise<Lock> {
  if (stopping.aborted) throw stoppingFault();
  const letGo = hold();
  let ending = Promise.withResolvers<Ending>();
  // What is granted must land, and only at this moment is it known with which turn.
  const end = (outcome: Lock | Fault) => ending.resolve({ outcome, landed: isStored(world) });
  const onStop = () => end(stoppingFault());
  const onGone = () => end(goneFault());
  stopping.addEventListener("abort", onStop);
  signal.addEventListener("abort", onGone);
  let leave = () => {};
  try {
    const isGone = () => signal.aborted || stopping.aborted;
    const waiter = lockQueue.join(world, { input, caller, isGone, end });
    leave = () => lockQueue.leave(world, waiter);
    alarm.set();
    live.touch();
    while (true) {
      const { outcome, landed } = await ending.promise;
      const hasLanded = await landed;
      if (outcome instanceof Fault) throw outcome;
      if (hasLanded) {
        if (signal.aborted) locks.takeBack(world, outcome);
        return outcome;
      }
      // With the grant went whatever freed the lock.
      ending = Promise.withResolvers();
      lockQueue.stand(world, waiter, "back");
      alarm.set();
      if (stopping.aborted) onStop();
      if (signal.aborted) onGone();
    }
  } finally {
    leave();
    live.touch();
    stopping.removeEventListener("abort", onStop);
    signal.removeEventListener("abort", onGone);
    letGo();
  }
}

/** How a wait for a lock ended, and whether what that rests on is stored, once that is known. */
type Ending = { outcome: Lock | Fault; landed: Promise<boolean> };

function isStored({ journal }: Daemon["world"]): Promise<boolean> {
  return journal.landed().then(
    () => true,
    () => false,
  );
}
