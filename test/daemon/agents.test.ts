// Agents over HTTP: their routes, their limits, what counts as a sign of life, and what goes with one that is gone.

import { expect, test } from "bun:test";
import { reap } from "../../src/daemon/reaper.ts";
import { makeSide, type Scenario, type Side } from "../scenario.ts";
import { startOfTime } from "../world.ts";

const silenceMs = 120_000;

function as(agent: string): Record<string, string> {
  return { "X-Agent-Id": agent };
}

function register(id: string, body: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/agents/${id}`, body };
}

function claim(id: string, agent?: string, body: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/claim/${id}`, headers: agent ? as(agent) : {}, body };
}

function lock(name: string, agent?: string, body: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/locks/${name}`, headers: agent ? as(agent) : {}, body };
}

/** What one look of the daemon at everything records. */
function look({ world, daemon, eventsSince }: Side): string[] {
  world.journal.flush();
  const before = world.journal.lastId();
  reap(world, daemon.presence.agents());
  world.journal.flush();
  return eventsSince(before);
}

// Routes

test("an agent is registered, shown, listed, heard from and unregistered", async () => {
  const side = makeSide();
  const { play, world } = side;
  const said = {
    name: "API Builder",
    type: "claude",
    metadata: { branch: "main" },
    maxServices: 3,
    maxLocks: 2,
  };
  const agent = { id: "claude-session-1", ...said, pid: null, status: "active" };
  await play({
    ...register("claude-session-1", said),
    answer: { ...agent, registered: true, services: 0, locks: 0 },
    events: ["agent.register claude-session-1"],
  });
  await play({ path: "/agents/claude-session-1", answer: agent, events: [] });
  await play({ path: "/agents", answer: { agents: [agent], count: 1 }, events: [] });
  world.advance(1_000);
  const heard = { ...agent, registeredAt: startOfTime, lastHeartbeatAt: startOfTime + 1_000 };
  await play({
    method: "PUT",
    path: "/agents/claude-session-1/heartbeat",
    answer: heard,
    events: ["agent.heartbeat claude-session-1"],
  });
  await play({
    ...register("claude-session-1", { name: "Tester" }),
    answer: { ...heard, name: "Tester", registered: false },
    events: ["agent.register claude-session-1"],
  });
  await play({
    method: "DELETE",
    path: "/agents/claude-session-1",
    answer: { unregistered: true, services: [], locks: [] },
    events: ["agent.unregister claude-session-1"],
  });
  await play({ path: "/agents", answer: { agents: [], count: 0 } });
});

test("agents are narrowed by status, and health counts those that are active", async () => {
  const side = makeSide();
  const { play, world } = side;
  await play(register("ada"));
  world.advance(silenceMs);
  await play(register("bob"));
  expect(look(side)).toEqual(["agent.stale ada"]);
  await play({ path: "/agents", answer: { count: 2 }, events: [] });
  await play({ path: "/agents?status=active", answer: { count: 1, agents: [{ id: "bob" }] } });
  await play({ path: "/agents?status=stale", answer: { count: 1, agents: [{ id: "ada" }] } });
  await play({ path: "/health", answer: { agents: 1 }, events: [] });
});

test("an agent that nobody registered is not found, with the command that registers it", async () => {
  const { play } = makeSide();
  for (const [method, path] of [
    ["GET", "/agents/ada"],
    ["PUT", "/agents/ada/heartbeat"],
    ["DELETE", "/agents/ada"],
  ] as const) {
    const headers = as("ada");
    const expected = { status: 404, answer: { code: "not_found" }, events: [] };
    const { error, hint } = await play({ method, path, headers, ...expected });
    expect(error).toContain("ada");
    expect(hint).toEndWith("port-daddy agent register ada");
  }
});

test("what cannot be registered is refused naming the field, and registers nobody", async () => {
  const { play } = makeSide();
  const refused: [string, Scenario][] = [
    ["id", register("a%20b")],
    ["id", register("a%2Fb")],
    ["id", register("x".repeat(101))],
    ["nmae", register("ada", { nmae: "x" })],
    ["name", register("ada", { name: "" })],
    ["type", register("ada", { type: "x".repeat(101) })],
    ["pid", register("ada", { pid: 4_000_000 })],
    ["pid", register("ada", { pid: "100" })],
    ["metadata", register("ada", { metadata: [] })],
    ["metadata", register("ada", { metadata: { text: "x".repeat(4096) } })],
    ["maxServices", register("ada", { maxServices: -1 })],
    ["maxLocks", register("ada", { maxLocks: 1.5 })],
    ["status", { path: "/agents?status=gone" }],
  ];
  for (const [field, scenario] of refused) {
    const answer = { code: "invalid_input", field };
    await play({ ...scenario, status: 400, answer, events: [] });
  }
  await play({ path: "/agents", answer: { count: 0 } });
});

// What goes with an agent

/** Three agents with two services and two locks each; and a service and a lock of nobody. */
async function makeThree(): Promise<Side> {
  const side = makeSide();
  for (const agent of ["ada", "bob", "eve"]) {
    await side.play(register(agent));
    for (const n of [2, 1]) {
      await side.play(claim(`${agent}:n${n}`, agent));
      await side.play(lock(`${agent}-${n}`, agent));
    }
  }
  await side.play(claim("ada"));
  await side.play(lock("ada", undefined, { owner: "bob" }));
  return side;
}

const ofBob = [
  "service.release bob:n1",
  "service.release bob:n2",
  "lock.release bob-1",
  "lock.release bob-2",
];

/** What is left when bob is gone. */
async function expectOthersUntouched({ play }: Side): Promise<void> {
  const { services } = await play({ path: "/services", events: [] });
  const ids = services.map(({ id }: { id: string }) => id);
  expect(ids).toEqual(["ada", "ada:n1", "ada:n2", "eve:n1", "eve:n2"]);
  const { locks } = await play({ path: "/locks", events: [] });
  const names = locks.map(({ name }: { name: string }) => name);
  expect(names).toEqual(["ada", "ada-1", "ada-2", "eve-1", "eve-2"]);
}

test("a silent agent among three loses its own, cause first, and nobody else loses anything", async () => {
  const side = await makeThree();
  side.world.advance(silenceMs - 1);
  for (const agent of ["ada", "eve"])
    await side.play({ method: "PUT", path: `/agents/${agent}/heartbeat` });
  side.world.advance(1);
  expect(look(side)).toEqual(["agent.stale bob", ...ofBob]);
  await expectOthersUntouched(side);
  await side.play({ path: "/agents/bob", answer: { status: "stale", services: 0, locks: 0 } });
  await side.play({ path: "/agents/ada", answer: { status: "active", services: 2, locks: 2 } });
  const { entries } = await side.play({ path: "/activity?limit=5" });
  const told = entries.map(({ action, actor, metadata }: any) => [action, actor, metadata.reason]);
  expect(told.slice(0, 4)).toEqual(Array(4).fill(["cleanup", "port-daddy", "agent_stale"]));
  expect(told[4]).toEqual(["cleanup", "port-daddy", "silent"]);
  expect(look(side)).toEqual([]);
});

test("what a stale agent holds is freed together with it or not at all", async () => {
  const side = await makeThree();
  const { world } = side;
  world.db.run(
    "CREATE TRIGGER stuck BEFORE DELETE ON locks BEGIN SELECT RAISE(ABORT, 'stuck'); END",
  );
  world.advance(silenceMs);
  expect(() => reap(world)).toThrow();
  await side.play({ path: "/agents/ada", answer: { status: "active", services: 2, locks: 2 } });
  world.db.run("DROP TRIGGER stuck");
  expect(look(side)).toContain("agent.stale ada");
});

test("unregistering says what was released, of that agent alone, and who asked is the actor", async () => {
  const side = await makeThree();
  const { fence } = (await side.play({ path: "/locks/bob-1" })).lock;
  await side.play({
    method: "DELETE",
    path: "/agents/bob",
    headers: as("bob"),
    answer: {
      unregistered: true,
      services: [
        { id: "bob:n1", port: 3103 },
        { id: "bob:n2", port: 3102 },
      ],
      locks: [
        { name: "bob-1", fence },
        { name: "bob-2", fence: fence - 1 },
      ],
    },
    events: ["agent.unregister bob", ...ofBob],
  });
  await expectOthersUntouched(side);
  await side.play({ path: "/agents/bob", status: 404 });
  const { entries } = await side.play({ path: "/activity?limit=5" });
  const told = entries.map(({ action, actor, metadata }: any) => [action, actor, metadata.reason]);
  expect(told).toEqual([
    ["lock_release", "bob", "agent_unregistered"],
    ["lock_release", "bob", "agent_unregistered"],
    ["release", "bob", "agent_unregistered"],
    ["release", "bob", "agent_unregistered"],
    ["agent_unregister", "bob", "asked"],
  ]);
});

test("what was over before its agent was unregistered is not told as released with it", async () => {
  const { play, world } = makeSide();
  await play(register("ada"));
  await play(claim("myapp", "ada", { expires: "1s" }));
  await play(lock("db", "ada", { ttl: 1_000 }));
  world.advance(1_000); // Nobody has come by yet to free them.
  await play({ path: "/agents/ada", answer: { services: 0, locks: 0 } });
  const answer = { services: [], locks: [] };
  expect(await play({ method: "DELETE", path: "/agents/ada" })).toMatchObject(answer);
});

// Limits

test("an agent holds at most fifty services and twenty locks, also when it asks for all at once", async () => {
  const { play, request } = makeSide();
  await play(register("ada"));
  for (const [of, ask, most] of [
    ["services", claim, 50],
    ["locks", lock, 20],
  ] as const) {
    const asked = Array.from({ length: most + 5 }, (_, n) => request(ask(`n${n}`, "ada")));
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses).toEqual([...Array(most).fill(200), ...Array(5).fill(429)]);
    const { error } = await play({
      ...ask("more", "ada"),
      status: 429,
      answer: { code: "limit_reached", agent: "ada", held: most, limit: most },
      events: [],
    });
    expect(error).toContain(`ada holds ${most} of ${most} ${of}`);
    await play({ ...ask("more", "bob") });
  }
});

test("a limit of its own holds, none at all too, and what is given back makes room", async () => {
  const { play } = makeSide();
  await play(register("ada", { maxServices: 1, maxLocks: 1 }));
  await play(claim("a", "ada"));
  await play(lock("a", "ada"));
  await play({ ...claim("b", "ada"), status: 429, events: [] });
  await play({ ...lock("b", "ada"), status: 429, events: [] });
  await play({ ...claim("b"), body: { agent: "ada" }, status: 429, events: [] });
  await play({ method: "DELETE", path: "/release/a" });
  await play({ method: "DELETE", path: "/locks/a", headers: as("ada") });
  await play(claim("b", "ada"));
  await play(lock("b", "ada"));
  await play(register("ada", { maxServices: 0, maxLocks: 0 }));
  await play({ path: "/agents/ada", answer: { services: 1, locks: 1 } });
  await play({ ...claim("c", "ada"), status: 429, answer: { held: 1, limit: 0 }, events: [] });
  await play(register("ada", { maxServices: 2 }));
  await play(claim("c", "ada"));
});

test("a claim of several that goes beyond the limit claims none of them", async () => {
  const { play } = makeSide();
  await play(register("ada", { maxServices: 3 }));
  const several = (...ids: string[]) => ({
    method: "POST",
    path: "/claim",
    headers: as("ada"),
    body: { ids },
  });
  await play({ ...several("a", "b"), events: ["service.claim a", "service.claim b"] });
  const answer = { code: "limit_reached", limit: 3 };
  await play({ ...several("c", "d"), status: 429, answer, events: [] });
  await play({ ...several("a", "c", "b", "d"), status: 429, answer, events: [] });
  await play({ path: "/agents/ada", answer: { services: 2 } });
  await play({ ...several("a", "b", "c"), answer: { services: [{}, {}, { existing: false }] } });
  await play({
    ...several("c", "b", "a"),
    events: ["c", "b", "a"].map((id) => `service.claim ${id}`),
  });
});

test("a repeated claim is never refused by a limit, nor is an extension", async () => {
  const { play } = makeSide();
  await play(register("ada"));
  await play(claim("a", "ada"));
  await play(lock("a", "ada"));
  await play(register("ada", { maxServices: 0, maxLocks: 0 }));
  await play({ ...claim("a", "ada"), answer: { existing: true } });
  await play({ ...claim("a", "ada", { port: 4000 }), answer: { existing: true, port: 4000 } });
  await play({ ...lock("a", "ada"), method: "PUT" });
  await play({ ...lock("a", "ada"), status: 409, answer: { code: "held" } });
});

test("an acquisition that is asked for again by its attempt is answered again, at the limit too", async () => {
  for (const more of [{}, { wait: true }]) {
    const { play } = makeSide();
    await play(register("ada", { maxLocks: 1 }));
    const attempt = lock("db", "ada", { attempt: "one", ...more });
    const { fence } = await play(attempt);
    await play({ ...attempt, answer: { fence }, events: [] });
  }
});

test("a name that nobody registered has no limits and never goes stale", async () => {
  const side = makeSide();
  const { play, world } = side;
  const ids = Array.from({ length: 60 }, (_, n) => `n${n}`);
  await play({ method: "POST", path: "/claim", headers: as("label"), body: { ids } });
  for (const id of ids.slice(0, 25)) await play(lock(id, "label", { ttl: 86_400_000 }));
  world.advance(10 * silenceMs);
  expect(look(side)).toEqual([]);
  await play({ path: "/services?agent=label", answer: { count: 60 } });
  await play({ path: "/locks", answer: { count: 25 } });
  await play({ path: "/agents", answer: { count: 0 } });
});

test("a stale agent is still a registered one: nothing can be held for it, because nothing would free it", async () => {
  const side = makeSide();
  await side.play(register("ada"));
  side.world.advance(silenceMs);
  expect(look(side)).toEqual(["agent.stale ada"]);
  const answer = { code: "limit_reached", agent: "ada" };
  await side.play({ ...claim("myapp", "bob", { agent: "ada" }), status: 429, answer, events: [] });
});

// Whose a claim is

test("a repeat takes no claim over from an agent that is active, whoever asks and for whom", async () => {
  const side = makeSide();
  const { play, world } = side;
  await play(register("ada"));
  await play(register("bob"));
  await play({ ...claim("myapp", "ada"), answer: { agent: "ada" } });
  const repeats = [claim("myapp", "bob"), claim("myapp", "bob", { agent: "bob" }), claim("myapp")];
  for (const repeat of repeats) await play({ ...repeat, answer: { existing: true, agent: "ada" } });
  await play({ ...claim("myapp", undefined, { agent: "bob" }), answer: { agent: "ada" } });
  await play({ path: "/agents/bob", answer: { services: 0 } });
  world.advance(silenceMs - 1);
  await play({ method: "PUT", path: "/agents/bob/heartbeat" });
  world.advance(1);
  expect(look(side)).toEqual(["agent.stale ada", "service.release myapp"]);
  await play({ ...claim("myapp", "bob"), answer: { existing: false, agent: "bob", port: 3100 } });
});
