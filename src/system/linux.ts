// Linux, by /proc.

import * as fs from "node:fs";
import { accountName } from "./accounts.ts";
import { listeningSockets } from "./sockdiag.ts";
import type { Listener, Machine, ProcessStat } from "./machine.ts";
import { seen } from "./seen.ts";

/** Ticks a second in /proc: USER_HZ, which is 100 on every Linux that Bun runs on. */
const ticksPerSecond = 100;

export const linux: Machine = {
  stat: (pid) => parseStat(pid, readText(`/proc/${pid}/stat`)),
  exists(pid) {
    try {
      fs.readlinkSync(`/proc/${pid}/exe`); // That of a zombie is gone.
      return true;
    } catch (error) {
      return (error as { code?: string }).code === "EACCES";
    }
  },
  commandWords(pid) {
    const words = (readText(`/proc/${pid}/cmdline`) ?? "").replace(/\0+$/, "");
    return words === "" ? [] : words.split("\0");
  },
  parents() {
    const pids = entriesOf("/proc").map(Number).filter(Number.isInteger);
    return new Map(
      pids.flatMap((pid) => {
        const stat = parseStat(pid, readText(`/proc/${pid}/stat`));
        return stat ? [[pid, stat.parent] as const] : [];
      }),
    );
  },
  directoryOf: (pid) => readLink(`/proc/${pid}/cwd`),
  userOf: (pid) => accountName(fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid),
  boot: () => (bootId ??= (readText("/proc/sys/kernel/random/boot_id") ?? "").trim()),
  hostName: () => (readText("/proc/sys/kernel/hostname") ?? "localhost").trim(),
  listeners: () =>
    listeningSockets() ?? [
      ...parseTable(readText("/proc/net/tcp")),
      ...parseTable(readText("/proc/net/tcp6")),
    ],
  owningProcesses(sockets) {
    const inodes = new Set(sockets.map(({ inode }) => inode));
    const owners = new Map<string, number[]>();
    if (inodes.size === 0) return owners;
    for (const entry of entriesOf("/proc")) {
      if (!/^\d+$/.test(entry)) continue;
      for (const inode of new Set(socketsOf(entry))) {
        if (inodes.has(inode)) owners.set(inode, [...(owners.get(inode) ?? []), Number(entry)]);
      }
    }
    return owners;
  },
};

let bootId: string | undefined;

/** Reads the line of /proc/PID/stat (man 5 proc_pid_stat). */
function parseStat(pid: number, line: string | undefined): ProcessStat | undefined {
  // The name stands in parentheses and may hold any character, so the fields count from the last one.
  const open = line?.indexOf("(") ?? -1;
  const close = line?.lastIndexOf(")") ?? -1;
  if (line === undefined || open < 0 || close < 0) return undefined;
  const fields = line.slice(close + 2).split(" ");
  const start = Number(fields[19]);
  return {
    pid,
    name: line.slice(open + 1, close),
    state: fields[0]!,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    isForeground: fields[2] === fields[5],
    hasTerminal: fields[4] !== "0",
    start,
    get startedAt() {
      return bootInstant() + (start * 1000) / ticksPerSecond;
    },
  };
}

/** Rows in state LISTEN of a table of the form of /proc/net/tcp (man 5 proc_net, the kernel's proc_net_tcp.rst). */
export function parseTable(table = ""): Listener[] {
  const rows: Listener[] = [];
  for (const line of table.split("\n")) {
    const [, local = "", , state, , , , uid, , inode = ""] = line.trim().split(/\s+/);
    if (state === "0A") {
      rows.push({
        port: Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16),
        uid: Number(uid),
        inode,
      });
    }
  }
  return rows;
}

function bootInstant(): number {
  const line = /^btime (\d+)$/m.exec(readText("/proc/stat") ?? "");
  return Number(line?.[1] ?? 0) * 1000;
}

function* socketsOf(pid: string): Generator<string> {
  for (const descriptor of entriesOf(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${descriptor}`) ?? "")?.[1];
    if (inode !== undefined) yield inode;
  }
}

// Under /proc whatever is asked for may have ended meanwhile, or belong to somebody else.

function entriesOf(directory: string): string[] {
  return seen(() => fs.readdirSync(directory)) ?? [];
}

function readText(file: string): string | undefined {
  return seen(() => fs.readFileSync(file, "utf8"));
}

function readLink(file: string): string | undefined {
  return seen(() => fs.readlinkSync(file));
}
