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
  const owners = owningProcesses(new Set(sockets.map((socket) => socket.inode)));
  const pids = new Set(sockets.flatMap((socket) => owners.get(socket.inode) ?? []));
  const unseen = new Set(
    sockets.filter((socket) => !owners.has(socket.inode)).map((socket) => socket.uid),
  );
  return [
    ...[...pids].sort((a, b) => a - b).map(describe),
    ...[...unseen].map((uid) => ({
      pid: null,
      command: null,
      cwd: null,
      user: accountName(uid) ?? null,
      startedAt: null,
    })),
  ];
}

/** For each inode, the processes that have it open; only those we may look into. */
function owningProcesses(inodes: ReadonlySet<string>): Map<string, number[]> {
  const owners = new Map<string, number[]>();
  if (inodes.size === 0) return owners;
  for (const entry of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    for (const inode of socketsOf(entry)) {
      if (inodes.has(inode))
        owners.set(inode, [...new Set([...(owners.get(inode) ?? []), Number(entry)])]);
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
