// Processes that claims, locks and agents live with: a pid, and what tells it from a later process of that number.

import { Fault } from "../contract/faults.ts";
import type { World } from "../world.ts";

/** The mark of a process that is given by its pid. Throws `invalid_input` where there is none. */
export function birthmarkOf(world: World, pid: number): string {
  const mark = world.probe.birthmark(pid);
  if (mark !== undefined) return mark;
  throw new Fault("invalid_input", `pid ${pid} is not a running process`, {
    details: { field: "pid" },
  });
}

/** Whether a process has died, or its number belongs to another by now. Of no process it has not. */
export function hasDied(
  world: World,
  { pid, pidMark }: { pid: number | null; pidMark: string | null },
): boolean {
  return pid !== null && world.probe.birthmark(pid) !== pidMark;
}
