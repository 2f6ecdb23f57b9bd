// Opens the database: its pragmas, its schema, and what to do with one that is newer than us or damaged.

import { Database } from "bun:sqlite";
import * as fs from "node:fs";
import { Fault } from "../contract/faults.ts";
import { shellWord } from "../contract/shell.ts";
import { migrations } from "./migrations.ts";
import { asStorageFault, isDamage } from "./trouble.ts";

export type { Database } from "bun:sqlite";

/** How long a statement waits for another process that has the file, a copy being made for instance. */
const busyTimeoutMs = 5_000;

/**
 * How many statements `query` keeps compiled: more than there are. Of Bun's own 20 a busy daemon keeps throwing out the
 * ones it needs next, and to compile one takes ten times as long as to run it.
 */
const keptStatements = 500;

/**
 * Opens and migrates the database at `file`. The caller holds the state directory's lock.
 * Throws `unavailable` for a database of a newer version. A damaged one is set aside under a name that `notice` is
 * told, never deleted, and an empty one takes its place.
 */
export function open(file: string, notice: (text: string) => void = () => {}): Database {
  try {
    return openAsIs(file);
  } catch (error) {
    if (!(error instanceof Damaged)) throw error;
    notice(error.message);
    return openAsIs(file);
  }
}

function openAsIs(file: string): Database {
  Database.MAX_QUERY_CACHE_SIZE = keptStatements;
  const db = connect(file);
  try {
    db.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    db.run("PRAGMA journal_mode = WAL");
    // With WAL, NORMAL never loses a commit to a crash of the process, only to a loss of power. FULL would wait for the
    // disk at each: 3,300 commits a second where NORMAL made 70,000, about as long a commit as a whole claim takes.
    db.run("PRAGMA synchronous = NORMAL");
    db.run("PRAGMA foreign_keys = ON");
    // Checkpoints are made while idle (`checkpoint`), not by whichever request happens to fill the log.
    db.run("PRAGMA wal_autocheckpoint = 0");
    // What the log's file is cut back to after one, so that its size tells what is in it.
    db.run("PRAGMA journal_size_limit = 1000000");
    // SQLite's own 2 MB would make every claim of a well-filled state read pages again. In KiB, hence the sign.
    db.run("PRAGMA cache_size = -16000");
    // What a savepoint keeps to undo it spills into a file after 16 pages, two system calls for each further one.
    db.run("PRAGMA temp_store = MEMORY");
    migrate(db, file);
    if (stateOf(db) === 0)
      db.run(`PRAGMA application_id = ${1 + Math.floor(Math.random() * maxState)}`);
    readThrough(db);
    return db;
  } catch (error) {
    // Before it is closed: SQLite would tidy the write-ahead log of a damaged file away.
    const reason = isDamage(error) ? new Damaged(setAside(file)) : asStorageFault(error);
    db.close();
    throw reason;
  }
}

/** The size in bytes of what is in the database, whether it has reached its file yet or not. */
export function sizeOf(db: Database): number {
  const { page_count: pages } = db.query("PRAGMA page_count").get() as { page_count: number };
  const { page_size: bytes } = db.query("PRAGMA page_size").get() as { page_size: number };
  return pages * bytes;
}

function connect(file: string): Database {
  // To open a pipe would take for ever.
  if (fs.statSync(file, { throwIfNoEntry: false })?.isFile() === false)
    throw new Fault("unavailable", `The database ${file} is in the way: it is not a file`, {
      hint: `see what it is: ls -ld ${shellWord(file)}`,
    });
  try {
    return new Database(file, { create: true, readwrite: true, strict: true });
  } catch (error) {
    throw asStorageFault(error);
  }
}

/** Greater than these an `application_id` would be negative. */
const maxState = 2 ** 31 - 1;

/** The number that a database was given when it was made; a copy of it has the same. */
export function stateOf(db: Database): number {
  return (db.query("PRAGMA application_id").get() as { application_id: number }).application_id;
}

function migrate(db: Database, file: string): void {
  const { user_version: version } = db.query("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (version === migrations.length) return;
  if (version > migrations.length) {
    throw new Fault(
      "unavailable",
      `The database ${file} was written by a newer port-daddy (schema ${version}; this one knows ${migrations.length})`,
      { hint: "install that version again; what it wrote is untouched" },
    );
  }
  if (version > 0) copyAside(db, `${file}.v${version}`);
  db.transaction(() => {
    for (const step of migrations.slice(version)) db.run(step);
    db.run(`PRAGMA user_version = ${migrations.length}`);
  })();
}

/** Of the tables that grow large only what the daemon starts from: where a count goes on, what is to be sent first. */
const partsOfLarge: Record<string, string> = {
  activity: "ORDER BY id DESC LIMIT 1",
  messages: "ORDER BY id DESC LIMIT 1",
  deliveries:
    "WHERE number IN (SELECT min(number) FROM deliveries WHERE status = 'pending' GROUP BY webhook)",
};

/** Reads what the daemon starts from, so that damage there is found now and not by the first request. */
function readThrough(db: Database): void {
  const tables = db.query("SELECT name FROM sqlite_schema WHERE type = 'table'").values().flat();
  for (const table of tables as string[])
    db.query(`SELECT * FROM ${table} ${partsOfLarge[table] ?? ""}`).values();
}

class Damaged extends Error {}

function copyAside(db: Database, copy: string): void {
  fs.rmSync(copy, { force: true });
  db.run("VACUUM INTO ?", [copy]);
}

/** Renames a damaged database, so that an empty one can take its place, and returns the sentence that says so. */
export function setAside(file: string): string {
  const aside = `${file}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (fs.existsSync(file + suffix)) fs.renameSync(file + suffix, aside + suffix);
  }
  return `the database is damaged and was set aside as ${aside}; starting with an empty one`;
}

/**
 * Moves what the write-ahead log holds into the database, without waiting for anybody.
 * `truncate` also empties the log's file, for a clean stop.
 */
export function checkpoint(db: Database, how: "passive" | "truncate" = "passive"): void {
  db.run(`PRAGMA wal_checkpoint(${how})`);
}
