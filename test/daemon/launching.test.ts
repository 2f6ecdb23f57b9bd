import { describe, expect, test } from "bun:test";
import { reap } from "../../src/daemon/reaper.ts";
import { makeSide, type Side } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const directory = "/srv/app";
const command = ["vite", "--host"];
const cmd = "vite --host";

/** A side with the processes 71 and 72 on its machine. */
function side(): Side {
  const side = makeSide();
  for (const pid of [71, 72]) side.world.machine.processes.set(pid, `${pid}`);
  return side;
}

const launch = (more: object = {}) => ({
  method: "POST",
  path: "/launches/shop:web",
  body: { directory, cmd, pid: 71, ...more },
});
const report = (state: string, more: object = {}) => ({
  method: "PUT",
  path: "/launches/shop:web",
  body: { pid: 71, state, ...more },
});

describe("a launch", () => {
  test("claims the port with it, in one step", async () => {
    const { play } = side();
    await play({
      ...launch({ command }),
      answer: {
        port: 3100,
        existing: false,
        pid: 71,
        cwd: directory,
        launch: expect.objectContaining({ status: "starting", command, cmd, pid: 71, code: null }),
      },
      events: ["service.claim shop:web", "service.launch shop:web"],
    });
  });

  test("is told of when its port is listened on, once, also as a message", async () => {
    const { play, world } = side();
    await play(launch());
    world.advance(812);
    await play({
      ...report("ready"),
      answer: { status: "ready" },
      events: ["message.publish service:shop:web:ready", "service.ready shop:web"],
    });
    await play({ ...report("ready"), answer: { status: "ready" }, events: [] });
    const { messages } = await play({ path: "/msg/service:shop:web:ready" });
    expect(messages.map(({ payload }: any) => payload)).toEqual([
      { id: "shop:web", port: 3100, url: "http://localhost:3100" },
    ]);
    const { entries } = await play({ path: "/activity?action=launch_ready" });
    expect(entries[0].metadata).toMatchObject({ afterMs: 812, port: 3100 });
  });

  test("is ready on its own port also when its claim was released meanwhile, and is still known", async () => {
    const { play } = side();
    await play(launch());
    await play({ method: "DELETE", path: "/release/shop:web" });
    await play({ ...report("ready"), answer: { status: "ready", port: 3100 } });
    await play({ ...launch({ pid: 72 }), status: 409, answer: { url: "http://localhost:3100" } });
    await play({ ...report("ended"), events: ["service.exit shop:web"] });
  });

  test("that is about to be started again does not end by its silence", async () => {
    const { play, world } = side();
    await play(launch({ restart: "always" }));
    world.machine.listen(3100, 71);
    reap(world);
    world.machine.bound.delete(3100);
    reap(world);
    await play(report("restarting", { code: 1 }));
    world.advance(120_000);
    reap(world);
    await play({ path: "/services/shop:web", answer: { port: 3100 } });
  });

  test("of an identity too long for a channel is told of by its event alone", async () => {
    const { play } = side();
    const part = "a".repeat(64);
    const path = `/launches/${part}:${part}:${part}`;
    await play({ ...launch(), path });
    const { events: _, ...ready } = report("ready") as any;
    await play({ ...ready, path, events: [`service.ready ${part}:${part}:${part}`] });
  });

  test("that ends gives its claim back, and its exit code is kept", async () => {
    const { play } = side();
    await play(launch());
    await play({
      ...report("ended", { code: 3 }),
      answer: { status: "ended", code: 3 },
      events: ["service.release shop:web", "service.exit shop:web"],
    });
    await play({ path: "/services/shop:web", status: 404 });
  });

  test("that keeps its claim does so also when its launcher has died", async () => {
    const { play, world } = side();
    await play(launch({ keep: true }));
    world.machine.processes.delete(71);
    reap(world);
    await play({ path: "/services/shop:web", answer: { port: 3100, pid: null } });
    await play({ ...launch({ keep: true, pid: 72 }), answer: { port: 3100, existing: true } });
    await play({ ...report("ended", { pid: 72 }), events: ["service.exit shop:web"] });
  });

  test("leaves a claim alone that is another agent's", async () => {
    const { play } = side();
    const headers = { "X-Agent-Id": "ada" };
    await play({ method: "POST", path: "/agents/ada" });
    await play({ method: "POST", path: "/claim/shop:web", headers });
    await play({ ...launch(), answer: { agent: "ada", warning: expect.any(String) } });
    await play({ ...report("ended"), events: ["service.exit shop:web"] });
    await play({ path: "/services/shop:web", answer: { agent: "ada" } });
  });

  test("whose launcher has died is over, and so is its claim", async () => {
    const { play, world, eventsSince } = side();
    await play(launch());
    const before = world.journal.lastId();
    world.machine.processes.delete(71);
    reap(world);
    expect(eventsSince(before)).toEqual(["service.release shop:web", "service.exit shop:web"]);
    const { launches } = await play({ path: "/launches" });
    expect(launches).toMatchObject([{ status: "ended", code: null }]);
    await play({ ...launch({ pid: 72 }), answer: { port: 3100 } });
  });

  test("that is started again counts it, and is not ready until it is once more", async () => {
    const { play } = side();
    await play(launch({ restart: "on-failure" }));
    await play(report("ready"));
    await play({
      ...report("restarting", { code: 1 }),
      answer: { status: "starting", restarts: 1, code: 1, restart: "on-failure" },
      events: ["service.exit shop:web"],
    });
    await play({ ...report("ready"), answer: { status: "ready", restarts: 1 } });
  });
});

describe("a second launch", () => {
  test("of what runs is refused with the url and whose it is, and changes nothing", async () => {
    const { play } = side();
    await play(launch({ command }));
    await play({
      ...launch({ pid: 72, command: ["next"] }),
      status: 409,
      answer: {
        code: "held",
        url: "http://localhost:3100",
        launch: expect.objectContaining({ pid: 71, directory, actor: "local" }),
      },
      events: [],
    });
    const { launches } = await play({ path: "/launches" });
    expect(launches).toMatchObject([{ command, pid: 71 }]);
  });

  test("is refused also where the server was started without one", async () => {
    const { play, world } = side();
    await play({ method: "POST", path: "/claim/shop:web", body: { cwd: directory } });
    world.machine.listen(3100);
    await play({
      ...launch(),
      status: 409,
      answer: { code: "held", launch: null, url: "http://localhost:3100" },
      events: [],
    });
  });

  test("by the same launcher is none", async () => {
    const { play } = side();
    await play(launch());
    await play({ ...launch(), answer: { existing: true } });
  });

  test("in another directory remembers a command of its own", async () => {
    const { play } = side();
    await play(launch({ command }));
    await play(report("ended"));
    await play(launch({ directory: "/elsewhere", command: ["next"], pid: 72 }));
    await play(report("ended", { pid: 72 }));
    for (const [where, words] of [
      [directory, command],
      ["/elsewhere", ["next"]],
    ]) {
      const { launches } = await play({ path: `/launches?pattern=shop:web&directory=${where}` });
      expect(launches).toMatchObject([{ command: words }]);
    }
  });

  test("without a command leaves the one that is remembered", async () => {
    const { play } = side();
    await play(launch({ command }));
    await play(report("ended"));
    await play({ ...launch(), answer: { launch: expect.objectContaining({ command }) } });
  });
});

describe("a stranger on the port", () => {
  async function hijacked(): Promise<Side> {
    const found = side();
    await found.play({ ...launch(), headers: { "X-Caller-Id": "ada@host#1.1" } });
    found.world.machine.bound.set(3100, {
      pid: 4321,
      command: "nc -l 3100",
      cwd: "/elsewhere",
      user: "ada",
      startedAt: 0,
    });
    return found;
  }

  test("is written down with what it is", async () => {
    const { play } = await hijacked();
    const by = { pid: 4321, command: "nc -l 3100", cwd: null, user: "ada", startedAt: null };
    await play({ ...report("hijacked", { by }), events: ["service.hijacked shop:web"] });
    const { entries } = await play({ path: "/activity?action=hijack" });
    expect(entries[0].metadata).toEqual({ port: 3100, pid: 4321, command: "nc -l 3100" });
  });

  test("keeps a launch from starting, unless another port will do", async () => {
    const { play } = await hijacked();
    await play({
      ...launch(),
      headers: { "X-Caller-Id": "ada@host#1.1" },
      status: 409,
      answer: { code: "held", holder: expect.objectContaining({ id: "shop:web" }) },
      events: [],
    });
    await play({
      ...launch({ retry: true }),
      headers: { "X-Caller-Id": "ada@host#1.1" },
      answer: { port: 3101, movedFrom: expect.objectContaining({ port: 3100, reason: "in_use" }) },
      events: ["service.claim shop:web", "service.launch shop:web"],
    });
  });
});

describe("telling of launches", () => {
  test("is refused on TCP, where others may speak", async () => {
    const { play } = makeSide(makeWorld(), "tcp");
    for (const request of [launch(), report("ready")])
      await play({ ...request, status: 403, answer: { code: "forbidden" }, events: [] });
    await play({ path: "/launches", answer: { launches: [], count: 0 } });
  });

  test("is refused to whoever does not watch over it", async () => {
    const { play } = side();
    await play({ ...report("ready"), status: 403, answer: { code: "not_owner" }, events: [] });
    await play(launch());
    for (const state of ["ready", "ended", "hijacked", "restarting"])
      await play({ ...report(state, { pid: 72 }), status: 403, answer: { code: "not_owner" } });
  });

  test("of a process that there is not is refused", async () => {
    const { play } = side();
    await play({ ...launch({ pid: 99 }), status: 400, answer: { field: "pid" }, events: [] });
  });
});
