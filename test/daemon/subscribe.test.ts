// The stream of a channel or pattern: where it begins, what it tells, what it tells of what is gone, and how it ends.
// A subscriber gets every message once and in order, or hears of a gap.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import * as messages from "../../src/domain/messages.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { framesOf, taking } from "../reading.ts";
import { makeSide, type Side } from "../scenario.ts";
import { makeWorld, startOfTime } from "../world.ts";

type Options = { payload?: unknown; expires?: number };

/** Publishes within this turn of the event loop; it lands with whatever else is of it. */
function publish({ world }: Side, channel: string, options: Options = {}): number {
  return messages.publish(world, { channel, payload: 0, ...options }, { actor: "tester" }).id;
}

function publishMany(side: Side, channel: string, count: number, options: Options = {}): void {
  for (let n = 0; n < count; n++) publish(side, channel, options);
}

const clear = ({ world }: Side, channel: string) =>
  void messages.clear(world, { channel }, { actor: "tester" });

/** What a client makes of a stream: its frames, and the id to come back with. */
function follow(response: Response) {
  const frames = framesOf(response);
  const client = {
    ...frames,
    lastId: undefined as string | undefined,
    next,
    take: taking(next),
    told,
  };
  async function next(): Promise<string | undefined> {
    const each = await frames.next();
    client.lastId = /^id: (.*)$/m.exec(each ?? "")?.[1] ?? client.lastId;
    return each;
  }
  /** Ids of messages, and gaps as `after-lostTo`, up to the message of an id. */
  async function told(upTo: number): Promise<(number | string)[]> {
    const seen: (number | string)[] = [];
    while (true) {
      const each = await next();
      if (each === undefined) return [...seen, "end"];
      const data = /^data: (.*)$/m.exec(each)?.[1];
      if (data === undefined || each.startsWith("event: position\n")) continue;
      const { id, after, lostTo } = JSON.parse(data);
      seen.push(each.startsWith("event: gap\n") ? `${after}-${lostTo}` : id);
      if (id === upTo) return seen;
    }
  }
  return client;
}

async function open({ request }: Side, path: string, headers: Record<string, string> = {}) {
  const response = await request({ path: `/subscribe/${path}`, headers });
  expect(response.status).toBe(200);
  return follow(response);
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Four of these overflow what a stream holds. */
const large = "x".repeat(64 * 1024 - 2);

test("a subscription starts now, says where it stands, and tells each message in bytes a client knows", async () => {
  const side = makeSide();
  publish(side, "a");
  const response = await side.request({ path: "/subscribe/a" });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-portdaddy-build": expect.any(String),
  });
  const { take } = follow(response);
  expect(await take(2)).toEqual(["retry: 1000\n\n", 'event: position\nid: 1\ndata: {"id":1}\n\n']);
  await side.play({ method: "POST", path: "/msg/a", body: { payload: "é\n\n", sender: "ada" } });
  expect(await take(1)).toEqual([
    `id: 2\ndata: {"id":2,"channel":"a","payload":"é\\n\\n","sender":"ada","createdAt":${startOfTime},"expiresAt":null}\n\n`,
  ]);
});

test("after an id comes what followed it, then what is new", async () => {
  const side = makeSide();
  publishMany(side, "a", 3);
  const { told } = await open(side, "a?after=1");
  publish(side, "b");
  publish(side, "a");
  expect(await told(5)).toEqual([2, 3, 5]);
});

test("the header of a client that comes back goes before the query it first came with", async () => {
  const side = makeSide();
  publishMany(side, "a", 4);
  for (const query of ["after=0", "last=4", "after=99"]) {
    const { told } = await open(side, `a?${query}`, { "Last-Event-ID": "3" });
    expect(await told(4)).toEqual([4]);
  }
  const { told } = await open(side, "a?after=2", { "Last-Event-ID": "" });
  expect(await told(4)).toEqual([3, 4]);
});

test("the last few come first where they are asked for, and what is gone before them is no gap", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,3" }));
  publishMany(side, "a:x", 5); // 1 to 5
  publish(side, "b"); // 6
  expect(await (await open(side, "a:*?last=2")).told(5)).toEqual([4, 5]);
  expect(await (await open(side, "a:x?last=1000")).told(5)).toEqual([3, 4, 5]);
  expect(await (await open(side, "c?last=1")).take(2)).toEqual([
    "retry: 1000\n\n",
    'event: position\nid: 6\ndata: {"id":6}\n\n',
  ]);
});

test("a pattern gets every channel that matches and no other, replayed and live, in one order", async () => {
  const side = makeSide();
  for (const channel of ["a", "a:x", "ab", "a:x:y", "b"]) publish(side, channel);
  const { told } = await open(side, "a:*?after=0");
  await turn();
  for (const channel of ["b", "a:z", "a_", "a"]) publish(side, channel); // 6 to 9
  expect(await told(9)).toEqual([1, 2, 4, 7, 9]);
});

const refused = [
  "a?after=-1",
  "a?after=x",
  "a?last=0",
  "a?last=1001",
  "a%20b",
  "a?after=1&after=2",
];

test("what cannot be meant is refused, and opens nothing", async () => {
  const { play, daemon } = makeSide();
  for (const path of refused)
    await play({ path: `/subscribe/${path}`, status: 400, answer: { code: "invalid_input" } });
  const headers = { "Last-Event-ID": "yesterday" };
  await play({
    path: "/subscribe/a",
    headers,
    status: 400,
    answer: { field: "Last-Event-ID" },
  });
  expect(daemon.streams.count()).toBe(0);
});

test("a name under which nothing can be published is refused rather than waited for", async () => {
  const { request, daemon } = makeSide();
  for (const name of ["a//b", "a/", "%2Fa", "a%2F..%2Fb"]) {
    const response = await request({ path: `/subscribe/${name}` });
    expect([name, response.status]).toEqual([name, 400]);
  }
  expect(daemon.streams.count()).toBe(0);
});

test("asked for its headers alone, a stream is not opened", async () => {
  const { request, daemon, eventsSince } = makeSide();
  const headers = { "X-Agent-Id": "ada" };
  const response = await request({ method: "HEAD", path: "/subscribe/a", headers });
  expect([response.status, await response.text()]).toEqual([200, ""]);
  expect([daemon.streams.count(), daemon.feeds.messages.count("a")]).toEqual([0, 0]);
  expect([[...daemon.presence.agents()], eventsSince(0)]).toEqual([[], []]);
});

test("a subscription is no event", async () => {
  const side = makeSide();
  await (await open(side, "a?after=0")).cancel();
  expect(side.eventsSince(0)).toEqual([]);
});

test("what is gone after the id comes as a gap before what follows, and only once", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,2" }));
  publishMany(side, "a", 4);
  const { take, told } = await open(side, "a?after=1");
  expect((await take(2))[1]).toBe('event: gap\ndata: {"after":1,"lostTo":2}\n\n');
  publish(side, "a");
  expect(await told(5)).toEqual([3, 4, 5]);
  expect(await (await open(side, "a?after=3")).told(5)).toEqual([4, 5]);
});

test("a gap that reaches far ahead is told once, however much is read before its end", async () => {
  const side = makeSide();
  publishMany(side, "a:x", 250);
  publish(side, "a"); // 251
  clear(side, "a");
  const { told } = await open(side, "a:*?after=0");
  publish(side, "a");
  const kept = Array.from({ length: 250 }, (_, n) => n + 1);
  expect(await told(252)).toEqual(["0-251", ...kept, 252]);
});

test("a gap is told of cleared and forgotten channels, and of ids that were never given out", async () => {
  const side = makeSide();
  publishMany(side, "a", 2);
  publish(side, "b");
  clear(side, "a");
  const frames = async (path: string) => (await (await open(side, path)).take(3)).slice(1);
  expect(await frames("a?after=1")).toEqual([
    'event: gap\ndata: {"after":1,"lostTo":2}\n\n',
    'event: position\nid: 3\ndata: {"id":3}\n\n',
  ]);
  side.world.advance(8 * 86_400_000);
  messages.prune(side.world);
  const { told } = await open(side, "a:*?after=1");
  publish(side, "a"); // 4
  expect(await told(4)).toEqual([expect.stringMatching(/^1-[23]$/), 4]);
  expect(await frames("a?after=99")).toEqual([
    'event: gap\ndata: {"after":99,"lostTo":4}\n\n',
    'event: position\nid: 4\ndata: {"id":4}\n\n',
  ]);
});

test("a message whose own time ended while its subscriber was away is a gap, reaped yet or not", async () => {
  for (const settle of [(side: Side) => reap(side.world), () => {}]) {
    const side = makeSide();
    publish(side, "a", { expires: 1_000 });
    publish(side, "a");
    side.world.advance(1_000);
    settle(side);
    expect(await (await open(side, "a?after=0")).told(2)).toEqual(["0-1", 2]);
  }
});

test("a message that is published and cleared in one turn is a gap to whoever listens", async () => {
  const side = makeSide();
  const { take, told } = await open(side, "a");
  await take(2);
  publish(side, "a");
  clear(side, "a");
  publish(side, "a");
  await turn();
  publish(side, "a");
  expect(await told(3)).toEqual([expect.stringMatching(/^0-1$/), 2, 3]);
});

test("a message that another of the same turn pushes out is a gap to whoever listens", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,1" }));
  const { take, told } = await open(side, "a");
  await take(2);
  publishMany(side, "a", 2);
  expect(await told(2)).toEqual(["0-1", 2]);
});

test("of the last few, those that go before a slow reader gets to them are a gap", async () => {
  const side = makeSide();
  publishMany(side, "a", 1_000, { payload: large.slice(0, 8_000) });
  const { told } = await open(side, "a?last=1000");
  await turn();
  clear(side, "a");
  publish(side, "a"); // 1001
  const seen = await told(1_001);
  const missed = 1_001 - seen.filter((each) => typeof each === "number").length;
  expect(missed).toBeGreaterThan(0);
  expect(seen).toContainEqual(expect.stringMatching(/^\d+-1000$/));
});

test("a quiet stream is told ids to come back with, so that it misses nothing and repeats nothing", async () => {
  const side = makeSide();
  publishMany(side, "b", 3);
  const before = await open(side, "a");
  await before.take(2);
  expect(before.lastId).toBe("3");
  await before.cancel();
  publish(side, "a"); // 4
  publish(side, "b");
  const again = await open(side, "a", { "Last-Event-ID": "3" });
  expect(await again.told(4)).toEqual([4]);
  await again.take(1);
  expect(again.lastId).toBe("5");
});

test("what is published while a subscription opens or catches up comes once, in order", async () => {
  const side = makeSide();
  publishMany(side, "a", 250); // not landed yet
  const opening = side.request({ path: "/subscribe/a?after=0" });
  publish(side, "a"); // 251
  const { next, told } = follow(await opening);
  publish(side, "a");
  const seen = [];
  for (let n = 0; n < 40; n++) await next(); // retry and 39 messages
  publish(side, "a");
  seen.push(...(await told(150)));
  publish(side, "a");
  seen.push(...(await told(254)));
  expect(seen).toEqual(Array.from({ length: 215 }, (_, n) => n + 40));
});

test("one that comes with an unknown id gets what is published from then on", async () => {
  const side = makeSide();
  const opening = side.request({ path: "/subscribe/a?after=99" });
  const publishing = side.request({ method: "POST", path: "/msg/a", body: { payload: 1 } });
  const { told } = follow(await opening);
  const { id, subscribers } = (await (await publishing).json()) as Record<string, number>;
  expect([id, subscribers]).toEqual([1, 1]);
  publish(side, "a");
  const seen = await told(2);
  expect(seen.slice(1)).toEqual([1, 2]);
});

/** A change that the database accepts at once and refuses when the turn is to land. */
function spoilTurn({ world }: Side): void {
  world.journal.commit(() => {
    world.db.run("PRAGMA defer_foreign_keys = ON");
    world.db.run("INSERT INTO endpoints VALUES ('nobody', 'dev', 'http://dev.example.com')");
  });
}

test("a message of a turn that fails is told to nobody, and those before and after it once", async () => {
  const side = makeSide();
  const client = await open(side, "a");
  await client.take(2);
  publish(side, "a");
  await turn();
  publish(side, "a");
  spoilTurn(side);
  await turn();
  const last = publish(side, "a");
  expect(await client.told(last)).toEqual([1, last]);
  expect(await (await open(side, "a?after=0")).told(last)).toEqual([1, last]);
});

test("a subscription that its turn's failure refuses leaves nothing open", async () => {
  const side = makeSide();
  const { daemon } = side;
  await side.play({ method: "POST", path: "/agents/ada" });
  const opening = side.request({ path: "/subscribe/a", headers: { "X-Agent-Id": "ada" } });
  while (daemon.streams.count() === 0) await Promise.resolve();
  spoilTurn(side);
  expect((await opening).status).toBeGreaterThanOrEqual(500);
  expect([daemon.streams.count(), daemon.feeds.messages.count("a")]).toEqual([0, 0]);
  expect([...daemon.presence.agents()]).toEqual([]);
});

test("a slow reader holds up no publisher, and gets everything once and in order when it reads", async () => {
  const side = makeSide();
  const [slow, quick] = [await open(side, "a"), await open(side, "a")];
  for (let id = 1; id <= 60; id++) {
    const body = { payload: large };
    await side.play({ method: "POST", path: "/msg/a", body, answer: { id, subscribers: 2 } });
    expect(await quick.told(id)).toEqual([id]);
  }
  const all = Array.from({ length: 61 }, (_, n) => n + 1);
  setImmediate(() => publish(side, "a"));
  expect(await slow.told(61)).toEqual(all);
  expect(await quick.told(61)).toEqual([61]);
});

for (const [which, path] of [
  ["live", "a"],
  ["behind", "a?after=0"],
]) {
  test(`a reader that never reads costs a bounded buffer: ${which}`, async () => {
    const side = makeSide();
    if (which === "behind") publishMany(side, "a", 100, { payload: large });
    const { told } = await open(side, path!);
    await turn();
    if (which === "live") publishMany(side, "a", 100, { payload: large });
    await turn();
    clear(side, "a");
    publish(side, "a"); // 101
    await turn();
    const held = (await told(101)).filter((each) => typeof each === "number" && each <= 100);
    // 256 KiB are four of these, and the one that overflows it.
    expect(held.length).toBeLessThanOrEqual(6);
    expect(held.length).toBeGreaterThan(0);
  });
}

test("a client that goes leaves the audience, and its agent is there for as long as one stays", async () => {
  const side = makeSide();
  const { world, daemon } = side;
  const headers = { "X-Agent-Id": "ada" };
  await side.play({ method: "POST", path: "/agents/ada" });
  const first = await open(side, "a:*", headers);
  const second = await open(side, "a:x", headers);
  expect([daemon.feeds.messages.count("a:x"), daemon.streams.count()]).toEqual([2, 2]);
  await first.cancel();
  expect([daemon.feeds.messages.count("a:x"), daemon.feeds.messages.count("a")]).toEqual([1, 0]);
  world.advance(300_000);
  reap(world, daemon.presence.agents());
  await side.play({ path: "/agents/ada", answer: { status: "active" } });
  await second.cancel();
  expect([daemon.feeds.messages.count("a:x"), daemon.streams.count()]).toEqual([0, 0]);
  expect([...daemon.presence.agents()]).toEqual([]);
  world.advance(119_999);
  reap(world, daemon.presence.agents());
  await side.play({ path: "/agents/ada", answer: { status: "active" } });
  world.advance(2);
  reap(world, daemon.presence.agents());
  await side.play({ path: "/agents/ada", answer: { status: "stale" } });
});

test("when the daemon ends its streams each is closed after what was told, and nobody is left", async () => {
  const side = makeSide();
  const { daemon } = side;
  const client = await open(side, "a", { "X-Agent-Id": "ada" });
  publish(side, "a");
  await turn();
  daemon.streams.endAll();
  expect(await client.told(99)).toEqual([1, "end"]);
  expect([daemon.streams.count(), daemon.feeds.messages.count("a")]).toEqual([0, 0]);
  expect([...daemon.presence.agents()]).toEqual([]);
});

// Whatever happens in whatever order

const channels = fc.constantFrom("a", "a:x", "b");
const step = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("publish"), channels) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("publish large"), channels) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("publish brief"), channels) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("clear"), channels) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("read"), fc.integer({ min: 1, max: 8 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom("turn", "reconnect", "reap"), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("age"), fc.constantFrom(1_000, 4 * 86_400_000)) },
);
/** How a subscription begins, and what it is to get of the four messages that are there. */
const begins: Record<string, number[]> = { "after=0": [1, 2, 3, 4], "last=2": [3, 4], "": [] };

/** A subscriber over all its connections. What matches and was neither told nor passed over with a gap is `missed`. */
async function subscriber(side: Side, begin: string) {
  const wanted = new Set(begins[begin]);
  const got: number[] = [];
  const gaps: { after: number; lostTo: number }[] = [];
  const missed: number[] = [];
  const isTold = (id: number) =>
    got.includes(id) || gaps.some(({ after, lostTo }) => after < id && id <= lostTo);
  let client = await open(side, `a:*?${begin}`);
  async function readOne(): Promise<void> {
    const each = (await client.next()) ?? "";
    const text = /^data: (.*)$/m.exec(each)?.[1];
    if (text === undefined || each.startsWith("event: position\n")) return;
    const data = JSON.parse(text);
    if (data.lostTo !== undefined) return void gaps.push(data);
    got.push(data.id);
    missed.push(...[...wanted].filter((id) => id < data.id && !isTold(id)));
  }
  async function reconnect(): Promise<void> {
    // Before its first id a client would come back as it came, to begin anew.
    if (client.lastId === undefined) return;
    await client.cancel();
    client = await open(side, `a:*?${begin}`, { "Last-Event-ID": client.lastId });
  }
  return { wanted, got, missed, readOne, reconnect };
}

async function live(steps: [string, string | number][], begin: string): Promise<void> {
  const side = makeSide(makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,4" }));
  publishMany(side, "a", 3);
  publish(side, "a:x", { payload: large });
  const { wanted, got, missed, readOne, reconnect } = await subscriber(side, begin);
  function send(channel: string, options?: Options): number {
    const id = publish(side, channel, options);
    if (channel !== "b") wanted.add(id);
    return id;
  }
  const moves: Record<string, (value: any) => unknown> = {
    publish: (channel) => send(channel),
    "publish large": (channel) => send(channel, { payload: large }),
    "publish brief": (channel) => send(channel, { expires: 1_000 }),
    clear: (channel) => clear(side, channel),
    async read(count: number) {
      const mark = send("a:mark"); // so that no read waits for ever
      for (let n = 0; n < count && got.at(-1) !== mark; n++) await readOne();
    },
    turn,
    reconnect,
    reap: () => reap(side.world),
    age(ms: number) {
      side.world.advance(ms);
      messages.prune(side.world);
    },
  };
  for (const [move, value] of steps) await moves[move]!(value);
  await turn();
  const end = send("a:end");
  while (got.at(-1) !== end) await readOne();
  expect(got).toEqual([...new Set(got)].toSorted((a, b) => a - b));
  expect(missed).toEqual([]);
}

test("whatever is published, trimmed, stalled and resumed: each message once and in order, or a gap", async () => {
  const cases = [
    fc.array(step, { maxLength: 60 }),
    fc.constantFrom(...Object.keys(begins)),
  ] as const;
  await fc.assert(fc.asyncProperty(...cases, live), { numRuns: 150 });
});
