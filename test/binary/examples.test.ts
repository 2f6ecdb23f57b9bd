// The worked examples of coordination, as printed, by agents that are processes of their own.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home, type Result } from "../home.ts";

let home: Home;
let url: string;
beforeAll(async () => {
  home = new Home();
  url = `http://localhost:${(await home.json(["start"])).port}`;
});
afterAll(() => home[Symbol.asyncDispose]());

/** A program that runs each command in a new shell, as coding agents do. */
const program = `
  for (const line of process.argv.slice(2)) {
    const { exitCode } = Bun.spawnSync(["bash", "-c", line], { stdio: ["inherit", "inherit", "inherit"] });
    if (exitCode !== 0) process.exit(exitCode);
  }
`;

type Agent = ReturnType<Home["start"]>;

/** Starts an agent that runs these lines, one after the other, until one fails. */
function startAgent(
  lines: string[],
  { name, at = home }: { name?: string; at?: Home } = {},
): Agent {
  fs.writeFileSync(path.join(at.directory, "agent.js"), program);
  const words = [process.execPath, "agent.js", ...lines].map(quote).join(" ");
  return at.startShell(name === undefined ? words : `PORT_DADDY_AGENT=${name} ${words}`);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

async function ended(agent: Agent): Promise<Result> {
  const [out, err, code] = await Promise.all([
    new Response(agent.stdout).text(),
    new Response(agent.stderr).text(),
    agent.exited,
  ]);
  return { code, out, err };
}

function runAgent(lines: string[], options?: { name?: string; at?: Home }): Promise<Result> {
  return ended(startAgent(lines, options));
}

async function get(route: string, at = home): Promise<any> {
  return (await at.fetch(route)).json();
}

function hasSubscribers(at: Home, count: number): Promise<boolean> {
  return eventually("they listen", async () => (await get("/health", at)).subscribers === count);
}

function writeScripts(at: Home, scripts: Record<string, string>): void {
  fs.writeFileSync(path.join(at.directory, "package.json"), JSON.stringify({ scripts }));
}

test("Multi-Agent Build Pipeline: the tests begin when both builds are complete", async () => {
  await using at = new Home();
  writeScripts(at, {
    "build:api": "echo api >>story",
    "build:frontend": "echo frontend >>story",
    "test:integration": "echo tests >>story",
  });
  await at.run(["start"]);
  const c = startAgent(
    [
      `port-daddy sub 'build:*' --json --count 2 | jq -c 'select(.status=="complete")'`,
      "npm run --silent test:integration",
    ],
    { at },
  );
  await hasSubscribers(at, 1);
  const [a, b] = await Promise.all([
    runAgent(
      [
        "port-daddy claim myproject:api",
        "npm run --silent build:api",
        `port-daddy pub build:api '{"status":"complete","port":3100}'`,
      ],
      { at },
    ),
    runAgent(
      [
        "port-daddy claim myproject:frontend",
        "npm run --silent build:frontend",
        `port-daddy pub build:frontend '{"status":"complete","port":3101}'`,
      ],
      { at },
    ),
  ]);
  expect([a.code, b.code]).toEqual([0, 0]);
  expect(a.out).toMatch(/^\d+\nPublished message \d+ to build:api \(1 subscriber\)\n$/);
  const { code, out, err } = await ended(c);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out.split("\n").toSorted()).toEqual([
    "",
    '{"status":"complete","port":3100}',
    '{"status":"complete","port":3101}',
  ]);
  const story = fs.readFileSync(path.join(at.directory, "story"), "utf8").trim().split("\n");
  expect(story.slice(0, 2).toSorted()).toEqual(["api", "frontend"]);
  expect(story.slice(2)).toEqual(["tests"]);
  expect((await at.run(["find", "-q"])).out).toBe("myproject:api\nmyproject:frontend\n");
});

test("Bug Fix Handoff: whoever saw the bug waits until the reporter is done", async () => {
  const seen = startAgent([`port-daddy sub bugs --json --count 1 | jq -r .file`], { name: "B" });
  await eventually("B listens", async () =>
    (await get("/channels")).channels.some(({ channel }: any) => channel === "bugs"),
  );
  const a = startAgent(
    [
      `port-daddy pub bugs '{"file":"auth.ts","line":42,"desc":"null check missing"}'`,
      "port-daddy lock bug-fix-auth",
      "until [ -e a-is-done ]; do sleep 0.02; done",
      "echo A is done >>handoff",
      "port-daddy unlock bug-fix-auth",
    ],
    { name: "A" },
  );
  expect(await ended(seen)).toEqual({ code: 0, out: "auth.ts\n", err: "" });
  await eventually("A has it", async () => (await get("/locks/bug-fix-auth")).held);
  const fixed = startAgent(
    [
      "port-daddy lock bug-fix-auth --wait",
      "echo B has it >>handoff",
      `port-daddy pub bugs '{"file":"auth.ts","status":"fixed"}'`,
      "port-daddy unlock bug-fix-auth",
    ],
    { name: "B" },
  );
  await eventually("B waits", async () => (await get("/locks/bug-fix-auth")).lock.waiting === 1);
  fs.writeFileSync(path.join(home.directory, "a-is-done"), "");
  const [first, second] = [await ended(a), await ended(fixed)];
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(first.out).toContain("Locked bug-fix-auth for A (fence ");
  expect(first.out).toEndWith("Unlocked bug-fix-auth; the next of 1 who wait has it\n");
  expect(second.out).toContain("Locked bug-fix-auth for B (fence ");
  const story = fs.readFileSync(path.join(home.directory, "handoff"), "utf8");
  expect(story).toBe("A is done\nB has it\n");
  const { messages } = await get("/msg/bugs");
  expect(
    messages.map(({ payload, sender }: any) => [payload.status ?? payload.desc, sender]),
  ).toEqual([
    ["null check missing", "A"],
    ["fixed", "B"],
  ]);
  expect(await get("/locks/bug-fix-auth")).toMatchObject({ held: false });
});

test("File Coordination: who has which files is seen, and the others are free", async () => {
  const a = { name: "A" };
  const editing = await runAgent(
    [
      "port-daddy lock files:src-auth",
      `port-daddy pub files '{"agent":"A","files":["src/auth/*"],"status":"editing"}'`,
    ],
    a,
  );
  expect(editing.code).toBe(0);
  const filter = `.locks[] | select(.name | startswith("files:"))`;
  const elsewhere = await runAgent(
    [
      `port-daddy locks --json | jq -r '${filter} | "\\(.name) is locked by \\(.owner)"'`,
      "port-daddy lock files:src-auth || echo elsewhere",
      "port-daddy lock files:src-api -q >/dev/null",
    ],
    { name: "B" },
  );
  expect(elsewhere).toMatchObject({
    code: 0,
    out: "files:src-auth is locked by A\nelsewhere\n",
    err: expect.stringContaining("error: files:src-auth is held by A "),
  });
  const done = await runAgent(
    [
      `port-daddy pub files '{"agent":"A","files":["src/auth/*"],"status":"done"}'`,
      "port-daddy unlock files:src-auth",
    ],
    a,
  );
  expect(done).toMatchObject({
    code: 0,
    out: expect.stringContaining("Unlocked files:src-auth\n"),
  });
  const { locks } = await home.json(["locks", "files:*"]);
  expect(locks).toMatchObject([{ name: "files:src-api", owner: "B" }]);
  const { out } = await home.shell("port-daddy messages files -q | jq -r .status");
  expect(out).toBe("editing\ndone\n");
});

test("Distributed Locks: nobody else migrates at the same time", async () => {
  const bin = path.join(home.makeDirectory("node_modules/.bin"), "prisma");
  const migrate = '#!/bin/sh\necho "$@" >>migrations; until [ -e migrated ]; do sleep 0.02; done\n';
  fs.writeFileSync(bin, migrate, { mode: 0o755 });
  writeScripts(home, {});
  const a = startAgent([
    "port-daddy lock db-migrations",
    "npx prisma migrate dev",
    "port-daddy unlock db-migrations",
  ]);
  const log = path.join(home.directory, "migrations");
  await eventually("it migrates", () => fs.existsSync(log));
  // No names are given: the two agents are told apart by what they are.
  const b = ['port-daddy lock db-migrations || echo "Lock held, skipping"'];
  const refused = await runAgent(b);
  expect(refused).toMatchObject({ code: 0, out: "Lock held, skipping\n" });
  expect(refused.err).toMatch(/^error: db-migrations is held by ada@\S+ for /);
  const stolen = await runAgent(["port-daddy unlock db-migrations"]);
  expect(stolen).toMatchObject({ code: 4, err: expect.stringContaining(", and you are ada@") });

  fs.writeFileSync(path.join(home.directory, "migrated"), "");
  const { code, out } = await ended(a);
  expect(code).toBe(0);
  expect(out).toEndWith("Unlocked db-migrations\n");
  expect((await runAgent(b)).out).toStartWith("Locked db-migrations for ada@");
  expect(fs.readFileSync(log, "utf8")).toBe("migrate dev\n");
});

describe("Pub/Sub Messaging:", () => {
  test("a pattern gets every target, with the instant, in order", async () => {
    await using at = new Home();
    await at.run(["start"]);
    const c = startAgent(["port-daddy sub 'build:*' --count 2"], { at });
    await hasSubscribers(at, 1);
    const builders: [string, string][] = [
      ["build:api", '{"status":"ready","port":3100}'],
      ["build:frontend", '{"status":"ready","port":3101}'],
    ];
    for (const [channel, text] of builders)
      expect(await runAgent([`port-daddy pub ${channel} '${text}'`], { at })).toMatchObject({
        code: 0,
      });
    const { code, out } = await ended(c);
    expect(code).toBe(0);
    const lines = out.split("\n").slice(0, -1);
    expect(lines.map((line) => line.replace(/^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] /, ""))).toEqual(
      builders.map(([, text]) => text),
    );
    expect(lines.every((line) => line.startsWith("["))).toBe(true);
  });

  test("a subscription ends with its reader, also when nothing comes any more", async () => {
    await using at = new Home();
    await at.run(["start"]);
    const c = startAgent(["port-daddy sub 'build:*' --json | head -1; echo on"], { at });
    await hasSubscribers(at, 1);
    await at.run(["pub", "build:api", '{"n":1}']);
    expect(await ended(c)).toEqual({ code: 0, out: '{"n":1}\non\n', err: "" });
    await hasSubscribers(at, 0);
  });

  test("the channels of the table are patterns and names like any other", async () => {
    const channels = [
      "build:api",
      "service:myapp:api:ready",
      "task:review",
      "errors",
      "heartbeat:a1",
    ];
    for (const channel of channels) {
      expect(await home.run(["pub", channel, "x"])).toMatchObject({ code: 0 });
      const { out } = await home.run(["messages", channel, "-q"]);
      expect(out).toBe("x\n");
    }
  });
});

/** Runs a line of the examples against this daemon's port, and parses what curl prints. */
async function curl(line: string): Promise<any> {
  const { code, out, err } = await home.shell(
    line.replace("curl", "curl -sS --noproxy '*'").replace("http://localhost:9876", url),
    "bash",
  );
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
}

test("Agent Registry: every line of curl does what it says", async () => {
  const registered = await curl(`curl -X POST http://localhost:9876/agents/claude-session-1 \\
    -H 'Content-Type: application/json' \\
    -d '{"name": "API Builder", "type": "claude"}'`);
  const agent = { id: "claude-session-1", name: "API Builder", type: "claude", status: "active" };
  expect(registered).toMatchObject({ ...agent, registered: true, maxServices: 50, maxLocks: 20 });
  const heard = await curl("curl -X PUT http://localhost:9876/agents/claude-session-1/heartbeat");
  expect(heard).toMatchObject(agent);
  expect(heard.lastHeartbeatAt).toBeGreaterThanOrEqual(registered.lastHeartbeatAt);
  const { agents } = await curl("curl http://localhost:9876/agents");
  expect(agents).toContainEqual(expect.objectContaining(agent));
  const { registered: _, ...shown } = registered;
  const found = await curl("curl http://localhost:9876/agents/claude-session-1");
  expect(found).toEqual({ ...shown, lastHeartbeatAt: heard.lastHeartbeatAt });
});

test("Resource Limits: past them claims and locks are refused until something is given back", async () => {
  await curl(`curl -X POST http://localhost:9876/agents/small -d '{"maxServices":1,"maxLocks":1}'`);
  const env = { PORT_DADDY_AGENT: "small" };
  for (const [first, second, giveBack] of [
    ["claim small:a", "claim small:b", "release small:a"],
    ["lock small:a", "lock small:b", "unlock small:a"],
  ]) {
    const run = (line = "") => home.run(line.split(" "), { env });
    expect(await run(first)).toMatchObject({ code: 0 });
    expect(await run(second)).toMatchObject({ code: 5, out: "" });
    expect(await run(giveBack)).toMatchObject({ code: 0 });
    expect(await run(second)).toMatchObject({ code: 0 });
  }
});

test("Activity Log: every line of curl does what it says", async () => {
  await home.run(["claim", "myapp:api"], { env: { PORT_DADDY_AGENT: "builder" } });
  await home.run(["claim", "myapp:web"]);
  await home.run(["release", "myapp:api"], { env: { PORT_DADDY_AGENT: "builder" } });
  const recent = await curl("curl http://localhost:9876/activity?limit=20");
  expect(recent.entries.length).toBeLessThanOrEqual(20);
  expect(recent.entries[0]).toMatchObject({
    action: "release",
    targetId: "myapp:api",
    actor: "builder",
  });
  const claims = await curl("curl http://localhost:9876/activity?action=claim");
  expect(new Set(claims.entries.map(({ action }: any) => action))).toEqual(new Set(["claim"]));
  expect(claims.entries.slice(0, 2)).toMatchObject([
    { targetId: "myapp:web", metadata: { port: expect.any(Number) } },
    { targetId: "myapp:api", actor: "builder" },
  ]);
  const ofApi = await curl("curl http://localhost:9876/activity?targetId=myapp:api");
  expect(ofApi.entries.map(({ action }: any) => action)).toEqual(["release", "claim"]);
  expect(ofApi.entries[0].timestamp).toBeGreaterThanOrEqual(ofApi.entries[1].timestamp);
});
