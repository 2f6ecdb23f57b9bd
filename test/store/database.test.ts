// Opening the database: fresh, again, from a later version, damaged.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Fault } from "../../src/contract/faults.ts";
import * as database from "../../src/store/database.ts";
import { migrations } from "../../src/store/migrations.ts";

let directory: string;
let file: string;
let notices: string[];

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  file = path.join(directory, "port-daddy.db");
  notices = [];
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

function open(): Database {
  return database.open(file, (text) => notices.push(text));
}

function pragma(db: Database, name: string): unknown {
  return Object.values(db.query(`PRAGMA ${name}`).get() as object)[0];
}

function remember(db: Database, id: string): void {
  db.query("INSERT INTO port_memory (id, port) VALUES (?, 3100)").run(id);
}

function remembered(db: Database): unknown[] {
  return db.query("SELECT id FROM port_memory ORDER BY id").values().flat();
}

/** A closed database in which `myapp` is remembered. */
function makeFile(): void {
  const db = open();
  remember(db, "myapp");
  database.checkpoint(db, "truncate");
  db.close();
}

const randomBytes = (count: number) => crypto.getRandomValues(new Uint8Array(count));

/** The name that the one notice tells; whatever it says beside it. */
function asideOf(text: string | undefined): string {
  const aside = /set aside as (\S+);/.exec(text ?? "")?.[1];
  expect(aside, text).toBeDefined();
  return aside!;
}

test("a fresh file has every step of the schema, and nothing to say", () => {
  const db = open();
  expect(pragma(db, "user_version")).toBe(migrations.length);
  expect(remembered(db)).toEqual([]);
  expect(notices).toEqual([]);
  db.close();
});

test("what was written is there when the file is opened again", () => {
  makeFile();
  const db = open();
  expect(remembered(db)).toEqual(["myapp"]);
  expect(pragma(db, "user_version")).toBe(migrations.length);
  expect(notices).toEqual([]);
  db.close();
});

test("what a killed process left in the write-ahead log alone is there as well", () => {
  makeFile();
  const db = open();
  remember(db, "newcomer");
  const killed = path.join(directory, "killed.db");
  for (const suffix of ["", "-wal"]) fs.copyFileSync(file + suffix, killed + suffix);
  db.close();
  expect(fs.readFileSync(killed).includes("newcomer")).toBe(false);
  const after = database.open(killed, (text) => notices.push(text));
  expect(remembered(after)).toEqual(["myapp", "newcomer"]);
  expect(notices).toEqual([]);
  after.close();
});

test("it is a write-ahead log, waits for others, keeps references and checkpoints only when told", () => {
  const db = open();
  expect(pragma(db, "journal_mode")).toBe("wal");
  expect(pragma(db, "synchronous")).toBeGreaterThanOrEqual(1);
  expect(pragma(db, "foreign_keys")).toBe(1);
  expect(pragma(db, "busy_timeout")).toBeGreaterThanOrEqual(1000);
  expect(pragma(db, "wal_autocheckpoint")).toBe(0);
  expect(() => db.run("INSERT INTO endpoints VALUES ('nobody', 'dev', 'http://x')")).toThrow(
    "FOREIGN KEY",
  );
  expect(() => db.run("INSERT INTO port_memory (id, port) VALUES ('a', 'no number')")).toThrow();
  db.close();
});

test("a savepoint with much to undo writes no file of its own", () => {
  const db = open();
  expect(pragma(db, "temp_store")).toBe(2);
  db.close();
});

test("a statement is compiled once, however many others are asked for in between", () => {
  const db = open();
  const first = db.query("SELECT 1");
  for (let i = 2; i < 200; i++) db.query(`SELECT ${i}`);
  expect(db.query("SELECT 1")).toBe(first);
  db.close();
});

test("a checkpoint moves the write-ahead log into the database, and empties it when told to", () => {
  const db = open();
  remember(db, "myapp");
  expect(fs.readFileSync(file).includes("myapp")).toBe(false);
  database.checkpoint(db);
  expect(fs.readFileSync(file).includes("myapp")).toBe(true);
  expect(fs.statSync(`${file}-wal`).size).toBeGreaterThan(0);
  database.checkpoint(db, "truncate");
  expect(fs.statSync(`${file}-wal`).size).toBe(0);
  db.close();
});

test("a database of a later version is refused with a sentence, and untouched", () => {
  makeFile();
  const later = new Database(file, { strict: true });
  later.run(`PRAGMA user_version = ${migrations.length + 1}`);
  later.run("PRAGMA wal_checkpoint(truncate)");
  later.close();
  const before = fs.readFileSync(file);

  const refused = expect(open);
  refused.toThrow(Fault);
  refused.toThrow(
    `The database ${file} was written by a newer port-daddy (schema ${migrations.length + 1}; this one knows ${migrations.length})`,
  );
  expect(fs.readFileSync(file).equals(before)).toBe(true);
  expect(fs.readdirSync(directory).filter((name) => !/-(wal|shm)$/.test(name))).toEqual([
    path.basename(file),
  ]);
  expect(notices).toEqual([]);
});

test("the refusal of a later version is `unavailable`", () => {
  makeFile();
  const later = new Database(file, { strict: true });
  later.run("PRAGMA user_version = 999");
  later.close();
  try {
    open();
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: "unavailable" });
  }
});

const damages: [string, (real: Buffer) => Uint8Array][] = [
  ["random bytes", () => randomBytes(10_000)],
  ["a few random bytes", () => randomBytes(10)],
  ["a text", () => new TextEncoder().encode("This is not a database.\n".repeat(100))],
  ["a real one cut off in its first page", (real) => real.subarray(0, 1_000)],
  ["a real one cut off between two pages", (real) => real.subarray(0, 8_192)],
  ["a real one cut off inside a page", (real) => real.subarray(0, real.length - 10_000)],
  [
    "a real one whose first page was overwritten",
    (real) => Buffer.concat([randomBytes(4_096), real.subarray(4_096)]),
  ],
  [
    "a real one whose other pages were overwritten",
    (real) => Buffer.concat([real.subarray(0, 4_096), randomBytes(real.length - 4_096)]),
  ],
];

for (const [what, damage] of damages) {
  test(`a damaged file, ${what}, is set aside by a name that is told, and an empty one starts`, () => {
    makeFile();
    const bytes = damage(fs.readFileSync(file));
    fs.writeFileSync(file, bytes);

    const db = open();
    expect(notices).toHaveLength(1);
    const aside = asideOf(notices[0]);
    expect(path.dirname(aside)).toBe(directory);
    expect(fs.readFileSync(aside).equals(bytes)).toBe(true);
    expect(remembered(db)).toEqual([]);
    expect(pragma(db, "user_version")).toBe(migrations.length);
    remember(db, "next");
    db.close();

    const again = open();
    expect(remembered(again)).toEqual(["next"]);
    expect(notices).toHaveLength(1);
    again.close();
  });
}

/** A closed database with a webhook that has something to be sent, and on which page each of its tables begins. */
function makeFileWithPages(): Map<string, number> {
  makeFile();
  const db = open();
  db.run(`INSERT INTO webhooks (id, url, events, active, failures, dropped, backlog, created_at)
          VALUES ('w', 'http://x', '["*"]', 1, 0, 0, 0, 0)`);
  db.run(`INSERT INTO deliveries (id, webhook, event, target_id, body, status, attempts, created_at)
          VALUES ('d', 'w', 'lock.release', 'a', '{}', 'pending', 0, 0)`);
  const pages = db.query("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'").values();
  database.checkpoint(db, "truncate");
  db.close();
  return new Map(pages as [string, number][]);
}

test("whichever table is damaged, it is found before anything is asked of it", () => {
  const pages = makeFileWithPages();
  const whole = fs.readFileSync(file);
  const pageSize = whole.readUInt16BE(16);
  const unnoticed = [...pages].filter(([_, page]) => {
    const bytes = Buffer.from(whole);
    bytes.fill(0, (page - 1) * pageSize, page * pageSize);
    fs.writeFileSync(file, bytes);
    notices = [];
    open().close();
    for (const suffix of ["", "-wal", "-shm"]) fs.rmSync(file + suffix, { force: true });
    return notices.length !== 1;
  });
  expect(unnoticed).toEqual([]);
  expect([...pages.keys()]).toContain("deliveries");
});

test("the write-ahead log of a damaged file goes along, both as they were", () => {
  makeFile();
  const db = open();
  remember(db, "newcomer");
  const log = fs.readFileSync(`${file}-wal`);
  const bytes = fs.readFileSync(file);
  db.close();
  expect(log.includes("newcomer")).toBe(true);
  bytes.set(randomBytes(100));
  fs.writeFileSync(file, bytes);
  fs.writeFileSync(`${file}-wal`, log);

  const fresh = open();
  const aside = asideOf(notices[0]);
  expect(remembered(fresh)).toEqual([]);
  expect(fs.existsSync(`${aside}-wal`)).toBe(true);
  expect(fs.readFileSync(`${aside}-wal`).equals(log)).toBe(true);
  expect(fs.readFileSync(aside).equals(bytes)).toBe(true);
  fresh.close();
});

test("a file that cannot be opened for another reason is neither moved nor replaced", () => {
  fs.mkdirSync(file);
  expect(open).toThrow();
  expect(fs.readdirSync(directory)).toEqual([path.basename(file)]);
  expect(notices).toEqual([]);
});

/** Runs `work` as the version after this one would, with one more step of the schema. */
function withLaterStep(step: string, work: () => void): void {
  const steps = migrations as string[];
  steps.push(step);
  try {
    work();
  } finally {
    steps.pop();
  }
}

test("a migration keeps the rows, and a copy of what was before", () => {
  makeFile();
  const version = migrations.length;
  withLaterStep("ALTER TABLE port_memory ADD COLUMN note TEXT", () => {
    const db = open();
    expect(pragma(db, "user_version")).toBe(version + 1);
    expect(db.query("SELECT id, note FROM port_memory").all()).toEqual([
      { id: "myapp", note: null },
    ]);
    db.close();
  });
  const copy = new Database(`${file}.v${version}`, { readonly: true });
  expect(pragma(copy, "user_version")).toBe(version);
  expect(remembered(copy)).toEqual(["myapp"]);
  copy.close();
});

test("a step that fails leaves the database as it was", () => {
  makeFile();
  withLaterStep("DELETE FROM port_memory; CREATE TABLE services (again)", () => {
    expect(open).toThrow("already exists");
  });
  const db = open();
  expect(pragma(db, "user_version")).toBe(migrations.length);
  expect(remembered(db)).toEqual(["myapp"]);
  expect(notices).toEqual([]);
  db.close();
});
