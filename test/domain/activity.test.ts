// What the log keeps of each change: once, as which action, by whom, for how long, and how it reads as a sentence.

import { expect, test } from "bun:test";
import { actionOf, events, sentenceOf, type EventName } from "../../src/contract/events.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { prune } from "../../src/daemon/retention.ts";
import * as agents from "../../src/domain/agents.ts";
import { makeSide, type Scenario, type Side } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const hourMs = 3_600_000;

type Told = [action: string, targetId: string, actor: string, metadata: Record<string, unknown>];

/** What a piece of work writes into the log, oldest first. */
async function logged({ world }: Side, work: () => unknown): Promise<Told[]> {
  world.journal.flush();
  const before = world.journal.lastId();
  await work();
  return world.journal
    .since(before)
    .map(({ action, targetId, actor, metadata }): Told => [action, targetId, actor, metadata]);
}

type Logged = [actionAndTarget: string, facts: Record<string, unknown>];

/** Everything that can be asked to change, in an order that works, and what each step is logged as. */
const changes: [request: string, body: Record<string, unknown>, ...Logged[]][] = [
  ["POST /claim/app", {}, ["claim app", { port: 3100, existing: false }]],
  ["POST /claim/app", {}, ["claim app", { port: 3100, existing: true }]],
  ["POST /claim/app", { port: 4000 }, ["claim app", { port: 4000, movedFrom: { port: 3100 } }]],
  ["POST /claim", { ids: ["a", "b"] }, ["claim a", { port: 3100 }], ["claim b", { port: 3101 }]],
  ["PUT /services/a/endpoints/dev", { url: "http://x" }, ["endpoint_set a", { url: "http://x" }]],
  ["DELETE /services/a/endpoints/dev", {}, ["endpoint_set a", { environment: "dev", url: null }]],
  [
    "DELETE /release/*",
    {},
    ["release a", { port: 3100, reason: "released" }],
    ["release app", { port: 4000, reason: "released" }],
    ["release b", { port: 3101, reason: "released" }],
  ],
  ["POST /locks/src/db", { owner: "o" }, ["lock_acquire src/db", { owner: "o", fence: 1 }]],
  ["PUT /locks/src/db", { owner: "o" }, ["lock_extend src/db", { owner: "o", fence: 1 }]],
  ["DELETE /locks/src/db", { owner: "o" }, ["lock_release src/db", { reason: "released" }]],
  ["POST /locks/db", { owner: "o" }, ["lock_acquire db", { owner: "o", fence: 2 }]],
  ["DELETE /locks/db", { force: true }, ["lock_release db", { owner: "o", reason: "forced" }]],
  ["POST /msg/ci", { payload: [0], sender: "x" }, ["publish ci", { sender: "x", preview: "[0]" }]],
  ["DELETE /msg/ci", {}, ["channel_clear ci", { deleted: 1 }]],
  ["POST /agents/bot", { name: "B" }, ["agent_register bot", { name: "B", existing: false }]],
  ["POST /agents/bot", {}, ["agent_register bot", { name: "B", existing: true }]],
  ["PUT /agents/bot/heartbeat", {}, ["agent_heartbeat bot", { revived: false }]],
  ["POST /claim/of-bot", { agent: "bot" }, ["claim of-bot", { agent: "bot" }]],
  [
    "DELETE /agents/bot",
    {},
    ["agent_unregister bot", { reason: "asked" }],
    ["release of-bot", { reason: "agent_unregistered" }],
  ],
];

const callers: ["tcp" | "socket", Record<string, string>, actor: string][] = [
  ["tcp", { "X-Agent-Id": "ada", "X-Caller-Id": "ada@host#1.2" }, "ada"],
  ["socket", { "X-Caller-Id": "ada@host#1.2" }, "ada@host#1.2"],
  ["tcp", {}, "127.0.0.1"],
  ["socket", {}, "local"],
];

for (const [transport, headers, actor] of callers) {
  const names = Object.keys(headers).join(" and ") || "no name";
  test(`every change over ${transport} with ${names} is logged once, as done by ${actor}`, async () => {
    const side = makeSide(makeWorld(), transport);
    for (const [request, body, ...expected] of changes) {
      const [method, path] = request.split(" ") as [string, string];
      const told = await logged(side, () => side.play({ method, path, headers, body }));
      expect(told.length, request).toBe(expected.length);
      expect(told, request).toMatchObject(
        expected.map(([what, facts]) => [...what.split(" "), actor, facts]),
      );
    }
  });
}

test("a lock that somebody waited for is logged as acquired by the waiter, not by who freed it", async () => {
  const side = makeSide();
  const [ada, bob] = [{ "X-Agent-Id": "ada" }, { "X-Agent-Id": "bob" }];
  await side.play({ method: "POST", path: "/locks/db", headers: ada });
  const waiting = { method: "POST", path: "/locks/db", headers: bob, body: { wait: true } };
  const answer = side.request(waiting);
  const deadline = Date.now() + 5_000;
  while ((await side.play({ path: "/locks/db" })).lock.waiting === 0)
    expect(Date.now()).toBeLessThan(deadline);
  const told = await logged(side, async () => {
    await side.play({ method: "DELETE", path: "/locks/db", headers: ada });
    expect((await answer).status).toBe(200);
  });
  expect(told).toMatchObject([
    ["lock_release", "db", "ada", { owner: "ada" }],
    ["lock_acquire", "db", "bob", { owner: "bob" }],
  ]);
});

test("what changes nothing is not logged", async () => {
  const { play } = makeSide();
  const url = { url: "http://dev.example.com" };
  await play({ method: "POST", path: "/claim/a", body: { urls: { dev: url.url } } });
  const idle: Scenario[] = [
    { method: "DELETE", path: "/release/nothing" },
    { method: "DELETE", path: "/release/*?dryRun=true" },
    { method: "PUT", path: "/services/a/endpoints/dev", body: url },
    { method: "DELETE", path: "/services/a/endpoints/prod" },
    { method: "DELETE", path: "/msg/nothing" },
    ...["/health", "/services", "/locks", "/channels", "/agents", "/activity"].map((path) => ({
      path,
    })),
  ];
  for (const scenario of idle) await play({ ...scenario, events: [] });
});

test("what was refused is not logged, of locks, messages and agents neither", async () => {
  const { play } = makeSide();
  const ada = { "X-Agent-Id": "ada" };
  await play({ method: "POST", path: "/locks/db", body: { owner: "o" } });
  await play({ method: "POST", path: "/agents/ada", body: { maxServices: 0, maxLocks: 0 } });
  const refused: [number, Scenario][] = [
    [409, { method: "POST", path: "/locks/db" }],
    [403, { method: "PUT", path: "/locks/db" }],
    [403, { method: "DELETE", path: "/locks/db", body: { owner: "p" } }],
    [403, { method: "DELETE", path: "/locks/db", body: { owner: "o", fence: 9 } }],
    [404, { method: "DELETE", path: "/locks/other", body: { force: true } }],
    [400, { method: "POST", path: "/locks/other", body: { pid: 100 } }],
    [400, { method: "POST", path: "/msg/build" }],
    [400, { method: "POST", path: "/agents/bob", body: { pid: 100 } }],
    [404, { method: "PUT", path: "/agents/bob/heartbeat" }],
    [404, { method: "DELETE", path: "/agents/bob" }],
    [429, { method: "POST", path: "/locks/other", headers: ada }],
    [429, { method: "POST", path: "/claim/other", headers: ada }],
    [429, { method: "POST", path: "/claim", headers: ada, body: { ids: ["x", "y"] } }],
  ];
  for (const [status, scenario] of refused) await play({ ...scenario, status, events: [] });
});

test("what the daemon does to locks and agents by itself is a cleanup, with the reason", async () => {
  const side = makeSide();
  const { play, world } = side;
  world.machine.processes.set(100, "boot/1");
  await play({ method: "POST", path: "/locks/lapses", body: { owner: "o", ttl: "1s" } });
  await play({ method: "POST", path: "/locks/dies", body: { owner: "o", pid: 100 } });
  await play({ method: "POST", path: "/agents/ada", body: { pid: 100 } });
  await play({ method: "POST", path: "/locks/db", headers: { "X-Agent-Id": "ada" } });
  world.advance(1_000);
  world.machine.processes.delete(100);
  const told = await logged(side, () => reap(world));
  expect(told.every(([action, , actor]) => action === "cleanup" && actor === "port-daddy")).toBe(
    true,
  );
  const reasons = told.map(([, target, , { reason }]) => `${target} ${reason}`);
  expect(reasons.sort()).toEqual([
    "ada pid_died",
    "db agent_stale",
    "dies pid_died",
    "lapses expired",
  ]);
  world.advance(8 * 24 * hourMs);
  expect(await logged(side, () => agents.prune(world))).toEqual([
    ["cleanup", "ada", "port-daddy", { reason: "forgotten" }],
  ]);
});

// What is kept

const heartbeat = { method: "PUT", path: "/agents/ada/heartbeat" };

async function actions({ play }: Side): Promise<string[]> {
  const { entries } = await play({ path: "/activity?limit=1000" });
  return entries.map(({ action }: { action: string }) => action).reverse();
}

test("heartbeats go after an hour, and nothing else does", async () => {
  const side = makeSide();
  const { play, world } = side;
  await play({ method: "POST", path: "/agents/ada" });
  await play(heartbeat);
  world.advance(1_000);
  await play(heartbeat);
  await play({ method: "POST", path: "/claim/myapp" });
  world.advance(hourMs - 1_000);
  prune(world);
  expect(await actions(side)).toEqual([
    "agent_register",
    "agent_heartbeat",
    "agent_heartbeat",
    "claim",
  ]);
  world.advance(1);
  prune(world);
  expect(await actions(side)).toEqual(["agent_register", "agent_heartbeat", "claim"]);
  world.advance(1_000);
  prune(world);
  expect(await actions(side)).toEqual(["agent_register", "claim"]);
});

test("heartbeats that are gone take no room of what is kept by number", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_ACTIVITY_RETENTION: "30d,5" }));
  const { play, world } = side;
  await play({ method: "POST", path: "/agents/ada" });
  await play({ method: "POST", path: "/claim/myapp" });
  for (let n = 0; n < 10; n++) await play(heartbeat);
  world.advance(2 * hourMs);
  await play({ method: "DELETE", path: "/release/myapp" });
  prune(world);
  expect(await actions(side)).toEqual(["agent_register", "claim", "release"]);
});

test("heartbeats push out the oldest heartbeats, and nothing else", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_ACTIVITY_RETENTION: "30d,3" }));
  const { play, world } = side;
  await play({ method: "POST", path: "/agents/ada" });
  for (let n = 0; n < 10; n++) await play(heartbeat);
  await play({ method: "POST", path: "/claim/myapp" });
  prune(world);
  expect(await actions(side)).toEqual([
    "agent_register",
    ...Array(3).fill("agent_heartbeat"),
    "claim",
  ]);
});

test("what is older than the oldest entry kept goes with it, heartbeats too", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_ACTIVITY_RETENTION: "30d,2" }));
  const { play, world } = side;
  await play({ method: "POST", path: "/agents/ada" });
  await play(heartbeat);
  for (let n = 0; n < 3; n++) await play({ method: "POST", path: "/claim/myapp" });
  prune(world);
  expect(await actions(side)).toEqual(["claim", "claim"]);
});

test("of a publish the log keeps the first two hundred characters, not the payload again", async () => {
  const { play } = makeSide();
  await play({ method: "POST", path: "/msg/build", body: { payload: "x".repeat(5_000) } });
  const { entries } = await play({ path: "/activity?action=publish" });
  expect(entries[0].metadata).toMatchObject({ id: 1, preview: `"${"x".repeat(199)}` });
});

// Sentences

const held = { owner: "ada", fence: 7 };

type Example = [facts: Record<string, unknown>, action: string, sentence: string];

/** Each event of a target `a` with its facts: the action it is logged as, and its sentence. */
const examples: Record<EventName, Example[]> = {
  "service.claim": [
    [{ port: 1, existing: false }, "claim", "claimed a → port 1"],
    [{ port: 1, existing: true }, "claim", "claimed a again → port 1"],
    [{ port: 2, existing: true, movedFrom: { port: 1 } }, "claim", "moved a from port 1 to 2"],
  ],
  "service.release": [
    [{ port: 1, reason: "released" }, "release", "released a (port 1)"],
    [
      { port: 1, reason: "agent_unregistered" },
      "release",
      "freed a (port 1): its agent was unregistered",
    ],
    [{ port: 1, reason: "agent_stale" }, "cleanup", "freed a (port 1): its agent went stale"],
    [{ port: 1, reason: "expired" }, "cleanup", "freed a (port 1): it expired"],
    [{ port: 1, reason: "pid_died" }, "cleanup", "freed a (port 1): its process has died"],
    [
      { port: 1, reason: "stopped" },
      "cleanup",
      "freed a (port 1): its server has ended and not come back",
    ],
  ],
  "service.start": [
    [
      { port: 1, pid: 9, command: "vite" },
      "service_start",
      "saw a start on port 1 (process 9: vite)",
    ],
    [{ port: 1, pid: null, command: null }, "service_start", "saw a start on port 1"],
  ],
  "service.stop": [[{ port: 1 }, "service_stop", "saw a stop on port 1"]],
  "service.endpoint": [
    [{ environment: "dev", url: "http://b" }, "endpoint_set", "set the dev URL of a to http://b"],
    [{ environment: "dev", url: null }, "endpoint_set", "removed the dev URL of a"],
  ],
  "service.launch": [
    [{ port: 1, command: "npm run dev" }, "launch", "launched a on port 1: npm run dev"],
  ],
  "service.ready": [
    [
      { url: "http://localhost:1", afterMs: 812 },
      "launch_ready",
      "had a ready at http://localhost:1 in 812ms",
    ],
  ],
  "service.hijacked": [
    [{ port: 1, pid: 9, command: "vite" }, "hijack", "saw port 1 of a taken by process 9 (vite)"],
    [
      { port: 1, pid: null, command: null },
      "hijack",
      "saw port 1 of a taken by a process that cannot be seen",
    ],
  ],
  "service.exit": [
    [{ code: 1, restarting: false }, "launch_exit", "saw the command of a end with 1"],
    [
      { code: 1, restarting: true },
      "launch_exit",
      "saw the command of a end with 1, and starts it again",
    ],
    [
      { code: null, restarting: false },
      "launch_exit",
      "lost sight of a: whoever watched over its command has died",
    ],
  ],
  "lock.acquire": [[held, "lock_acquire", "locked a for ada (fence 7)"]],
  "lock.extend": [[held, "lock_extend", "extended the lock a (fence 7)"]],
  "lock.release": [
    [{ ...held, reason: "released" }, "lock_release", "unlocked a of ada (fence 7)"],
    [{ ...held, reason: "forced" }, "lock_release", "unlocked a (fence 7) by force: ada had it"],
    [{ ...held, reason: "expired" }, "cleanup", "freed the lock a of ada (fence 7): it expired"],
    [
      { ...held, reason: "caller_gone" },
      "cleanup",
      "freed the lock a of ada (fence 7): whoever waited for it had gone",
    ],
  ],
  "message.publish": [[{ id: 3, preview: "{}" }, "publish", "published 3 to a: {}"]],
  "channel.clear": [
    [{ deleted: 2 }, "channel_clear", "cleared a of 2 messages"],
    [{ deleted: 1 }, "channel_clear", "cleared a of 1 message"],
  ],
  "agent.register": [
    [{ existing: false }, "agent_register", "registered the agent a"],
    [{ existing: true }, "agent_register", "registered the agent a again"],
  ],
  "agent.heartbeat": [
    [{ revived: false }, "agent_heartbeat", "heard from the agent a"],
    [{ revived: true }, "agent_heartbeat", "heard from the stale agent a again"],
  ],
  "agent.unregister": [
    [{ reason: "asked" }, "agent_unregister", "unregistered the agent a"],
    [{ reason: "forgotten" }, "cleanup", "forgot the agent a, which had been stale for long"],
  ],
  "agent.stale": [
    [{ reason: "silent" }, "cleanup", "marked the agent a as stale: nothing was heard from it"],
    [{ reason: "pid_died" }, "cleanup", "marked the agent a as stale: its process has died"],
  ],
  "webhook.add": [
    [{ url: "https://b", events: ["*"] }, "webhook_add", "added the webhook a to https://b"],
  ],
  "webhook.update": [
    [{ url: "https://b", events: ["*"], active: true }, "webhook_update", "updated the webhook a"],
  ],
  "webhook.remove": [
    [{ url: "https://b" }, "webhook_remove", "removed the webhook a to https://b"],
  ],
  "webhook.pause": [[{ reason: "it fails" }, "webhook_pause", "paused the webhook a: it fails"]],
  "webhook.resume": [
    [{ dropped: 3 }, "webhook_resume", "resumed the webhook a, which missed 3 events"],
  ],
  "daemon.start": [
    [{ version: "1.0.0", pid: 9 }, "daemon_start", "started port-daddy 1.0.0, pid 9"],
  ],
  "daemon.stop": [
    [{ version: "1.0.0", uptimeMs: 7_200_000 }, "daemon_stop", "stopped port-daddy after 2h"],
  ],
};

for (const [event, rows] of Object.entries(examples)) {
  for (const [facts, action, sentence] of rows) {
    test(`${event} is logged as ${action} and reads: ${sentence}`, () => {
      expect(sentenceOf(event, "a", facts)).toBe(sentence);
      expect(actionOf(event as EventName, facts as never)).toBe(action);
    });
  }
}

test("an event that is not known is told by its name", () => {
  for (const event of ["service.dance", "toString", "__proto__"])
    expect(sentenceOf(event, "a", {})).toBe(`${event} a`);
});

test("webhooks are offered exactly the events that are promised to them", () => {
  const offered = (Object.keys(events) as EventName[]).filter((name) => events[name].webhook);
  expect(offered.sort()).toEqual([
    "agent.register",
    "agent.stale",
    "agent.unregister",
    "daemon.start",
    "daemon.stop",
    "lock.acquire",
    "lock.release",
    "message.publish",
    "service.claim",
    "service.exit",
    "service.hijacked",
    "service.ready",
    "service.release",
  ]);
});
