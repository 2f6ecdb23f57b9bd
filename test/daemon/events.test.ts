// The stream of everything that happens: a snapshot and what follows it, or what follows an id.

import { expect, test } from "bun:test";
import { reap } from "../../src/daemon/reaper.ts";
import { prune } from "../../src/daemon/retention.ts";
import { framesOf, taking } from "../reading.ts";
import { makeSide, type Side } from "../scenario.ts";
import { makeWorld, startOfTime } from "../world.ts";

/** A frame as a client understands it. */
type Event = { event?: string; id?: string; data?: any };

function parse(text: string): Event {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1];
  const [event, id, data] = [field("event"), field("id"), field("data")];
  return {
    ...(event !== undefined && { event }),
    ...(id !== undefined && { id }),
    ...(data !== undefined && { data: JSON.parse(data) }),
  };
}

function follow(response: Response) {
  const frames = framesOf(response);
  async function nextFrame(): Promise<Event | undefined> {
    const each = await frames.next();
    return each === undefined ? undefined : parse(each);
  }
  /** The next frame of the log: how things stand beside it has tests of its own. */
  async function next(): Promise<Event | undefined> {
    const each = await nextFrame();
    return each?.event === "live" ? next() : each;
  }
  /** Everything with data, up to the event that happened to a target. */
  async function until(targetId: string): Promise<Event[]> {
    const seen: Event[] = [];
    while (seen.at(-1)?.data.targetId !== targetId) {
      const each = await next();
      if (each === undefined) throw new Error("the stream has ended");
      if (each.data !== undefined && each.event !== "position") seen.push(each);
    }
    return seen;
  }
  return { next, take: taking(next), until, cancel: frames.cancel };
}

async function open({ request }: Side, query = "", headers: Record<string, string> = {}) {
  const response = await request({ path: `/events${query}`, headers });
  expect(response.status).toBe(200);
  return follow(response);
}

const claim = ({ play }: Side, id: string, body: Record<string, unknown> = {}) =>
  play({ method: "POST", path: `/claim/${id}`, body });

/** What an event stands for: its name and its target. */
const inWords = ({ event, data }: Event = {} as Event) => event ?? `${data.event} ${data.targetId}`;

test("first comes the whole state with its id, then each event as the log has it", async () => {
  const side = makeSide();
  await claim(side, "shop:api");
  await side.play({ method: "POST", path: "/locks/build", body: { owner: "ada" } });
  await side.play({ method: "POST", path: "/agents/ada" });
  await side.play({ method: "POST", path: "/msg/news", body: { payload: 1 } });
  const state: Record<string, unknown> = {};
  for (const noun of ["services", "locks", "agents", "channels"])
    state[noun] = (await side.play({ path: `/${noun}` }))[noun];
  const { next, take } = await open(side);
  await next();
  expect(await take(2)).toEqual([
    { event: "snapshot", id: "4", data: { id: 4, ...state } },
    { event: "position", id: "4", data: { id: 4 } },
  ]);
  await claim(side, "shop:web");
  const { entries } = await side.play({ path: "/activity?limit=1" });
  expect(await next()).toEqual({ id: "5", data: entries[0] });
});

test("the stream says how soon to come back, what it is, and is itself no event", async () => {
  const side = makeSide();
  const response = await side.request({ path: "/events" });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const text = new TextDecoder().decode((await response.body!.getReader().read()).value);
  expect(text).toStartWith("retry: 1000\n\n");
  expect(side.eventsSince(0)).toEqual([]);
});

test("after an id comes what followed it, without a snapshot", async () => {
  const side = makeSide();
  for (const id of ["a", "b", "c"]) await claim(side, id);
  for (const [query, headers] of [
    ["?after=1", {}],
    ["", { "Last-Event-ID": "1" }],
    ["?after=3", { "Last-Event-ID": "1" }],
  ] as const) {
    const { until } = await open(side, query, headers);
    expect((await until("c")).map(inWords)).toEqual(["service.claim b", "service.claim c"]);
  }
  const { until } = await open(side, "?after=0");
  expect(await until("c")).toHaveLength(3);
});

test("whoever is up to date gets neither a snapshot nor a gap", async () => {
  const side = makeSide();
  const fresh = await open(side, "?after=0");
  expect(await fresh.take(2)).toEqual([{}, { event: "position", id: "0", data: { id: 0 } }]);
  await claim(side, "a");
  const current = await open(side, "?after=1");
  expect(await current.take(2)).toEqual([{}, { event: "position", id: "1", data: { id: 1 } }]);
});

test("what was pruned, or was never given out, is a gap and then a snapshot", async () => {
  const world = makeWorld({ PORT_DADDY_ACTIVITY_RETENTION: "30d,2" });
  const side = makeSide(world);
  for (const id of ["a", "b", "c", "d"]) await claim(side, id);
  prune(world); // 3 and 4 are left
  for (const after of [0, 1, 5, 99]) {
    const { next, take } = await open(side, "", { "Last-Event-ID": `${after}` });
    await next();
    expect(await take(3)).toEqual([
      { event: "gap", data: { after } },
      { event: "snapshot", id: "4", data: expect.objectContaining({ id: 4 }) },
      { event: "position", id: "4", data: { id: 4 } },
    ]);
  }
  const { until } = await open(side, "?after=2");
  expect((await until("d")).map(inWords)).toEqual(["service.claim c", "service.claim d"]);
});

test("heartbeats that were pruned are no gap", async () => {
  const side = makeSide();
  await side.play({ method: "POST", path: "/agents/ada" });
  await side.play({ method: "PUT", path: "/agents/ada/heartbeat" });
  await claim(side, "a");
  side.world.advance(2 * 3_600_000);
  prune(side.world);
  const { until } = await open(side, "?after=1");
  expect((await until("a")).map(inWords)).toEqual(["service.claim a"]);
});

test("a pattern lets through only the events that match, replayed and live", async () => {
  const side = makeSide();
  const events = async (id: string) => {
    await claim(side, id);
    await side.play({ method: "POST", path: `/locks/${id}`, body: { owner: "ada" } });
    await side.play({ method: "DELETE", path: `/locks/${id}`, body: { owner: "ada" } });
  };
  await events("a"); // 1 to 3
  const [locks, releases] = [
    await open(side, "?event=lock.*&after=0"),
    await open(side, "?event=*.release&after=1"),
  ];
  const exact = await open(side, "?event=service.claim");
  expect((await exact.take(2))[1]).toMatchObject({ event: "snapshot", id: "3" });
  await events("b");
  await side.play({ method: "DELETE", path: "/release/b" });
  await claim(side, "end");
  expect((await locks.until("b")).map(inWords)).toEqual([
    "lock.acquire a",
    "lock.release a",
    "lock.acquire b",
  ]);
  expect((await releases.take(5)).map((each) => each?.data && inWords(each))).toEqual([
    undefined,
    "lock.release a",
    "position",
    "lock.release b",
    "service.release b",
  ]);
  expect((await exact.until("end")).map(inWords)).toEqual(["service.claim b", "service.claim end"]);
});

test("a stream that its pattern keeps quiet is told an id to come back with", async () => {
  const side = makeSide();
  for (const id of ["a", "b"]) await claim(side, id);
  const { take } = await open(side, "?event=lock.*&after=0");
  expect(await take(2)).toEqual([{}, { event: "position", id: "2", data: { id: 2 } }]);
});

test("what cannot be meant is refused, and HEAD opens nothing", async () => {
  const { play, request, daemon } = makeSide();
  for (const query of ["after=-1", "after=x", "event=a%20b"])
    await play({ path: `/events?${query}`, status: 400, answer: { code: "invalid_input" } });
  await play({ path: "/events", headers: { "Last-Event-ID": "x" }, status: 400 });
  const response = await request({ method: "HEAD", path: "/events" });
  expect([response.status, daemon.streams.count()]).toEqual([200, 0]);
});

test("between the snapshot and what follows it nothing is lost, whatever the turn still holds", async () => {
  const side = makeSide();
  const asked = ["a", "b", "c", "d"].map((id) => claim(side, id));
  const opening = side.request({ path: "/events" });
  asked.push(claim(side, "e"));
  const { until } = follow(await opening);
  await Promise.all(asked);
  await claim(side, "end");
  const [snapshot, ...rest] = await until("end");
  const known = snapshot!.data.services.map(({ id }: { id: string }) => id);
  const told = rest.map(({ data }) => data.targetId);
  expect([...known, ...told].toSorted()).toEqual(["a", "b", "c", "d", "e", "end"]);
  const ids = [snapshot!.data.id, ...rest.map(({ data }) => data.id)];
  expect(ids).toEqual(Array.from({ length: ids.length }, (_, n) => ids[0] + n));
});

test("what looking at the state itself brings about is in the snapshot's id or follows it", async () => {
  const side = makeSide();
  await claim(side, "brief", { expires: 1_000 });
  await claim(side, "seen");
  side.world.advance(5_000);
  side.world.machine.listen(3101);
  const { until } = await open(side);
  reap(side.world);
  await claim(side, "end");
  const [snapshot, ...rest] = await until("end");
  const told = rest.map(({ data }) => data.id);
  const after = snapshot!.data.id;
  expect(told).toEqual(side.world.journal.since(after).map(({ id }) => id));
  expect(snapshot!.id).toBe(`${after}`);
});

test("an agent whose stream revives it is active in the snapshot, or its revival follows", async () => {
  const side = makeSide();
  await side.play({ method: "POST", path: "/agents/ada" });
  side.world.advance(121_000);
  reap(side.world);
  const { until } = await open(side, "", { "X-Agent-Id": "ada" });
  await side.play({ path: "/agents/ada", answer: { status: "active" } });
  await claim(side, "end");
  const [snapshot, ...rest] = await until("end");
  const isActive = snapshot!.data.agents[0].status === "active";
  const isRevived = rest.map(inWords).includes("agent.heartbeat ada");
  expect(isActive || isRevived).toBe(true);
});

test("a stream gives its agent presence, and takes it back when its client goes", async () => {
  const side = makeSide();
  const { daemon } = side;
  const { cancel } = await open(side, "", { "X-Agent-Id": "ada" });
  expect([daemon.streams.count(), [...daemon.presence.agents()]]).toEqual([1, ["ada"]]);
  expect(daemon.feeds.events.count("lock.acquire")).toBe(1);
  await cancel();
  expect([daemon.streams.count(), [...daemon.presence.agents()]]).toEqual([0, []]);
  expect(daemon.feeds.events.count("lock.acquire")).toBe(0);
});

/** Makes a snapshot larger than what a stream holds. */
async function fillState(side: Side): Promise<void> {
  const metadata = { text: "x".repeat(4_000) };
  const ids = Array.from({ length: 80 }, (_, n) => `large${n}`);
  await side.play({ method: "POST", path: "/claim", body: { ids, metadata } });
}

test("a slow reader gets every event once and in order when it reads", async () => {
  const side = makeSide();
  await fillState(side);
  const { until } = await open(side);
  for (let n = 0; n < 250; n++) await claim(side, `s${n % 7}`);
  await claim(side, "end");
  const [snapshot, ...rest] = await until("end");
  expect(snapshot!.data.services).toHaveLength(80);
  expect(rest.map(({ data }) => data.id)).toEqual(Array.from({ length: 251 }, (_, n) => n + 81));
});

test("a slow reader whose next events were pruned is told of the gap and of the whole state", async () => {
  const world = makeWorld({ PORT_DADDY_ACTIVITY_RETENTION: "30d,3" });
  const side = makeSide(world);
  await fillState(side);
  const { next, take, until } = await open(side);
  for (let n = 0; n < 10; n++) await claim(side, `s${n}`);
  prune(world);
  await next();
  expect((await take(3)).map((each) => inWords(each))).toEqual(["snapshot", "gap", "snapshot"]);
  await claim(side, "end");
  expect((await until("end")).map((each) => inWords(each)).at(-1)).toBe("service.claim end");
});

test("a stream that its turn's failure refuses leaves nothing open, however large its snapshot", async () => {
  const side = makeSide();
  const { daemon, world } = side;
  await fillState(side);
  await side.play({ method: "POST", path: "/agents/ada" });
  const opening = side.request({ path: "/events", headers: { "X-Agent-Id": "ada" } });
  while (daemon.streams.count() === 0) await Promise.resolve();
  world.journal.commit(() => {
    world.db.run("PRAGMA defer_foreign_keys = ON");
    world.db.run("INSERT INTO endpoints VALUES ('nobody', 'dev', 'http://dev.example.com')");
  });
  expect((await opening).status).toBeGreaterThanOrEqual(500);
  expect([daemon.streams.count(), [...daemon.presence.agents()]]).toEqual([0, []]);
});

test("a snapshot is of its own instant: a later one shows what has changed since", async () => {
  const side = makeSide();
  await claim(side, "a");
  const first = await open(side);
  await side.play({ method: "DELETE", path: "/release/a" });
  side.world.advance(1_000);
  await claim(side, "b");
  const second = await open(side);
  const services = async ({ take }: typeof first) =>
    (await take(2))[1]!.data.services.map(({ id, createdAt }: Record<string, unknown>) => [
      id,
      createdAt,
    ]);
  expect(await services(first)).toEqual([["a", startOfTime]]);
  expect(await services(second)).toEqual([["b", startOfTime + 1_000]]);
});
