// The activity log, read back over HTTP: what happened, by whom, and for how long it is kept.

import { expect, test } from "bun:test";
import { reap } from "../../src/daemon/reaper.ts";
import { prune } from "../../src/daemon/retention.ts";
import { indexLog } from "../../src/store/logIndex.ts";
import { makeSide, type Scenario, type Side } from "../scenario.ts";
import { makeWorld, startOfTime } from "../world.ts";

function claim(id: string, headers: Record<string, string> = {}): Scenario {
  return { method: "POST", path: `/claim/${id}`, headers };
}

function release(id: string, headers: Record<string, string> = {}): Scenario {
  return { method: "DELETE", path: `/release/${id}`, headers };
}

/** The ids of the entries that a query gives. */
async function entryIds({ play }: Side, query: string): Promise<number[]> {
  const { entries, count } = await play({ path: `/activity${query}`, events: [] });
  expect(count).toBe(entries.length);
  return entries.map(({ id }: { id: number }) => id);
}

/** Eight entries, a second apart. */
async function makeHistory(): Promise<Side> {
  const side = makeSide();
  const ada = { "X-Agent-Id": "ada" };
  const steps = [
    claim("shop", ada), // 1
    claim("shop:api"), // 2
    claim("shop:api:main", ada), // 3
    claim("shop_api"), // 4
    release("shop:api"), // 5
    claim("shopping", ada), // 6
    release("shop", ada), // 7
    claim("shop:api"), // 8
  ];
  for (const step of steps) {
    await side.play(step);
    side.world.advance(1_000);
  }
  return side;
}

const queries: [string, number[]][] = [
  ["", [8, 7, 6, 5, 4, 3, 2, 1]],
  ["?limit=3", [8, 7, 6]],
  ["?action=release", [7, 5]],
  ["?action=claim", [8, 6, 4, 3, 2, 1]],
  ["?targetId=shop", [7, 1]],
  ["?targetId=shop:api", [8, 5, 2]],
  ["?targetId=shop:*", [8, 7, 5, 3, 2, 1]],
  ["?targetId=shop:**", [8, 5, 3, 2]],
  ["?targetId=shop*", [7, 6, 4, 1]],
  ["?targetId=*:api", [8, 5, 2]],
  ["?targetId=*", [8, 7, 6, 5, 4, 3, 2, 1]],
  ["?targetId=*_api", [4]],
  ["?actor=ada", [7, 6, 3, 1]],
  ["?actor=local", [8, 5, 4, 2]],
  ["?actor=Ada", []],
  [`?since=${startOfTime + 5_000}`, [8, 7, 6]],
  [`?until=${startOfTime + 2_000}`, [2, 1]],
  [`?since=${startOfTime + 2_000}&until=${startOfTime + 4_000}`, [4, 3]],
  ["?before=3", [2, 1]],
  ["?before=7&limit=2", [6, 5]],
  ["?before=1", []],
  ["?before=8&limit=2&action=claim&actor=ada", [6, 3]],
  ["?action=release&targetId=shop:*&actor=ada", [7]],
  ["?action=release&targetId=shop:api&limit=1", [5]],
];

test("entries come newest first, and every filter narrows them, alone and with others", async () => {
  const side = await makeHistory();
  for (const [query, ids] of queries)
    expect([query, await entryIds(side, query)]).toEqual([query, ids]);
});

test("every filter finds the same however much of the log is indexed", async () => {
  const side = await makeHistory();
  const { db } = side.world;
  for (const last of [3, 5, 8]) {
    db.run("UPDATE activity SET indexed = 1 WHERE id <= ?", [last]);
    for (const [query, ids] of queries)
      expect([last, query, await entryIds(side, query)]).toEqual([last, query, ids]);
  }
  indexLog(db);
  await side.play(claim("shop:new"));
  expect(await entryIds(side, "?targetId=shop:*&action=claim&limit=2")).toEqual([9, 8]);
});

test("a filter that can be none is refused naming its field", async () => {
  const { play } = makeSide();
  for (const [field, value] of [
    ["limit", "0"],
    ["limit", "1001"],
    ["since", "yesterday"],
    ["until", "-1"],
    ["before", "x"],
    ["targetId", "a%20b"],
  ]) {
    await play({
      path: `/activity?${field}=${value}`,
      status: 400,
      answer: { code: "invalid_input", field },
      events: [],
    });
  }
});

test("a hundred entries are given where no limit is", async () => {
  const side = makeSide();
  for (let n = 0; n < 101; n++) await side.play(claim("myapp"));
  expect(await entryIds(side, "")).toHaveLength(100);
  expect(await entryIds(side, "?limit=1000")).toHaveLength(101);
});

test("a few matches among thousands of entries are all found, in pages too", async () => {
  const side = makeSide();
  const { journal } = side.world;
  journal.commit(() => {
    for (let n = 1; n <= 3_000; n++) {
      const target = n % 700 === 0 ? `shop:api:n${n}` : `shop:web:n${n}`;
      journal.record("service.release", target, "tester", { port: 3100, reason: "released" });
    }
  });
  expect(await entryIds(side, "?targetId=shop:api:*")).toEqual([2800, 2100, 1400, 700]);
  expect(await entryIds(side, "?targetId=*:api:*&limit=2")).toEqual([2800, 2100]);
  expect(await entryIds(side, "?targetId=*:api:*&limit=2&before=2100")).toEqual([1400, 700]);
});

test("an entry says what was done, to what, by whom, when, and the event's own facts", async () => {
  const { play } = makeSide();
  await play({ ...claim("myapp"), headers: { "X-Agent-Id": "ada" }, body: { cmd: "npm start" } });
  const { entries } = await play({ path: "/activity" });
  expect(entries).toEqual([
    {
      id: 1,
      timestamp: startOfTime,
      action: "claim",
      event: "service.claim",
      targetId: "myapp",
      actor: "ada",
      metadata: {
        id: "myapp",
        port: 3100,
        status: "assigned",
        agent: "ada",
        cmd: "npm start",
        urls: { local: "http://localhost:3100" },
        createdAt: startOfTime,
        lastSeenAt: startOfTime,
        existing: false,
      },
    },
  ]);
});

test("a repeated claim is an entry of its own that says so", async () => {
  const { play } = makeSide();
  await play(claim("myapp"));
  await play(claim("myapp"));
  await play({
    path: "/activity",
    answer: {
      entries: [
        { id: 2, action: "claim", metadata: { existing: true } },
        { id: 1, action: "claim", metadata: { existing: false } },
      ],
    },
  });
});

test("the actor is the agent, else the caller, else the address, else local", async () => {
  const agent = { "X-Agent-Id": "ada" };
  const callerId = { "X-Caller-Id": "ada@host#42.7" };
  const cases: ["tcp" | "socket", Record<string, string>, string][] = [
    ["tcp", { ...agent, ...callerId }, "ada"],
    ["socket", { ...agent, ...callerId }, "ada"],
    ["tcp", callerId, "ada@host#42.7"],
    ["socket", callerId, "ada@host#42.7"],
    ["tcp", {}, "127.0.0.1"],
    ["socket", {}, "local"],
  ];
  for (const [transport, headers, actor] of cases) {
    const { play } = makeSide(makeWorld(), transport);
    await play(claim("myapp", headers));
    await play(release("myapp", headers));
    await play({
      path: "/activity",
      answer: {
        count: 2,
        entries: [
          { action: "release", actor },
          { action: "claim", actor },
        ],
      },
    });
  }
});

test("the agent that a claim is for is not the actor; who asked is", async () => {
  const { play } = makeSide();
  await play({ ...claim("myapp"), body: { agent: "somebody" }, answer: { agent: "somebody" } });
  await play({ path: "/activity", answer: { entries: [{ actor: "local" }] } });
});

test("a name that can be nobody's is refused, and nothing is done under it", async () => {
  const { play } = makeSide();
  for (const [header, value] of [
    ["X-Agent-Id", "a b"],
    ["X-Agent-Id", ""],
    ["X-Agent-Id", "x".repeat(101)],
    ["X-Agent-Id", "a/b"],
    ["X-Caller-Id", "a b"],
    ["X-Caller-Id", "x".repeat(301)],
  ] as const) {
    await play({
      ...claim("myapp", { [header]: value }),
      status: 400,
      answer: { code: "invalid_input", field: header },
      events: [],
    });
  }
});

test("what the daemon ends by itself is a cleanup with its reason, what is asked for a release", async () => {
  const side = makeSide();
  const { play, world } = side;
  world.machine.processes.set(100, "boot/1");
  await play({ ...claim("expires"), body: { expires: "1s" } });
  await play({ ...claim("dies"), body: { pid: 100 } });
  await play(claim("released"));
  world.advance(1_000);
  world.machine.processes.delete(100);
  reap(world);
  await play(release("released"));
  const { entries } = await play({ path: "/activity?limit=3" });
  const told = entries.map(({ action, targetId, actor, metadata }: any) => [
    action,
    targetId,
    actor,
    metadata,
  ]);
  expect(told).toEqual([
    ["release", "released", "local", { port: 3102, reason: "released" }],
    ["cleanup", "dies", "port-daddy", { port: 3101, reason: "pid_died" }],
    ["cleanup", "expires", "port-daddy", { port: 3100, reason: "expired" }],
  ]);
  expect(await entryIds(side, "?action=cleanup&actor=port-daddy")).toEqual([5, 4]);
});

test("what was refused is not logged", async () => {
  const side = makeSide();
  const { play } = side;
  await play(claim("myapp"));
  await play({ ...claim("other"), body: { port: 3100 }, status: 409 });
  await play({ ...claim("other"), body: { pid: 100 }, status: 400 });
  await play({ path: "/services/other", status: 404 });
  expect(await entryIds(side, "")).toEqual([1]);
});

/** A side that has claimed `count` times, a second apart, and is at the last of them. */
async function makeLog(retention: string, count: number): Promise<Side> {
  const side = makeSide(makeWorld({ PORT_DADDY_ACTIVITY_RETENTION: retention }));
  for (let n = 0; n < count; n++) {
    if (n > 0) side.world.advance(1_000);
    await side.play(claim("myapp"));
  }
  return side;
}

test("entries older than the retention go, and no others", async () => {
  const side = await makeLog("3s,1000", 6);
  prune(side.world);
  expect(await entryIds(side, "")).toEqual([6, 5, 4, 3]);
  side.world.advance(1_000);
  prune(side.world);
  expect(await entryIds(side, "")).toEqual([6, 5, 4]);
});

test("entries beyond the number kept go, the oldest first", async () => {
  const side = await makeLog("30d,4", 6);
  prune(side.world);
  expect(await entryIds(side, "")).toEqual([6, 5, 4, 3]);
});

test("whichever of age and number is reached first decides", async () => {
  const byAge = await makeLog("1s,4", 6);
  prune(byAge.world);
  expect(await entryIds(byAge, "")).toEqual([6, 5]);
  const byNumber = await makeLog("4s,2", 6);
  prune(byNumber.world);
  expect(await entryIds(byNumber, "")).toEqual([6, 5]);
});

test("the newest entry stays, however old it is", async () => {
  const side = await makeLog("1s,1", 3);
  side.world.advance(365 * 86_400_000);
  prune(side.world);
  expect(await entryIds(side, "")).toEqual([3]);
  await side.play({ ...claim("myapp"), events: ["service.claim myapp"] });
  expect(await entryIds(side, "")).toEqual([4, 3]);
});

test("a log with nothing in it is pruned to nothing, and nothing is logged of pruning", async () => {
  const side = makeSide();
  prune(side.world);
  expect(await entryIds(side, "")).toEqual([]);
});
