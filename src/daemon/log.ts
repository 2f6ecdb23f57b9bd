// The daemon's own log: one line a message, on stderr, which is the log file where a command started the daemon.

import * as fs from "node:fs";
import { maxLogBytes, type LogLevel } from "../config.ts";
import { Fault } from "../contract/faults.ts";

const order: Record<LogLevel, number> = { error: 0, warn: 1, info: 2 };

/** About how much is written between two looks at the size: a line may be as long as a stack with its message. */
const bytesBetweenLooks = 50_000;

export type Log = Record<LogLevel, (message: string) => void> & {
  /** Writes down a failure that nobody was waiting for, with its stack. */
  failure(error: unknown): void;
};

export function createLog(level: LogLevel, file: string): Log {
  let unseen = bytesBetweenLooks;
  function write(of: LogLevel, message: string): void {
    if (order[of] > order[level]) return;
    try {
      if (unseen >= bytesBetweenLooks) {
        unseen = 0;
        rotate(file);
      }
      unseen += fs.writeSync(2, `${new Date().toISOString()} ${of.padEnd(5)} ${message}\n`);
    } catch {
      // A full disk or a closed terminal must not end the daemon, and there is nowhere left to say so.
    }
  }
  return {
    error: (message) => write("error", message),
    warn: (message) => write("warn", message),
    info: (message) => write("info", message),
    failure: (error) => write("error", describe(error)),
  };
}

function describe(error: unknown): string {
  if (error instanceof Fault) {
    const cause = error.cause === undefined ? "" : `: ${describe(error.cause)}`;
    return `${error.code}: ${error.message}${cause}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Copies the log aside and empties it in place: stderr stays open on it, and appends. */
function rotate(file: string): void {
  const open = fs.fstatSync(2);
  const named = fs.statSync(file, { throwIfNoEntry: false });
  if (named === undefined || named.ino !== open.ino || open.size < maxLogBytes) return;
  fs.copyFileSync(file, `${file}.1`);
  fs.truncateSync(file);
}
