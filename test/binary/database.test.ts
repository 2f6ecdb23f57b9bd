// A database that the daemon finds: of a later version, damaged, or no database at all.

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as paths from "../../src/system/paths.ts";
import { eventually, Home } from "../home.ts";

/** A home whose daemon has run and stopped. */
async function leftHome(): Promise<{ home: Home; file: string }> {
  const home = new Home();
  await home.run(["claim", "myapp"]);
  await home.run(["stop"]);
  return { home, file: paths.databaseFile(home.state) };
}

test("one of a newer version is refused in a sentence, and left as it is", async () => {
  const { home, file } = await leftHome();
  await using _ = home;
  using db = new Database(file);
  db.run("PRAGMA user_version = 1000");
  db.close();
  const before = fs.readFileSync(file);
  for (const words of [["start"], ["claim", "myapp"]]) {
    const { code, out, err } = await home.run(words);
    expect({ code, out }).toEqual({ code: 7, out: "" });
    expect(err).toContain(`The database ${file} was written by a newer port-daddy (schema 1000;`);
  }
  await home.noDaemon();
  expect(fs.readFileSync(file).equals(before)).toBe(true);
});

test.each<[string, (file: string) => void]>([
  [
    "that is no database",
    (file) => fs.writeFileSync(file, "not a database, but long enough ".repeat(50)),
  ],
  ["whose pages are torn", tear],
  ["that is damaged where it is not read at once", (file) => blank(file, "messages")],
])("one %s is set aside under a name that the log tells, and never deleted", async (_, damage) => {
  const { home, file } = await leftHome();
  await using _home = home;
  damage(file);
  const damaged = fs.readFileSync(file);

  expect(await home.run(["claim", "other", "-q"])).toMatchObject({ code: 0 });
  const { out } = await home.run(["logs"]);
  const aside = /set aside as (\S+);/.exec(out)?.[1] ?? "";
  expect(aside).toStartWith(`${file}.damaged-`);
  expect(fs.readFileSync(aside).equals(damaged)).toBe(true);
  expect((await home.run(["find", "-q"])).out).toBe("other\n");
});

/** Overwrites everything after the header, as a failing disk may. */
function tear(file: string): void {
  const descriptor = fs.openSync(file, "r+");
  const { size } = fs.fstatSync(descriptor);
  fs.writeSync(descriptor, Buffer.alloc(size - 100, 0x5a), 0, size - 100, 100);
  fs.closeSync(descriptor);
}

test("the log is indexed as soon as nothing has happened for a while", async () => {
  await using home = new Home();
  await home.run(["claim", "myapp"]);
  using db = new Database(paths.databaseFile(home.state), { readonly: true });
  const behind = db.query("SELECT count(*) AS n FROM activity WHERE NOT indexed");
  await eventually("no entry is left", () => (behind.get() as { n: number }).n === 0);
});

/** Overwrites the first page of a table or an index. */
function blank(file: string, name: string): void {
  const db = new Database(file);
  const size = db.query("PRAGMA page_size").values()[0]![0] as number;
  const page = db.query("SELECT rootpage FROM sqlite_master WHERE name = ?").values(name)[0]![0];
  db.close();
  const descriptor = fs.openSync(file, "r+");
  fs.writeSync(descriptor, Buffer.alloc(size), 0, size, ((page as number) - 1) * size);
  fs.closeSync(descriptor);
}

test("one that is damaged where few requests read serves the others, and refuses those in a sentence", async () => {
  const { home, file } = await leftHome();
  await using _ = home;
  blank(file, "messages_by_channel");
  expect(await home.run(["claim", "myapp", "-q"])).toMatchObject({ code: 0, err: "" });
  const { code, err } = await home.run(["messages", "news"]);
  expect({ code, err }).toEqual({
    code: 7,
    err: "error: The state cannot be read: the database is damaged\nhint: see what to do about it: port-daddy doctor\n",
  });
});

test("one that is empty is begun", async () => {
  await using home = new Home();
  fs.mkdirSync(home.state);
  fs.writeFileSync(paths.databaseFile(home.state), "");
  expect(await home.run(["claim", "myapp", "-q"])).toMatchObject({ code: 0, err: "" });
});

test.each(["removed", "emptied"])(
  "that one was %s is said where the next is begun",
  async (how) => {
    const { home, file } = await leftHome();
    await using _ = home;
    fs.rmSync(file);
    if (how === "emptied") fs.writeFileSync(file, "");
    const { code, err } = await home.run(["claim", "myapp", "-q"]);
    expect({ code, err }).toEqual({
      code: 0,
      err: `warning: the database ${file} is gone; starting with an empty one\n`,
    });
  },
);

test("under load that never pauses the write-ahead log is emptied all the same", async () => {
  await using home = new Home();
  await home.run(["start"]);
  const wal = `${paths.databaseFile(home.state)}-wal`;
  const body = JSON.stringify({ payload: "x".repeat(8_000) });
  let [sent, most] = [0, 0];
  async function publish(): Promise<void> {
    while (sent++ < 4_000) {
      const { ok } = await home.fetch("/msg/load", { method: "POST", body });
      expect(ok).toBe(true);
      most = Math.max(most, fs.statSync(wal).size);
    }
  }
  await Promise.all(Array.from({ length: 8 }, publish));
  // More than that was written: each message takes three pages of 4 KiB at least.
  expect(most).toBeLessThan(32_000_000);
});
