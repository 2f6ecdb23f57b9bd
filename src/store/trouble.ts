// The disk's refusal to store, told as what it means for the caller.

import { SQLiteError } from "bun:sqlite";
import { Fault } from "../contract/faults.ts";

const look = "see what to do about it: port-daddy doctor";
const makeRoom = "make room and try again; how much is left, and where: port-daddy doctor";

const troubles = [
  ["SQLITE_FULL", "the disk is full", makeRoom],
  ["SQLITE_IOERR", "the disk cannot be read or written", look],
  ["SQLITE_READONLY", "the state directory is read-only", look],
  ["SQLITE_CORRUPT", "the database is damaged", look],
  ["SQLITE_NOTADB", "the database is damaged", look],
  ["SQLITE_BUSY", "another process has the database", look],
  ["SQLITE_CANTOPEN", "the database cannot be opened", look],
  // Of the files beside it.
  ["ENOSPC", "the disk is full", makeRoom],
  ["EDQUOT", "the disk quota is used up", makeRoom],
  ["EROFS", "the file system is read-only", look],
  ["EACCES", "the state directory is read-only", look],
  ["ENOENT", "the state directory is gone", look],
  ["EMFILE", "too many files are open", look],
  ["EIO", "the disk cannot be read or written", look],
] as const;

/** A trouble of the disk as `unavailable`, with the original as its cause; anything else as it is. */
export function asStorageFault(error: unknown): unknown {
  return error instanceof SQLiteError && troubleOf(error) ? storageFault(error) : error;
}

/** A failure to store, or to read what is damaged, told as `unavailable`. */
export function storageFault(error: unknown): Fault {
  const [, meaning = String(error), hint = "the log says more: port-daddy logs"] =
    troubleOf(error) ?? [];
  const verb = isDamage(error) ? "read" : "stored";
  const fault = new Fault("unavailable", `The state cannot be ${verb}: ${meaning}`, { hint });
  fault.cause = error;
  return fault;
}

function troubleOf(error: unknown): (typeof troubles)[number] | undefined {
  const code = String((error as { code?: unknown }).code ?? "");
  return troubles.find(([known]) => code.startsWith(known));
}

/** Whether it is the database itself that is wrong, also where that was told as a fault. */
export function isDamage(error: unknown): boolean {
  const cause = error instanceof Fault ? error.cause : error;
  return cause instanceof SQLiteError && /^SQLITE_(CORRUPT|NOTADB)/.test(cause.code ?? "");
}
