// The machine's processes: what one is, what stands behind it, and whether it is still the same.

import type { ProcessInfo } from "../contract/entities.ts";
import { machine, type ProcessStat } from "./machine.ts";

/** What is known of a process; `undefined` where there is none, or it is not ours to see. */
export function stat(pid: number): ProcessStat | undefined {
  return machine.stat(pid);
}

/**
 * What tells this process from any other that had or will have its number: its start, and the boot it started in.
 * `undefined` where there is no such process; a zombie is none.
 */
export function birthmark(pid: number): string | undefined {
  const found = stat(pid);
  return found && found.state !== "Z" ? `${machine.boot()}/${found.start}` : undefined;
}

/** Itself and the processes behind it as `pid.start`: the form that a caller id ends in. */
export function lineage(pid: number): string[] {
  const own = stat(pid);
  return own ? [own, ...ancestors(pid)].map(({ pid, start }) => `${pid}.${start}`) : [];
}

/** The processes behind one, its parent first; ends at the first process of the machine (or container). */
export function* ancestors(pid: number): Generator<ProcessStat> {
  let current = stat(pid);
  while (current && current.parent > 0) {
    current = stat(current.parent);
    if (current) yield current;
  }
}

/** The processes that came from one, as far as their parents still live; without those apart, and what is below them. */
export function descendants(
  pid: number,
  isApart: (pid: number) => boolean = () => false,
): number[] {
  const parents = machine.parents();
  const found = [pid];
  // Grows while it is walked.
  for (const one of found)
    for (const [child, parent] of parents) if (parent === one && !isApart(child)) found.push(child);
  return found.slice(1);
}

/** Command line, directory, user and start of a process; null for what cannot be seen. */
export function describe(pid: number): ProcessInfo {
  const found = stat(pid);
  return {
    pid,
    command: machine.commandWords(pid).join(" ") || found?.name || null,
    cwd: machine.directoryOf(pid) ?? null,
    user: machine.userOf(pid) ?? null,
    startedAt: found?.startedAt ?? null,
  };
}

/** The words of a process's command line; none where they cannot be seen. */
export function commandOf(pid: number): string[] {
  return machine.commandWords(pid);
}
