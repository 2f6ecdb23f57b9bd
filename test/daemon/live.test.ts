// How things stand beside the log, as the stream of events tells it: all of it first, then what has changed.

import { expect, spyOn, test } from "bun:test";
import type { Live } from "../../src/contract/feed.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { eventually } from "../home.ts";
import { framesOf } from "../reading.ts";
import { makeSide, type Side } from "../scenario.ts";
import { startOfTime } from "../world.ts";

type Frame = { event: string; data: any };

/** Opens `/events` and reads it frame by frame; what has no data is left out. */
async function watch({ request }: Side, query = "") {
  const frames = framesOf(await request({ path: `/events${query}` }));
  async function next(): Promise<Frame> {
    const each = await frames.next();
    if (each === undefined) throw new Error("the stream has ended");
    const data = /^data: (.*)$/m.exec(each)?.[1];
    if (data === undefined) return next();
    return { event: /^event: (.*)$/m.exec(each)?.[1] ?? "message", data: JSON.parse(data) };
  }
  async function until(isIt: (frame: Frame) => boolean): Promise<Frame[]> {
    const seen: Frame[] = [];
    while (!seen.some(isIt)) seen.push(await next());
    return seen;
  }
  /** The next that is told of how things stand. */
  const live = async (): Promise<Partial<Live>> =>
    (await until(({ event }) => event === "live")).at(-1)!.data;
  return { next, until, live, cancel: frames.cancel };
}

/** A stream that has told how things stand at its beginning. */
async function watching(side: Side, query = "") {
  const stream = await watch(side, query);
  await stream.until(({ event }) => event === "position");
  return stream;
}

const post = ({ play }: Side, path: string, body = {}, headers = {}) =>
  play({ method: "POST", path, body, headers });
const lock = (side: Side) => post(side, "/locks/build", { owner: "ada" });
const publish = (side: Side, headers = {}) => post(side, "/msg/news", { payload: 1 }, headers);
const claim = (side: Side, id: string) => post(side, `/claim/${id}`);

/** Stands in line for a lock until it is served, times out or goes. */
function waitFor({ app }: Side, owner: string, options: { timeout?: number; agent?: string } = {}) {
  const gone = new AbortController();
  const { timeout = 0, agent } = options;
  const headers: HeadersInit = agent ? { "X-Agent-Id": agent } : {};
  const body = JSON.stringify({ owner, wait: true, timeout });
  const init = { method: "POST", body, headers, signal: gone.signal };
  const answer = app.request("/locks/build", init, { transport: "socket" });
  return { answer, leave: () => (gone.abort(), answer) };
}

const owners = ({ waiting }: Partial<Live>) => waiting?.map(({ owner }) => owner);

test("a stream is told everything after the snapshot, and before it is said to be up to date", async () => {
  const side = makeSide();
  const { world, play } = side;
  const { port } = await post(side, "/claim/shop:api", { cwd: "/elsewhere" });
  world.machine.listen(port);
  const { expiresAt } = await lock(side);
  await post(side, "/agents/bob");
  await publish(side);
  await post(side, "/webhooks", { url: "https://hooks.example.com" });
  const { leave } = waitFor(side, "cyd", { agent: "bob" });
  await eventually("cyd waits", () => world.lockQueue.has("build"));
  const { channels } = await play({ path: "/channels" });
  const { webhooks } = await play({ path: "/webhooks" });
  const { listener } = await play({ path: "/services/shop:api" });
  const all: Live = {
    waiting: [{ lock: "build", owner: "cyd", agent: "bob", since: startOfTime }],
    channels,
    webhooks,
    servers: { "shop:api": { status: "assigned", listener } },
    heard: { bob: startOfTime },
    expiries: { build: expiresAt },
    attempts: {},
  };
  const fresh = await watch(side);
  const frames = await fresh.until(({ event }) => event === "position");
  expect(frames.map(({ event }) => event)).toEqual(["snapshot", "live", "position"]);
  expect(frames[1]!.data).toEqual(all);
  const back = await watch(side, "?after=3"); // It is told as much, after what it has missed.
  const missed = await back.until(({ event }) => event === "position");
  expect(missed.slice(-3).map(({ event }) => event)).toEqual(["message", "live", "position"]);
  expect(missed.at(-2)!.data).toEqual(all);
  await leave();
});

test("later each part is told that has changed, and no other", async () => {
  const side = makeSide();
  const { live } = await watching(side);
  await publish(side);
  expect(await live()).toEqual({ channels: [expect.objectContaining({ count: 1 })] });
  const { expiresAt } = await lock(side);
  expect(await live()).toEqual({ expiries: { build: expiresAt } });
  await claim(side, "shop"); // None of it changes by a claim, so nothing is told.
  await side.play({ method: "DELETE", path: "/locks/build", body: { owner: "ada" } });
  expect(await live()).toEqual({ expiries: {} });
});

test("many changes in a row are told together, as they are at last", async () => {
  const side = makeSide();
  const { live } = await watching(side);
  await Promise.all(Array.from({ length: 10 }, () => publish(side)));
  expect(await live()).toEqual({ channels: [expect.objectContaining({ count: 10 })] });
  await publish(side);
  expect(await live()).toEqual({ channels: [expect.objectContaining({ count: 11 })] });
});

test("who waits for a lock is told in order, until it is served, has waited long enough, or is gone", async () => {
  const side = makeSide();
  await lock(side);
  await post(side, "/agents/eve");
  const { live } = await watching(side);
  const bob = waitFor(side, "bob");
  expect(owners(await live())).toEqual(["bob"]);
  const [cyd, dan, eve] = [
    waitFor(side, "cyd", { timeout: 5_000 }),
    waitFor(side, "dan"),
    waitFor(side, "eve", { agent: "eve" }),
  ];
  expect(owners(await live())).toEqual(["bob", "cyd", "dan", "eve"]);
  await side.play({ method: "DELETE", path: "/locks/build", body: { owner: "ada" } });
  expect((await bob.answer).status).toBe(200);
  expect(owners(await live())).toEqual(["cyd", "dan", "eve"]);
  side.world.advance(5_000);
  reap(side.world);
  expect((await cyd.answer).status).toBe(408);
  expect(owners(await live())).toEqual(["dan", "eve"]);
  await dan.leave();
  expect(owners(await live())).toEqual(["eve"]);
  await side.play({ method: "DELETE", path: "/agents/eve" });
  expect((await eve.answer).status).toBe(404);
  expect(owners(await live())).toEqual([]);
});

test("subscriptions are told as they come and go", async () => {
  const side = makeSide();
  const { live } = await watching(side);
  const streams = [];
  for (const subscribers of [1, 2]) {
    streams.push(await side.request({ path: "/subscribe/news" }));
    expect(await live()).toEqual({
      channels: [{ channel: "news", count: 0, lastMessageAt: null, subscribers }],
    });
  }
  for (const { body } of streams) await body!.cancel();
  expect(await live()).toEqual({ channels: [] });
});

test("of a webhook is told what it has before it, and how many attempts were made", async () => {
  const side = makeSide();
  const { live } = await watching(side);
  const answer = Promise.withResolvers<void>();
  side.post.send = async () => {
    await answer.promise;
    return { httpStatus: 200, durationMs: 1, response: "", error: null };
  };
  const body = { url: "https://hooks.example.com", events: ["message.publish"] };
  const { id } = await post(side, "/webhooks", body);
  expect(await live()).toEqual({ webhooks: [expect.objectContaining({ id, pending: 0 })] });
  await publish(side);
  expect(await live()).toMatchObject({ webhooks: [{ id, pending: 1 }] });
  answer.resolve();
  expect(await live()).toMatchObject({ webhooks: [{ id, pending: 0 }], attempts: { [id]: 1 } });
  await side.play({ method: "DELETE", path: `/webhooks/${id}` });
  expect(await live()).toMatchObject({ webhooks: [] });
});

test("who listens, and when agents were heard from, is looked at from time to time", async () => {
  const side = makeSide();
  const { world, daemon } = side;
  const { port } = await claim(side, "shop");
  await post(side, "/agents/ada");
  const { live } = await watching(side);
  world.machine.listen(port, 71);
  daemon.live.look();
  expect(await live()).toEqual({
    servers: { shop: { status: "running", listener: expect.objectContaining({ pid: 71 }) } },
  });
  reap(world);
  world.machine.bound.delete(port);
  world.advance(1_000);
  await publish(side, { "X-Agent-Id": "ada" });
  expect(await live()).not.toHaveProperty("heard"); // It takes longer to see, so changes do not wait for it.
  daemon.live.look();
  const servers = { shop: { status: "stopped" as const, listener: null } };
  expect(await live()).toEqual({ servers, heard: { ada: startOfTime + 1_000 } });
  daemon.live.look(); // Nothing has changed.
  await publish(side);
  expect(Object.keys(await live())).toEqual(["channels"]);
});

test("a stream of some events alone is told nothing of it", async () => {
  const side = makeSide();
  const [some, all] = [await watch(side, "?event=message.*"), await watching(side)];
  await publish(side);
  await all.live();
  side.daemon.live.look();
  await publish(side);
  const frames = await some.until(({ event, data }) => event === "message" && data.id === 2);
  const kinds = frames.map(({ event }) => event).join();
  expect(kinds).toBe("snapshot,position,message,message");
});

test("a reader that fell behind gets all of it when it has caught up, nothing that is no longer so, then changes", async () => {
  const side = makeSide();
  const [slow, quick] = [await watching(side), await watching(side)];
  for (const part of ["a", "b"]) {
    const ids = Array.from({ length: 100 }, (_, n) => `${part}${n}`);
    await post(side, "/claim", { ids, metadata: { text: "x".repeat(4_000) } });
  }
  for (const count of [1, 2, 3]) {
    await publish(side);
    await quick.until(({ event, data }) => event === "live" && data.channels[0]?.count === count);
  }
  const { expiresAt } = await lock(side);
  const frames = await slow.until(({ event }) => event === "position");
  const nothing = { waiting: [], webhooks: [], servers: {}, heard: {}, attempts: {} };
  const channels = [expect.objectContaining({ channel: "news", count: 3 })];
  const live = { ...nothing, channels, expiries: { build: expiresAt } };
  expect(frames.at(-2)).toEqual({ event: "live", data: live });
  expect(frames.slice(0, -2).map(({ data }) => data.id)).toEqual(
    Array.from({ length: 204 }, (_, n) => n + 1),
  );
  await publish(side);
  expect(await slow.live()).toEqual({ channels: [expect.objectContaining({ count: 4 })] });
});

test("a reader for whom there was no room for a change is told how all of it is when it has made room", async () => {
  const side = makeSide();
  const { world, daemon } = side;
  const { port } = await claim(side, "shop");
  const { live } = await watching(side);
  world.machine.listen(port, 71, "x".repeat(300_000)); // More than a stream holds.
  daemon.live.look();
  world.machine.listen(port, 72);
  daemon.live.look();
  expect(await live()).toMatchObject({ servers: { shop: { listener: { pid: 71 } } } });
  expect(await live()).toMatchObject({
    servers: { shop: { listener: { pid: 72 } } },
    channels: [],
  });
});

test("while nobody watches nothing is looked at, nor after the last one has gone", async () => {
  const side = makeSide();
  const { daemon, world } = side;
  await watching(side, "?event=message.*");
  using timers = spyOn(globalThis, "setTimeout");
  using query = spyOn(world.db, "query");
  daemon.live.touch();
  daemon.live.look();
  expect([timers.mock.calls, query.mock.calls]).toEqual([[], []]);

  const { cancel } = await watching(side);
  daemon.live.touch();
  const [tell] = timers.mock.calls.at(-1)!;
  await cancel();
  query.mockClear();
  (tell as () => void)();
  expect(query).not.toHaveBeenCalled();
});

test("a look that the database refuses is reported, and ends nothing: the next one tells what was missed", async () => {
  const side = makeSide();
  const { daemon, world } = side;
  const { live } = await watching(side);
  using timers = spyOn(globalThis, "setTimeout");
  const error = new Error("no disk");
  const refusing = (look: () => void) => {
    using _ = spyOn(world.db, "query").mockImplementation(() => {
      throw error;
    });
    look();
  };
  refusing(daemon.live.look);
  daemon.live.touch();
  const [tell] = timers.mock.calls.at(-1)!;
  await publish(side);
  refusing(tell as () => void);
  expect(world.reported).toEqual([error, error]);
  daemon.live.look();
  expect(await live()).toEqual({ channels: [expect.objectContaining({ count: 1 })] });
  await publish(side);
  expect(await live()).toEqual({ channels: [expect.objectContaining({ count: 2 })] });
});
