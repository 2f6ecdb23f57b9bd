// Who listens on the machine's TCP ports.

import type { ProcessInfo } from "../contract/entities.ts";
import { accountName } from "./accounts.ts";
import { machine, type Listener } from "./machine.ts";
import { describe } from "./processes.ts";

/**
 * How long a program may have a port open only to see whether it is free, as many do before they listen. Who has just
 * come listens if it is still there so much later.
 */
export const tryingMs = 20;

/**
 * The processes that listen on a port. One that cannot be seen from here (another user's, a container's proxy) still
 * counts, with the user its socket belongs to and nothing else.
 */
export function listenersOn(port: number): ProcessInfo[] {
  const sockets = machine.listeners().filter((socket) => socket.port === port);
  return holdersOf(sockets, machine.owningProcesses(sockets)).map(({ pid, uid }) =>
    pid === null ? unseen(uid) : describe(pid),
  );
}

/** The users whose sockets listen on a port. */
export function usersOn(port: number): number[] {
  return machine
    .listeners()
    .filter((socket) => socket.port === port)
    .map(({ uid }) => uid);
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
