// Who listens on a claimed port: the claim's own server, or a stranger.

import { expect, test } from "bun:test";
import { reap } from "../../src/daemon/reaper.ts";
import { makeSide, type Scenario } from "../scenario.ts";
import { makeWorld, startOfTime, type TestWorld } from "../world.ts";

const terminal = "ada@box#200.7";

function claim(id: string, body: Record<string, unknown> = {}, headers = {}): Scenario {
  return { method: "POST", path: `/claim/${id}`, body, headers };
}

/** Something listens, in a directory, with processes behind it. */
function listen(
  { machine }: TestWorld,
  { pid = 4321, cwd = "/elsewhere" as string | null, behind = [] as string[], port = 3100 } = {},
): void {
  machine.processes.set(pid, `boot/${pid}`);
  machine.lineages.set(pid, behind);
  machine.bound.set(port, {
    pid,
    command: "node server.js",
    cwd,
    user: "ada",
    startedAt: startOfTime,
  });
}

function look({ world, eventsSince }: ReturnType<typeof makeSide>): string[] {
  world.journal.flush();
  const before = world.journal.lastId();
  reap(world);
  world.journal.flush();
  return eventsSince(before);
}

type Case = {
  what: string;
  claimed: { cwd?: string; pid?: number };
  headers?: Record<string, string>;
  listens: Parameters<typeof listen>[1];
  repositories?: string[];
  isStranger: boolean;
};

const cases: Case[] = [
  {
    what: "the process that the claim names, wherever it runs",
    claimed: { pid: 50, cwd: "/srv/app" },
    listens: { pid: 50 },
    isStranger: false,
  },
  {
    what: "a descendant of the process that the claim names, wherever it runs",
    claimed: { pid: 50, cwd: "/srv/app" },
    listens: { behind: ["60.2", "50.1", "1.0"] },
    isStranger: false,
  },
  {
    what: "a process that does not come from the one that the claim names, in the same directory too",
    claimed: { pid: 50, cwd: "/srv/app" },
    listens: { cwd: "/srv/app", behind: ["500.1", "5.1", "1.0"] },
    isStranger: true,
  },
  {
    what: "a process in the claim's directory",
    claimed: { cwd: "/srv/app" },
    listens: { cwd: "/srv/app" },
    isStranger: false,
  },
  {
    what: "a process below the claim's directory",
    claimed: { cwd: "/srv/app" },
    listens: { cwd: "/srv/app/packages/web" },
    isStranger: false,
  },
  {
    what: "a process above the claim's directory",
    claimed: { cwd: "/srv/app/packages/web" },
    listens: { cwd: "/srv/app" },
    isStranger: false,
  },
  {
    what: "a process at the root, which is above everything",
    claimed: { cwd: "/srv/app" },
    listens: { cwd: "/" },
    isStranger: true,
  },
  {
    what: "a process in the user's home directory, where everything is below",
    claimed: { cwd: "/home/ada/app" },
    listens: { cwd: "/home/ada" },
    isStranger: true,
  },
  {
    what: "a process anywhere, where the claim was made in the home directory",
    claimed: { cwd: "/home/ada" },
    listens: { cwd: "/srv/app" },
    isStranger: false,
  },
  {
    what: "a process below a directory that begins with dots",
    claimed: { cwd: "/srv/app" },
    listens: { cwd: "/srv/app/..cache" },
    isStranger: false,
  },
  {
    what: "a process in a directory whose name merely begins alike",
    claimed: { cwd: "/srv/app" },
    listens: { cwd: "/srv/app-two" },
    isStranger: true,
  },
  {
    what: "a process beside the claim's directory in the same repository",
    claimed: { cwd: "/srv/mono/web" },
    listens: { cwd: "/srv/mono/api" },
    repositories: ["/srv/mono"],
    isStranger: false,
  },
  {
    what: "a process beside the claim's directory in another repository",
    claimed: { cwd: "/srv/one/web" },
    listens: { cwd: "/srv/two/web" },
    repositories: ["/srv/one", "/srv/two"],
    isStranger: true,
  },
  {
    what: "a process beside the claim's directory where neither is in a repository",
    claimed: { cwd: "/srv/one" },
    listens: { cwd: "/srv/two" },
    isStranger: true,
  },
  {
    what: "a process elsewhere that comes from the process that claimed",
    claimed: { cwd: "/srv/app" },
    headers: { "X-Caller-Id": terminal },
    listens: { behind: ["300.8", "200.7", "1.0"] },
    isStranger: false,
  },
  {
    what: "a process elsewhere that comes from the process that claimed in an agent's name",
    claimed: { cwd: "/srv/app" },
    headers: { "X-Caller-Id": terminal, "X-Agent-Id": "bob" },
    listens: { behind: ["300.8", "200.7", "1.0"] },
    isStranger: false,
  },
  {
    what: "a process elsewhere that comes from another process of the claimer's number",
    claimed: { cwd: "/srv/app" },
    headers: { "X-Caller-Id": terminal },
    listens: { behind: ["200.9", "1.0"] },
    isStranger: true,
  },
  {
    what: "a process in the claim's directory that comes from somebody else",
    claimed: { cwd: "/srv/app" },
    headers: { "X-Caller-Id": terminal },
    listens: { cwd: "/srv/app", behind: ["900.1", "1.0"] },
    isStranger: false,
  },
  {
    what: "a process whose directory cannot be seen",
    claimed: { cwd: "/srv/app" },
    listens: { cwd: null },
    isStranger: false,
  },
  {
    what: "any process, where the claim says neither a process nor a directory",
    claimed: {},
    listens: {},
    isStranger: false,
  },
];

for (const { what, claimed, headers, listens, repositories = [], isStranger } of cases) {
  test(`${what}, is ${isStranger ? "a stranger" : "its own"}`, async () => {
    const side = makeSide();
    const { play, world } = side;
    world.machine.processes.set(50, "boot/50");
    for (const each of repositories) world.machine.repositories.add(each);
    await play(claim("myapp", claimed, headers));
    listen(world, listens);

    const seen = {
      status: isStranger ? "assigned" : "running",
      listener: { pid: listens?.pid ?? 4321, stranger: isStranger },
    };
    await play({ path: "/services/myapp", answer: seen, events: [] });
    await play({ path: "/services", answer: { services: [seen] }, events: [] });
    await play({
      path: "/ports/3100",
      answer: { service: seen, listeners: [seen.listener] },
      events: [],
    });
    expect(look(side)).toEqual(isStranger ? [] : ["service.start myapp"]);
  });
}

test("of a process that cannot be seen nothing is assumed: it is taken for the claim's own", async () => {
  const side = makeSide();
  side.world.machine.processes.set(50, "boot/50");
  await side.play(claim("myapp", { cwd: "/srv/app", pid: 50 }));
  const unseen = { pid: null, command: null, cwd: null, user: "bob", startedAt: null };
  side.world.machine.bound.set(3100, unseen);
  const answer = { status: "running", listener: { ...unseen, stranger: false } };
  await side.play({ path: "/services/myapp", answer });
  expect(look(side)).toEqual(["service.start myapp"]);
});

test("a listener is shown with all that is known of it", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp", { cwd: "/srv/app" }));
  listen(world, {});
  const { listener } = await play({ path: "/services/myapp" });
  expect(listener).toEqual({
    pid: 4321,
    command: "node server.js",
    cwd: "/elsewhere",
    user: "ada",
    startedAt: startOfTime,
    stranger: true,
  });
});

test("a repeat is told of the stranger that has its port meanwhile, and keeps the port", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp", { cwd: "/srv/app" }));
  listen(world, {});
  const answer = { existing: true, port: 3100, status: "assigned", listener: { stranger: true } };
  await play({ ...claim("myapp"), answer });
});

test("a repeat from elsewhere is told of its own server, however often; one from around that is not", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp", { cwd: "/srv/app" }));
  listen(world, { cwd: "/srv/app/web", behind: ["4321.7", "50.1"] });
  const warning = (cwd: string) =>
    play({ ...claim("myapp", { cwd }), headers: { "X-Caller-Id": "ada@box#50.1" } }).then(
      (answer) => answer.warning,
    );
  for (const from of ["/srv/app", "/srv/app/web/src"]) expect(await warning(from)).toBeUndefined();
  for (const from of ["/srv/other", "/srv/other", "/srv/application"])
    expect(await warning(from)).toStartWith("myapp is served already, from /srv/app/web: process ");
  expect(await warning("/srv/app")).toBeUndefined();
});

test("a stranger does not make a claim running, so that its going does not end it", async () => {
  const side = makeSide();
  const { play, world } = side;
  await play(claim("myapp", { cwd: "/srv/app" }));
  listen(world, {});
  expect(look(side)).toEqual([]);
  world.machine.bound.delete(3100);
  for (let n = 0; n < 30; n++) {
    world.advance(2_000);
    expect(look(side)).toEqual([]);
  }
  await play({ path: "/services/myapp", answer: { status: "assigned" } });
});

test("a stranger on the port of a server that has gone neither keeps the claim nor hides that it stopped", async () => {
  const side = makeSide();
  const { play, world } = side;
  await play(claim("myapp", { cwd: "/srv/app" }));
  listen(world, { pid: 10, cwd: "/srv/app" });
  expect(look(side)).toEqual(["service.start myapp"]);
  world.machine.processes.delete(10);
  listen(world, { pid: 11 });
  expect(look(side)).toEqual(["service.stop myapp"]);
  const answer = { status: "stopped", listener: { pid: 11, stranger: true } };
  await play({ path: "/services/myapp", answer, events: [] });
  world.advance(29_999);
  expect(look(side)).toEqual([]);
  world.advance(1);
  expect(look(side)).toEqual(["service.release myapp"]);
  await play({
    path: "/ports/3100",
    answer: { service: null, listeners: [{ pid: 11, stranger: true }] },
  });
});

test("where its own server and a stranger share a port, its own is the one that counts", async () => {
  const world = makeWorld();
  const side = makeSide(world);
  await side.play(claim("myapp", { cwd: "/srv/app" }));
  listen(world, { pid: 10 });
  const [stranger] = world.machine.listenersOn(3100);
  listen(world, { pid: 11, cwd: "/srv/app" });
  const [own] = world.machine.listenersOn(3100);
  world.machine.listenersOn = () => [stranger!, own!];
  const running = { status: "running", listener: { pid: 11, stranger: false } };
  await side.play({ path: "/services/myapp", answer: running });
  const listeners = [
    { pid: 10, stranger: true },
    { pid: 11, stranger: false },
  ];
  await side.play({ path: "/ports/3100", answer: { service: running, listeners } });
  expect(look(side)).toEqual(["service.start myapp"]);
});

test("on a port that nobody has claimed, everybody is a stranger", async () => {
  const { play, world } = makeSide();
  listen(world, { cwd: "/srv/app" });
  await play({
    path: "/ports/3100",
    answer: { service: null, listeners: [{ pid: 4321, stranger: true }] },
    events: [],
  });
});

test("a claim made again from another terminal is that one's, wherever its server runs", async () => {
  const { play, world } = makeSide();
  const from = (id: string) => ({ headers: { "X-Caller-Id": id }, body: { cwd: "/srv/app" } });
  await play({ method: "POST", path: "/claim/myapp", ...from("ada@host#11.1") });
  await play({ method: "POST", path: "/claim/myapp", ...from("ada@host#22.2") });
  world.machine.bound.set(3100, {
    pid: 90,
    command: "node",
    cwd: "/elsewhere",
    user: "ada",
    startedAt: 0,
  });
  world.machine.lineages.set(90, ["22.2", "1.0"]);
  await play({
    path: "/services/myapp",
    answer: { status: "running", listener: { stranger: false } },
  });
});
