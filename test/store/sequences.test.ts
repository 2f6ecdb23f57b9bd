// Numbers that only ever grow: what is given out after a crash, a lost database, a damaged file or a full disk is always
// above everything that was given out before, and an orderly end leaves no hole.

import { afterAll, expect, test } from "bun:test";
import * as fc from "fast-check";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { readConfig } from "../../src/config.ts";
import { createWorld } from "../../src/daemon/world.ts";
import * as locks from "../../src/domain/locks.ts";
import * as messages from "../../src/domain/messages.ts";
import * as database from "../../src/store/database.ts";
import { indexLog } from "../../src/store/logIndex.ts";
import { openSequences, type Sequence } from "../../src/store/sequences.ts";
import { FakeMachine, makeWorld, startOfTime } from "../world.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "pd-sequences-"));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let places = 0;

/** A file for marks in a directory of its own; it is not there yet. */
function newFile(): string {
  const directory = path.join(root, String(places++));
  fs.mkdirSync(directory);
  return path.join(directory, "sequences");
}

function emptyDatabase() {
  return database.open(":memory:");
}

function take(sequence: Sequence, count: number): number[] {
  return Array.from({ length: count }, () => sequence.next());
}

function marksIn(file: string): unknown {
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

/** A database that has seen some fences and messages, with no file of marks beside it. */
function usedDatabase(fences: number, ids: number) {
  const world = makeWorld();
  for (let n = 0; n < fences; n++) {
    locks.acquire(world, { name: "db", owner: "ada" }, { actor: "ada" });
    locks.release(world, { name: "db", owner: "ada" }, { actor: "ada" });
  }
  for (let n = 0; n < ids; n++)
    messages.publish(world, { channel: "build", payload: n }, { actor: "ada" });
  world.journal.flush();
  return world.db;
}

test("numbers begin at one and grow by one, each sequence for itself", () => {
  const { fences, messages } = openSequences(emptyDatabase(), newFile());
  expect([fences.last(), messages.last()]).toEqual([0, 0]);
  expect(take(fences, 2_500)).toEqual(Array.from({ length: 2_500 }, (_, n) => n + 1));
  expect(take(messages, 3)).toEqual([1, 2, 3]);
  expect([fences.last(), messages.last()]).toEqual([2_500, 3]);
});

test("the file says at every moment at least what has been given out", () => {
  const file = newFile();
  const sequences = openSequences(emptyDatabase(), file);
  for (let n = 0; n < 2_100; n++) {
    const given = { fences: sequences.fences.next(), messages: sequences.messages.last() };
    if (n % 700 === 0) given.messages = sequences.messages.next();
    const marks = marksIn(file) as typeof given;
    if (marks.fences < given.fences || marks.messages < given.messages)
      throw new Error(`gave ${JSON.stringify(given)} with ${JSON.stringify(marks)} on the disk`);
  }
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(path.dirname(file))).toEqual([path.basename(file)]);
});

test("after a crash and with an empty database, no number comes again", () => {
  const file = newFile();
  let [fence, id] = [0, 0];
  for (const count of [1, 999, 1_000, 1_001, 3, 0, 0, 1]) {
    const { fences, messages } = openSequences(emptyDatabase(), file);
    for (const next of take(fences, count)) {
      expect(next).toBeGreaterThan(fence);
      fence = next;
    }
    const next = messages.next();
    expect(next).toBeGreaterThan(id);
    id = next;
  }
});

test("an orderly end leaves no hole, whatever happened before", () => {
  const file = newFile();
  const first = openSequences(emptyDatabase(), file);
  take(first.fences, 1_003);
  take(first.messages, 2);
  first.settle();
  expect(marksIn(file)).toEqual({ fences: 1_003, messages: 2 });
  const second = openSequences(emptyDatabase(), file);
  second.settle();
  const third = openSequences(emptyDatabase(), file);
  expect([third.fences.last(), third.fences.next(), third.messages.next()]).toEqual([
    1_003, 1_004, 3,
  ]);
});

test("what is given out after an orderly end was settled does not come again either", () => {
  const file = newFile();
  const first = openSequences(emptyDatabase(), file);
  take(first.fences, 5);
  first.settle();
  const late = first.fences.next();
  const again = openSequences(emptyDatabase(), file).fences.next();
  expect(again).toBeGreaterThan(late);
});

test("where the file is missing, the database says what was given out", () => {
  const db = usedDatabase(7, 4);
  for (const index of [() => {}, () => indexLog(db)]) {
    index();
    const { fences, messages } = openSequences(db, newFile());
    expect([fences.next(), messages.next()]).toEqual([8, 5]);
  }
});

const damaged = [
  "",
  "{",
  "null",
  "7",
  "[]",
  "\0\0\0\0\0\0\0\0",
  '{"fences":7}',
  '{"fences":"7","messages":"4"}',
  '{"fences":7.5,"messages":4}',
  '{"fences":1e300,"messages":4}',
  '{"fences":null,"messages":null}',
  // Of before: a copy that somebody put back.
  '{"fences":0,"messages":0}',
  '{"fences":3,"messages":1}',
  '{"fences":-5,"messages":-5}',
];

for (const text of damaged)
  test(`a file that holds ${JSON.stringify(text)} lets no number of the database come again`, () => {
    const file = newFile();
    fs.writeFileSync(file, text);
    const { fences, messages } = openSequences(usedDatabase(7, 4), file);
    expect(fences.next()).toBeGreaterThan(7);
    expect(messages.next()).toBeGreaterThan(4);
  });

test("what a damaged file still says of one sequence is not lost with the other", () => {
  const file = newFile();
  fs.writeFileSync(file, '{"fences":70}');
  expect(openSequences(emptyDatabase(), file).fences.next()).toBeGreaterThan(70);
});

test("a half-written successor of the file is not taken for it", () => {
  const file = newFile();
  const first = openSequences(emptyDatabase(), file);
  take(first.fences, 5);
  first.settle();
  fs.writeFileSync(`${file}.new`, '{"fen');
  expect(take(openSequences(emptyDatabase(), file).fences, 1_001).at(-1)).toBe(1_006);
});

const refusals: [string, (file: string) => void, (file: string) => void, RegExp][] = [
  [
    "a disk that is full",
    (file) => fs.symlinkSync("/dev/full", `${file}.new`),
    (file) => fs.rmSync(`${file}.new`),
    /the disk is full/,
  ],
  [
    "a state directory that is gone",
    (file) => fs.renameSync(path.dirname(file), `${path.dirname(file)}-away`),
    (file) => fs.renameSync(`${path.dirname(file)}-away`, path.dirname(file)),
    /the state directory is gone/,
  ],
  [
    "a file that cannot be replaced",
    (file) => fs.mkdirSync(`${file}.new`),
    (file) => fs.rmdirSync(`${file}.new`),
    /cannot be stored/,
  ],
];

for (const [what, refuse, allow, reason] of refusals)
  test.skipIf(process.platform !== "linux" && what.includes("full"))(
    `with ${what} no number is given out that is not on it, and it goes on without a hole`,
    () => {
      const file = newFile();
      const { fences, messages } = openSequences(emptyDatabase(), file);
      take(fences, 999);
      refuse(file);
      expect(fences.next()).toBe(1_000); // The last of those that were reserved.
      for (let n = 0; n < 3; n++) expect(() => fences.next()).toThrow(reason);
      expect(fences.last()).toBe(1_000);
      expect(messages.last()).toBe(0);
      allow(file);
      expect([fences.next(), messages.next()]).toEqual([1_001, 1]);
      const after = openSequences(emptyDatabase(), file);
      expect(after.fences.next()).toBeGreaterThan(1_001);
      expect(after.messages.next()).toBeGreaterThan(1);
    },
  );

test("a lock that could not get its number is not had, and nobody is told of it", () => {
  const file = newFile();
  fs.mkdirSync(`${file}.new`);
  const world = createWorld({
    config: readConfig({ HOME: "/home/ada", PORT_DADDY_HOME: "/nonexistent" }),
    db: emptyDatabase(),
    clock: { now: () => startOfTime },
    probe: new FakeMachine(),
    report() {},
    sequences: file,
  });
  const acquire = () => locks.acquire(world, { name: "db", owner: "ada" }, { actor: "ada" });
  expect(acquire).toThrow("The state cannot be stored");
  expect(locks.get(world, { name: "db" }).held).toBe(false);
  expect(world.journal.since(0)).toEqual([]);
  fs.rmdirSync(`${file}.new`);
  expect(acquire().fence).toBe(1);
});

test("however it is taken from, crashed, ended in order and refused, no sequence repeats or falls", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ take: fc.constantFrom(1, 2, 700, 1_000, 1_001) }) },
    { weight: 2, arbitrary: fc.constant("crash" as const) },
    { weight: 1, arbitrary: fc.constant("end" as const) },
    { weight: 1, arbitrary: fc.constant("refuse" as const) },
    { weight: 1, arbitrary: fc.constant("allow" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const file = newFile();
      let [sequences, newest] = [openSequences(emptyDatabase(), file), 0];
      for (const step of steps) {
        if (step === "refuse") fs.mkdirSync(`${file}.new`, { recursive: true });
        else if (step === "allow") fs.rmSync(`${file}.new`, { recursive: true, force: true });
        else if (step === "crash") sequences = openSequences(emptyDatabase(), file);
        else if (step === "end") {
          if (!fs.existsSync(`${file}.new`)) sequences.settle();
          sequences = openSequences(emptyDatabase(), file);
        } else
          for (let n = 0; n < step.take; n++) {
            const next = attempt(sequences.fences);
            if (next === undefined) break;
            if (next <= newest) throw new Error(`${next} came after ${newest}`);
            newest = next;
          }
      }
    }),
    { numRuns: 60 },
  );
});

function attempt(sequence: Sequence): number | undefined {
  try {
    return sequence.next();
  } catch (error) {
    expect(error).toMatchObject({ code: "unavailable" });
    return undefined;
  }
}
