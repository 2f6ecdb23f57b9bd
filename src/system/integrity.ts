// Whether a database is whole, asked without changing anything.

import { constants, Database, SQLiteError } from "bun:sqlite";
import * as fs from "node:fs";
import { pathToFileURL } from "node:url";
import { seen } from "./seen.ts";

/** How long to wait for somebody who has the file for themselves, such as a daemon that just opens it. */
const busyTimeoutMs = 1_000;

/**
 * What SQLite finds wrong, a few lines at most; nothing where the database is whole. It only reads, beside whoever
 * writes: with a write-ahead log neither waits for the other. Throws what keeps SQLite from reading at all.
 */
export function quickCheck(file: string): string[] {
  const isInUse = (seen(() => fs.statSync(`${file}-wal`).size) ?? 0) > 0;
  // Of a database that nobody has open SQLite would make the log and its index anew, only to read it. Should somebody
  // open it meanwhile, damage may be seen that is none.
  const whole = !isInUse && problemsIn(file, "immutable").length === 0;
  return whole ? [] : problemsIn(file, "shared");
}

function problemsIn(file: string, how: "immutable" | "shared"): string[] {
  const uri = `${pathToFileURL(file)}${how === "immutable" ? "?immutable=1" : ""}`;
  try {
    using db = new Database(uri, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
    db.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    const rows = db.query("PRAGMA quick_check(5)").values() as [string][];
    return rows.flatMap(([text]) => text.split("\n")).filter((line) => line !== "ok");
  } catch (error) {
    const isDamage = /^SQLITE_(CORRUPT|NOTADB)/.test((error as { code?: string }).code ?? "");
    if (error instanceof SQLiteError && isDamage) return [error.message];
    throw error;
  }
}
