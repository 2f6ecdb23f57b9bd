// The daemon's rounds: who counts as there, what the dead lose and who gets it, and time that passed without us.

import { expect, test } from "bun:test";
import { createReaper, reapEveryMs } from "../../src/daemon/reaper.ts";
import { makeSide, type Scenario } from "../scenario.ts";
import { startOfTime } from "../world.ts";

const silenceMs = 120_000;
const hourMs = 3_600_000;

function as(agent: string): Record<string, string> {
  return { "X-Agent-Id": agent };
}

function register(id: string, body: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/agents/${id}`, body };
}

function claim(id: string, agent: string, body: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/claim/${id}`, headers: as(agent), body };
}

function lock(name: string, agent: string, body: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/locks/${name}`, headers: as(agent), body };
}

/** A daemon whose rounds are run by hand. */
function makeRounds() {
  const side = makeSide();
  const { world, daemon, app } = side;
  const { round, catchUp } = createReaper(world, daemon.presence.agents);
  daemon.catchUp = catchUp;

  /** What a piece of work records. */
  function recorded(work: () => unknown): string[] {
    world.journal.flush();
    const before = world.journal.lastId();
    work();
    world.journal.flush();
    return side.eventsSince(before);
  }

  /** Rounds at their usual pace until the time has passed; what each recorded. */
  function pass(ms: number): string[] {
    const happened: string[] = [];
    for (let passed = 0; passed < ms; passed += reapEveryMs) {
      world.advance(reapEveryMs);
      happened.push(...recorded(round));
    }
    return happened;
  }

  /** A gap in the clock, and the round that ends it. */
  function sleep(ms: number): string[] {
    world.advance(ms + reapEveryMs);
    return recorded(round);
  }

  /** Sends a request that stays open until `close`. */
  function open({ path, ...parts }: Scenario): { close(): void; answer: Promise<Response> } {
    const gone = new AbortController();
    const { body, ...init } = parts as { body?: unknown; method?: string };
    const answer = app.request(
      path,
      { ...init, signal: gone.signal, ...(body !== undefined && { body: JSON.stringify(body) }) },
      { transport: "socket" },
    ) as Promise<Response>;
    return { close: () => gone.abort(), answer };
  }

  const find = (id: string) => side.play({ path: `/agents/${id}`, events: [] });
  const statusOf = async (id = "ada") => (await find(id)).status;
  return { ...side, recorded, pass, sleep, open, find, statusOf };
}

/** Waits until something is so. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5_000; !(await isSo()); await Bun.sleep(1)) {
    if (Date.now() > deadline) throw new Error("it was not so within 5 s");
  }
}

// Signs of life

const writes: Scenario[] = [
  { method: "POST", path: "/claim/x" },
  { method: "POST", path: "/claim", body: { ids: ["x"] } },
  { method: "POST", path: "/claim/x", body: { port: 8080 }, status: 400 },
  { method: "DELETE", path: "/release/nothing" },
  {
    method: "PUT",
    path: "/services/nothing/endpoints/dev",
    body: { url: "http://a" },
    status: 404,
  },
  { method: "DELETE", path: "/services/nothing/endpoints/dev", status: 404 },
  { method: "POST", path: "/locks/x" },
  { method: "PUT", path: "/locks/nothing", status: 404 },
  { method: "DELETE", path: "/locks/nothing", status: 404 },
  { method: "POST", path: "/msg/x", body: { payload: 0 } },
  { method: "DELETE", path: "/msg/nothing" },
  { method: "POST", path: "/agents/bob" },
  { method: "PUT", path: "/agents/bob/heartbeat" },
  { method: "DELETE", path: "/agents/bob" },
];

for (const write of writes) {
  const { method, path, status = 200 } = write;
  test(`an agent that sends ${method} ${path} is heard from, though the answer be ${status}`, async () => {
    const { play, find, world } = makeRounds();
    await play(register("ada"));
    await play(register("bob"));
    world.advance(1_000);
    await play({ ...write, headers: as("ada") });
    expect(await find("ada")).toMatchObject({ lastHeartbeatAt: startOfTime + 1_000 });
  });
}

test("to read, or to be mentioned, is no sign of life", async () => {
  const { play, find, pass, statusOf, world } = makeRounds();
  await play(register("ada"));
  await play({ method: "POST", path: "/claim/held" });
  await play({ method: "POST", path: "/msg/held", body: { payload: 1 } });
  world.advance(1_000);
  const reads = [
    ...["/health", "/version", "/activity?actor=ada", "/services?agent=ada", "/services/held"],
    ...["/ports/3100", "/locks?owner=ada", "/locks/ada", "/msg/held", "/channels", "/openapi.json"],
    ...["/agents", "/agents/ada"],
  ];
  for (const path of reads) await play({ path, headers: as("ada"), events: [] });
  const mentions: Scenario[] = [
    { method: "POST", path: "/claim/ada", body: { agent: "ada" } },
    { method: "POST", path: "/locks/ada", body: { owner: "ada" } },
    { method: "POST", path: "/msg/ada", body: { payload: 0, sender: "ada" } },
  ];
  const others = { "X-Caller-Id": "ada" };
  for (const mention of mentions) await play({ ...mention, headers: others });
  expect(await find("ada")).toMatchObject({ lastHeartbeatAt: startOfTime });
  expect(pass(silenceMs - 1_000)).toEqual(["agent.stale ada", "service.release ada"]);
  expect(await statusOf()).toBe("stale");
});

test("a stale agent that writes is revived first, and that is told once", async () => {
  const { play, pass, recorded, daemon } = makeRounds();
  await play(register("ada"));
  expect(pass(silenceMs)).toEqual(["agent.stale ada"]);
  await play({ ...claim("myapp", "ada"), events: ["agent.heartbeat ada", "service.claim myapp"] });
  await play({ ...claim("myapp", "ada"), events: ["service.claim myapp"] });
  expect(pass(silenceMs)).toEqual(["agent.stale ada", "service.release myapp"]);
  expect(recorded(() => daemon.presence.enter("ada"))).toEqual(["agent.heartbeat ada"]);
});

const lasting: Record<string, Scenario> = {
  "a stream of messages": { path: "/subscribe/build" },
  "a stream of events": { path: "/events" },
  "a wait for a service": { path: "/wait?id=later&timeout=0" },
  "a wait for a lock": { method: "POST", path: "/locks/db", body: { timeout: 0 } },
};

for (const [what, scenario] of Object.entries(lasting)) {
  test(`${what} is a sign of life for as long as it is open, and ends when it does`, async () => {
    const { play, pass, open, statusOf, daemon } = makeRounds();
    await play(register("ada"));
    await play({ method: "POST", path: "/locks/db", body: { ttl: "1d" } });
    expect(pass(silenceMs - reapEveryMs)).toEqual([]);
    const { close, answer } = open({ ...scenario, headers: as("ada") });
    await until(() => daemon.presence.agents().has("ada"));
    expect(pass(10 * silenceMs)).toEqual([]);
    expect(await statusOf()).toBe("active");
    if (what.startsWith("a wait")) close();
    else await (await answer).body!.cancel();
    await until(() => !daemon.presence.agents().has("ada"));
    expect(pass(silenceMs - reapEveryMs)).toEqual([]);
    expect(pass(reapEveryMs)).toEqual(["agent.stale ada"]);
  });
}

test("of two streams, the one that is left is a sign of life", async () => {
  const { play, request, pass, statusOf } = makeRounds();
  await play(register("ada"));
  const stream = { path: "/subscribe/build", headers: as("ada") };
  const [first, second] = [await request(stream), await request(stream)];
  await first.body!.cancel();
  expect(pass(2 * silenceMs)).toEqual([]);
  await second.body!.cancel();
  expect(pass(silenceMs)).toEqual(["agent.stale ada"]);
  expect(await statusOf()).toBe("stale");
});

test("an agent whose process has died is stale at the next round, though its stream ended before that", async () => {
  const { play, request, pass, world } = makeRounds();
  world.machine.processes.set(100, "boot/1");
  await play(register("ada", { pid: 100 }));
  await play(claim("myapp", "ada"));
  const stream = await request({ path: "/subscribe/build", headers: as("ada") });
  // What ends with a process that is killed are its connections.
  world.machine.processes.delete(100);
  await stream.body!.cancel();
  expect(pass(reapEveryMs)).toEqual(["agent.stale ada", "service.release myapp"]);
});

test("a stale agent is not revived by the end of its stream", async () => {
  const { play, request, recorded, pass, statusOf, world } = makeRounds();
  world.machine.processes.set(100, "boot/1");
  await play(register("ada", { pid: 100 }));
  const stream = await request({ path: "/subscribe/build", headers: as("ada") });
  world.machine.processes.delete(100);
  expect(pass(reapEveryMs)).toEqual(["agent.stale ada"]);
  expect(recorded(() => void stream.body!.cancel())).toEqual([]);
  expect(await statusOf()).toBe("stale");
});

// Waiters

test("whoever waits for a lock of a stale agent has it at once, after its cause", async () => {
  const { play, pass, open, statusOf } = makeRounds();
  await play(register("ada"));
  await play(register("bob"));
  const { fence } = await play(lock("db", "ada", { ttl: "1d" }));
  const { answer } = open(lock("db", "bob", { wait: true, timeout: 0, ttl: "1d" }));
  await until(async () => (await play({ path: "/locks/db" })).lock.waiting === 1);
  expect(pass(silenceMs)).toEqual(["agent.stale ada", "lock.release db", "lock.acquire db"]);
  const acquired: any = await (await answer).json();
  expect(acquired).toMatchObject({ owner: "bob", agent: "bob", waiting: 0 });
  expect(acquired.fence).toBeGreaterThan(fence);
  expect([await statusOf("ada"), await statusOf("bob")]).toEqual(["stale", "active"]);
});

test("a waiter whose agent has come to its limit meanwhile is refused, and the next one served", async () => {
  const { play, open } = makeRounds();
  await play(register("ada", { maxLocks: 1 }));
  await play(lock("db", "eve"));
  const first = open(lock("db", "ada", { wait: true, timeout: 0 }));
  await until(async () => (await play({ path: "/locks/db" })).lock.waiting === 1);
  const second = open(lock("db", "bob", { wait: true, timeout: 0 }));
  await until(async () => (await play({ path: "/locks/db" })).lock.waiting === 2);
  await play(lock("other", "ada"));
  await play({ method: "DELETE", path: "/locks/db", headers: as("eve") });
  expect((await first.answer).status).toBe(429);
  expect(await (await second.answer).json()).toMatchObject({ owner: "bob" });
});

// Gaps

test("a night's sleep costs no agent and no lock anything; a claim's time goes on", async () => {
  const { play, pass, sleep, statusOf } = makeRounds();
  await play(register("ada"));
  await play(claim("lasts", "ada"));
  await play(claim("expires", "ada", { expires: "1h" }));
  const { expiresAt } = await play(lock("db", "ada", { ttl: 100_000 }));
  expect(pass(60_000)).toEqual([]);
  expect(sleep(8 * hourMs)).toEqual(["service.release expires"]);
  await play({ path: "/locks/db", answer: { lock: { expiresAt: expiresAt + 8 * hourMs } } });
  expect(pass(36_000)).toEqual([]);
  expect(pass(2_000)).toEqual(["lock.release db"]);
  expect(pass(18_000)).toEqual([]);
  expect(await statusOf()).toBe("active");
  expect(pass(2_000)).toEqual(["agent.stale ada", "service.release lasts"]);
});

test("a night's sleep takes nothing of the time that somebody waits for a lock", async () => {
  const { play, pass, sleep, open } = makeRounds();
  await play(lock("db", "ada"));
  const { answer } = open(lock("db", "bob", { timeout: 90_000 }));
  const waiting = async () => (await play({ path: "/locks/db" })).lock.waiting;
  await until(async () => (await waiting()) === 1);
  pass(60_000);
  sleep(8 * hourMs);
  pass(26_000);
  expect(await waiting()).toBe(1);
  pass(2_000);
  expect(await waiting()).toBe(0);
  expect((await answer).status).toBe(408);
});

test("a clock that is set back prolongs nothing but a claim's time", async () => {
  const { play, pass, sleep } = makeRounds();
  await play(register("ada"));
  await play(lock("db", "bob", { ttl: 100_000 }));
  await play(claim("expires", "bob", { expires: "100s" }));
  expect(pass(60_000)).toEqual([]);
  expect(sleep(-hourMs)).toEqual([]);
  expect(pass(36_000)).toEqual([]);
  expect(pass(2_000)).toEqual(["lock.release db"]);
  expect(pass(18_000)).toEqual([]);
  expect(pass(2_000)).toEqual(["agent.stale ada"]);
  await play({ path: "/services/expires" });
});

test("the first request after a sleep judges by the time that was usable", async () => {
  const { play, pass, world } = makeRounds();
  await play(register("ada"));
  const { expiresAt } = await play(lock("db", "ada", { ttl: 60_000 }));
  await play(claim("expires", "ada", { expires: "1h" }));
  expect(pass(10_000)).toEqual([]);
  world.advance(8 * hourMs + reapEveryMs);
  await play({ ...lock("db", "bob"), status: 409, answer: { holder: "ada" }, events: [] });
  await play({ path: "/services/expires", status: 404 });
  for (let again = 0; again < 2; again++) await play({ path: "/locks/db", answer: { held: true } });
  await play({ path: "/locks/db", answer: { lock: { expiresAt: expiresAt + 8 * hourMs } } });
  expect(pass(46_000)).toEqual(["service.release expires"]);
  expect(pass(2_000)).toEqual(["lock.release db"]);
  await play({ path: "/agents/ada", answer: { status: "active" } });
});

test("a clock that was set back while no daemon ran gives no lock and no agent more than its whole time", async () => {
  const { play, world, daemon, recorded } = makeRounds();
  await play(lock("deploy", "ada", { ttl: 60_000 }));
  await play(register("ada"));
  world.advance(-86_400_000);
  const { resume, round, catchUp } = createReaper(world, () => new Set());
  daemon.catchUp = catchUp;
  resume();
  const { expiresAt } = (await play({ path: "/locks/deploy" })).lock;
  expect(expiresAt - world.clock.now()).toBe(60_000);
  const happened: string[] = [];
  for (let passed = 0; passed < 120_000; passed += reapEveryMs) {
    world.advance(reapEveryMs);
    happened.push(...recorded(round));
  }
  expect(happened).toEqual(["lock.release deploy", "agent.stale ada"]);
});

test("a start gives every lock fifteen seconds at least, and takes nothing of one that has more", async () => {
  const { play, world, pass } = makeRounds();
  await play(lock("short", "ada", { ttl: 1 }));
  const { expiresAt } = await play(lock("long", "ada", { ttl: 60_000 }));
  world.advance(1_000);
  createReaper(world, () => new Set()).resume();
  const short = { lock: { expiresAt: world.clock.now() + 15_000 } };
  await play({ path: "/locks/short", answer: short });
  await play({ path: "/locks/long", answer: { lock: { expiresAt } } });
  expect(pass(14_000)).toEqual([]);
  expect(pass(2_000)).toEqual(["lock.release short"]);
});
