// The ceiling: the least that the same runtime can do for the same request. Bun, hono and bun:sqlite with the product's
// tables and pragmas; the same rows are written by as few statements as can be, in one transaction a turn of the event
// loop, and an answer waits for it. No rules, no checks. `bun bare.ts FILE` prints its port.

import { Database } from "bun:sqlite";
import { Hono } from "hono";
import * as fs from "node:fs";
import { indexLog } from "../../src/store/logIndex.ts";
import { migrations } from "../../src/store/migrations.ts";

const file = process.argv[2]!;
const db = new Database(file, { create: true, strict: true });
db.run("PRAGMA journal_mode = WAL");
db.run("PRAGMA synchronous = NORMAL");
db.run("PRAGMA wal_autocheckpoint = 0");
db.run("PRAGMA cache_size = -16000");
for (const step of migrations) db.run(step);

/** An insertion of these columns; what else the table asks for gets a nought or an empty text. */
function insertion(table: string, ...columns: string[]): string {
  const others = (
    db.query(`PRAGMA table_info(${table})`).all() as {
      name: string;
      type: string;
      notnull: number;
      dflt_value: string | null;
      pk: number;
    }[]
  ).filter(
    ({ name, notnull, dflt_value, pk }) =>
      notnull === 1 && dflt_value === null && pk === 0 && !columns.includes(name),
  );
  const names = [...columns, ...others.map(({ name }) => name)];
  const values = [
    ...columns.map(() => "?"),
    ...others.map(({ type }) => (type === "TEXT" ? "''" : "0")),
  ];
  return `INSERT INTO ${table} (${names.join(", ")}) VALUES (${values.join(", ")})`;
}

const sql = {
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  event: db.prepare(
    insertion(
      "activity",
      "timestamp",
      "event",
      "action",
      "target_id",
      "actor",
      "metadata",
      "indexed",
    ),
  ),
  claim: db.prepare(insertion("services", "id", "port", "cwd", "created_at", "last_seen_at")),
  remember: db.prepare(insertion("port_memory", "id", "port")),
  acquire: db.prepare(
    `${insertion("locks", "name", "owner", "fence", "acquired_at", "expires_at", "ttl_ms")} ON CONFLICT DO NOTHING`,
  ),
  release: db.prepare("DELETE FROM locks WHERE name = ? AND owner = ?"),
  publish: db.prepare(insertion("messages", "id", "channel", "payload", "sender", "created_at")),
  count: db.prepare<{ count: number }, [string, number, number, number]>(
    `${insertion("channels", "channel", "count", "last_message_at", "trimmed_to")}
     ON CONFLICT (channel) DO UPDATE SET count = count + 1, last_message_at = excluded.last_message_at
     RETURNING count`,
  ),
  trim: db.prepare<{ id: number }, [string]>(
    "DELETE FROM messages WHERE id = (SELECT min(id) FROM messages WHERE channel = ?) RETURNING id",
  ),
  uncount: db.prepare("UPDATE channels SET count = count - 1, trimmed_to = ? WHERE channel = ?"),
};

/** The messages of a channel that are kept, as the product does by default. */
const keptMessages = 1_000;

let [lastPort, lastFence, lastMessage, changes] = [9_999, 0, 0, 0];
let turn: PromiseWithResolvers<void> | undefined;

/** Opens the turn's transaction if it is not open; resolves when that has landed. */
function landing(): Promise<void> {
  if (turn) return turn.promise;
  const mine = (turn = Promise.withResolvers<void>());
  sql.begin.run();
  changes++;
  setImmediate(land);
  return mine.promise;
}

function land(): void {
  if (!turn) return;
  sql.commit.run();
  turn.resolve();
  turn = undefined;
}

function note(at: number, event: string, target: string, data: unknown): void {
  sql.event.run(at, event, event.replace(".", "_"), target, "bench", JSON.stringify(data), 0);
}

const app = new Hono();

app.post("/claim/:id", async (c) => {
  const { cwd = null } = await c.req.json();
  const stored = landing();
  const id = c.req.param("id");
  const port = ++lastPort;
  const at = Date.now();
  sql.claim.run(id, port, cwd, at, at);
  sql.remember.run(id, port);
  const claimed = {
    id,
    port,
    status: "assigned",
    cwd,
    urls: { local: `http://localhost:${port}` },
    createdAt: at,
    lastSeenAt: at,
    existing: false,
  };
  note(at, "service.claim", id, claimed);
  await stored;
  return c.json(claimed);
});

app.post("/locks/:name", async (c) => {
  const { owner, ttl = 300_000 } = await c.req.json();
  const stored = landing();
  const name = c.req.param("name");
  const acquiredAt = Date.now();
  const expiresAt = acquiredAt + ttl;
  const fence = ++lastFence;
  const { changes } = sql.acquire.run(name, owner, fence, acquiredAt, expiresAt, ttl);
  if (changes === 0) return c.json({ error: "held" }, 409);
  note(acquiredAt, "lock.acquire", name, { owner, fence, expiresAt });
  await stored;
  return c.json({ name, owner, fence, acquiredAt, expiresAt });
});

app.delete("/locks/:name", async (c) => {
  const { owner } = await c.req.json();
  const stored = landing();
  const name = c.req.param("name");
  if (sql.release.run(name, owner).changes === 0) return c.json({ error: "not held" }, 404);
  note(Date.now(), "lock.release", name, { owner, reason: "released" });
  await stored;
  return c.json({ released: true, lock: { name, owner } });
});

app.post("/msg/:channel", async (c) => {
  const { payload } = await c.req.json();
  const stored = landing();
  const channel = c.req.param("channel");
  const id = ++lastMessage;
  const at = Date.now();
  const text = JSON.stringify(payload);
  sql.publish.run(id, channel, text, "bench", at);
  if (sql.count.get(channel, 1, at, 0)!.count > keptMessages)
    sql.uncount.run(sql.trim.get(channel)!.id, channel);
  note(at, "message.publish", channel, { id, preview: text });
  await stored;
  return c.json({ id, channel, createdAt: at, subscribers: 0 });
});

const subscribers = new Set<ReadableStreamDefaultController<Uint8Array>>();
const encoder = new TextEncoder();

app.get("/subscribe/:channel", (c) => {
  let own: ReadableStreamDefaultController<Uint8Array>;
  const source = {
    start(controller: ReadableStreamDefaultController<Uint8Array>) {
      own = controller;
      subscribers.add(controller);
      controller.enqueue(encoder.encode("retry: 1000\n\n"));
    },
    cancel: () => void subscribers.delete(own),
  };
  // With room for more than one chunk, the default, a subscriber costs half as much.
  const body = new ReadableStream(source, {
    highWaterMark: 2 ** 18,
    size: (chunk) => chunk!.length,
  });
  return c.body(body, 200, { "Content-Type": "text/event-stream" });
});

/** What is to be sent in this turn of the event loop: together, each subscriber gets it by fewer writes. */
let chunks: Uint8Array[] = [];

function send(chunk: Uint8Array): void {
  if (chunks.push(chunk) > 1) return;
  setImmediate(() => {
    const together = chunks;
    chunks = [];
    for (const controller of subscribers) for (const each of together) controller.enqueue(each);
  });
}

/** The fan-out alone: a chunk, encoded once, to everybody; nothing is stored. */
app.post("/fan/:channel", async (c) => {
  const { payload } = await c.req.json();
  const id = ++lastMessage;
  const message = {
    id,
    channel: c.req.param("channel"),
    payload,
    sender: null,
    createdAt: Date.now(),
    expiresAt: null,
  };
  const chunk = encoder.encode(`id: ${id}\ndata: ${JSON.stringify(message)}\n\n`);
  send(chunk);
  return c.json({ id, channel: message.channel, subscribers: subscribers.size });
});

const held: (() => void)[] = [];

app.get("/held", (c) => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  held.push(() => resolve(c.json({ woken: true })));
  return promise;
});

app.get("/waiting", (c) => c.json({ waiting: held.length }));

app.post("/wake", async (c) => {
  const { owner } = await c.req.json();
  for (const wake of held.splice(0)) wake();
  return c.json({ released: true, owner });
});

// The product indexes its log and empties its write-ahead log when a second has been quiet, or at 64 MiB: neither in a
// request.
let [seen, done] = [0, 0];
setInterval(() => {
  const isQuiet = changes === seen;
  seen = changes;
  if (changes === done || (!isQuiet && fs.statSync(`${file}-wal`).size < 64 * 1024 * 1024)) return;
  land();
  indexLog(db);
  db.run("PRAGMA wal_checkpoint(passive)");
  done = changes;
}, 1_000);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  reusePort: false,
  development: false,
  fetch: app.fetch,
});
console.log(server.port);
