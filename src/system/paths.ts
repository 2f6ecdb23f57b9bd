// Where things lie in the state directory, and what is asked of files wherever they lie.

import * as fs from "node:fs";
import * as path from "node:path";
import { Fault } from "../contract/faults.ts";
import { shellWord } from "../contract/shell.ts";

/** The longest path of a Unix socket: `sun_path` of sockaddr_un less its NUL (man 7 unix). */
const maxSocketPath = process.platform === "darwin" ? 103 : 107;

export const databaseFile = (home: string) => path.join(home, "port-daddy.db");
export const logFile = (home: string) => path.join(home, "daemon.log");
/** The high-water marks of fences and message ids. */
export const sequencesFile = (home: string) => path.join(home, "sequences.json");
/** What a command wrote that was launched on its own, since it was last started. */
export const launchLog = (home: string, id: string) => path.join(home, "launches", `${id}.log`);
/** What a daemon that a service manager started said of its start: one line of JSON. There is none without a service. */
export const startReport = (home: string) => path.join(home, "service.json");
/** Held by the one daemon of a state directory. */
export const daemonLock = (home: string) => path.join(home, "daemon.lock");
/** Held by the command that is starting it, so that one does however many need it. */
export const startLock = (home: string) => path.join(home, "start.lock");
/** Touched when a warning was shown that need not be repeated for a while. */
export const warningStamp = (home: string) => path.join(home, "warned");

/** Throws `invalid_input` where the path is longer than a socket's may be. */
export function socketFile(home: string): string {
  const file = path.join(home, "daemon.sock");
  if (Buffer.byteLength(file) <= maxSocketPath) return file;
  throw new Fault("invalid_input", `The state directory ${home} is too deep for a Unix socket`, {
    details: { field: "PORT_DADDY_HOME" },
    hint: "name a shorter one: export PORT_DADDY_HOME=~/.port-daddy",
  });
}

/**
 * Makes the state directory, for this user alone. Throws `unavailable` with the reason where it cannot be, and where it
 * is somebody else's: a directory that holds other things is not closed to those who use them.
 */
export function makeHome(home: string): void {
  try {
    const isNew = fs.mkdirSync(home, { recursive: true, mode: 0o700 }) !== undefined;
    const isOpen = (fs.statSync(home).mode & 0o077) !== 0;
    if (isOpen && !isNew && !isOurs(home))
      throw new Error("it holds other things and is open to other users");
    if (isOpen) fs.chmodSync(home, 0o700);
    fs.accessSync(home, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw new Fault(
      "unavailable",
      `The state directory ${home} cannot be used: ${reasonOf(error)}`,
      {
        hint: "name another: export PORT_DADDY_HOME=<directory>",
      },
    );
  }
}

function isOurs(home: string): boolean {
  return fs.readdirSync(home).length === 0 || fs.existsSync(databaseFile(home));
}

/** Opens a file of ours to append to it. Throws `unavailable` where something else is in its place, such as a pipe. */
export function openToAppend(file: string): number {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return fs.openSync(file, "a", 0o600);
  throw new Fault("unavailable", `${file} is in the way: it is not a file`, {
    hint: `see what it is: ls -ld ${shellWord(file)}`,
  });
}

/** This path where there is anything, else the nearest above it where there is. */
export function nearest(file: string): string {
  const above = path.dirname(file);
  return fs.existsSync(file) || above === file ? file : nearest(above);
}

/** The nearest directory at or above this one that holds a repository; `undefined` where there is none. */
export function repositoryOf(directory: string): string | undefined {
  for (let here = directory; ; here = path.dirname(here)) {
    if (fs.existsSync(path.join(here, ".git"))) return here;
    if (here === path.dirname(here)) return undefined;
  }
}

/** The reason of a failed system call, without its repetition of call and path. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  const known: Record<string, string> = {
    EACCES: "permission denied",
    EPERM: "not permitted",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    ENOTDIR: "part of the path is a file, not a directory",
    EEXIST: "it is a file, not a directory",
    EMFILE: "too many open files",
    ENFILE: "too many open files on this machine",
    EADDRNOTAVAIL: "there is no such address",
  };
  return known[code ?? ""] ?? message ?? String(error);
}

/** Whether there is a file, rather than nothing, a directory or a pipe; also where a part of the path is none. */
export function isFile(file: string): boolean {
  try {
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
