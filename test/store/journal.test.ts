// What the journal promises: work and its events land together, in order, and a fault undoes its own alone.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Fault } from "../../src/contract/faults.ts";
import { prune } from "../../src/domain/activity.ts";
import * as claims from "../../src/domain/claims.ts";
import * as services from "../../src/domain/services.ts";
import type { Entry } from "../../src/store/journal.ts";
import { makeSide } from "../scenario.ts";
import { makeWorld, startOfTime, type TestWorld } from "../world.ts";

/** A world with a table for work to change. */
function makeWorkshop(file?: string) {
  const world = makeWorld({}, file);
  const { db, journal } = world;
  db.run("CREATE TABLE IF NOT EXISTS work (name TEXT NOT NULL)");

  /** Changes a row and records it. */
  function write(name: string): void {
    db.query("INSERT INTO work VALUES (?)").run(name);
    record(name);
  }
  function record(name: string): void {
    journal.record("service.release", name, "tester", { port: 3100, reason: "released" });
  }
  const rows = () =>
    (db.query("SELECT name FROM work").all() as { name: string }[]).map(({ name }) => name);
  const told = () => journal.since(0).map(({ targetId }) => targetId);
  return { world, db, journal, write, record, rows, told };
}

function fail(): never {
  throw new Error("no");
}

const ids = (entries: Entry[]) => entries.map(({ id }) => id);
const targets = (entries: Entry[]) => entries.map(({ targetId }) => targetId);

test("work and its event land together, and what it returns is returned", async () => {
  const { journal, write, rows } = makeWorkshop();
  const result = journal.commit(() => {
    write("a");
    return 42;
  });
  expect(result).toBe(42);
  await journal.landed();
  expect(rows()).toEqual(["a"]);
  expect(journal.since(0)).toEqual([
    {
      id: 1,
      timestamp: startOfTime,
      action: "release",
      event: "service.release",
      targetId: "a",
      actor: "tester",
      metadata: { port: 3100, reason: "released" },
    },
  ]);
});

test("work that throws leaves neither rows nor events, and what it threw is thrown", () => {
  const { journal, write, rows, told } = makeWorkshop();
  const thrown = new Fault("held", "somebody has it");
  expect(() =>
    journal.commit(() => {
      write("a");
      throw thrown;
    }),
  ).toThrow(thrown);
  journal.flush();
  expect([rows(), told(), journal.lastId()]).toEqual([[], [], 0]);
});

test("a fault undoes its own work and nobody else's of the same turn", () => {
  const { journal, write, rows, told } = makeWorkshop();
  journal.commit(() => write("before"));
  expect(() =>
    journal.commit(() => {
      write("undone 1");
      write("undone 2");
      fail();
    }),
  ).toThrow("no");
  journal.commit(() => write("after"));
  journal.flush();
  expect(rows()).toEqual(["before", "after"]);
  expect(told()).toEqual(["before", "after"]);
  expect(ids(journal.since(0))).toEqual([1, 2]);
});

test("the commits of one turn land in one transaction, at its end", async () => {
  const { db, journal, write } = makeWorkshop();
  journal.commit(() => write("a"));
  expect(db.inTransaction).toBe(true);
  journal.commit(() => write("b"));
  const landed = journal.landed();
  expect(journal.landed()).toBe(landed);
  await landed;
  expect(db.inTransaction).toBe(false);
});

test("a commit inside a commit is part of it, and goes with it", () => {
  const { journal, write, rows, told } = makeWorkshop();
  expect(() =>
    journal.commit(() => {
      write("outer");
      journal.commit(() => write("inner"));
      fail();
    }),
  ).toThrow("no");
  journal.commit(() => {
    write("outer");
    journal.commit(() => write("inner"));
  });
  journal.flush();
  expect(rows()).toEqual(["outer", "inner"]);
  expect(told()).toEqual(["outer", "inner"]);
});

test("work may go on after the failure of a commit inside it, without what that did", () => {
  const { journal, write, rows, told } = makeWorkshop();
  journal.commit(() => {
    write("first");
    expect(() =>
      journal.commit(() => {
        write("undone");
        fail();
      }),
    ).toThrow("no");
    write("last");
  });
  journal.flush();
  expect(rows()).toEqual(["first", "last"]);
  expect(told()).toEqual(["first", "last"]);
  expect(ids(journal.since(0))).toEqual([1, 2]);
});

test("recording outside a commit throws", () => {
  const { journal, record, write, told } = makeWorkshop();
  expect(() => record("a")).toThrow("service.release was recorded outside a commit");
  journal.commit(() => write("b"));
  // The turn's transaction is still open, and is not a commit.
  expect(() => record("c")).toThrow("outside a commit");
  expect(() => journal.commit(fail)).toThrow("no");
  expect(() => record("d")).toThrow("outside a commit");
  journal.flush();
  expect(told()).toEqual(["b"]);
});

test("a turn is not ended from inside a commit", () => {
  const { journal, write, told } = makeWorkshop();
  journal.commit(() => {
    write("a");
    expect(() => journal.flush()).toThrow("inside a commit");
    write("b");
  });
  expect(told()).toEqual(["a", "b"]);
});

test("work that would go on after its transaction has no type", () => {
  const { journal } = makeWorkshop();
  const asynchronous = () => {
    // @ts-expect-error an async callback
    journal.commit(async () => 1);
    // @ts-expect-error a promise made inside
    journal.commit(() => Promise.resolve());
  };
  const synchronous = (): number => journal.commit(() => 1);
  expect(asynchronous).toBeFunction();
  expect(synchronous()).toBe(1);
});

// Listeners

test("listeners hear of events after they have landed, all of them by growing id", async () => {
  const { db, journal, write } = makeWorkshop();
  const heard: string[] = [];
  for (const name of ["first", "second"]) {
    journal.listen(({ id, targetId }) => {
      expect(db.inTransaction).toBe(false);
      heard.push(`${name} ${id} ${targetId}`);
    });
  }
  journal.commit(() => write("a"));
  journal.commit(() => {
    write("b");
    write("c");
  });
  expect(heard).toEqual([]);
  await journal.landed();
  expect(heard).toEqual(
    ["a", "b", "c"].flatMap((name, index) => [
      `first ${index + 1} ${name}`,
      `second ${index + 1} ${name}`,
    ]),
  );
});

test("listeners hear nothing of work that was undone", () => {
  const { journal, write } = makeWorkshop();
  const heard: Entry[] = [];
  journal.listen((entry) => heard.push(entry));
  expect(() =>
    journal.commit(() => {
      write("a");
      fail();
    }),
  ).toThrow("no");
  journal.flush();
  expect(heard).toEqual([]);
});

test("a listener that throws is reported and fails neither the writer nor the others", async () => {
  const { world, journal, write, rows } = makeWorkshop();
  const heard: string[] = [];
  journal.listen(fail);
  journal.listen(({ targetId }) => heard.push(targetId));
  journal.commit(() => write("a"));
  journal.commit(() => write("b"));
  await journal.landed();
  expect(heard).toEqual(["a", "b"]);
  expect(rows()).toEqual(["a", "b"]);
  expect(world.reported.map(String)).toEqual(["Error: no", "Error: no"]);
});

test("a listener that was taken away hears no more", () => {
  const { journal, write } = makeWorkshop();
  const heard: string[] = [];
  const stop = journal.listen(({ targetId }) => heard.push(targetId));
  journal.commit(() => write("a"));
  journal.flush();
  stop();
  journal.commit(() => write("b"));
  journal.flush();
  expect(heard).toEqual(["a"]);
});

test("what a listener commits lands after what it heard, and is heard by all", async () => {
  const { journal, write, told } = makeWorkshop();
  const heard: string[] = [];
  journal.listen(({ targetId }) => {
    if (targetId === "a") journal.commit(() => write("answer to a"));
  });
  journal.listen(({ targetId }) => heard.push(targetId));
  journal.commit(() => write("a"));
  journal.commit(() => write("b"));
  await journal.landed(); // what was asked
  await journal.landed(); // what was answered
  expect(heard).toEqual(["a", "b", "answer to a"]);
  expect(told()).toEqual(heard);
});

test("all hear in the same order also when a listener commits and reads back at once", () => {
  const { journal, write } = makeWorkshop();
  const heard: string[] = [];
  journal.listen(({ targetId }) => {
    if (targetId !== "a") return;
    journal.commit(() => write("answer to a"));
    journal.since(0);
  });
  journal.listen(({ targetId }) => heard.push(targetId));
  journal.commit(() => write("a"));
  journal.commit(() => write("b"));
  journal.flush();
  expect(heard).toEqual(["a", "b", "answer to a"]);
});

test("since and then listen, in one turn, miss nothing and repeat nothing", () => {
  const { journal, write } = makeWorkshop();
  journal.commit(() => write("a"));
  journal.flush();
  journal.commit(() => write("b, not landed yet"));
  const seen = targets(journal.since(0));
  journal.listen(({ targetId }) => seen.push(targetId));
  journal.commit(() => write("c"));
  journal.flush();
  expect(seen).toEqual(["a", "b, not landed yet", "c"]);
});

test("since and then listen repeat nothing also when called by a listener", () => {
  const { journal, write } = makeWorkshop();
  const seen: string[] = [];
  const stop = journal.listen(() => {
    stop();
    seen.push(...targets(journal.since(0)));
    journal.listen(({ targetId }) => seen.push(targetId));
  });
  journal.commit(() => write("a"));
  journal.commit(() => write("b"));
  journal.flush();
  journal.commit(() => write("c"));
  journal.flush();
  expect(seen).toEqual(["a", "b", "c"]);
});

test("since tells what came after an id, oldest first", () => {
  const { journal, write } = makeWorkshop();
  for (const name of ["a", "b", "c"]) journal.commit(() => write(name));
  expect(targets(journal.since(1))).toEqual(["b", "c"]);
  expect(journal.since(3)).toEqual([]);
  expect(journal.since(99)).toEqual([]);
});

// Companions

test("a companion's rows come and go with the event they accompany", () => {
  const { db, journal, write, rows } = makeWorkshop();
  journal.accompany(({ id, targetId }) => {
    expect(db.inTransaction).toBe(true);
    db.query("INSERT INTO work VALUES (?)").run(`companion of ${id}: ${targetId}`);
  });
  journal.commit(() => write("a"));
  expect(() =>
    journal.commit(() => {
      write("undone");
      fail();
    }),
  ).toThrow("no");
  journal.flush();
  expect(rows()).toEqual(["a", "companion of 1: a"]);
});

test("a companion that throws undoes the work, and nobody else's", () => {
  const { journal, write, rows, told } = makeWorkshop();
  journal.accompany(({ targetId }) => {
    if (targetId === "bad") fail();
  });
  journal.commit(() => write("good"));
  expect(() =>
    journal.commit(() => {
      write("fine so far");
      write("bad");
    }),
  ).toThrow("no");
  journal.commit(() => write("better"));
  journal.flush();
  expect(rows()).toEqual(["good", "better"]);
  expect(told()).toEqual(["good", "better"]);
  expect(ids(journal.since(0))).toEqual([1, 2]);
});

// What cannot be stored

/** The database may grow no further: the disk is full. */
function fillDisk({ db }: TestWorld): void {
  db.run("PRAGMA max_page_count = 1"); // SQLite makes it the pages that there are.
}

function makeRoom({ db }: TestWorld): void {
  db.run("PRAGMA max_page_count = 1000000");
}

/** More than fits into the pages that there are. */
const large = "x".repeat(200_000);

/** A change that SQLite accepts at once and refuses when the transaction is to land. */
function writeWhatCannotLand({ db }: TestWorld): void {
  db.run("PRAGMA defer_foreign_keys = ON");
  db.run("INSERT INTO endpoints VALUES ('nobody', 'dev', 'http://dev.example.com')");
}

async function outcome(landed: Promise<void>): Promise<unknown> {
  return landed.then(
    () => "landed",
    (error) => error,
  );
}

test("a full disk fails the work with its meaning, and all of that turn is gone", async () => {
  const { world, journal, write, rows, told } = makeWorkshop();
  const heard: string[] = [];
  journal.listen(({ targetId }) => heard.push(targetId));
  journal.commit(() => write("stored"));
  await journal.landed();

  fillDisk(world);
  journal.commit(() => write("before"));
  const landed = outcome(journal.landed());
  const full = () => journal.commit(() => write(large));
  expect(full).toThrow("The state cannot be stored: the disk is full");
  expect(await landed).toMatchObject({ code: "unavailable" });
  expect([rows(), told(), heard, journal.lastId()]).toEqual([
    ["stored"],
    ["stored"],
    ["stored"],
    1,
  ]);

  makeRoom(world);
  journal.commit(() => write("again"));
  await journal.landed();
  expect([rows(), told(), heard]).toEqual(Array(3).fill(["stored", "again"]));
  expect(ids(journal.since(0))).toEqual([1, 2]);
});

test("after a full disk, later work of the same turn stands by itself", async () => {
  const { world, journal, write, rows, told } = makeWorkshop();
  fillDisk(world);
  journal.commit(() => write("lost"));
  const lost = outcome(journal.landed());
  expect(() => journal.commit(() => write(large))).toThrow(Fault);
  makeRoom(world);
  journal.commit(() => write("kept"));
  const kept = outcome(journal.landed());
  expect(await lost).toMatchObject({ code: "unavailable" });
  expect(await kept).toBe("landed");
  expect([rows(), told()]).toEqual([["kept"], ["kept"]]);
  expect(ids(journal.since(0))).toEqual([1]);
});

test("a full disk inside a commit inside a commit fails both, and nothing is left", () => {
  const { world, journal, write, rows, told } = makeWorkshop();
  fillDisk(world);
  expect(() =>
    journal.commit(() => {
      write("outer");
      journal.commit(() => write(large));
    }),
  ).toThrow("the disk is full");
  journal.flush();
  makeRoom(world);
  journal.commit(() => write("again"));
  journal.flush();
  expect([rows(), told()]).toEqual([["again"], ["again"]]);
});

test("a turn that cannot land rejects, is gone as a whole, and the next one works", async () => {
  const { world, db, journal, write, rows, told } = makeWorkshop();
  const heard: string[] = [];
  journal.listen(({ targetId }) => heard.push(targetId));
  journal.commit(() => write("stored"));
  await journal.landed();

  journal.commit(() => write("before"));
  journal.commit(() => {
    write("cause");
    writeWhatCannotLand(world);
  });
  journal.commit(() => write("after"));
  expect(await outcome(journal.landed())).toMatchObject({
    message: "FOREIGN KEY constraint failed",
  });
  expect(db.inTransaction).toBe(false);
  expect([rows(), told(), heard, journal.lastId()]).toEqual([
    ["stored"],
    ["stored"],
    ["stored"],
    1,
  ]);

  journal.commit(() => write("again"));
  await journal.landed();
  expect([rows(), told(), heard]).toEqual(Array(3).fill(["stored", "again"]));
  expect(ids(journal.since(0))).toEqual([1, 2]);
});

test("a turn that cannot land and that nobody waits for ends nothing", async () => {
  const { world, journal, write, told } = makeWorkshop();
  journal.commit(() => {
    write("lost");
    writeWhatCannotLand(world);
  });
  await new Promise((resolve) => setImmediate(resolve));
  journal.commit(() => write("kept"));
  await journal.landed();
  expect(told()).toEqual(["kept"]);
});

test("whoever ends a turn that cannot land hears of it", () => {
  const { world, journal, write, told } = makeWorkshop();
  journal.commit(() => {
    write("lost");
    writeWhatCannotLand(world);
  });
  expect(() => journal.flush()).toThrow();
  expect(told()).toEqual([]);
});

test("no answer says that something is done which could not be stored", async () => {
  const { world, play, request } = makeSide();
  await play({ method: "POST", path: "/claim/stored" });
  fillDisk(world);
  // One that would fit, and one that takes the transaction of both with it.
  const answers = await Promise.all([
    request({ method: "POST", path: "/claim/fits", body: {} }),
    ...Array.from({ length: 40 }, (_, n) =>
      request({ method: "POST", path: `/claim/large${n}`, body: { cmd: "x".repeat(4000) } }),
    ),
  ]);
  expect(answers.map(({ status }) => status)).toContain(503);
  const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { id?: string }[];
  const promised = bodies.flatMap(({ id }) => id ?? []);
  const { services } = await play({ path: "/services" });
  expect(services.map(({ id }: any) => id).sort()).toEqual(["stored", ...promised].sort());
  expect(world.journal.since(1).map(({ targetId }) => targetId)).toEqual(promised);

  makeRoom(world);
  await play({
    method: "POST",
    path: "/claim/later",
    answer: { port: 3101 + promised.length },
    events: ["service.claim later"],
  });
});

test("the port of a claim that could not land is given anew", async () => {
  const { world } = makeWorkshop();
  const caller = { actor: "tester" };
  expect(claims.claim(world, { id: "lost" }, caller).port).toBe(3100);
  world.journal.commit(() => writeWhatCannotLand(world));
  expect(await outcome(world.journal.landed())).toBeInstanceOf(Error);
  expect(claims.claim(world, { id: "kept" }, caller).port).toBe(3100);
  expect(services.list(world, {}).services).toMatchObject([{ id: "kept" }]);
});

// Ids

test("ids go on after everything else was pruned and the database was opened again", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  try {
    const file = path.join(directory, "port-daddy.db");
    const before = makeWorkshop(file);
    for (const name of ["a", "b", "c"]) before.journal.commit(() => before.write(name));
    before.world.advance(365 * 86_400_000);
    prune(before.world);
    expect(ids(before.journal.since(0))).toEqual([3]);
    before.db.close();

    const after = makeWorkshop(file);
    expect(after.journal.lastId()).toBe(3);
    after.journal.commit(() => after.write("d"));
    expect(ids(after.journal.since(0))).toEqual([3, 4]);
    after.db.close();
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test("no id is told twice, whatever was undone in between", async () => {
  const { world, journal, write } = makeWorkshop();
  const heard: number[] = [];
  journal.listen(({ id }) => heard.push(id));
  for (let turn = 0; turn < 20; turn++) {
    journal.commit(() => write(`kept ${turn}`));
    if (turn % 3 === 0) {
      const undone = () =>
        journal.commit(() => {
          write("undone");
          fail();
        });
      expect(undone).toThrow("no");
    }
    if (turn % 7 === 0) journal.commit(() => writeWhatCannotLand(world));
    await outcome(journal.landed());
  }
  expect(heard).toEqual(Array.from({ length: heard.length }, (_, index) => index + 1));
  expect(heard.length).toBe(17);
  expect(ids(journal.since(0))).toEqual(heard);
});
