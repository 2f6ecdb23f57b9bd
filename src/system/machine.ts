// What each kind of machine has to tell of its processes and sockets, in its own way.

import { darwin } from "./darwin.ts";
import { linux } from "./linux.ts";

export type Machine = {
  /** `undefined` where there is no such process, or it is not ours to see. */
  stat(pid: number): ProcessStat | undefined;
  /** Whether there is such a process, and it is no zombie: the cheapest question that can be asked of one we may see. */
  exists(pid: number): boolean;
  /** The words of a process's command line; none where they cannot be seen. */
  commandWords(pid: number): string[];
  /** Every process that can be seen, with its parent. */
  parents(): Map<number, number>;
  directoryOf(pid: number): string | undefined;
  /** The user a process runs as. */
  userOf(pid: number): string | undefined;
  /** Tells this boot from any other, where the start of a process is counted from it. */
  boot(): string;
  hostName(): string;
  /** The listening TCP sockets, of all users as far as they can be seen. */
  listeners(): Listener[];
  /** For each socket, by its inode, the processes that have it open; only those we may look into. */
  owningProcesses(sockets: readonly Listener[]): Map<string, number[]>;
};

export type ProcessStat = {
  pid: number;
  /** The file name of its program, at most 15 characters on Linux. */
  name: string;
  /** `Z` is a zombie. */
  state: string;
  parent: number;
  /** Its process group. */
  group: number;
  session: number;
  /** Whether its group is the one that its terminal listens to. */
  isForeground: boolean;
  /** Whether it has a controlling terminal. */
  hasTerminal: boolean;
  /** Its start as a number that no later process of the same number and boot has. */
  start: number;
  /** The instant of its start. */
  startedAt: number;
};

/** A socket in state LISTEN. Its inode is whatever names it for as long as it is open. */
export type Listener = { port: number; uid: number; inode: string };

export const machine: Machine = process.platform === "darwin" ? darwin : linux;
