// The machine's processes: what one is, and whether it is still the same.

import * as fs from "node:fs";
import type { ProcessInfo } from "../contract/entities.ts";

/** What /proc tells of a process, as far as we read it (man 5 proc_pid_stat). */
export type ProcessStat = {
  pid: number;
  /** The file name of its program, at most 15 characters. */
  name: string;
  state: string;
  parent: number;
  session: number;
  /** The device number of its controlling terminal; 0 is none. */
  terminal: number;
  /** Clock ticks from boot to its start. */
  startTicks: number;
};

/** Ticks a second in /proc: USER_HZ, which is 100 on every Linux that Bun runs on. */
const ticksPerSecond = 100;

/** `undefined` where there is no such process, or it is not ours to see. */
export function stat(pid: number): ProcessStat | undefined {
  const line = readText(`/proc/${pid}/stat`);
  // The name stands in parentheses and may hold any character, so the fields count from the last one.
  const open = line?.indexOf("(") ?? -1;
  const close = line?.lastIndexOf(")") ?? -1;
  if (line === undefined || open < 0 || close < 0) return undefined;
  const fields = line.slice(close + 2).split(" ");
  return {
    pid,
    name: line.slice(open + 1, close),
    state: fields[0]!,
    parent: Number(fields[1]),
    session: Number(fields[3]),
    terminal: Number(fields[4]),
    startTicks: Number(fields[19]),
  };
}

/**
 * What tells this process from any other that had or will have its number: its start, and the boot it started in.
 * `undefined` where there is no such process; a zombie is none.
 */
export function birthmark(pid: number): string | undefined {
  const found = stat(pid);
  return found && found.state !== "Z" ? `${bootId()}/${found.startTicks}` : undefined;
}

/** Itself and the processes behind it as `pid.start`: the form that a caller id ends in. */
export function lineage(pid: number): string[] {
  const own = stat(pid);
  return own ? [own, ...ancestors(pid)].map(({ pid, startTicks }) => `${pid}.${startTicks}`) : [];
}

/** Whether there is such a process, of whomever; the cheapest question that can be asked. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** Command line, directory, user and start of a process; null for what cannot be seen. */
export function describe(pid: number): ProcessInfo {
  const found = stat(pid);
  return {
    pid,
    command: commandWords(pid).join(" ") || found?.name || null,
    cwd: readLink(`/proc/${pid}/cwd`) ?? null,
    user: accountName(ownerOf(`/proc/${pid}`)) ?? null,
    startedAt: found ? bootInstant() + (found.startTicks * 1000) / ticksPerSecond : null,
  };
}

/** The words of a process's command line; none where they cannot be seen. */
export function commandWords(pid: number): string[] {
  return (readText(`/proc/${pid}/cmdline`) ?? "").replace(/\0+$/, "").split("\0");
}

/** The processes behind one, its parent first; ends at the first process of the machine (or container). */
export function* ancestors(pid: number): Generator<ProcessStat> {
  let current = stat(pid);
  while (current && current.parent > 0) {
    current = stat(current.parent);
    if (current) yield current;
  }
}

/** The name of a user by number, from /etc/passwd; the number itself where it has none. */
export function accountName(uid: number | undefined): string | undefined {
  if (uid === undefined) return undefined;
  const row = (readText("/etc/passwd") ?? "")
    .split("\n")
    .find((line) => line.split(":")[2] === String(uid));
  return row?.split(":")[0] ?? String(uid);
}

/** The name of this machine. */
export function hostName(): string {
  return (
    readText("/proc/sys/kernel/hostname") ?? process.getBuiltinModule("node:os").hostname()
  ).trim();
}

function bootId(): string {
  return (readText("/proc/sys/kernel/random/boot_id") ?? "").trim();
}

function bootInstant(): number {
  const line = /^btime (\d+)$/m.exec(readText("/proc/stat") ?? "");
  return Number(line?.[1] ?? 0) * 1000;
}

function ownerOf(file: string): number | undefined {
  return fs.statSync(file, { throwIfNoEntry: false })?.uid;
}

/** The text of a file under /proc; `undefined` where it is gone or not ours to read. */
export function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function readLink(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined;
  }
}
