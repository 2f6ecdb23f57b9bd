// SQLite's refusal to store, told as what it means for the caller.

import { SQLiteError } from "bun:sqlite";
import { Fault } from "../contract/faults.ts";

const meanings = [
  ["SQLITE_FULL", "the disk is full"],
  ["SQLITE_IOERR", "the disk cannot be read or written"],
  ["SQLITE_READONLY", "the state directory is read-only"],
  ["SQLITE_CORRUPT", "the database is damaged"],
  ["SQLITE_BUSY", "another process has the database"],
  ["SQLITE_CANTOPEN", "the database cannot be opened"],
] as const;

/** A trouble of the disk as `unavailable`, with the original as its cause; anything else as it is. */
export function asStorageFault(error: unknown): unknown {
  if (!(error instanceof SQLiteError)) return error;
  const meaning = meanings.find(([code]) => error.code?.startsWith(code))?.[1];
  if (meaning === undefined) return error;
  const fault = new Fault("unavailable", `The state cannot be stored: ${meaning}`, {
    hint: "the log says more: port-daddy logs",
  });
  fault.cause = error;
  return fault;
}

export function isDamage(error: unknown): boolean {
  return error instanceof SQLiteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code ?? "");
}
