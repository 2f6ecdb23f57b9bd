// The registry of agents: what a registration keeps, what counts as a sign of life, and when an agent is given up.

import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createReaper, reap } from "../../src/daemon/reaper.ts";
import * as agents from "../../src/domain/agents.ts";
import * as locks from "../../src/domain/locks.ts";
import * as claims from "../../src/domain/claims.ts";
import * as services from "../../src/domain/services.ts";
import type { Caller } from "../../src/world.ts";
import { makeWorld, startOfTime, type TestWorld } from "../world.ts";

const silenceMs = 120_000;
const dayMs = 86_400_000;

const local: Caller = { actor: "local" };
const ada: Caller = { agent: "ada", actor: "ada" };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** What a piece of work records: event, target and the event's own facts. */
function recorded(world: TestWorld, work: () => unknown): [string, string, unknown][] {
  world.journal.flush();
  const before = world.journal.lastId();
  work();
  return world.journal
    .since(before)
    .map(({ event, targetId, metadata }) => [event, targetId, metadata]);
}

function statusOf(world: TestWorld, id = "ada"): string {
  return agents.get(world, { id }).status;
}

/** A world with an agent; with a pid, one that lives with that process. */
function withAgent(pid?: number, world = makeWorld()): TestWorld {
  if (pid !== undefined) world.machine.processes.set(pid, "boot/1");
  agents.register(world, { id: "ada", ...(pid !== undefined && { pid }) }, local);
  return world;
}

/** A world with an agent that has gone stale by silence. */
function withStale(): TestWorld {
  const world = withAgent();
  world.advance(silenceMs);
  reap(world);
  expect(statusOf(world)).toBe("stale");
  return world;
}

// Registration

test("an agent that says nothing of itself has the usual limits and holds nothing", () => {
  const world = makeWorld();
  const agent = {
    id: "ada",
    name: null,
    type: null,
    pid: null,
    metadata: null,
    maxServices: 50,
    maxLocks: 20,
    status: "active",
    registeredAt: startOfTime,
    lastHeartbeatAt: startOfTime,
    services: 0,
    locks: 0,
  } as const;
  const { name, type, pid, maxServices, maxLocks } = agent;
  const facts = { name, type, pid, maxServices, maxLocks, existing: false };
  expect(
    recorded(world, () =>
      expect(agents.register(world, { id: "ada" }, local)).toEqual({ ...agent, registered: true }),
    ),
  ).toEqual([["agent.register", "ada", facts]]);
  expect(agents.get(world, { id: "ada" })).toEqual(agent);
});

test("registering again updates what is given and keeps the rest", () => {
  const world = makeWorld();
  world.machine.processes.set(100, "boot/1");
  const said = {
    name: "API Builder",
    type: "claude",
    pid: 100,
    metadata: { branch: "main", depth: 1 },
    maxServices: 3,
    maxLocks: 2,
  };
  agents.register(world, { id: "ada", ...said }, local);
  world.advance(5_000);
  const kept = { ...said, registeredAt: startOfTime, lastHeartbeatAt: startOfTime + 5_000 };
  const again = () => agents.register(world, { id: "ada" }, local);
  expect(again()).toMatchObject({ ...kept, registered: false });
  const changes = { name: "Tester", metadata: { branch: "next" }, maxLocks: 0 };
  const [event] = recorded(world, () => agents.register(world, { id: "ada", ...changes }, local));
  expect(event).toEqual([
    "agent.register",
    "ada",
    { name: "Tester", type: "claude", pid: 100, maxServices: 3, maxLocks: 0, existing: true },
  ]);
  expect(agents.get(world, { id: "ada" })).toMatchObject({ ...kept, ...changes });
  expect(agents.get(world, { id: "ada" }).metadata).toEqual({ branch: "next" });
  expect(agents.list(world, {}).count).toBe(1);
});

test("a process that is none is refused, and what was registered stays as it was", () => {
  const world = withAgent(100);
  const before = agents.get(world, { id: "ada" });
  world.advance(1_000);
  const work = () => agents.register(world, { id: "ada", pid: 101, name: "changed" }, local);
  expect(recorded(world, () => expect(work).toThrow("pid 101"))).toEqual([]);
  expect(agents.get(world, { id: "ada" })).toEqual(before);
});

test("agents are listed by id, and narrowed by status", () => {
  const world = withStale();
  for (const id of ["Zoe", "bob"]) agents.register(world, { id }, local);
  const ids = (input: Parameters<typeof agents.list>[1]) =>
    agents.list(world, input).agents.map(({ id }) => id);
  expect(ids({})).toEqual(["Zoe", "ada", "bob"]);
  expect(ids({ status: "active" })).toEqual(["Zoe", "bob"]);
  expect(ids({ status: "stale" })).toEqual(["ada"]);
  expect([agents.count(world, "active"), agents.count(world, "stale")]).toEqual([2, 1]);
});

test("what an agent holds is counted up to the moment it ends, and nobody else's is", () => {
  const world = withAgent();
  const counts = () => {
    const { services, locks } = agents.get(world, { id: "ada" });
    return [services, locks];
  };
  claims.claim(world, { id: "shop:web" }, ada);
  claims.claim(world, { id: "shop:api", expires: 1_000 }, ada);
  claims.claim(world, { id: "shop:db", agent: "ada" }, local);
  claims.claim(world, { id: "shop:else", agent: "ADA" }, local);
  locks.acquire(world, { name: "db" }, ada);
  locks.acquire(world, { name: "files", ttl: 1_000 }, ada);
  locks.acquire(world, { name: "else", owner: "ada" }, { agent: "bob", actor: "bob" });
  expect(counts()).toEqual([3, 2]);
  world.advance(999);
  expect(counts()).toEqual([3, 2]);
  world.advance(1); // Nobody has come by yet to free what is over.
  expect(counts()).toEqual([2, 1]);
  services.release(world, { id: "shop:web" }, local);
  locks.release(world, { name: "db" }, ada);
  expect(counts()).toEqual([1, 0]);
  expect(agents.list(world, {}).agents).toMatchObject([{ id: "ada", services: 1, locks: 0 }]);
});

// Silence

test("an agent is stale when it was silent for two minutes, and not a millisecond sooner", () => {
  const world = withAgent();
  world.advance(silenceMs - 1);
  expect(recorded(world, () => reap(world))).toEqual([]);
  expect(statusOf(world)).toBe("active");
  world.advance(1);
  expect(recorded(world, () => reap(world))).toEqual([
    ["agent.stale", "ada", { reason: "silent", lastHeartbeatAt: startOfTime }],
  ]);
  expect(agents.get(world, { id: "ada" })).toMatchObject({
    status: "stale",
    lastHeartbeatAt: startOfTime,
  });
  world.advance(silenceMs);
  expect(recorded(world, () => reap(world))).toEqual([]);
});

for (const [what, speak] of [
  ["a heartbeat", (world: TestWorld) => agents.heartbeat(world, { id: "ada" }, local)],
  ["a registration", (world: TestWorld) => agents.register(world, { id: "ada" }, local)],
  ["anything else it does", (world: TestWorld) => agents.hear(world, "ada")],
] as const) {
  test(`${what} gives an agent two more minutes`, () => {
    const world = withAgent();
    world.advance(silenceMs - 1);
    speak(world);
    expect(agents.get(world, { id: "ada" }).lastHeartbeatAt).toBe(world.clock.now());
    world.advance(silenceMs - 1);
    reap(world);
    expect(statusOf(world)).toBe("active");
    world.advance(1);
    reap(world);
    expect(statusOf(world)).toBe("stale");
  });

  test(`${what} revives a stale agent, once`, () => {
    const world = withStale();
    speak(world);
    expect(statusOf(world)).toBe("active");
    world.advance(silenceMs - 1);
    expect(recorded(world, () => reap(world))).toEqual([]);
    expect(recorded(world, () => agents.hear(world, "ada"))).toEqual([]);
  });
}

test("a heartbeat says whether the agent was stale; other doings are told only where it was", () => {
  const world = withStale();
  const beat = () => agents.heartbeat(world, { id: "ada" }, local);
  expect(recorded(world, beat)).toEqual([["agent.heartbeat", "ada", { revived: true }]]);
  expect(recorded(world, beat)).toEqual([["agent.heartbeat", "ada", { revived: false }]]);
  expect(recorded(world, () => agents.hear(world, "ada"))).toEqual([]);
  world.advance(silenceMs);
  reap(world);
  const hear = () => agents.hear(world, "ada");
  expect(recorded(world, hear)).toEqual([["agent.heartbeat", "ada", { revived: true }]]);
});

test("whoever has something open is never silent, and gets two minutes from its last sign of life", () => {
  const world = withAgent();
  for (let passed = 0; passed < 3_600_000; passed += 2_000) {
    world.advance(2_000);
    reap(world, new Set(["ada", "bob"]));
  }
  expect(statusOf(world)).toBe("active");
  const { lastHeartbeatAt } = agents.get(world, { id: "ada" });
  expect(world.clock.now() - lastHeartbeatAt).toBeLessThanOrEqual(30_000);
  world.advance(lastHeartbeatAt + silenceMs - world.clock.now() - 1);
  reap(world);
  expect(statusOf(world)).toBe("active");
  world.advance(1);
  reap(world);
  expect(statusOf(world)).toBe("stale");
});

test("time that nobody could use is not silence", () => {
  const world = withAgent();
  world.advance(60_000);
  world.advance(8 * 3_600_000);
  agents.forgive(world, 8 * 3_600_000);
  world.advance(59_999);
  reap(world);
  expect(statusOf(world)).toBe("active");
  world.advance(1);
  reap(world);
  expect(statusOf(world)).toBe("stale");
});

// Processes

test("an agent that lives with a process is never silent while that runs", () => {
  const world = withAgent(100);
  for (let passed = 0; passed < 3_600_000; passed += 2_000) {
    world.advance(2_000);
    reap(world);
  }
  expect(statusOf(world)).toBe("active");
  expect(world.clock.now() - agents.get(world, { id: "ada" }).lastHeartbeatAt).toBeLessThan(30_001);
});

for (const [how, end] of [
  ["has died", (world: TestWorld) => world.machine.processes.delete(100)],
  [
    "has died and left its number to another",
    (world: TestWorld) => world.machine.processes.set(100, "boot/2"),
  ],
] as const) {
  test(`an agent whose process ${how} is stale at once, heard from or present or not`, () => {
    const world = withAgent(100);
    agents.heartbeat(world, { id: "ada" }, local);
    end(world);
    expect(recorded(world, () => reap(world, new Set(["ada"])))).toEqual([
      ["agent.stale", "ada", { reason: "pid_died", lastHeartbeatAt: startOfTime }],
    ]);
    expect(statusOf(world)).toBe("stale");
  });

  test(`whoever speaks after its process ${how} is alive without one`, () => {
    const world = withAgent(100);
    end(world);
    expect(agents.heartbeat(world, { id: "ada" }, local)).toMatchObject({ pid: null });
    world.advance(silenceMs - 1);
    expect(recorded(world, () => reap(world))).toEqual([]);
    world.advance(1);
    const [stale] = recorded(world, () => reap(world));
    expect(stale).toMatchObject(["agent.stale", "ada", { reason: "silent" }]);
  });
}

test("a registration with another process makes the agent live with that one", () => {
  const world = withAgent(100);
  world.machine.processes.set(200, "boot/7");
  agents.register(world, { id: "ada", pid: 200 }, local);
  world.machine.processes.delete(100);
  expect(recorded(world, () => reap(world))).toEqual([]);
  world.machine.processes.delete(200);
  expect(recorded(world, () => reap(world))).toHaveLength(1);
});

test("a stale agent whose process has died is registered again without it", () => {
  const world = withAgent(100);
  world.machine.processes.delete(100);
  reap(world);
  const again = agents.register(world, { id: "ada" }, local);
  expect(again).toMatchObject({ status: "active", pid: null, registered: false });
  expect(recorded(world, () => reap(world))).toEqual([]);
});

// Restarts

test("after a restart every agent has two minutes to be heard from", () => {
  const file = path.join(directory, "restart.db");
  const before = withAgent(undefined, makeWorld({}, file));
  before.journal.flush();
  before.db.close();
  const world = makeWorld({}, file);
  world.advance(5 * dayMs);
  const { resume, round } = createReaper(world, () => new Set());
  resume();
  for (let passed = 0; passed < silenceMs - 2_000; passed += 2_000) {
    round();
    world.advance(2_000);
  }
  expect(statusOf(world)).toBe("active");
  round();
  world.advance(2_000);
  round();
  expect(statusOf(world)).toBe("stale");
  world.db.close();
});

// Forgetting

test("a stale agent is kept for seven days and then forgotten, by the daemon itself", () => {
  const world = withStale();
  world.advance(7 * dayMs - silenceMs - 1);
  expect(recorded(world, () => agents.prune(world))).toEqual([]);
  expect(statusOf(world)).toBe("stale");
  world.advance(silenceMs + 2);
  expect(recorded(world, () => agents.prune(world))).toEqual([
    ["agent.unregister", "ada", { reason: "forgotten" }],
  ]);
  expect(agents.list(world, {}).count).toBe(0);
  expect(recorded(world, () => agents.prune(world))).toEqual([]);
});

test("an agent that is there is never forgotten, however long ago it was written down", () => {
  const world = withAgent();
  world.advance(30 * dayMs);
  expect(recorded(world, () => agents.prune(world))).toEqual([]);
  expect(statusOf(world)).toBe("active");
});

test("an agent that went stale a moment ago is kept, also where the machine slept for a week before", () => {
  const world = withAgent();
  world.advance(8 * dayMs);
  agents.forgive(world, 8 * dayMs);
  world.advance(silenceMs);
  reap(world);
  expect(statusOf(world)).toBe("stale");
  expect(recorded(world, () => agents.prune(world))).toEqual([]);
});
