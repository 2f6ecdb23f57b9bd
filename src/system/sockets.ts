// Who listens on the machine's TCP ports.

import * as fs from "node:fs";
import type { ProcessInfo } from "../contract/entities.ts";
import { describe, readText, accountName } from "./processes.ts";

/** A socket in state LISTEN, as the kernel's tables show it. */
export type Listener = { port: number; uid: number; inode: string };

/** The listening TCP sockets of the machine, of all users, by address families. Costs one read of each table. */
export function listeners(): Listener[] {
  return [...parseTable(readText("/proc/net/tcp")), ...parseTable(readText("/proc/net/tcp6"))];
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

/**
 * The processes that listen on a port. One that cannot be seen from here (another user's, a container's proxy) still
 * counts, with the user its socket belongs to and nothing else.
 */
export function listenersOn(port: number): ProcessInfo[] {
  const sockets = listeners().filter((socket) => socket.port === port);
  return holdersOf(sockets, owningProcesses(sockets)).map(({ pid, uid }) =>
    pid === null ? unseen(uid) : describe(pid),
  );
}

/** The processes that have one of the sockets open, and the user of each socket that no visible process has. */
export function holdersOf(
  sockets: readonly Listener[],
  owners: ReadonlyMap<string, number[]>,
): { pid: number | null; uid: number }[] {
  const pids = new Map(
    sockets.flatMap(({ inode, uid }) =>
      (owners.get(inode) ?? []).map((pid) => [pid, uid] as const),
    ),
  );
  const uids = new Set(sockets.filter(({ inode }) => !owners.has(inode)).map(({ uid }) => uid));
  return [
    ...[...pids].sort(([a], [b]) => a - b).map(([pid, uid]) => ({ pid, uid })),
    ...[...uids].map((uid) => ({ pid: null, uid })),
  ];
}

/** What is known of a process that cannot be seen: whose socket it is. */
export function unseen(uid: number): ProcessInfo {
  return { pid: null, command: null, cwd: null, user: accountName(uid) ?? null, startedAt: null };
}

/** For each socket, by its inode, the processes that have it open; only those we may look into. */
export function owningProcesses(sockets: readonly Listener[]): Map<string, number[]> {
  const inodes = new Set(sockets.map(({ inode }) => inode));
  const owners = new Map<string, number[]>();
  if (inodes.size === 0) return owners;
  for (const entry of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    for (const inode of new Set(socketsOf(entry))) {
      if (inodes.has(inode)) owners.set(inode, [...(owners.get(inode) ?? []), Number(entry)]);
    }
  }
  return owners;
}

function* socketsOf(pid: string): Generator<string> {
  let descriptors: string[];
  try {
    descriptors = fs.readdirSync(`/proc/${pid}/fd`);
  } catch {
    return; // It ended meanwhile, or belongs to somebody else.
  }
  for (const descriptor of descriptors) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(
        fs.readlinkSync(`/proc/${pid}/fd/${descriptor}`),
      )?.[1];
      if (inode !== undefined) yield inode;
    } catch {
      continue; // Closed between the listing and the look.
    }
  }
}
