// Webhooks below HTTP and without a courier: which events are put down for whom, when a webhook is paused and resumed,
// and how long what is over is kept.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { events, type EventName } from "../../src/contract/events.ts";
import { Fault } from "../../src/contract/faults.ts";
import type { InputOf } from "../../src/contract/operations.ts";
import * as deliveries from "../../src/domain/deliveries.ts";
import * as webhooks from "../../src/domain/webhooks.ts";
import * as database from "../../src/store/database.ts";
import type { World } from "../../src/world.ts";
import { makeWorld, startOfTime } from "../world.ts";

const caller = { actor: "tester" };
const dayMs = 86_400_000;

function add(world: World, input: Partial<InputOf<"addWebhook">> = {}): string {
  return webhooks.add(world, { url: "https://example.com/hook", ...input }, caller).id;
}

function record(world: World, event: EventName, target = "myapp", data: object = {}): void {
  world.journal.commit(() => world.journal.record(event, target, "tester", data as never));
}

/** Claims that many services, in one turn. */
function recordMany(world: World, count: number): void {
  for (let n = 0; n < count; n++) record(world, "service.claim", `s${n}`);
}

/** What was put down for a webhook, in the order in which it is to be sent. */
function deliveriesOf(world: World, id: string) {
  return deliveries.list(world, { id, limit: 1000 }).deliveries.toReversed();
}
const targets = (world: World, id: string) =>
  deliveriesOf(world, id).map(({ targetId }) => targetId);

function bodies(world: World, id: string): string[] {
  const rows = world.db
    .query("SELECT body FROM deliveries WHERE webhook = ? ORDER BY number")
    .all(id);
  return (rows as { body: string }[]).map(({ body }) => body);
}

const arrived = { httpStatus: 200, durationMs: 5, response: "ok", error: null };
const refused = { httpStatus: 500, durationMs: 5, response: "no", error: "it answered 500" };

/** Sends what comes first, or fails to; with `retryAt` it is tried again. */
function settleNext(world: World, id: string, outcome: deliveries.Outcome, retryAt?: number): void {
  deliveries.settle(world, deliveries.next(world, id)!, outcome, retryAt ?? null);
}

function failMany(world: World, id: string, count: number): void {
  for (let n = 0; n < count; n++) {
    record(world, "service.claim");
    settleNext(world, id, refused);
  }
}

function logged(world: World): string[] {
  return world.journal.since(0).map(({ event, targetId }) => `${event} ${targetId}`);
}

// What is offered and wanted

test("the events of the documentation are offered, in its words", () => {
  expect(new Map(webhooks.offered().map(({ event, summary }) => [event, summary]))).toEqual(
    new Map([
      ["service.claim", "Service was claimed"],
      ["service.release", "Service was released"],
      ["service.ready", "Launched service listens on its port"],
      ["service.hijacked", "Somebody else took the port of a launched service"],
      ["service.exit", "Command of a launched service ended"],
      ["agent.register", "Agent registered"],
      ["agent.unregister", "Agent unregistered"],
      ["agent.stale", "Agent went stale"],
      ["lock.acquire", "Lock was acquired"],
      ["lock.release", "Lock was released"],
      ["message.publish", "Message was published"],
      ["daemon.start", "Daemon started"],
      ["daemon.stop", "Daemon stopping"],
    ]),
  );
});

test("a webhook that names no events gets what is offered, and nothing else", () => {
  const world = makeWorld();
  const id = add(world);
  for (const event of Object.keys(events) as EventName[]) record(world, event);
  const got = deliveriesOf(world, id).map(({ event }) => event);
  expect(got).toEqual(webhooks.offered().map(({ event }) => event));
  expect(webhooks.get(world, { id }).events).toEqual(["*"]);
});

const wanted: [string[], string[]][] = [
  [["service.claim"], ["service.claim"]],
  [
    ["service.claim", "lock.*"],
    ["service.claim", "lock.acquire", "lock.release"],
  ],
  [["*.release"], ["service.release", "lock.release"]],
  [["*"], webhooks.offered().map(({ event }) => event)],
  [["lock.acquire", "lock.*", "*"], webhooks.offered().map(({ event }) => event)],
  // What webhooks cannot ask for is not sent to one whose pattern happens to match it.
  [
    ["service.*"],
    ["service.claim", "service.release", "service.ready", "service.hijacked", "service.exit"],
  ],
  [
    ["agent.*", "daemon.stop"],
    ["agent.register", "agent.unregister", "agent.stale", "daemon.stop"],
  ],
];

for (const [patterns, names] of wanted)
  test(`events ${patterns.join(" and ")} get each of ${names.length} once`, () => {
    const world = makeWorld();
    const id = add(world, { events: patterns });
    for (const event of Object.keys(events) as EventName[]) record(world, event);
    const got = deliveriesOf(world, id).map(({ event }) => event);
    expect(got.toSorted()).toEqual(names.toSorted());
  });

const filters: [string, string[]][] = [
  ["shop:*", ["shop", "shop:api", "shop:api:main"]],
  ["*:api", ["shop:api"]],
  ["shop", ["shop"]],
  ["SHOP:*", []],
  ["sh_p", []],
  ["shop:**", ["shop:api", "shop:api:main"]],
];

for (const [filter, expected] of filters)
  test(`a filter ${filter} lets through ${expected.join(", ") || "nothing"}`, () => {
    const world = makeWorld();
    const id = add(world, { filter });
    for (const target of ["shop", "shop:api", "shop:api:main", "shopping", "other"])
      record(world, "service.claim", target);
    expect(targets(world, id)).toEqual(expected);
  });

test("events and filter must both match", () => {
  const world = makeWorld();
  const id = add(world, { events: ["lock.*"], filter: "shop:*" });
  record(world, "lock.acquire", "other");
  record(world, "service.claim", "shop:api");
  record(world, "lock.release", "shop:api");
  expect(deliveriesOf(world, id).map(({ event, targetId }) => `${event} ${targetId}`)).toEqual([
    "lock.release shop:api",
  ]);
});

test("a webhook gets nothing of what happened before it was there", () => {
  const world = makeWorld();
  record(world, "service.claim", "before");
  const id = add(world);
  record(world, "service.claim", "after");
  expect(targets(world, id)).toEqual(["after"]);
});

test("a webhook that is switched off gets nothing and misses nothing, and what waited still waits", () => {
  const world = makeWorld();
  const id = add(world);
  record(world, "service.claim", "before");
  webhooks.update(world, { id, active: false }, caller);
  record(world, "service.claim", "meanwhile");
  expect(deliveries.due(world)).toEqual([]);
  expect(webhooks.get(world, { id })).toMatchObject({ active: false, pending: 1, dropped: 0 });
  webhooks.update(world, { id, active: true }, caller);
  record(world, "service.claim", "after");
  expect(targets(world, id)).toEqual(["before", "after"]);
  expect(deliveries.due(world).map(({ delivery }) => delivery.targetId)).toEqual(["before"]);
});

test("an update changes whom an event is for from then on, and nothing that was put down", () => {
  const world = makeWorld();
  const id = add(world, { events: ["service.claim"], filter: "a" });
  record(world, "service.claim", "a");
  webhooks.update(world, { id, events: ["lock.*"], filter: null }, caller);
  record(world, "service.claim", "a");
  record(world, "lock.acquire", "b");
  expect(targets(world, id)).toEqual(["a", "b"]);
});

// The body

test("a body holds the event, its instant and its facts, and nothing else", () => {
  const world = makeWorld();
  const id = add(world);
  record(world, "service.claim", "myapp", { port: 3100, existing: false });
  expect(bodies(world, id)).toEqual([
    `{"event":"service.claim","timestamp":${startOfTime},"data":{"targetId":"myapp","actor":"tester","port":3100,"existing":false}}`,
  ]);
});

test("the bytes of a body are what JSON.stringify makes of what they parse to", () => {
  const world = makeWorld();
  const id = add(world);
  const odd = ['{"b":1,"10":2,"9":3,"a":4}', '{"__proto__":{"z":-0}}', '{"x":"\\ud800é🎈\\u2028"}'];
  for (const metadata of odd)
    record(world, "service.claim", "myapp", { metadata: JSON.parse(metadata), port: 1e21 });
  expect(bodies(world, id)).toHaveLength(3);
  for (const body of bodies(world, id)) expect(JSON.stringify(JSON.parse(body))).toBe(body);
});

// Transactions

test("a delivery is there as soon as its event, and is undone with it", () => {
  const world = makeWorld();
  const id = add(world);
  record(world, "service.claim", "before");
  expect(() =>
    world.journal.commit(() => {
      record(world, "service.claim", "inside");
      expect(targets(world, id)).toEqual(["before", "inside"]);
      throw new Error("undone");
    }),
  ).toThrow("undone");
  record(world, "service.claim", "after");
  world.journal.flush();
  expect(targets(world, id)).toEqual(["before", "after"]);
  expect(logged(world).slice(1)).toEqual(["service.claim before", "service.claim after"]);
});

test("an event and its deliveries are stored together: neither is seen without the other", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "port-daddy-webhooks-"));
  try {
    const file = path.join(directory, "database");
    const world = makeWorld({}, file);
    add(world);
    world.journal.flush();
    const other = database.open(file);
    const count = (table: string) =>
      (other.query(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
    record(world, "service.claim");
    expect([count("activity"), count("deliveries")]).toEqual([1, 0]);
    world.journal.flush();
    expect([count("activity"), count("deliveries")]).toEqual([2, 1]);
    other.close();
    world.db.close();
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test("a change of a webhook that is undone changes nothing for the events after it", () => {
  const world = makeWorld();
  const kept = add(world, { events: ["service.claim"] });
  const undo = (work: () => void) =>
    expect(() =>
      world.journal.commit(() => {
        work();
        record(world, "lock.acquire", "inside");
        throw new Error("undone");
      }),
    ).toThrow("undone");
  undo(() => void add(world));
  undo(() => void webhooks.update(world, { id: kept, events: ["lock.*"] }, caller));
  undo(() => void webhooks.remove(world, { id: kept }, caller));
  record(world, "service.claim", "after");
  record(world, "lock.acquire", "after");
  expect(webhooks.list(world).count).toBe(1);
  expect(deliveriesOf(world, kept).map(({ event }) => event)).toEqual(["service.claim"]);
  expect(logged(world)).toEqual([
    `webhook.add ${kept}`,
    "service.claim after",
    "lock.acquire after",
  ]);
});

test("each webhook has its own line, in the order in which things happened", () => {
  const world = makeWorld();
  const [a, b] = [add(world), add(world, { filter: "y*" })];
  for (const target of ["x1", "y1", "x2", "y2"]) record(world, "service.claim", target);
  expect(targets(world, a)).toEqual(["x1", "y1", "x2", "y2"]);
  expect(targets(world, b)).toEqual(["y1", "y2"]);
  settleNext(world, a, arrived);
  settleNext(world, b, refused, startOfTime + 1_000); // It is tried again, before anything else.
  const due = deliveries.due(world).map(({ webhook, delivery }) => [webhook.id, delivery.targetId]);
  expect(new Map(due as [string, string][])).toEqual(
    new Map([
      [a, "y1"],
      [b, "y1"],
    ]),
  );
});

// Paused and resumed

test("a webhook is paused past a thousand pending, not at a thousand, and says why", () => {
  const world = makeWorld();
  const [behind, idle] = [add(world), add(world, { events: ["daemon.stop"] })];
  recordMany(world, 1_000);
  webhooks.pauseThoseBehind(world);
  expect(webhooks.get(world, { id: behind }).paused).toBeNull();
  record(world, "service.claim", "one more");
  webhooks.pauseThoseBehind(world);
  expect(webhooks.get(world, { id: behind })).toMatchObject({ pending: 1_001, dropped: 0 });
  expect(webhooks.get(world, { id: behind }).paused).toContain("1000");
  expect(webhooks.get(world, { id: idle }).paused).toBeNull();
  expect(deliveries.due(world)).toEqual([]);
  webhooks.pauseThoseBehind(world); // It is paused once.
  const pauses = world.journal.since(0).filter(({ event }) => event === "webhook.pause");
  expect(pauses).toMatchObject([
    {
      action: "webhook_pause",
      targetId: behind,
      actor: "port-daddy",
      metadata: { reason: webhooks.get(world, { id: behind }).paused },
    },
  ]);
});

test("ten events that failed in a row pause a webhook, nine do not", () => {
  const world = makeWorld();
  const id = add(world);
  failMany(world, id, 9);
  expect(webhooks.get(world, { id }).paused).toBeNull();
  failMany(world, id, 1);
  expect(webhooks.get(world, { id }).paused).toContain("10");
  expect(logged(world).at(-1)).toBe(`webhook.pause ${id}`);
});

test("one that arrives begins the count anew, and attempts that are repeated do not count", () => {
  const world = makeWorld();
  const id = add(world);
  failMany(world, id, 9);
  record(world, "service.claim");
  for (let n = 0; n < 4; n++) settleNext(world, id, refused, startOfTime + 1_000);
  settleNext(world, id, arrived);
  failMany(world, id, 9);
  expect(webhooks.get(world, { id }).paused).toBeNull();
  expect(deliveriesOf(world, id)[9]).toMatchObject({
    status: "delivered",
    attempts: 5,
    error: null,
    nextAttemptAt: null,
    finishedAt: startOfTime,
  });
});

test("a paused webhook counts what it misses of what it wants, and keeps what waited", () => {
  const world = makeWorld();
  const id = add(world, { events: ["service.*"], filter: "shop:*" });
  record(world, "service.claim", "shop:web");
  record(world, "service.claim", "shop:api");
  for (let n = 0; n < 9; n++) record(world, "service.release", "shop:web");
  for (let n = 0; n < 10; n++) settleNext(world, id, refused);
  record(world, "service.claim", "shop:db");
  record(world, "service.claim", "other");
  record(world, "lock.acquire", "shop:db");
  record(world, "service.release", "shop:db");
  expect(() =>
    world.journal.commit(() => {
      record(world, "service.claim", "shop:db");
      throw new Error("undone");
    }),
  ).toThrow("undone");
  expect(webhooks.get(world, { id })).toMatchObject({ pending: 1, dropped: 2 });
});

test("an update resumes a paused webhook, with the number it missed in the log", () => {
  const world = makeWorld();
  const id = add(world);
  failMany(world, id, 10);
  for (const target of ["a", "b", "c"]) record(world, "service.claim", target);
  const before = world.journal.lastId();
  const updated = webhooks.update(world, { id }, caller);
  expect(updated).toMatchObject({ paused: null, dropped: 0, pending: 0 });
  expect(world.journal.since(before)).toMatchObject([
    { event: "webhook.update", targetId: id, actor: "tester" },
    { event: "webhook.resume", targetId: id, actor: "tester", metadata: { dropped: 3 } },
  ]);
  record(world, "service.claim", "d");
  expect(deliveries.next(world, id)).toMatchObject({ targetId: "d" });
  failMany(world, id, 9); // Which fails d and eight more: the count began anew.
  expect(webhooks.get(world, { id })).toMatchObject({ paused: null, pending: 1 });
});

test("one that was resumed with much waiting may fall behind no further, once that has gone out", () => {
  const world = makeWorld();
  const id = add(world);
  recordMany(world, 1_001);
  webhooks.pauseThoseBehind(world);
  webhooks.update(world, { id }, caller);
  webhooks.pauseThoseBehind(world);
  expect(webhooks.get(world, { id }).paused).toBeNull();
  for (let n = 0; n < 1_001; n++) settleNext(world, id, arrived);
  expect(webhooks.get(world, { id }).pending).toBe(0);
  webhooks.pauseThoseBehind(world); // As after any event.
  recordMany(world, 1_001);
  webhooks.pauseThoseBehind(world);
  expect(webhooks.get(world, { id }).paused).toContain("1000");
});

test("an update of one that is not paused records no resume", () => {
  const world = makeWorld();
  const id = add(world);
  webhooks.update(world, { id, filter: "a" }, caller);
  webhooks.resume(world, id, caller);
  expect(logged(world)).toEqual([`webhook.add ${id}`, `webhook.update ${id}`]);
});

// Changes

test("an update changes what is given, null clears it, and what is left out stays", () => {
  const world = makeWorld();
  const id = add(world, { events: ["lock.*"], filter: "a", secret: "sesame" });
  const before = webhooks.get(world, { id });
  expect(webhooks.update(world, { id }, caller)).toEqual(before);
  expect(webhooks.update(world, { id, url: "https://other.example/" }, caller)).toEqual({
    ...before,
    url: "https://other.example/",
  });
  expect(webhooks.update(world, { id, filter: null, secret: null }, caller)).toMatchObject({
    events: ["lock.*"],
    filter: null,
    hasSecret: false,
    active: true,
  });
});

test("what is not there is not found, and nothing is logged", () => {
  const world = makeWorld();
  const id = "00000000-0000-0000-0000-000000000000";
  const attempts = [
    () => webhooks.get(world, { id }),
    () => webhooks.update(world, { id, active: false }, caller),
    () => webhooks.remove(world, { id }, caller),
    () => deliveries.list(world, { id }),
  ];
  for (const attempt of attempts) {
    expect(attempt).toThrow(Fault);
    expect(attempt).toThrow(id);
  }
  expect(logged(world)).toEqual([]);
});

test("a webhook that is removed takes its deliveries with it, and nobody else's", () => {
  const world = makeWorld();
  const [gone, kept] = [add(world), add(world)];
  recordMany(world, 3);
  webhooks.remove(world, { id: gone }, caller);
  record(world, "service.claim", "after");
  expect(webhooks.list(world).webhooks.map(({ id }) => id)).toEqual([kept]);
  expect(bodies(world, gone)).toEqual([]);
  expect(deliveriesOf(world, kept)).toHaveLength(4);
});

test("a secret is in no answer and no event", () => {
  const world = makeWorld();
  const id = add(world, { secret: "sesame-1" });
  const answers: unknown[] = [webhooks.update(world, { id, secret: "sesame-2" }, caller)];
  failMany(world, id, 10);
  answers.push(webhooks.update(world, { id, active: true }, caller));
  record(world, "service.claim");
  answers.push(webhooks.get(world, { id }), webhooks.list(world), deliveriesOf(world, id));
  answers.push(deliveries.ofTest(world, webhooks.getRow(world, id), caller).body);
  answers.push(webhooks.remove(world, { id }, caller), world.journal.since(0), bodies(world, id));
  expect(JSON.stringify(answers)).not.toContain("sesame");
  expect(answers[0]).toMatchObject({ hasSecret: true });
});

// History

test("what is over is kept seven days from its end, what is pending for as long as it takes", () => {
  const world = makeWorld();
  const id = add(world);
  recordMany(world, 3);
  settleNext(world, id, arrived);
  world.advance(1);
  settleNext(world, id, refused);
  world.advance(7 * dayMs - 1);
  deliveries.prune(world);
  expect(targets(world, id)).toEqual(["s0", "s1", "s2"]);
  world.advance(1);
  deliveries.prune(world);
  expect(targets(world, id)).toEqual(["s1", "s2"]);
  world.advance(30 * dayMs);
  deliveries.prune(world);
  expect(targets(world, id)).toEqual(["s2"]);
});

test("of what is over the last thousand of each webhook are kept, whatever is pending", () => {
  const world = makeWorld();
  const [busy, other] = [add(world), add(world, { filter: "s0" })];
  recordMany(world, 1_003);
  for (let n = 0; n < 1_002; n++) settleNext(world, busy, n % 2 ? arrived : refused);
  webhooks.update(world, { id: busy }, caller);
  deliveries.prune(world);
  const kept = targets(world, busy);
  expect(webhooks.get(world, { id: busy }).pending).toBe(1);
  expect(kept).toHaveLength(1_000); // The most that one answer lists; the newest is the pending one.
  expect(kept.at(-1)).toBe("s1002");
  expect(bodies(world, busy)).toHaveLength(1_001);
  expect(JSON.parse(bodies(world, busy)[0]!).data.targetId).toBe("s2");
  expect(targets(world, other)).toEqual(["s0"]);
});

test("webhooks, what waits, and what was missed survive a restart", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "port-daddy-webhooks-"));
  try {
    const file = path.join(directory, "database");
    const first = makeWorld({}, file);
    const [paused, waiting] = [add(first, { events: ["service.*"] }), add(first)];
    failMany(first, paused, 10);
    record(first, "service.claim", "missed");
    settleNext(first, waiting, refused, startOfTime + 1_000);
    first.journal.flush();
    const before = webhooks.list(first);
    first.db.close();
    const second = makeWorld({}, file);
    expect(webhooks.list(second)).toEqual(before);
    expect(webhooks.get(second, { id: paused })).toMatchObject({ dropped: 1 });
    expect(deliveries.due(second)).toMatchObject([
      { webhook: { id: waiting }, delivery: { attempts: 1, nextAt: startOfTime + 1_000 } },
    ]);
    second.db.close();
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});
