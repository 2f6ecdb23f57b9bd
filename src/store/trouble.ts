// The disk's refusal to store, told as what it means for the caller.

import { SQLiteError } from "bun:sqlite";
import { Fault } from "../contract/faults.ts";

const meanings = [
  ["SQLITE_FULL", "the disk is full"],
  ["SQLITE_IOERR", "the disk cannot be read or written"],
  ["SQLITE_READONLY", "the state directory is read-only"],
  ["SQLITE_CORRUPT", "the database is damaged"],
  ["SQLITE_BUSY", "another process has the database"],
  ["SQLITE_CANTOPEN", "the database cannot be opened"],
  // Of the files beside it.
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the disk quota is used up"],
  ["EROFS", "the file system is read-only"],
  ["EACCES", "the state directory is read-only"],
  ["ENOENT", "the state directory is gone"],
  ["EMFILE", "too many files are open"],
  ["EIO", "the disk cannot be read or written"],
] as const;

/** A trouble of the disk as `unavailable`, with the original as its cause; anything else as it is. */
export function asStorageFault(error: unknown): unknown {
  return error instanceof SQLiteError && meaningOf(error) ? storageFault(error) : error;
}

/** A failure to store, told as `unavailable`. */
export function storageFault(error: unknown): Fault {
  const meaning = meaningOf(error) ?? String(error);
  const fault = new Fault("unavailable", `The state cannot be stored: ${meaning}`, {
    hint: "the log says more: port-daddy logs",
  });
  fault.cause = error;
  return fault;
}

function meaningOf(error: unknown): string | undefined {
  const code = String((error as { code?: unknown }).code ?? "");
  return meanings.find(([known]) => code.startsWith(known))?.[1];
}

export function isDamage(error: unknown): boolean {
  return error instanceof SQLiteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code ?? "");
}
