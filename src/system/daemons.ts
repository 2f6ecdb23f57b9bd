// The port-daddy daemons that run as this user, by what they hold: the lock of a state directory.

import * as fs from "node:fs";
import * as path from "node:path";
import { daemonLock } from "./paths.ts";
import { seen } from "./seen.ts";

export type RunningDaemon = { pid: number; home: string };

/** How long the programs of macOS may take. */
const timeoutMs = 2_000;

/** All of them that can be seen, our own state directory's included. */
export function runningDaemons(): RunningDaemon[] {
  const holders = process.platform === "linux" ? holdersByProc() : holdersByLsof();
  return holders.map(({ pid, file }) => ({ pid, home: path.dirname(file) }));
}

/** The process that holds the lock of a state directory, without touching it; `undefined` where none can be seen to. */
export function daemonOf(home: string): number | undefined {
  const lock = daemonLock(home);
  return runningDaemons().find((daemon) => isSameFile(daemonLock(daemon.home), lock))?.pid;
}

/** Whether two paths lead to one file that is there. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((file) => seen(() => fs.statSync(file)));
  return a !== undefined && a.ino === b?.ino && a.dev === b.dev;
}

type Holder = { pid: number; file: string };

const lockName = path.basename(daemonLock("/"));

/** By /proc/locks (man 5 proc_locks): an FLOCK has the pid that took it and the file's inode, and /proc/PID/fd its name. */
function holdersByProc(): Holder[] {
  const rows = seen(() => fs.readFileSync("/proc/locks", "utf8")) ?? "";
  const locks = [
    ...rows.matchAll(/^\d+: FLOCK +ADVISORY +WRITE +(\d+) +[\da-f]+:[\da-f]+:(\d+) /gm),
  ];
  return locks.flatMap(([, pid, inode]) => {
    // Root can see into everybody's.
    const isOurs = seen(() => fs.statSync(`/proc/${pid}`).uid) === process.getuid?.();
    const file = isOurs ? fileOf(Number(pid), Number(inode)) : undefined;
    return file === undefined ? [] : [{ pid: Number(pid), file }];
  });
}

/** The lock of a state directory that a process of ours has open, by its inode. */
function fileOf(pid: number, inode: number): string | undefined {
  const descriptors = seen(() => fs.readdirSync(`/proc/${pid}/fd`)) ?? [];
  for (const descriptor of descriptors) {
    const link = `/proc/${pid}/fd/${descriptor}`;
    const file = seen(() => fs.readlinkSync(link)) ?? "";
    if (path.basename(file) !== lockName) continue;
    if (seen(() => fs.statSync(link).ino) === inode) return file;
  }
  return undefined;
}

/** By lsof(8); not run on a Mac. */
function holdersByLsof(): Holder[] {
  const command = ["lsof", "-a", "-c", "port-daddy", "-u", String(process.getuid?.()), "-Fpn"];
  const { stdout } = Bun.spawnSync(command, { stderr: "ignore", timeout: timeoutMs });
  const found: Holder[] = [];
  let pid = 0;
  for (const line of stdout.toString().split("\n")) {
    if (line[0] === "p") pid = Number(line.slice(1));
    const file = line[0] === "n" ? line.slice(1) : "";
    if (path.basename(file) === lockName) found.push({ pid, file });
  }
  return found;
}
