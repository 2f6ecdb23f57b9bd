// Who waits for which lock: first come, first served. It lives as long as the requests that wait, so it is not stored.

import type { Lock } from "../contract/entities.ts";
import { format } from "../contract/duration.ts";
import { asFault, Fault } from "../contract/faults.ts";
import type { Waiting } from "../contract/feed.ts";
import { defaultWaitMs, type InputOf } from "../contract/operations.ts";
import type { Caller, World } from "../world.ts";
import * as locks from "./locks.ts";
import { birthmarkOf } from "./processes.ts";
import { requireRoom } from "./registry.ts";

/** The lines by name of the lock; one that nobody stands in is not there. */
export type LockQueue = Map<string, Waiter[]>;

export type Waiter = {
  input: InputOf<"lock">;
  caller: Caller;
  /** The instant at which it gives up; `Infinity` is never. */
  deadline: number;
  /** When it first asked: a daemon that has restarted is asked again, in no order. */
  since: number;
  /** What tells its process, if it names one, from a later one of that number. */
  pidMark: string | undefined;
  /** Whether nobody is there any more to be told. */
  isGone: () => boolean;
  /** Called once: with the lock, which must still land, or with why there is none. */
  end: (outcome: Lock | Fault) => void;
};

/** Stands in line for a lock; where it is free it is had at once. Throws `limit_reached` where it would be refused. */
export function join(
  world: World,
  { input, caller, isGone, end }: Omit<Waiter, "deadline" | "since" | "pidMark">,
): Waiter {
  const pidMark = input.pid === undefined ? undefined : birthmarkOf(world, input.pid);
  const { name, timeout = defaultWaitMs } = input;
  const deadline = timeout === 0 ? Number.POSITIVE_INFINITY : world.clock.now() + timeout;
  const since = Math.min(input.since ?? Infinity, world.clock.now());
  const waiter = { input, caller, deadline, since, pidMark, isGone, end };
  const granted = locks.findGranted(world, input, caller);
  if (granted) {
    end(granted);
    return waiter;
  }
  requireRoom(world, caller.agent ?? null, "locks");
  if (!takePlace(world, waiter)) stand(world, waiter, "new");
  serve(world, name);
  return waiter;
}

/** Everybody who waits, line by line in the order in which they are served. */
export function list(world: World): Waiting[] {
  return [...world.lockQueue.values()].flat().map(({ input, caller, since }) => ({
    lock: input.name,
    owner: locks.ownerOf(input, caller) ?? null,
    agent: caller.agent ?? null,
    since,
  }));
}

/** How many wait, in all lines. */
export function count(world: World): number {
  return [...world.lockQueue.values()].reduce((sum, line) => sum + line.length, 0);
}

/** Leaves the line; does nothing where it was served before. */
export function leave(world: World, waiter: Waiter): void {
  const line = world.lockQueue.get(waiter.input.name) ?? [];
  const place = line.indexOf(waiter);
  if (place < 0) return;
  line.splice(place, 1);
  if (line.length === 0) world.lockQueue.delete(waiter.input.name);
}

/** Gives a lock that is free to whoever is next. */
export function serve(world: World, name: string): void {
  for (let next = first(world, name); next; next = first(world, name)) {
    leave(world, next);
    const outcome = next.isGone()
      ? new Fault("unavailable", "The caller has gone")
      : attempt(world, next);
    if (outcome === undefined) return stand(world, next, "back");
    next.end(outcome);
  }
}

/** Serves every line, and ends the waits whose time is over. */
export function wake(world: World): void {
  const now = world.clock.now();
  for (const name of [...world.lockQueue.keys()]) {
    serve(world, name);
    const line = world.lockQueue.get(name) ?? [];
    for (const waiter of line.filter(({ deadline }) => deadline <= now)) {
      leave(world, waiter);
      waiter.end(late(world, waiter));
    }
  }
}

/** Ends the waits of an agent that is no longer there. */
export function dismiss(world: World, agent: string): void {
  for (const line of [...world.lockQueue.values()]) {
    for (const waiter of line.filter(({ caller }) => caller.agent === agent)) {
      leave(world, waiter);
      waiter.end(
        new Fault("not_found", `The agent ${agent} is no longer there`, {
          hint: `if it is after all: port-daddy agent register ${agent}`,
        }),
      );
    }
  }
}

/** The instant at which `wake` has something to do, as far as it can be told: a wait ends, or a lock lapses. */
export function nextWake(world: World): number {
  const instants = [...world.lockQueue].flatMap(([name, line]) => [
    locks.lapseOf(world, name) ?? 0,
    ...line.map(({ deadline }) => deadline),
  ]);
  return Math.min(Number.POSITIVE_INFINITY, ...instants);
}

/** Nobody waited while the machine slept. Where the clock was set back, whoever comes now still comes last. */
export function forgive(world: World, gapMs: number): void {
  for (const waiter of [...world.lockQueue.values()].flat()) {
    waiter.deadline += gapMs;
    waiter.since += Math.min(gapMs, 0);
  }
}

/** An attempt that is made again keeps its place in the line: whoever made it before has lost the connection. */
function takePlace(world: World, waiter: Waiter): boolean {
  const { name, attempt } = waiter.input;
  const line = world.lockQueue.get(name) ?? [];
  const place = line.findIndex(
    ({ input, caller }) =>
      attempt !== undefined &&
      input.attempt === attempt &&
      locks.ownerOf(input, caller) === locks.ownerOf(waiter.input, waiter.caller),
  );
  if (place < 0) return false;
  const [before] = line.splice(place, 1, waiter);
  before!.end(new Fault("unavailable", "The same attempt was made again"));
  return true;
}

/** Puts somebody into a line: who is new behind all who asked before or at the same moment, who is back before those. */
export function stand(world: World, waiter: Waiter, as: "new" | "back"): void {
  const { name } = waiter.input;
  const line = world.lockQueue.get(name) ?? [];
  world.lockQueue.set(name, line);
  const behind = line.findIndex(({ since }) =>
    as === "new" ? since > waiter.since : since >= waiter.since,
  );
  line.splice(behind < 0 ? line.length : behind, 0, waiter);
}

function first(world: World, name: string): Waiter | undefined {
  return world.lockQueue.get(name)?.[0];
}

/** The lock, why it is refused, or `undefined` where somebody has it. */
function attempt(world: World, { input, caller, pidMark }: Waiter): Lock | Fault | undefined {
  try {
    if (!locks.isFree(world, input.name)) return undefined;
    if (input.pid !== undefined && birthmarkOf(world, input.pid) !== pidMark)
      throw new Fault("invalid_input", `pid ${input.pid} has died while its lock was waited for`);
    return locks.take(world, input, caller);
  } catch (error) {
    const fault = asFault(error);
    // What the disk refuses now it may take in a moment: the place is kept.
    return fault.code === "unavailable" ? undefined : fault;
  }
}

function late(world: World, { input, caller }: Waiter): Fault {
  const { name, timeout = defaultWaitMs } = input;
  const owner = locks.ownerOf(input, caller);
  const { message, details, hint } = locks.stillHeld(world, name, owner);
  return new Fault("timed_out", `Not acquired within ${format(timeout)}: ${message}`, {
    details,
    // Nobody gets a lock by waiting for themselves.
    hint:
      details["holder"] === owner
        ? hint
        : `wait for as long as it takes: port-daddy lock ${name} --timeout 0`,
  });
}
