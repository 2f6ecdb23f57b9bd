// State that released versions have left behind. Each release's database stays here for ever: whatever comes later
// must read it.

import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { migrations } from "../../src/store/migrations.ts";
import * as database from "../../src/store/database.ts";
import { Home } from "../home.ts";

const folder = path.join(import.meta.dir, "released");
const releases = fs.readdirSync(folder).filter((name) => name.endsWith(".db"));

type Row = Record<string, unknown>;

/** Names what is in a schema, but not how it is written: an added column is an edit of its table's text. */
function schemaOf(db: Database): Row[] {
  return db
    .query(
      `SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name`,
    )
    .all() as Row[];
}

function tablesOf(db: Database): string[] {
  return schemaOf(db).flatMap(({ type, name }) => (type === "table" ? [String(name)] : []));
}

function versionOf(db: Database): number {
  return (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
}

/** A copy in a directory of its own: the saved one is never opened for writing. */
function copyOf(release: string): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  const file = path.join(directory, "port-daddy.db");
  fs.copyFileSync(path.join(folder, release), file);
  return file;
}

test("there is one of every release so far", () => {
  expect(releases).toContain("1.0.0.db");
});

describe.each(releases)("the database of %s", (release) => {
  const saved = new Database(path.join(folder, release), { readonly: true });

  test("has the schema that its steps make today: a released step is never edited", () => {
    const db = new Database(":memory:");
    for (const step of migrations.slice(0, versionOf(saved))) db.run(step);
    expect(schemaOf(saved)).toEqual(schemaOf(db));
  });

  test("is opened with every row that it has, whole, and with all steps of today", () => {
    const file = copyOf(release);
    const db = database.open(file, (text) => expect.unreachable(text));
    expect(versionOf(db)).toBe(migrations.length);
    expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
    for (const table of tablesOf(saved)) {
      const rows = saved.query(`SELECT * FROM "${table}"`).all() as Row[];
      expect(rows.length, table).toBeGreaterThan(0);
      const now = db.query(`SELECT * FROM "${table}"`).all() as Row[];
      expect(now, table).toEqual(rows.map((row) => expect.objectContaining(row)));
    }
    db.close();
    const copies = fs.readdirSync(path.dirname(file)).filter((name) => /\.db\./.test(name));
    expect(copies.length, "a copy of what was there before").toBe(
      versionOf(saved) === migrations.length ? 0 : 1,
    );
    fs.rmSync(path.dirname(file), { recursive: true });
  });

  test("is served by the daemon of today: who had what has it", async () => {
    await using home = new Home({
      PORT_DADDY_RANGE_START: "3100",
      PORT_DADDY_RANGE_END: "9999",
      // What was saved grows old.
      PORT_DADDY_ACTIVITY_RETENTION: "3650d,1000",
      PORT_DADDY_MESSAGE_RETENTION: "3650d,1000",
    });
    fs.mkdirSync(home.state, { mode: 0o700 });
    fs.copyFileSync(path.join(folder, release), path.join(home.state, "port-daddy.db"));
    const { services } = await home.json(["find"]);
    // shop:docs was an agent's, whose process has died since.
    expect(services.map(({ id, port }: Row) => [id, port])).toEqual([
      ["shop:api", 3101],
      ["shop:web", 3102],
    ]);
    expect((await home.json(["claim", "shop:docs"])).port).toBe(3104);
    expect(services[0].urls.staging).toBe("https://api.staging.example.com");
    const { messages } = await home.json(["messages", "build:done"]);
    expect(messages.map(({ id, payload }: Row) => [id, payload])).toEqual([
      [1, { ok: true }],
      [2, { ok: false }],
    ]);
    expect((await home.json(["pub", "build:done", "1"])).id).toBe(4);
    expect((await home.json(["lock", "deploy", "--owner", "ada"])).fence).toBe(3);
    expect((await home.json(["webhooks", "list"])).webhooks).toMatchObject([
      { url: "https://hooks.invalid/port-daddy", events: ["message.publish"] },
    ]);
    expect((await home.json(["log", "--action", "release"])).entries).toMatchObject([
      { targetId: "blog", actor: "ada" },
    ]);
  });
});
