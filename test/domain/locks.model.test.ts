// Random locks, waits, deaths, sleeps, restarts and turns that cannot land, against a plain model of the rules. The
// model keeps no table and no event; where the two disagree, one of them is wrong.

import { afterAll, expect, test } from "bun:test";
import * as fc from "fast-check";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Lock } from "../../src/contract/entities.ts";
import { Fault } from "../../src/contract/faults.ts";
import { createWorld } from "../../src/daemon/world.ts";
import { reap } from "../../src/daemon/reaper.ts";
import * as lockQueue from "../../src/domain/lockQueue.ts";
import * as locks from "../../src/domain/locks.ts";
import type { World } from "../../src/world.ts";
import { makeWorld, type TestWorld } from "../world.ts";

const names = ["db", "src/auth"];
const owners = ["ada", "bob", "cyd"];
const pids = [71, 72];
const graceMs = 15_000;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-locks-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
let runs = 0;

const wish = {
  // One of them most of the time: what goes wrong goes wrong in a line.
  name: fc.constantFrom(...names, names[0]!, names[0]!, names[0]!),
  owner: fc.constantFrom(...owners),
  ttl: fc.constantFrom(1_000, 20_000, 300_000),
};
const pid = fc.option(fc.constantFrom(...pids), { nil: undefined });
const request = fc.oneof(
  fc.record({ do: fc.constant("acquire" as const), ...wish, pid }),
  fc.record({
    do: fc.constant("join" as const),
    ...wish,
    pid,
    timeout: fc.constantFrom(0, 1_000, 20_000),
  }),
  fc.record({ do: fc.constant("extend" as const), ...wish }),
  fc.record({
    do: fc.constant("release" as const),
    ...wish,
    fence: fc.constantFrom("none", "old", "own"),
  }),
  fc.record({ do: fc.constant("force" as const), ...wish }),
);
const step = fc.oneof(
  { weight: 12, arbitrary: request },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("undone" as const), request }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      ms: fc.constantFrom(999, 1_000, 19_000, 20_000),
      reaps: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("reap" as const, "look" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("die" as const), pid: fc.constantFrom(...pids) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("born" as const), pid: fc.constantFrom(...pids) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("giveUp" as const, "vanish" as const),
      which: fc.nat({ max: 30 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("sleep" as const),
      gapMs: fc.constantFrom(-3_600_000, 5_000, 28_800_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
);
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What the model says of somebody who waits; `real` is the same one in the world. */
type Waiter = {
  owner: string;
  ttl: number;
  mark: Mark | undefined;
  deadline: number;
  isGone: boolean;
  outcome?: string;
  real: { place?: lockQueue.Waiter; outcomes: (Lock | Fault)[]; isUndone?: true };
};
/** A process as it was when it was named: a later one of that number is another. */
type Mark = { pid: number; birth: string | undefined };
type Held = { owner: string; ttl: number; expiresAt: number; mark: Mark | undefined };

type Model = {
  now: number;
  held: Map<string, Held>;
  lines: Map<string, Waiter[]>;
  everybody: Waiter[];
  births: Map<number, string>;
  /** Freed since the last turn landed: who waits there hears of it. */
  freed: Set<string>;
};

function makeModel(now: number): Model {
  const lines = new Map(names.map((name) => [name, [] as Waiter[]]));
  const births = new Map(pids.map((pid) => [pid, "first"]));
  return { now, held: new Map(), lines, everybody: [], births, freed: new Set() };
}

function isDead({ births }: Model, mark: Mark | undefined): boolean {
  return mark !== undefined && (mark.birth === undefined || births.get(mark.pid) !== mark.birth);
}

/** A process as it is when somebody asks for a lock that is to live with it. */
function markOf({ births }: Model, pid: number | undefined): Mark | undefined {
  return pid === undefined ? undefined : { pid, birth: births.get(pid) };
}

function sweep(model: Model, name: string, { deadToo } = { deadToo: true }): void {
  const held = model.held.get(name);
  const isOver = held && (held.expiresAt <= model.now || (deadToo && isDead(model, held.mark)));
  if (!isOver) return;
  model.held.delete(name);
  model.freed.add(name);
}

/** Makes somebody the holder, or says why not. */
function take(
  model: Model,
  name: string,
  { owner, ttl, mark }: Pick<Held, "owner" | "ttl" | "mark">,
) {
  if (isDead(model, mark)) return "invalid_input";
  model.held.set(name, { owner, ttl, mark, expiresAt: model.now + ttl });
  return "ok";
}

function serve(model: Model, name: string): void {
  const line = model.lines.get(name)!;
  for (let next = line[0]; next; next = line[0]) {
    if (!next.isGone) {
      sweep(model, name);
      if (model.held.has(name)) return;
    }
    line.shift();
    next.outcome = next.isGone ? "unavailable" : take(model, name, next);
  }
}

/** A request by the rules: what is answered. Somebody who waits is not answered yet. */
function ruled(model: Model, asked: Request, waiter?: Waiter): string {
  const { name, owner, ttl } = asked;
  if (waiter) {
    if (isDead(model, waiter.mark)) return (waiter.outcome = "invalid_input");
    model.lines.get(name)!.push(waiter);
    serve(model, name);
    return "waits";
  }
  // Whoever gives a lock back may do so also where its process has just died.
  if (asked.do === "release" || asked.do === "force") sweep(model, name, { deadToo: false });
  else sweep(model, name);
  const held = model.held.get(name);
  if (asked.do === "acquire") {
    if (held || model.lines.get(name)!.length > 0) return "held";
    return take(model, name, { owner, ttl, mark: markOf(model, asked.pid) });
  }
  if (!held) return "not_found";
  if (asked.do !== "force" && held.owner !== owner) return "not_owner";
  if (asked.do === "release" && asked.fence === "old") return "not_owner";
  if (asked.do === "extend") {
    model.held.set(name, { ...held, ttl, expiresAt: model.now + ttl });
    return "ok";
  }
  model.held.delete(name);
  model.freed.add(name);
  return "ok";
}

/** The same request in the world. */
function real(world: World, asked: Request, waiter?: Waiter): string {
  const { name, owner, ttl } = asked;
  const caller = { id: owner, actor: owner };
  const pid = "pid" in asked && asked.pid !== undefined ? { pid: asked.pid } : {};
  const fence = rows(world).find((row) => row.name === name)?.fence ?? 1_000_000;
  try {
    if (asked.do === "join" && waiter) {
      const end = (outcome: Lock | Fault) => void waiter.real.outcomes.push(outcome);
      const input = { name, ttl, ...pid, timeout: asked.timeout };
      const isGone = () => waiter.isGone;
      waiter.real.place = lockQueue.join(world, { input, caller, isGone, end });
      return "waits";
    }
    if (asked.do === "acquire") locks.acquire(world, { name, ttl, ...pid }, caller);
    else if (asked.do === "extend") locks.extend(world, { name, ttl }, caller);
    else if (asked.do === "force") locks.release(world, { name, force: true }, caller);
    else if (asked.do === "release" && asked.fence !== "none")
      locks.release(world, { name, fence: asked.fence === "own" ? fence : fence - 1 }, caller);
    else locks.release(world, { name }, caller);
    return "ok";
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    waiter?.real.outcomes.push(error);
    return error.code;
  }
}

/** The model and the world side by side. */
type Pair = { model: Model; world: World; test: TestWorld; file: string };

function ask({ model, world }: Pair, asked: Request): void {
  let waiter: Waiter | undefined;
  if (asked.do === "join") {
    const { owner, ttl, pid, timeout } = asked;
    const deadline = timeout === 0 ? Infinity : model.now + timeout;
    waiter = {
      owner,
      ttl,
      mark: markOf(model, pid),
      deadline,
      isGone: false,
      real: { outcomes: [] },
    };
    model.everybody.push(waiter);
  }
  expect(real(world, asked, waiter), JSON.stringify(asked)).toBe(ruled(model, asked, waiter));
}

/** A turn whose transaction is refused at its end: nothing of it has happened, and who was served is told. */
function undo(pair: Pair, asked: Request): void {
  const { model, world } = pair;
  const held = new Map(model.held);
  const before = new Set(model.everybody.filter(({ outcome }) => outcome !== undefined));
  ask(pair, asked);
  world.journal.commit(() => {
    world.db.run("PRAGMA defer_foreign_keys = ON");
    world.db.run("INSERT INTO endpoints VALUES ('nobody', 'dev', 'http://dev.example.com')");
  });
  expect(() => world.journal.flush()).toThrow("FOREIGN KEY");
  model.held = held;
  model.freed.clear();
  for (const waiter of model.everybody)
    if (!before.has(waiter) && waiter.outcome === "ok") waiter.real.isUndone = true;
}

function restart(pair: Pair): void {
  const { model, world, test, file } = pair;
  look(pair); // What is seen to have lapsed does not come back.
  world.lockQueue.clear(); // Whoever waited has no connection any more.
  settle(pair.world);
  const { config, db, clock, probe } = test;
  pair.world = createWorld({ config, db, clock, probe, report() {}, sequences: file });
  locks.resume(pair.world);
  for (const [name, line] of model.lines) {
    for (const waiter of line.splice(0)) waiter.outcome = "cut off";
    if ((model.held.get(name)?.expiresAt ?? Infinity) <= model.now) model.held.delete(name);
    const held = model.held.get(name);
    if (held) held.expiresAt = Math.max(held.expiresAt, model.now + graceMs);
  }
}

function play(pair: Pair, step: Step): void {
  const { model, world, test } = pair;
  const waiting = [...model.lines.values()].flat();
  switch (step.do) {
    case "undone":
      return undo(pair, step.request);
    case "advance":
      test.advance(step.ms);
      model.now += step.ms;
      if (step.reaps) reapBoth(pair);
      return;
    case "sleep":
      test.advance(step.gapMs);
      locks.forgive(world, step.gapMs);
      lockQueue.forgive(world, step.gapMs);
      model.now += step.gapMs;
      for (const held of model.held.values()) held.expiresAt += step.gapMs;
      for (const waiter of waiting) waiter.deadline += step.gapMs;
      return;
    case "die":
      test.machine.processes.delete(step.pid);
      return void model.births.delete(step.pid);
    case "born":
      for (const births of [test.machine.processes, model.births])
        births.set(step.pid, `at ${model.now}`);
      return;
    case "vanish":
    case "giveUp": {
      const waiter = waiting[step.which % waiting.length];
      if (!waiter) return;
      if (step.do === "vanish") return void (waiter.isGone = true);
      lockQueue.leave(world, waiter.real.place!);
      for (const line of model.lines.values())
        if (line.includes(waiter)) line.splice(line.indexOf(waiter), 1);
      waiter.outcome = "gave up";
      return;
    }
    case "restart":
      return restart(pair);
    case "look":
      return look(pair);
    case "reap":
      return reapBoth(pair);
    default:
      return ask(pair, step);
  }
}

function reapBoth({ model, world }: Pair): void {
  reap(world);
  for (const [name, line] of model.lines) {
    sweep(model, name);
    serve(model, name);
    for (const waiter of line.filter(({ deadline }) => deadline <= model.now)) {
      line.splice(line.indexOf(waiter), 1);
      waiter.outcome = "timed_out";
    }
  }
}

/** Lets everything land, and what follows from it. */
function settle(world: World): void {
  while (world.db.inTransaction) world.journal.flush();
}

function settleBoth({ model, world }: Pair): void {
  settle(world);
  for (const name of model.freed) serve(model, name);
  model.freed.clear();
}

/** The table as it is: a look at a lock may free it. */
function rows(world: World): { name: string; owner: string; fence: number; expiresAt: number }[] {
  return world.db
    .query("SELECT name, owner, fence, expires_at AS expiresAt FROM locks ORDER BY name")
    .all() as never;
}

/** What anybody is shown: no lock that has lapsed, swept or not. Then it is swept. */
function look({ model, world }: Pair): void {
  const live = names.filter((name) => (model.held.get(name)?.expiresAt ?? 0) > model.now);
  expect(locks.count(world)).toBe(live.length);
  expect(locks.list(world, {}).locks.map(({ name }) => name)).toEqual(live);
  expect(names.filter((name) => locks.get(world, { name }).held)).toEqual(live);
  locks.freeLapsed(world);
  for (const name of names) sweep(model, name, { deadToo: false });
}

function compare({ model, world }: Pair, context: string): void {
  const live = [...model.held].filter(([, { expiresAt }]) => expiresAt > model.now);
  const expected = live.map(([name, { owner, expiresAt }]) => ({ name, owner, expiresAt }));
  const stored = rows(world).filter(({ expiresAt }) => expiresAt > model.now);
  expect(
    stored.map(({ name, owner, expiresAt }) => ({ name, owner, expiresAt })),
    context,
  ).toEqual(expected.sort((a, b) => (a.name < b.name ? -1 : 1)));
  for (const name of names)
    expect(world.lockQueue.get(name)?.length ?? 0, context).toBe(model.lines.get(name)!.length);
  for (const { owner, outcome, real } of model.everybody)
    expect(
      real.outcomes.map((end): string => (end instanceof Fault ? end.code : "ok")),
      `${owner}, ${context}`,
    ).toEqual(
      outcome === undefined || outcome === "gave up" || outcome === "cut off" ? [] : [outcome],
    );
  // The daemon's timer is set by this: nobody's turn or deadline may pass unnoticed.
  for (const [name, line] of model.lines)
    for (const { deadline } of line) {
      const lapse = model.held.get(name)?.expiresAt ?? model.now;
      expect(lockQueue.nextWake(world), context).toBeLessThanOrEqual(Math.min(deadline, lapse));
    }
}

/** What the log tells: one holder at a time, each with a higher number than anybody before. */
function checkLog(world: World): void {
  const holders = new Map<string, unknown>();
  let newest = 0;
  for (const { event, targetId, metadata } of world.journal.since(0)) {
    const { fence } = metadata as { fence: number };
    if (event === "lock.acquire") {
      expect(holders.get(targetId)).toBeUndefined();
      expect(fence).toBeGreaterThan(newest);
      newest = fence;
      holders.set(targetId, fence);
    } else {
      expect(holders.get(targetId)).toBe(fence);
      if (event === "lock.release") holders.delete(targetId);
    }
  }
  const { locks: held } = locks.list(world, {});
  for (const { name, fence } of held) expect(holders.get(name)).toBe(fence);
}

/** Whoever was told that it has a lock was, in the log, its holder; an undone turn is no such word. */
function checkWord({ model, world }: Pair): void {
  const acquired = new Set(
    world.journal
      .since(0)
      .flatMap(({ event, metadata }) => (event === "lock.acquire" ? [metadata.fence] : [])),
  );
  for (const { real } of model.everybody)
    for (const outcome of real.outcomes)
      if (!(outcome instanceof Fault)) expect(acquired.has(outcome.fence)).toBe(!real.isUndone);
}

/** Who comes when the clock was set back has asked, by its word, before those who stand there. */
const setBackInALine: Step[] = [
  { do: "acquire", name: "db", owner: "ada", ttl: 1_000, pid: undefined },
  { do: "join", name: "db", owner: "bob", ttl: 1_000, pid: undefined, timeout: 0 },
  { do: "sleep", gapMs: -3_600_000 },
  { do: "join", name: "db", owner: "cyd", ttl: 1_000, pid: undefined, timeout: 0 },
];

test("whatever is asked, dies, sleeps and is undone, a lock has one holder and every wait its turn", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const test = makeWorld();
      for (const pid of pids) test.machine.processes.set(pid, "first");
      const file = path.join(directory, String(runs++));
      const { config, db, clock, probe } = test;
      const world = createWorld({ config, db, clock, probe, report() {}, sequences: file });
      const pair: Pair = { model: makeModel(clock.now()), world, test, file };
      for (const [n, step] of steps.entries()) {
        play(pair, step);
        settleBoth(pair);
        compare(pair, `after step ${n + 1}, ${step.do}`);
      }
      // Every wait ends at last, though nobody unlocks.
      for (let n = 0; n <= pair.model.everybody.length; n++) {
        test.advance(86_400_000);
        pair.model.now += 86_400_000;
        reapBoth(pair);
        settleBoth(pair);
        compare(pair, "at the end");
      }
      expect(pair.world.lockQueue.size).toBe(0);
      checkLog(pair.world);
      checkWord(pair);
      db.close();
    }),
    { numRuns: 400, examples: [[setBackInALine]], includeErrorInReport: true },
  );
});
