// What is seen of a claim's server over time, and when a claim whose server has gone is freed.

import { afterAll, expect, test } from "bun:test";
import * as fc from "fast-check";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createProbe } from "../../src/daemon/probe.ts";
import { createReaper, reapEveryMs } from "../../src/daemon/reaper.ts";
import { makeSide, type Scenario } from "../scenario.ts";
import { makeWorld, startOfTime, type TestWorld } from "../world.ts";

const graceMs = 30_000;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));
let files = 0;
const newFile = () => path.join(directory, `${files++}.db`);

/** A daemon as far as liveness goes: what it is asked, and its rounds. */
function makeWatch(world: TestWorld = makeWorld()) {
  const side = makeSide(world);
  const { resume, round } = createReaper(world, () => new Set());
  resume();
  const { machine } = world;

  /** What one look at everything records. */
  function look(): string[] {
    world.journal.flush();
    const before = world.journal.lastId();
    round();
    world.journal.flush();
    return side.eventsSince(before);
  }

  /** Rounds at their usual pace until the time has passed; what each recorded. */
  function pass(ms: number): string[] {
    const happened: string[] = [];
    for (let passed = 0; passed < ms; passed += reapEveryMs) {
      world.advance(reapEveryMs);
      happened.push(...look());
    }
    return happened;
  }

  /** Time in which no round ran, and the round that ends it. */
  function sleep(ms: number): string[] {
    world.advance(ms + reapEveryMs);
    return look();
  }

  function start(port: number, pid = 4321, mark = "boot/1"): void {
    machine.processes.set(pid, mark);
    machine.listen(port, pid);
  }

  /** The process ends, and with it everything that it listens on. */
  function kill(pid = 4321): void {
    machine.processes.delete(pid);
    for (const [port, process] of machine.bound)
      if (process.pid === pid) machine.bound.delete(port);
  }

  const statusOf = async (id: string) => (await side.play({ path: `/services/${id}` })).status;
  const isHeld = async (id: string) => (await side.request({ path: `/services/${id}` })).ok;

  return { ...side, machine, look, pass, sleep, start, kill, statusOf, isHeld };
}

function claim(id: string, body?: Record<string, unknown>): Scenario {
  return { method: "POST", path: `/claim/${id}`, ...(body && { body }) };
}

/** A claim whose server was seen running, and whose process has just been seen to be gone. */
async function withStopped(world?: TestWorld) {
  const watch = makeWatch(world);
  await watch.play(claim("myapp"));
  watch.start(3100);
  expect(watch.look()).toEqual(["service.start myapp"]);
  watch.kill();
  expect(watch.look()).toEqual(["service.stop myapp"]);
  return watch;
}

test("a claim is assigned, runs, has stopped, and is freed after the grace", async () => {
  const { play, look, pass, start, kill, world } = makeWatch();
  await play({ ...claim("myapp"), answer: { status: "assigned", listener: null } });
  expect(pass(10_000)).toEqual([]);

  start(3100);
  expect(look()).toEqual(["service.start myapp"]);
  const running = { status: "running", listener: { pid: 4321, stranger: false } };
  await play({ path: "/services/myapp", answer: running, events: [] });
  expect(pass(120_000)).toEqual([]);

  kill();
  expect(look()).toEqual(["service.stop myapp"]);
  const stopped = { status: "stopped", listener: null, lastSeenAt: world.clock.now() };
  await play({ path: "/services/myapp", answer: stopped, events: [] });
  expect(pass(graceMs - reapEveryMs)).toEqual([]);
  await play({ path: "/services/myapp", answer: stopped, events: [] });

  expect(pass(reapEveryMs)).toEqual(["service.release myapp"]);
  await play({ path: "/services/myapp", status: 404, events: [] });
  expect(pass(graceMs)).toEqual([]);
});

test("each step is logged as the daemon's own doing, with what was seen", async () => {
  const { play, pass } = await withStopped();
  pass(graceMs);
  const own = { actor: "port-daddy", targetId: "myapp" };
  await play({
    path: "/activity?limit=3",
    answer: {
      entries: [
        { ...own, action: "cleanup", metadata: { port: 3100, reason: "stopped" } },
        { ...own, action: "service_stop", metadata: { port: 3100 } },
        {
          ...own,
          action: "service_start",
          metadata: { port: 3100, pid: 4321, command: "node server.js" },
        },
      ],
    },
  });
});

test("a list by status tells what is assigned, what runs and what has stopped", async () => {
  const { play, start } = await withStopped();
  await play(claim("shop"));
  await play(claim("tool"));
  start(3102, 7);
  for (const [status, id] of [
    ["stopped", "myapp"],
    ["assigned", "shop"],
    ["running", "tool"],
  ]) {
    const listed = { count: 1, services: [{ id, status }] };
    await play({ path: `/services?status=${status}`, answer: listed, events: [] });
  }
});

test("a server that starts again within the grace keeps its port, and silence begins anew", async () => {
  const { look, pass, start, kill, statusOf } = await withStopped();
  expect(pass(graceMs - reapEveryMs)).toEqual([]);
  start(3100, 5000, "boot/2");
  expect(look()).toEqual(["service.start myapp"]);
  expect(await statusOf("myapp")).toBe("running");
  kill(5000);
  expect(look()).toEqual(["service.stop myapp"]);
  expect(pass(graceMs - reapEveryMs)).toEqual([]);
  expect(pass(reapEveryMs)).toEqual(["service.release myapp"]);
});

test("a process that has closed its socket but lives keeps the claim, until it dies", async () => {
  const { play, machine, look, pass, start, kill, statusOf } = makeWatch();
  await play(claim("myapp"));
  start(3100);
  look();
  machine.bound.delete(3100);
  expect(look()).toEqual(["service.stop myapp"]);
  expect(pass(10 * graceMs)).toEqual([]);
  expect(await statusOf("myapp")).toBe("stopped");
  kill();
  expect(look()).toEqual(["service.release myapp"]);
});

test("another process of the same number is not taken for the one that was seen", async () => {
  const { machine, pass } = await withStopped();
  machine.processes.set(4321, "boot/2");
  expect(pass(graceMs)).toEqual(["service.release myapp"]);
});

test("where the process cannot be seen, silence alone decides", async () => {
  const { play, machine, look, pass, statusOf } = makeWatch();
  const unseen = { pid: null, command: null, cwd: null, user: "bob", startedAt: null };
  await play(claim("myapp"));
  machine.bound.set(3100, unseen);
  expect(look()).toEqual(["service.start myapp"]);
  expect(await statusOf("myapp")).toBe("running");
  machine.bound.delete(3100);
  expect(look()).toEqual(["service.stop myapp"]);
  expect(pass(graceMs - reapEveryMs)).toEqual([]);
  machine.bound.set(3100, unseen);
  expect(look()).toEqual(["service.start myapp"]);
  machine.bound.delete(3100);
  expect(pass(graceMs + reapEveryMs)).toEqual(["service.stop myapp", "service.release myapp"]);
});

test("the grace is what PORT_DADDY_GRACE says", async () => {
  const { pass } = await withStopped(makeWorld({ PORT_DADDY_GRACE: "4s" }));
  expect(pass(2_000)).toEqual([]);
  expect(pass(2_000)).toEqual(["service.release myapp"]);
});

test("a claim that was never seen running is not freed by silence", async () => {
  const { play, pass, sleep, statusOf } = makeWatch();
  await play(claim("myapp"));
  expect(pass(20 * graceMs)).toEqual([]);
  expect(sleep(30 * 86_400_000)).toEqual([]);
  expect(await statusOf("myapp")).toBe("assigned");
});

test("a silent claim is freed, and nobody else's", async () => {
  const { play, pass, start } = await withStopped();
  await play(claim("assigned"));
  await play(claim("running"));
  start(3102, 77);
  expect(pass(graceMs)).toEqual(["service.start running", "service.release myapp"]);
  await play({ path: "/services", answer: { services: [{ id: "assigned" }, { id: "running" }] } });
});

test("another process of the server that takes the socket over is no new start, and keeps the claim", async () => {
  const { play, look, pass, start, kill, statusOf } = makeWatch();
  await play(claim("myapp"));
  start(3100, 10);
  expect(look()).toEqual(["service.start myapp"]);
  start(3100, 11); // The parent has handed its socket to its child, and ends.
  kill(10);
  expect(look()).toEqual([]);
  expect(pass(2 * graceMs)).toEqual([]);
  expect(await statusOf("myapp")).toBe("running");
  kill(11);
  expect(pass(graceMs + reapEveryMs)).toEqual(["service.stop myapp", "service.release myapp"]);
});

test("the process that counts is the last that had the socket, not the first", async () => {
  const { play, machine, look, pass, start, kill } = makeWatch();
  await play(claim("myapp"));
  start(3100, 10);
  look();
  start(3100, 11);
  look();
  kill(11);
  machine.processes.set(10, "boot/1");
  expect(pass(graceMs + reapEveryMs)).toEqual(["service.stop myapp", "service.release myapp"]);
});

// What a caller does meanwhile

test("a repeat during the silence starts anew: nothing is freed before it has run again", async () => {
  const { play, look, pass, start, kill } = await withStopped();
  pass(10_000);
  const again = { existing: true, port: 3100, status: "assigned" };
  await play({ ...claim("myapp"), answer: again, events: ["service.claim myapp"] });
  expect(pass(10 * graceMs)).toEqual([]);
  start(3100, 5000, "boot/2");
  expect(look()).toEqual(["service.start myapp"]);
  kill(5000);
  expect(pass(graceMs + reapEveryMs)).toEqual(["service.stop myapp", "service.release myapp"]);
});

test("a repeat right after the server's end, before anybody has looked, starts anew as well", async () => {
  const { play, look, pass, start, kill, isHeld } = makeWatch();
  await play(claim("myapp"));
  start(3100);
  look();
  kill();
  await play({ ...claim("myapp"), answer: { existing: true, port: 3100 } });
  pass(10 * graceMs);
  expect(await isHeld("myapp")).toBe(true);
});

test("a repeat while the server runs changes nothing of what was seen", async () => {
  const { play, look, pass, start, kill } = makeWatch();
  await play(claim("myapp"));
  start(3100);
  look();
  await play({ ...claim("myapp"), answer: { existing: true, status: "running" } });
  expect(look()).toEqual([]);
  kill();
  expect(pass(graceMs + reapEveryMs)).toEqual(["service.stop myapp", "service.release myapp"]);
});

test("a move begins anew: on its new port the claim was never seen running", async () => {
  const { play, look, pass, start } = await withStopped();
  await play({ ...claim("myapp", { port: 4000 }), answer: { port: 4000, status: "assigned" } });
  expect(pass(10 * graceMs)).toEqual([]);
  start(4000, 5000);
  expect(look()).toEqual(["service.start myapp"]);
});

test("a release while the server runs ends the claim, and the server is then nobody's", async () => {
  const { play, look, pass, start, kill } = makeWatch();
  await play(claim("myapp"));
  start(3100);
  look();
  await play({
    method: "DELETE",
    path: "/release/myapp",
    answer: { released: 1 },
    events: ["service.release myapp"],
  });
  expect(pass(graceMs)).toEqual([]);
  await play({ path: "/ports/3100", answer: { service: null, listeners: [{ stranger: true }] } });
  kill();
  expect(pass(2 * graceMs)).toEqual([]);
});

test("a claim that was freed is given its port again", async () => {
  const { play, pass } = await withStopped();
  pass(graceMs);
  await play({ ...claim("other"), answer: { port: 3101 } });
  const again = { existing: false, port: 3100, status: "assigned" };
  await play({ ...claim("myapp"), answer: again, events: ["service.claim myapp"] });
  expect(pass(10 * graceMs)).toEqual([]);
});

test("a stopped claim that expires is ended once, and for that reason", async () => {
  const { play, look, pass, start, kill } = makeWatch();
  await play(claim("myapp", { expires: "20s" }));
  start(3100);
  look();
  kill();
  expect(pass(2 * graceMs)).toEqual(["service.stop myapp", "service.release myapp"]);
  const ended = { entries: [{ metadata: { reason: "expired" } }] };
  await play({ path: "/activity?limit=1", answer: ended });
});

// Restarts

/** The next daemon over the same database, on the same machine, `awayMs` later. */
function restart({ world }: { world: TestWorld }, file: string, awayMs = 0) {
  world.journal.flush();
  world.db.close();
  const next = makeWorld({}, file);
  next.advance(world.clock.now() - next.clock.now() + awayMs);
  for (const each of ["bound", "processes", "lineages"] as const)
    for (const [key, value] of world.machine[each]) next.machine[each].set(key, value as never);
  return makeWatch(next);
}

test("a restart forgets nothing: what runs goes on running without another start", async () => {
  const file = newFile();
  const before = makeWatch(makeWorld({}, file));
  await before.play(claim("myapp"));
  before.start(3100);
  before.look();
  const after = restart(before, file, 3_600_000);
  expect(await after.statusOf("myapp")).toBe("running");
  expect(after.pass(2 * graceMs)).toEqual([]);
  after.kill();
  expect(after.pass(graceMs + reapEveryMs)).toEqual([
    "service.stop myapp",
    "service.release myapp",
  ]);
});

test("what was silent before a restart is still stopped, and has the whole grace again", async () => {
  const file = newFile();
  const before = await withStopped(makeWorld({}, file));
  before.pass(graceMs - reapEveryMs);
  const after = restart(before, file, 86_400_000);
  expect(await after.statusOf("myapp")).toBe("stopped");
  expect(after.look()).toEqual([]);
  expect(after.pass(graceMs - reapEveryMs)).toEqual([]);
  expect(after.pass(reapEveryMs)).toEqual(["service.release myapp"]);
});

test("a server that ended while no daemon was there has the whole grace from the first look", async () => {
  const file = newFile();
  const before = makeWatch(makeWorld({}, file));
  await before.play(claim("myapp"));
  before.start(3100);
  before.look();
  before.kill();
  const after = restart(before, file, 86_400_000);
  expect(await after.statusOf("myapp")).toBe("stopped");
  expect(after.pass(graceMs)).toEqual(["service.stop myapp"]);
  expect(after.pass(reapEveryMs)).toEqual(["service.release myapp"]);
});

test("a claim that was never seen running stays so over a restart", async () => {
  const file = newFile();
  const before = makeWatch(makeWorld({}, file));
  await before.play(claim("myapp"));
  const after = restart(before, file, 86_400_000);
  expect(after.pass(10 * graceMs)).toEqual([]);
  expect(await after.statusOf("myapp")).toBe("assigned");
});

// Sleep, and clocks that are set

for (const [what, ms] of [
  ["the machine slept for a night", 8 * 3_600_000],
  ["the daemon was stopped for a minute", 60_000],
  ["the clock was set forward by a year", 365 * 86_400_000],
  ["the clock was set back by a day", -86_400_000],
] as const) {
  test(`silence does not grow while ${what}`, async () => {
    const { pass, sleep, statusOf } = await withStopped();
    expect(pass(10_000)).toEqual([]);
    expect(sleep(ms)).toEqual([]);
    expect(await statusOf("myapp")).toBe("stopped");
    // 12 of the 30 seconds have passed: the ten before, and the pace of the round that came late.
    expect(pass(graceMs - 12_000 - reapEveryMs)).toEqual([]);
    expect(pass(reapEveryMs)).toEqual(["service.release myapp"]);
  });
}

test("a server that was seen running before a sleep and is gone after it has the whole grace", async () => {
  const { play, look, pass, sleep, start, kill } = makeWatch();
  await play(claim("myapp"));
  start(3100);
  look();
  kill();
  expect(sleep(8 * 3_600_000)).toEqual(["service.stop myapp"]);
  expect(pass(graceMs - reapEveryMs)).toEqual([]);
  expect(pass(reapEveryMs)).toEqual(["service.release myapp"]);
});

test("many sleeps in a row take nothing from the grace but the rounds between them", async () => {
  const { pass, sleep } = await withStopped();
  const rounds = graceMs / reapEveryMs;
  for (let n = 1; n < rounds; n++) expect(sleep(3_600_000)).toEqual([]);
  expect(pass(reapEveryMs)).toEqual(["service.release myapp"]);
});

test("`expires` is a promise of the wall clock: a sleep does not put it off", async () => {
  const { play, sleep, isHeld } = makeWatch();
  await play(claim("myapp", { expires: "1h" }));
  const expiresAt = startOfTime + 3_600_000;
  expect(sleep(3_500_000)).toEqual([]);
  await play({ path: "/services/myapp", answer: { expiresAt } });
  expect(sleep(200_000)).toEqual(["service.release myapp"]);
  expect(await isHeld("myapp")).toBe(false);
});

test("a clock that was set back leaves the instant of `expires` as it was", async () => {
  const { play, sleep } = makeWatch();
  await play(claim("myapp", { expires: "1h" }));
  expect(sleep(-86_400_000)).toEqual([]);
  await play({ path: "/services/myapp", answer: { expiresAt: startOfTime + 3_600_000 } });
  expect(sleep(86_400_000 + 3_600_000)).toEqual(["service.release myapp"]);
});

// Any of it, in any order

type Watch = ReturnType<typeof makeWatch>;
type Seen = { pid: number | null; mark: string | null };
/** A claim by the rules alone: who was last seen listening, and for how long it has been silent since. */
type Model = Map<string, { port: number; seen: Seen | undefined; silentMs: number | undefined }>;
type Run = { watch: Watch; model: Model; file: string };
type Step = { run(state: Run): Promise<void> | void };

function step(words: string, run: Step["run"]): Step {
  return { run, [fc.toStringMethod]: () => words } as Step;
}

const claims = [
  { id: "a", port: 3100 },
  { id: "b:web", port: 3101 },
] as const;

/** By the rules, what a round does that comes `ms` after the one before. */
function expectedRound(model: Model, { machine }: Watch, ms: number): string[] {
  const countedMs = Math.abs(ms - reapEveryMs) > 3_000 ? reapEveryMs : ms;
  const happened: string[] = [];
  for (const [id, each] of model) {
    if (each.silentMs !== undefined) each.silentMs += countedMs;
    const listening = machine.bound.get(each.port);
    const own = listening?.cwd === "/elsewhere" ? undefined : listening;
    if (own) {
      if (!each.seen || each.silentMs !== undefined) happened.push(`service.start ${id}`);
      each.seen = { pid: own.pid, mark: machine.processes.get(own.pid ?? -1) ?? null };
      each.silentMs = undefined;
    } else if (each.seen && each.silentMs === undefined) {
      happened.push(`service.stop ${id}`);
      each.silentMs = 0;
    } else if (each.seen && each.silentMs! >= graceMs) {
      const { pid, mark } = each.seen;
      if (pid !== null && machine.processes.get(pid) === mark) continue;
      happened.push(`service.release ${id}`);
      model.delete(id);
    }
  }
  return happened;
}

function runRound({ watch, model }: Run, ms: number): void {
  watch.world.advance(ms);
  const wanted = expectedRound(model, watch, ms);
  expect(watch.look().sort()).toEqual(wanted.sort());
}

const anyClaim = fc.constantFrom(...claims);
const anyPid = fc.constantFrom(10, 11, 12);
let births = 0;

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .tuple(
        fc.integer({ min: 1, max: 20 }),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant(reapEveryMs) },
          { weight: 1, arbitrary: fc.integer({ min: 0, max: 5_000 }) },
          { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 10_000_000 }) },
        ),
      )
      .map(([rounds, ms]) =>
        step(`${rounds} rounds of ${ms} ms`, (state) => {
          for (let n = 0; n < rounds; n++) runRound(state, ms);
        }),
      ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(anyClaim, anyPid).map(([{ port }, pid]) =>
      step(`${pid} listens on ${port}`, ({ watch: { machine, start } }) => {
        if (!machine.bound.has(port))
          start(port, pid, machine.processes.get(pid) ?? `boot/${births++}`);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: anyClaim.map(({ port }) =>
      step(`somebody unseen listens on ${port}`, ({ watch: { machine } }) => {
        if (machine.bound.has(port)) return;
        const unseen = { pid: null, command: null, cwd: null, user: "bob", startedAt: null };
        machine.bound.set(port, unseen);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: anyClaim.map(({ port }) =>
      step(`a stranger listens on ${port}`, ({ watch: { machine } }) => {
        if (machine.bound.has(port)) return;
        machine.processes.set(99, "boot/99");
        machine.listen(port, 99);
        machine.bound.get(port)!.cwd = "/elsewhere";
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: anyClaim.map(({ port }) =>
      step(`${port} is closed`, ({ watch: { machine } }) => void machine.bound.delete(port)),
    ),
  },
  {
    weight: 4,
    arbitrary: anyPid.map((pid) => step(`${pid} dies`, ({ watch }) => watch.kill(pid))),
  },
  {
    weight: 2,
    arbitrary: anyPid.map((pid) =>
      step(`${pid} dies and is reused`, ({ watch }) => {
        watch.kill(pid);
        watch.machine.processes.set(pid, `boot/${births++}`);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: anyClaim.map(({ id, port }) =>
      step(`a round, and ${id} is claimed`, async (state) => {
        runRound(state, reapEveryMs);
        const { watch, model } = state;
        const held = model.get(id);
        if (!held && watch.machine.bound.has(port)) return; // It would be given another port.
        await watch.play({ ...claim(id, { cwd: "/srv/app" }), answer: { port } });
        if (!held) model.set(id, { port, seen: undefined, silentMs: undefined });
        else if (held.silentMs !== undefined) held.seen = held.silentMs = undefined;
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 5_000, 10_000_000).map((awayMs) =>
      step(`the daemon restarts, ${awayMs} ms away`, (state) => {
        state.watch = restart(state.watch, state.file, awayMs);
        for (const each of state.model.values()) if (each.silentMs !== undefined) each.silentMs = 0;
      }),
    ),
  },
);

test("a claim is freed by silence if and only if its rules say so, whatever happens in between", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 60 }), async (steps) => {
      const file = newFile();
      const state: Run = { watch: makeWatch(makeWorld({}, file)), model: new Map(), file };
      for (const { id, port } of claims) {
        await state.watch.play({ ...claim(id, { cwd: "/srv/app" }), answer: { port } });
        state.model.set(id, { port, seen: undefined, silentMs: undefined });
      }
      for (const each of steps) await each.run(state);
      const { services } = await state.watch.play({ path: "/services" });
      expect(services.map(({ id }: any) => id)).toEqual([...state.model.keys()].sort());
      state.watch.world.db.close();
      fs.rmSync(file);
    }),
    { numRuns: 60 },
  );
});

test.skipIf(process.platform !== "linux")(
  "a round looks by itself, however lately somebody else has",
  async () => {
    const world = makeWorld();
    const { play, look } = makeWatch({ ...world, probe: createProbe(world.clock) });
    const listen = (port: number) =>
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    const free = listen(0);
    free.stop(true);
    await play(claim("myapp", { port: free.port }));
    await play({ path: "/services/myapp", answer: { status: "assigned" } });
    const server = listen(free.port);
    world.advance(1);
    expect(look()).toEqual(["service.start myapp"]);
    server.stop(true);
  },
);
