// The courier over receivers that do what the test says and timers that run when it says so.

import { afterEach, expect, spyOn, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createCourier } from "../../src/daemon/courier.ts";
import * as webhooks from "../../src/domain/webhooks.ts";
import * as deliveries from "../../src/domain/deliveries.ts";
import type { Outcome } from "../../src/domain/deliveries.ts";
import { makeWorld, type TestWorld } from "../world.ts";

const caller = { actor: "tester" };
const arrived: Outcome = { httpStatus: 200, durationMs: 5, response: "", error: null };
const refused: Outcome = { httpStatus: 500, durationMs: 5, response: "", error: "it answered 500" };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Timers by hand, beside a clock that can be set: `pass` lets time go by, and runs what becomes due on the way. */
function fakeTimers() {
  let elapsed = 0;
  const timers = new Map<object, { at: number; run: () => void }>();
  const longest = { ms: 0 };
  const spies = [
    spyOn(globalThis, "setTimeout").mockImplementation(((run: () => void, ms = 0) => {
      const timer = {};
      timers.set(timer, { at: elapsed + ms, run });
      longest.ms = Math.max(longest.ms, ms);
      return timer;
    }) as never),
    spyOn(globalThis, "clearTimeout").mockImplementation(((timer: object) => {
      timers.delete(timer);
    }) as never),
  ];
  cleanups.push(() => spies.forEach((spy) => spy.mockRestore()));
  async function pass(world: TestWorld, ms: number): Promise<void> {
    const end = elapsed + ms;
    await turns();
    for (;;) {
      const [next] = [...timers].sort(([, a], [, b]) => a.at - b.at);
      if (!next || next[1].at > end) break;
      world.advance(next[1].at - elapsed);
      elapsed = next[1].at;
      timers.delete(next[0]);
      next[1].run();
      await turns();
    }
    world.advance(end - elapsed);
    elapsed = end;
  }
  return { timers, longest, pass };
}

/** Everything that can be done before time goes by: the courier waits for turns of the event loop alone. */
async function turns(count = 20): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

type Side = ReturnType<typeof setUp>;

/** A courier and the receivers it sends to; each arrives unless `answers` has another word for its host. */
function setUp(world: TestWorld = makeWorld()) {
  const start = world.clock.now();
  /** Each attempt: after how long, to whom, about what. */
  const attempts: [ms: number, host: string, target: string][] = [];
  const answers = new Map<string, Outcome | "hangs">();
  /** Ends what hangs, by host. */
  const hanging = new Map<string, (outcome: Outcome) => void>();
  const courier = createCourier(
    world,
    async ({ url }, { targetId }) => {
      const host = new URL(url).hostname;
      attempts.push([world.clock.now() - start, host, targetId]);
      const answer = answers.get(host) ?? arrived;
      if (answer !== "hangs") return answer;
      return new Promise((resolve) => hanging.set(host, resolve));
    },
    (error) => world.reported.push(error),
  );
  cleanups.push(async () => {
    await courier.stop(0);
    world.db.close();
  });
  courier.start();
  function sent(host: string): string[] {
    return attempts.filter(([, to]) => to === host).map(([, , target]) => target);
  }
  return { world, courier, attempts, answers, hanging, sent };
}

function add({ world }: Side, host: string, input: object = {}): string {
  return webhooks.add(world, { url: `https://${host}/`, events: ["service.*"], ...input }, caller)
    .id;
}

/** Something happens to each target, in one turn. */
function happen({ world }: Side, ...targets: string[]): void {
  for (const target of targets)
    world.journal.commit(() =>
      world.journal.record("service.claim", target, "tester", { port: 3100, existing: false }),
    );
}

const many = (count: number) => Array.from({ length: count }, (_, n) => `s${n}`);
const get = ({ world }: Side, id: string) => webhooks.get(world, { id });
const history = ({ world }: Side, id: string) =>
  deliveries.list(world, { id, limit: 1000 }).deliveries.toReversed();

/** A database that a second world can open when the first has gone. */
function makeFile(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "port-daddy-courier-"));
  cleanups.push(() => fs.rmSync(directory, { recursive: true }));
  return path.join(directory, "database");
}

/** Ends a side's world as the end of its process would, and goes on with another over the same database. */
function restart({ world }: Side, file: string): Side {
  world.journal.flush();
  world.db.close();
  const next = makeWorld({}, file);
  next.advance(world.clock.now() - next.clock.now());
  return setUp(next);
}

test("what happens is sent in order, once, however often is looked", async () => {
  const timers = fakeTimers();
  const side = setUp();
  const id = add(side, "a");
  happen(side, "s0", "s1");
  await turns();
  happen(side, "s2");
  side.courier.start();
  side.courier.start();
  happen(side, "s3");
  await timers.pass(side.world, 60_000);
  expect(side.sent("a")).toEqual(["s0", "s1", "s2", "s3"]);
  expect(history(side, id).map(({ status, attempts }) => [status, attempts])).toEqual(
    Array(4).fill(["delivered", 1]),
  );
  expect(timers.timers.size).toBe(0);
});

test("what is not stored is not sent", async () => {
  const side = setUp();
  add(side, "a");
  expect(() =>
    side.world.journal.commit(() => {
      happen(side, "undone");
      throw new Error("undone");
    }),
  ).toThrow("undone");
  happen(side, "kept");
  expect(side.attempts).toEqual([]);
  await turns();
  expect(side.sent("a")).toEqual(["kept"]);
});

test("a delivery is tried again after 1, 2, 4 and 8 s, and then given up", async () => {
  const { pass, timers } = fakeTimers();
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", refused);
  happen(side, "s0");
  await pass(side.world, 14_999);
  expect(side.attempts.map(([ms]) => ms)).toEqual([0, 1_000, 3_000, 7_000]);
  expect(history(side, id)).toMatchObject([
    { status: "pending", attempts: 4, error: "it answered 500", finishedAt: null },
  ]);
  await pass(side.world, 1);
  expect(side.attempts.map(([ms]) => ms)).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
  expect(history(side, id)).toMatchObject([
    { status: "failed", attempts: 5, nextAttemptAt: null, httpStatus: 500 },
  ]);
  expect(timers.size).toBe(0);
  await pass(side.world, 3_600_000);
  expect(side.attempts).toHaveLength(5);
});

test("the next one waits for the one before it, until that arrives or is given up", async () => {
  const { pass } = fakeTimers();
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", refused);
  happen(side, "s0", "s1", "s2");
  await pass(side.world, 500);
  happen(side, "s3"); // Which makes it look, before the retry is due.
  await pass(side.world, 14_500);
  expect(side.sent("a")).toEqual(["s0", "s0", "s0", "s0", "s0", "s1"]);
  side.answers.delete("a");
  await pass(side.world, 1_000);
  expect(side.sent("a").slice(6)).toEqual(["s1", "s2", "s3"]);
  expect(history(side, id).map(({ status, attempts }) => [status, attempts])).toEqual([
    ["failed", 5],
    ["delivered", 2],
    ["delivered", 1],
    ["delivered", 1],
  ]);
});

test("a receiver that hangs holds up only itself", async () => {
  const { pass } = fakeTimers();
  const side = setUp();
  for (const host of ["hangs", "fails", "arrives"]) add(side, host);
  side.answers.set("hangs", "hangs");
  side.answers.set("fails", refused);
  happen(side, "s0", "s1");
  await pass(side.world, 1_000);
  happen(side, "s2");
  await turns();
  expect(side.sent("hangs")).toEqual(["s0"]);
  expect(side.sent("fails")).toEqual(["s0", "s0"]);
  expect(side.sent("arrives")).toEqual(["s0", "s1", "s2"]);
  side.answers.delete("hangs");
  side.hanging.get("hangs")!(arrived);
  await turns();
  expect(side.sent("hangs")).toEqual(["s0", "s1", "s2"]);
});

test("a retry goes to where the webhook points by then", async () => {
  const { pass } = fakeTimers();
  const side = setUp();
  const id = add(side, "old");
  side.answers.set("old", refused);
  happen(side, "s0");
  await turns();
  webhooks.update(side.world, { id, url: "https://new/" }, caller);
  await pass(side.world, 1_000);
  expect(side.attempts).toEqual([
    [0, "old", "s0"],
    [1_000, "new", "s0"],
  ]);
});

for (const hours of [-1, -60 * 24, 1])
  test(`a clock that is set ${hours} h off holds no retry up for longer than the longest pause`, async () => {
    const { pass, longest } = fakeTimers();
    const side = setUp();
    add(side, "a");
    side.answers.set("a", refused);
    happen(side, "s0");
    await pass(side.world, 500);
    side.world.advance(hours * 3_600_000);
    side.answers.delete("a");
    happen(side, "s1"); // Which makes it look.
    await pass(side.world, 8_000);
    expect(side.sent("a")).toEqual(["s0", "s0", "s1"]);
    // A longer one than 2^31 ms would run at once, and again, without end.
    expect(longest.ms).toBeLessThanOrEqual(8_000);
  });

test("a clock that is set back while nobody runs holds nothing up for longer than the longest pause", async () => {
  const file = makeFile();
  const { pass, longest } = fakeTimers();
  const side = setUp(makeWorld({}, file));
  for (const host of ["a", "b"]) add(side, host);
  side.answers.set("a", refused).set("b", "hangs");
  happen(side, "s0");
  await turns();
  await side.courier.stop(0);
  side.world.advance(-60 * 86_400_000);
  const next = restart(side, file);
  await pass(next.world, 8_000);
  expect([next.sent("a"), next.sent("b")]).toEqual([["s0"], ["s0"]]);
  expect(longest.ms).toBeLessThanOrEqual(8_000);
});

// Removed, switched off, paused

test("a webhook that is removed while a send is under way is sent nothing more, and nobody minds", async () => {
  const side = setUp();
  const id = add(side, "a");
  for (const outcome of [arrived, refused]) {
    const gone = add(side, "gone");
    side.answers.set("gone", "hangs");
    happen(side, "s0", "s1");
    await turns();
    webhooks.remove(side.world, { id: gone }, caller);
    side.hanging.get("gone")!(outcome);
    await turns();
  }
  expect(side.sent("gone")).toEqual(["s0", "s0"]);
  expect(side.world.reported).toEqual([]);
  expect(history(side, id)).toHaveLength(4);
  expect(side.world.db.query("SELECT DISTINCT webhook FROM deliveries").all()).toEqual([
    { webhook: id },
  ]);
});

test("of a webhook that is removed while a send or a test is under way no attempts are counted any more", async () => {
  const side = setUp();
  const [sent, tested] = [add(side, "sent"), add(side, "tested", { events: ["lock.*"] })];
  side.answers.set("sent", "hangs").set("tested", "hangs");
  happen(side, "s0");
  const ended = side.courier.test(tested, caller).catch(() => {});
  await turns();
  for (const id of [sent, tested]) webhooks.remove(side.world, { id }, caller);
  await turns();
  for (const host of ["sent", "tested"]) side.hanging.get(host)!(arrived);
  await ended;
  await turns();
  expect(side.courier.attempts()).toEqual({});
});

test("a webhook that is removed or switched off before a retry is not tried again", async () => {
  const { pass, timers } = fakeTimers();
  const side = setUp();
  const [gone, off] = [add(side, "gone"), add(side, "off")];
  side.answers.set("gone", refused).set("off", refused);
  happen(side, "s0");
  await turns();
  webhooks.remove(side.world, { id: gone }, caller);
  webhooks.update(side.world, { id: off, active: false }, caller);
  await pass(side.world, 60_000);
  expect(side.attempts).toHaveLength(2);
  expect(timers.size).toBe(0);
});

test("one that is switched off while a send is under way is sent the rest when it is on again", async () => {
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", "hangs");
  happen(side, "s0", "s1");
  await turns();
  webhooks.update(side.world, { id, active: false }, caller);
  side.answers.delete("a");
  side.hanging.get("a")!(arrived);
  await turns();
  expect(side.sent("a")).toEqual(["s0"]);
  expect(history(side, id).map(({ status }) => status)).toEqual(["delivered", "pending"]);
  webhooks.update(side.world, { id, active: true }, caller);
  await turns();
  expect(side.sent("a")).toEqual(["s0", "s1"]);
});

test("ten events given up in a row pause it, and what it is resumed for goes out", async () => {
  const { pass, timers } = fakeTimers();
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", refused);
  happen(side, ...many(11));
  await pass(side.world, 10 * 15_000);
  expect(side.attempts).toHaveLength(50);
  expect(get(side, id)).toMatchObject({ pending: 1 });
  expect(get(side, id).paused).toContain("10");
  expect(timers.size).toBe(0);
  happen(side, "missed");
  await pass(side.world, 60_000);
  expect(side.attempts).toHaveLength(50);
  side.answers.delete("a");
  webhooks.update(side.world, { id }, caller);
  await turns();
  expect(side.sent("a").slice(50)).toEqual(["s10"]);
});

/** A webhook for which so much happens at once that it is paused before the first of it is sent. */
async function fallBehind(side: Side): Promise<string> {
  const id = add(side, "slow");
  happen(side, ...many(1_200));
  await turns();
  expect(get(side, id).paused).toContain("1000");
  expect(side.sent("slow")).toEqual([]);
  return id;
}

/** As long as it takes; the test's own limit is the deadline. */
async function untilSent(side: Side, count: number): Promise<void> {
  for (let n = 0; n < 20_000 && side.attempts.length < count; n++) await turns(1);
}

test("one that fell behind is resumed by an update, and all that waited goes out in order", async () => {
  const side = setUp();
  const id = await fallBehind(side);
  webhooks.update(side.world, { id }, caller);
  await untilSent(side, 1_200);
  expect(get(side, id)).toMatchObject({ paused: null, pending: 0 });
  expect(side.sent("slow")).toEqual(many(1_200));
});

test("one that fell behind is resumed by a test that arrives, and all that waited goes out", async () => {
  const side = setUp();
  const id = await fallBehind(side);
  await side.courier.test(id, caller);
  await untilSent(side, 1_201);
  expect(get(side, id)).toMatchObject({ paused: null, pending: 0 });
  expect(side.sent("slow")).toEqual([id, ...many(1_200)]);
});

test("one that is paused while a send is under way keeps what that came to, and sends no more", async () => {
  const side = setUp();
  const id = add(side, "slow");
  side.answers.set("slow", "hangs");
  happen(side, "first");
  await turns();
  happen(side, ...many(1_000));
  await turns();
  expect(get(side, id).paused).toContain("1000");
  side.hanging.get("slow")!(arrived);
  await turns();
  expect(side.sent("slow")).toEqual(["first"]);
  expect(get(side, id)).toMatchObject({ pending: 1_000 });
});

// Tests

test("a test goes out beside the line of a receiver that hangs, and leaves the line as it is", async () => {
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", "hangs");
  happen(side, "s0", "s1");
  await turns();
  const finish = side.hanging.get("a")!;
  side.answers.delete("a");
  expect(await side.courier.test(id, caller)).toMatchObject({ status: "delivered", attempts: 1 });
  await turns();
  expect(side.sent("a")).toEqual(["s0", id]);
  finish(arrived);
  await turns();
  expect(side.sent("a")).toEqual(["s0", id, "s1"]);
});

test("a test that arrives resumes a paused webhook and lets out what waited, once", async () => {
  const { pass } = fakeTimers();
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", refused);
  happen(side, ...many(12));
  await pass(side.world, 150_000);
  expect(get(side, id).paused).not.toBeNull();
  await side.courier.test(id, caller);
  expect(get(side, id).paused).not.toBeNull();
  side.answers.delete("a");
  const first = side.courier.test(id, caller);
  expect(await side.courier.test(id, caller).catch(({ code }) => code)).toBe("limit_reached");
  await first;
  await pass(side.world, 60_000);
  expect(get(side, id)).toMatchObject({ paused: null, pending: 0 });
  expect(side.sent("a").slice(50)).toEqual([id, id, "s10", "s11"]);
});

test("a test that fails is not repeated and is no event that failed", async () => {
  const { pass, timers } = fakeTimers();
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", refused);
  for (let n = 0; n < 11; n++) {
    const delivery = await side.courier.test(id, caller);
    expect(delivery).toMatchObject({ status: "failed", attempts: 1, error: "it answered 500" });
  }
  expect(timers.size).toBe(0);
  await pass(side.world, 60_000);
  expect(side.attempts).toHaveLength(11);
  expect(get(side, id)).toMatchObject({ paused: null });
});

test("a test of a webhook that is removed meanwhile is not found", async () => {
  const side = setUp();
  const id = add(side, "a");
  side.answers.set("a", "hangs");
  const tested = side.courier.test(id, caller);
  webhooks.remove(side.world, { id }, caller);
  side.hanging.get("a")!(arrived);
  expect(await tested.catch(({ code }) => code)).toBe("not_found");
  expect(side.world.db.query("SELECT * FROM deliveries").all()).toEqual([]);
});

// When storing fails

test("a receiver is not sent the same over and over while what came of it can't be stored", async () => {
  const { pass } = fakeTimers();
  const side = setUp();
  add(side, "a");
  happen(side, "s0");
  side.world.db.run(`
    CREATE TEMP TRIGGER full BEFORE INSERT ON main.deliveries WHEN NEW.status <> 'pending'
    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
  await turns(100);
  expect(side.attempts.length).toBe(1);
  expect(String(side.world.reported[0])).toContain("the disk is full");
  side.world.db.run("DROP TRIGGER full");
  await pass(side.world, 15_000);
  happen(side, "s1");
  await pass(side.world, 15_000);
  expect(side.sent("a").at(-1)).toBe("s1");
});

test("a database that fails for a moment is reported, and what is due goes out when it is back", async () => {
  const { pass, timers } = fakeTimers();
  const side = setUp();
  add(side, "a");
  side.answers.set("a", refused);
  happen(side, "s0");
  await turns();
  expect(timers.size).toBe(1);
  side.answers.delete("a");
  const failing = spyOn(side.world.webhooks, "all").mockImplementation(() => {
    throw new Error("the disk is away");
  });
  cleanups.push(() => failing.mockRestore());
  await pass(side.world, 1_000); // The retry: nobody is there to catch what its timer throws.
  expect(String(side.world.reported[0])).toContain("the disk is away");
  failing.mockRestore();
  happen(side, "s1");
  await pass(side.world, 15_000);
  expect(side.sent("a")).toEqual(["s0", "s0", "s1"]);
});

test("a stop stops, and leaves no timer, also where the database fails", async () => {
  const { timers } = fakeTimers();
  const side = setUp();
  add(side, "a");
  side.answers.set("a", refused);
  happen(side, "s0");
  await turns();
  const failing = spyOn(side.world.webhooks, "all").mockImplementation(() => {
    throw new Error("the disk is away");
  });
  cleanups.push(() => failing.mockRestore());
  await side.courier.stop(0).catch(() => {}); // Whether it tells of it is its own affair.
  expect(timers.size).toBe(0);
});

// Stop and start

test("a stop sends what has just happened, and then nothing more", async () => {
  const side = setUp();
  add(side, "a", { events: ["*"] });
  side.world.journal.commit(() =>
    side.world.journal.record("daemon.stop", "daemon", "port-daddy", { version: "1", uptimeMs: 1 }),
  );
  side.world.journal.flush();
  await side.courier.stop(60_000);
  expect(side.sent("a")).toEqual(["daemon"]);
  happen(side, "later");
  await turns();
  side.courier.start();
  await turns();
  expect(side.sent("a")).toEqual(["daemon"]);
});

test("a stop ends as soon as what is under way has", async () => {
  const side = setUp();
  for (const host of ["a", "b"]) add(side, host);
  side.answers.set("a", "hangs");
  happen(side, "s0");
  await turns();
  let isStopped = false;
  const stopped = side.courier.stop(3_600_000).then(() => void (isStopped = true));
  await turns();
  expect(isStopped).toBe(false);
  side.answers.delete("a");
  side.hanging.get("a")!(arrived);
  await stopped;
  expect(side.attempts).toHaveLength(2);
});

test("a stop is over in its time, and what hangs is sent again after a restart as if it had not been", async () => {
  const file = makeFile();
  const side = setUp(makeWorld({}, file));
  const id = add(side, "a");
  side.answers.set("a", "hangs");
  happen(side, "s0", "s1");
  await turns();
  await side.courier.stop(1);
  side.hanging.get("a")!(refused);
  await turns();
  expect(history(side, id)).toMatchObject([{ attempts: 0 }, { attempts: 0 }]);
  const next = restart(side, file);
  await turns();
  expect(next.sent("a")).toEqual(["s0", "s1"]);
  expect(history(next, id)).toMatchObject([
    { status: "delivered", attempts: 1 },
    { status: "delivered", attempts: 1 },
  ]);
});

test("what arrives while it stops is not sent again after a restart", async () => {
  const file = makeFile();
  const side = setUp(makeWorld({}, file));
  add(side, "a");
  side.answers.set("a", "hangs");
  happen(side, "s0", "s1");
  await turns();
  await side.courier.stop(1);
  side.hanging.get("a")!(arrived);
  await turns();
  expect(side.sent("a")).toEqual(["s0"]);
  const next = restart(side, file);
  await turns();
  expect(next.sent("a")).toEqual(["s1"]);
});

test("a stop leaves no timer, and a restart goes on with the retries where they were", async () => {
  const file = makeFile();
  const { pass, timers } = fakeTimers();
  const side = setUp(makeWorld({}, file));
  const id = add(side, "a");
  side.answers.set("a", refused);
  happen(side, "s0", "s1");
  await pass(side.world, 3_000);
  expect(side.attempts).toHaveLength(3);
  await side.courier.stop(3_600_000);
  happen(side, "late");
  await turns();
  expect(timers.size).toBe(0);
  const next = restart(side, file);
  next.answers.set("a", refused);
  await pass(next.world, 15_000);
  expect(next.attempts.map(([ms, , target]) => [ms, target])).toEqual([
    [4_000, "s0"],
    [12_000, "s0"],
    [12_000, "s1"],
    [13_000, "s1"],
    [15_000, "s1"],
  ]);
  expect(history(next, id)[0]).toMatchObject({ status: "failed", attempts: 5 });
  await next.courier.stop(0);
  expect(timers.size).toBe(0);
});

test("nothing is sent twice while receivers change, whatever happens between", async () => {
  const { pass, timers } = fakeTimers();
  const side = setUp();
  const ids = ["a", "b", "c"].map((host) => add(side, host));
  for (let round = 0; round < 20; round++) {
    const host = "abc"[round % 3]!;
    side.answers.set(host, round % 2 ? refused : "hangs");
    happen(side, `s${round}`);
    await pass(side.world, 700);
    webhooks.update(side.world, { id: ids[(round + 1) % 3]! }, caller);
    side.courier.start();
    side.answers.delete(host);
    side.hanging.get(host)?.(arrived);
    await turns();
  }
  await pass(side.world, 60_000);
  for (const id of ids) {
    const host = new URL(get(side, id).url).hostname;
    const deliveries = history(side, id);
    expect(deliveries.map(({ targetId }) => targetId)).toEqual(many(20));
    expect(deliveries.every(({ status }) => status === "delivered")).toBe(true);
    // Each attempt that was made is one that was counted.
    expect(side.sent(host)).toEqual(
      deliveries.flatMap(({ targetId, attempts }) => Array(attempts).fill(targetId)),
    );
  }
  expect(timers.size).toBe(0);
});
