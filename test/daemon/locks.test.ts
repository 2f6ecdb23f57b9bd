// Locks over HTTP: every answer and refusal, names that are paths, and requests that are held until the lock is free,
// the caller has gone, the disk refuses or the daemon stops.

import { expect, test } from "bun:test";
import type { Lock } from "../../src/contract/entities.ts";
import { createAlarm } from "../../src/daemon/alarm.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { untilAcquired } from "../../src/daemon/lockWait.ts";
import * as locks from "../../src/domain/locks.ts";
import { makeSide, type Side } from "../scenario.ts";
import { makeWorld, startOfTime, type TestWorld } from "../world.ts";

const minute = 60_000;

function as(agent: string) {
  return { "x-agent-id": agent };
}

function lock(name: string, owner: string, more: Record<string, unknown> = {}) {
  return { method: "POST", path: `/locks/${name}`, body: { owner, ...more } };
}

function unlock(name: string, owner: string) {
  return { method: "DELETE", path: `/locks/${name}?owner=${owner}` };
}

/** Waits for what is bound to happen; whatever takes seconds has not. */
async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 3_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`it did not happen: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Sends a request that is held, and returns when it stands in line. */
async function stand(
  { world, app }: Side,
  name: string,
  owner: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
) {
  const caller = new AbortController();
  const line = () => world.lockQueue.get(name)?.length ?? 0;
  const before = line();
  const request = new Request(`http://localhost/locks/${name}`, {
    method: "POST",
    body: JSON.stringify({ owner, wait: true, ...more }),
    headers,
    signal: caller.signal,
  });
  const place: { status?: number; body?: any } = {};
  const answered = Promise.resolve(app.fetch(request, { transport: "socket" })).then(
    async (response) => {
      place.body = await response.json();
      place.status = response.status;
    },
  );
  await until(() => line() > before, `${owner} waits for ${name}`);
  return Object.assign(place, { caller, answered });
}

function isAnswered(place: { status?: number }, what: string): Promise<void> {
  return until(() => place.status !== undefined, what);
}

function lockEvents({ world }: Side, after = 0): string[] {
  return world.journal
    .since(after)
    .filter(({ event }) => event.startsWith("lock."))
    .map(({ event, targetId, metadata: { owner, reason } }) =>
      [event, targetId, owner, reason].filter(Boolean).join(" "),
    );
}

test("a lock is acquired, shown, extended and freed, each with its answer and its event", async () => {
  const { play, world } = makeSide();
  const answer = {
    name: "db",
    owner: "ada",
    agent: null,
    pid: null,
    fence: 1,
    acquiredAt: startOfTime,
    expiresAt: startOfTime + minute,
    metadata: { why: "x" },
    waiting: 0,
  };
  const body = { ttl: minute, metadata: { why: "x" } };
  const acquired = await play({ ...lock("db", "ada", body), events: ["lock.acquire db"] });
  expect(acquired).toEqual(answer);
  const shown = { name: "db", held: true, lock: answer };
  expect(await play({ path: "/locks/db", events: [] })).toEqual(shown);
  expect(await play({ path: "/locks", events: [] })).toEqual({ locks: [answer], count: 1 });
  world.advance(1_000);
  await play({
    method: "PUT",
    path: "/locks/db",
    body: { owner: "ada", ttl: "2m", fence: 1 },
    answer: { ...answer, expiresAt: startOfTime + 1_000 + 2 * minute },
    events: ["lock.extend db"],
  });
  await play({
    ...unlock("db", "ada"),
    answer: { released: true, lock: { name: "db", fence: 1 } },
    events: ["lock.release db"],
  });
  const free = { name: "db", held: false, lock: null };
  expect(await play({ path: "/locks/db", events: [] })).toEqual(free);
});

test("a lock that is held answers 409 with its holder, since when and until when", async () => {
  const { play, world } = makeSide();
  await play(lock("db", "ada"));
  world.advance(1_000);
  for (const wait of [{}, { wait: false }, { wait: false, timeout: 1_000 }])
    await play({
      ...lock("db", "bob", wait),
      status: 409,
      answer: {
        code: "held",
        name: "db",
        holder: "ada",
        heldSince: startOfTime,
        expiresAt: startOfTime + 5 * minute,
        waiting: 0,
      },
      events: [],
    });
});

test("another owner, none, and an old fence are refused with 403 and the holder's name", async () => {
  const { play } = makeSide();
  await play({ ...lock("db", "ada"), answer: { fence: 1 } });
  for (const method of ["PUT", "DELETE"]) {
    const path = "/locks/db";
    const scenario = { method, path, status: 403, events: [] };
    const answer = { code: "not_owner", name: "db", holder: "ada" };
    await play({ ...scenario, body: { owner: "bob" }, answer: { ...answer, caller: "bob" } });
    await play({ ...scenario, answer: { ...answer, caller: null } });
    await play({ ...scenario, headers: as("a1"), answer: { ...answer, caller: "a1" } });
    await play({ ...scenario, path: `${path}?owner=ada&fence=9`, answer: { ...answer, fence: 1 } });
  }
  await play({
    method: "DELETE",
    path: "/locks/db?force=true",
    headers: as("a1"),
    answer: { released: true, lock: { owner: "ada" } },
    events: ["lock.release db"],
  });
});

test("what is not held answers 404, and when and why it ended where that is known", async () => {
  const { play, world } = makeSide();
  for (const method of ["PUT", "DELETE"]) {
    const { freedAt } = await play({
      method,
      path: "/locks/db",
      body: { owner: "ada" },
      status: 404,
      answer: { code: "not_found", name: "db" },
      events: [],
    });
    expect(freedAt).toBeUndefined();
  }
  await play(lock("db", "ada", { ttl: 1_000 }));
  world.advance(1_000);
  await play({
    ...unlock("db", "ada"),
    status: 404,
    answer: { lastOwner: "ada", freedAt: startOfTime + 1_000, reason: "expired" },
    events: ["lock.release db"],
  });
});

const refused: [string, Record<string, unknown>][] = [
  ["ttl", { ttl: 0 }],
  ["ttl", { ttl: -5 }],
  ["ttl", { ttl: 86_400_001 }],
  ["ttl", { ttl: "soon" }],
  ["ttl", { ttl: null }],
  ["timeout", { timeout: -1 }],
  ["timeout", { timeout: "25h" }],
  ["wait", { wait: "yes" }],
  ["owner", { owner: "" }],
  ["owner", { owner: "a b" }],
  ["owner", { owner: "x".repeat(301) }],
  ["pid", { pid: 0 }],
  ["pid", { pid: 99 }],
  ["attempt", { attempt: "" }],
  ["metadata", { metadata: ["no", "object"] }],
  ["metadata", { metadata: { text: "x".repeat(4096) } }],
  ["fence", { fence: 1 }],
  ["name", { name: "other" }],
];

for (const [field, body] of refused)
  test(`a lock with ${JSON.stringify(body).slice(0, 40)} is refused naming ${field}, and locks nothing`, async () => {
    const { play } = makeSide();
    const path = "/locks/db";
    const answer = { code: "invalid_input", field };
    await play({ method: "POST", path, body, status: 400, answer, events: [] });
    await play({ path: "/locks", answer: { count: 0 } });
  });

test("a name is a path, written with slashes or with %2F", async () => {
  const { play } = makeSide();
  await play({ ...lock("src/auth/login.ts", "ada"), answer: { name: "src/auth/login.ts" } });
  for (const path of ["src/auth/login.ts", "src%2Fauth%2flogin.ts", "src/auth%2Flogin%2Ets"]) {
    await play({ ...lock(path, "bob"), status: 409, answer: { name: "src/auth/login.ts" } });
    await play({ path: `/locks/${path}`, answer: { held: true } });
  }
  await play({
    method: "PUT",
    path: "/locks/src%2Fauth/login.ts?owner=ada",
    events: ["lock.extend src/auth/login.ts"],
  });
  await play({
    ...unlock("src%2Fauth%2Flogin.ts", "ada"),
    events: ["lock.release src/auth/login.ts"],
  });
  await play({ ...lock("a:b@c-d_e.f", "ada"), events: ["lock.acquire a:b@c-d_e.f"] });
  await play({ ...lock("x".repeat(200), "ada"), answer: { name: "x".repeat(200) } });
});

test("a name with an empty, '.' or '..' segment, or of other signs, is refused", async () => {
  const { play } = makeSide();
  const long = "x".repeat(201);
  for (const name of ["a//b", "a/", "%2Fa", "a%2F..%2Fb", "a%2F.%2Fb", "a%252Fb", "a*", "ä", long])
    for (const method of ["POST", "GET", "PUT", "DELETE"]) {
      const answer = { code: "invalid_input", field: "name" };
      await play({ method, path: `/locks/${name}`, status: 400, answer, events: [] });
    }
  await play({ method: "POST", path: "/locks", status: 404, answer: { code: "not_found" } });
});

test("an agent at its limit is refused with 429, waiting or not, and a label never is", async () => {
  const { play } = makeSide();
  await play({ method: "POST", path: "/agents/a1", body: { maxLocks: 1 } });
  const mine = { method: "POST", headers: as("a1") };
  await play({ ...mine, path: "/locks/one" });
  await play(lock("held", "ada"));
  for (const path of ["free", "free?wait=true", "held?wait=true&timeout=0"])
    await play({
      ...mine,
      path: `/locks/${path}`,
      status: 429,
      answer: { code: "limit_reached", agent: "a1", held: 1, limit: 1 },
      events: [],
    });
  for (const n of [1, 2])
    await play({ method: "POST", path: `/locks/l${n}`, headers: as("label") });
});

// Standing in line

test("a free lock is had at once by whoever would have waited", async () => {
  const { play } = makeSide();
  const events = ["lock.acquire db"];
  await play({ ...lock("db", "ada", { wait: true, timeout: 0 }), answer: { fence: 1 }, events });
});

test("waiters are served in the order in which they came, one at a time, and the log says so in order", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada"));
  const places = [];
  for (const owner of ["bob", "cyd", "dan"])
    places.push(await stand(side, "db", owner, { timeout: 0 }));
  await side.play({ path: "/locks/db", answer: { lock: { owner: "ada", waiting: 3 } } });
  let holder = "ada";
  for (const [n, place] of places.entries()) {
    expect(place.status).toBeUndefined();
    await side.play(unlock("db", holder));
    await isAnswered(place, `waiter ${n} is served`);
    holder = ["bob", "cyd", "dan"][n]!;
    expect(place.body).toMatchObject({ owner: holder, fence: n + 2, waiting: 2 - n });
  }
  expect(lockEvents(side)).toEqual([
    "lock.acquire db ada",
    "lock.release db ada released",
    "lock.acquire db bob",
    "lock.release db bob released",
    "lock.acquire db cyd",
    "lock.release db cyd released",
    "lock.acquire db dan",
  ]);
});

test("nobody who comes at the moment of the release overtakes who waits, not even in the same turn", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada"));
  const bob = await stand(side, "db", "bob");
  const [, late] = await Promise.all([
    side.request(unlock("db", "ada")),
    side.request(lock("db", "eve")),
  ]);
  await isAnswered(bob, "bob is served");
  expect([bob.status, late.status]).toEqual([200, 409]);
  expect(await late.json()).toMatchObject({ code: "held" });
});

const endings: [string, (side: Side) => unknown][] = [
  ["lapses", ({ world }) => (world.advance(minute), reap(world))],
  ["ends with its process", ({ world }) => (world.machine.processes.clear(), reap(world))],
  ["is forced", ({ play }) => play({ method: "DELETE", path: "/locks/db?force=true" })],
  ["goes with its agent", ({ play }) => play({ method: "DELETE", path: "/agents/a1" })],
];

for (const [what, end] of endings)
  test(`where a lock ${what}, the next has it at once`, async () => {
    const side = makeSide();
    side.world.machine.processes.set(77, "boot/1");
    await side.play({ method: "POST", path: "/agents/a1" });
    await side.play({ ...lock("db", "ada", { ttl: minute, pid: 77 }), headers: as("a1") });
    const bob = await stand(side, "db", "bob", { timeout: 0 });
    const cyd = await stand(side, "db", "cyd", { timeout: 0 });
    await end(side);
    await isAnswered(bob, "bob is served");
    expect(bob.body).toMatchObject({ owner: "bob", fence: 2 });
    expect(cyd.status).toBeUndefined();
  });

for (const [what, others] of [
  ["alone", []],
  ["among others", ["cyd", "dan"]],
] as const)
  test(`who waits ${what} is told 408 and the holder when the time is over, and is in line no more`, async () => {
    const side = makeSide();
    await side.play(lock("db", "ada"));
    const bob = await stand(side, "db", "bob", { timeout: 1_000 });
    for (const owner of others) await stand(side, "db", owner, { timeout: 0 });
    side.world.advance(999);
    reap(side.world);
    await side.play({ path: "/locks/db", answer: { lock: { waiting: 1 + others.length } } });
    expect(bob.status).toBeUndefined();
    side.world.advance(1);
    reap(side.world);
    await isAnswered(bob, "the wait is over");
    expect(bob.status).toBe(408);
    expect(bob.body).toMatchObject({
      code: "timed_out",
      name: "db",
      holder: "ada",
      heldSince: startOfTime,
      expiresAt: startOfTime + 5 * minute,
      waiting: others.length,
    });
    expect(bob.body.error).toStartWith("Not acquired within 1s: db is held by ada");
    expect(lockEvents(side)).toEqual(["lock.acquire db ada"]);
  });

test("what is said to do after a wait of a day is something that is taken", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada", { ttl: "24h" }));
  const bob = await stand(side, "db", "bob", { timeout: "24h" });
  const cyd = await stand(side, "db", "cyd", { timeout: 0 });
  side.world.advance(86_400_000 - 1);
  await side.play({ method: "PUT", path: "/locks/db?owner=ada" });
  side.world.advance(1);
  reap(side.world);
  await isAnswered(bob, "the wait is over");
  const [, timeout] = /--timeout (\S+)/.exec(bob.body.hint) ?? [];
  await side.play({ method: "POST", path: `/locks/free?timeout=${timeout}` });
  expect(cyd.status).toBeUndefined();
});

test("a timeout alone is a wait, of a minute where none is said", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada"));
  const [bob, cyd] = [
    await stand(side, "db", "bob"),
    await stand(side, "db", "cyd", { wait: undefined, timeout: 0 }),
  ];
  side.world.advance(minute);
  reap(side.world);
  await isAnswered(bob, "the minute is over");
  expect([bob.status, cyd.status]).toEqual([408, undefined]);
});

for (const [what, fail, status, code] of [
  [
    "whose agent may hold no more by then",
    (side: Side) => side.play({ method: "POST", path: "/locks/more", headers: as("a1") }),
    429,
    "limit_reached",
  ],
  [
    "whose process has died by then",
    ({ world }: Side) => world.machine.processes.clear(),
    400,
    "invalid_input",
  ],
] as const)
  test(`a waiter ${what} is told so, and the next one has the lock`, async () => {
    const side = makeSide();
    side.world.machine.processes.set(77, "boot/1");
    await side.play({ method: "POST", path: "/agents/a1", body: { maxLocks: 1 } });
    await side.play(lock("db", "ada"));
    const bob = await stand(side, "db", "bob", { pid: 77 }, as("a1"));
    const cyd = await stand(side, "db", "cyd");
    await fail(side);
    await side.play(unlock("db", "ada"));
    await isAnswered(cyd, "cyd is served");
    await isAnswered(bob, "bob is told");
    expect(bob).toMatchObject({ status, body: { code } });
    expect(cyd.body).toMatchObject({ owner: "cyd" });
  });

test("an agent whose request is held is there for as long as it is", async () => {
  const side = makeSide();
  await side.play({ method: "POST", path: "/agents/a1" });
  await side.play(lock("db", "ada", { ttl: "1h" }));
  const place = await stand(side, "db", "bob", { timeout: 0 }, as("a1"));
  expect([...side.daemon.presence.agents()]).toEqual(["a1"]);
  for (let n = 0; n < 5; n++) {
    side.world.advance(minute);
    reap(side.world, side.daemon.presence.agents());
  }
  await side.play({ path: "/agents/a1", answer: { status: "active" } });
  place.caller.abort();
  await place.answered;
  expect([...side.daemon.presence.agents()]).toEqual([]);
});

test("the alarm serves who waits when a lock lapses, and ends the wait of one whose time is over", async () => {
  const real = { ...makeWorld(), clock: { now: Date.now } };
  const failures: unknown[] = [];
  const side = makeSide(real);
  const alarm = createAlarm(
    real,
    () => {},
    (error) => failures.push(error),
  );
  side.daemon.alarm = alarm;
  try {
    await side.play(lock("short", "ada"));
    const next = await stand(side, "short", "bob", { timeout: 0 });
    await side.play({ method: "PUT", path: "/locks/short?owner=ada&ttl=50" });
    await isAnswered(next, "the lock lapses");
    expect(next.body.owner).toBe("bob");
    await side.play(lock("long", "ada"));
    const late = await stand(side, "long", "bob", { timeout: 50 });
    await isAnswered(late, "the wait is over");
    expect([late.status, failures]).toEqual([408, []]);
  } finally {
    alarm.clear();
  }
});

// What ends a wait from outside

/** A wait without HTTP, whose caller can go at any moment. */
function hold(world: TestWorld, owner: string, more: { name?: string; attempt?: string } = {}) {
  const [caller, stopping] = [new AbortController(), new AbortController()];
  // All of a daemon that a wait looks at.
  const [alarm, live] = [{ set() {}, clear() {} }, { touch() {} }];
  const daemon = { world, alarm, live, stopping: stopping.signal } as unknown as Side["daemon"];
  const request = { signal: caller.signal, hold: () => () => {}, lastEventId: undefined };
  const input = { name: "db", owner, wait: true, timeout: 0, ...more };
  const place: { outcome?: Lock | { code: string } } = {};
  const ended = untilAcquired(daemon, input, { actor: owner }, request).then(
    (lock) => (place.outcome = lock),
    (fault) => (place.outcome = fault),
  );
  return Object.assign(place, { caller, ended });
}

/** Frees the lock of an owner and lets that land: who is next has been granted it, but does not know yet. */
function hand(world: TestWorld, owner: string, name = "db"): void {
  locks.release(world, { name, owner }, { actor: owner });
  world.journal.flush();
}

function holderOf(world: TestWorld, name = "db"): string | undefined {
  return locks.get(world, { name }).lock?.owner;
}

test("a caller that goes leaves the line, and who stands behind is served in its place", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada"));
  const bob = await stand(side, "db", "bob");
  const cyd = await stand(side, "db", "cyd");
  bob.caller.abort();
  await isAnswered(bob, "the wait ends");
  expect(bob).toMatchObject({ status: 503, body: { code: "unavailable" } });
  await side.play({ path: "/locks/db", answer: { lock: { waiting: 1 } } });
  await side.play(unlock("db", "ada"));
  await isAnswered(cyd, "cyd is served");
  expect(lockEvents(side)).toEqual([
    "lock.acquire db ada",
    "lock.release db ada released",
    "lock.acquire db cyd",
  ]);
});

test("a caller that hangs up on a real connection leaves the line too", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada"));
  const fetchOf = (request: Request) => side.app.fetch(request, { transport: "socket" });
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: fetchOf, idleTimeout: 0 });
  try {
    const caller = new AbortController();
    const body = JSON.stringify({ owner: "bob", wait: true, timeout: 0 });
    const call = fetch(`${server.url}locks/db`, { method: "POST", body, signal: caller.signal });
    const ended = call.catch(() => "gone");
    await until(() => side.world.lockQueue.size === 1, "bob waits");
    caller.abort();
    expect(await ended).toBe("gone");
    await until(() => side.world.lockQueue.size === 0, "bob has left the line");
  } finally {
    await server.stop(true);
  }
  await side.play({ ...unlock("db", "ada"), events: ["lock.release db"] });
});

for (const isWoken of [false, true])
  test(`what was granted to a caller that goes ${isWoken ? "before that is stored" : "at that moment"} is taken back, and the next one has it`, async () => {
    const world = makeWorld();
    locks.acquire(world, { name: "db", owner: "ada" }, { actor: "ada" });
    const [bob, cyd] = [hold(world, "bob"), hold(world, "cyd")];
    hand(world, "ada");
    expect(holderOf(world)).toBe("bob");
    if (isWoken) for (let n = 0; n < 10; n++) await Promise.resolve(); // What was granted lands later than this.
    bob.caller.abort();
    await bob.ended;
    await until(() => cyd.outcome !== undefined, "cyd is served");
    expect([holderOf(world), cyd.outcome]).toMatchObject(["cyd", { owner: "cyd", fence: 3 }]);
    const back = world.journal.since(3)[0];
    expect(back).toMatchObject({ event: "lock.release", action: "cleanup", actor: "port-daddy" });
    expect(back?.metadata).toEqual({ owner: "bob", fence: 2, reason: "caller_gone" });
  });

for (const when of ["before", "after"])
  test(`an attempt asked again ${when} its lock was granted keeps it where the first request has gone`, async () => {
    const world = makeWorld();
    locks.acquire(world, { name: "db", owner: "ada" }, { actor: "ada" });
    const lost = hold(world, "bob", { attempt: "x1" });
    if (when === "after") hand(world, "ada");
    const again = hold(world, "bob", { attempt: "x1" });
    const cyd = hold(world, "cyd");
    if (when === "before") hand(world, "ada");
    lost.caller.abort();
    await Promise.all([lost.ended, again.ended]);
    await world.journal.landed();
    // Whoever was told that it has the lock has it.
    expect(again.outcome).toMatchObject({ owner: "bob" });
    expect([holderOf(world), cyd.outcome]).toEqual(["bob", undefined]);
    expect(locks.get(world, { name: "db" }).lock?.fence).toBe((again.outcome as Lock).fence);
  });

test("a daemon that stops tells everybody who waits, and gives the lock to none of them", async () => {
  const side = makeSide();
  await side.play(lock("db", "ada"));
  const places = [await stand(side, "db", "bob"), await stand(side, "db", "cyd")];
  side.stopping.abort();
  for (const place of places) {
    await isAnswered(place, "the wait ends");
    expect(place).toMatchObject({ status: 503, body: { code: "unavailable", stopping: true } });
  }
  hand(side.world, "ada");
  expect(holderOf(side.world)).toBeUndefined();
  expect(side.world.lockQueue.size).toBe(0);
});

for (const isHeld of [true, false])
  test(`who comes to wait for a lock that is ${isHeld ? "held" : "free"} while the daemon stops is told so`, async () => {
    const side = makeSide();
    if (isHeld) await side.play(lock("db", "ada"));
    side.stopping.abort();
    const response = await side.request(lock("db", "bob", { wait: true, timeout: 0 }));
    const body = await response.json();
    // Either is right for a free one: that it was had, or that it was not.
    if (!isHeld && response.ok) expect(holderOf(side.world)).toBe("bob");
    else expect(body).toMatchObject({ code: "unavailable", stopping: true });
  });

// What cannot be stored

/** A change that SQLite accepts at once and refuses when the transaction is to land. */
function spoil(db: TestWorld["db"]): void {
  db.run("PRAGMA defer_foreign_keys = ON");
  db.run("INSERT INTO endpoints VALUES ('nobody', 'dev', 'http://dev.example.com')");
}

/** A side that keeps what it logs of a failure to itself. */
function makeQuietSide(): Side {
  const side = makeSide();
  side.daemon.log.failure = () => {};
  return side;
}

/** Work of somebody else in the turn in which a lock is handed over; it runs after the next in line was served. */
function whenHandedOver(world: TestWorld, work: () => void): void {
  let isDone = false;
  world.journal.accompany(({ event }) => {
    if (event === "lock.acquire" && !isDone) queueMicrotask(work);
    isDone ||= event === "lock.acquire";
  });
}

test("a turn that cannot land hands nothing over, and who waits keeps the place", async () => {
  const side = makeQuietSide();
  const { db, journal } = side.world;
  await side.play(lock("db", "ada"));
  const bob = await stand(side, "db", "bob");
  whenHandedOver(side.world, () => journal.commit(() => spoil(db)));
  expect((await side.request(unlock("db", "ada"))).ok).toBe(false);
  const cyd = await stand(side, "db", "cyd");
  expect([holderOf(side.world), bob.status, cyd.status]).toEqual(["ada", undefined, undefined]);
  await side.play(unlock("db", "ada"));
  await isAnswered(bob, "bob is served");
  expect([holderOf(side.world), cyd.status]).toEqual(["bob", undefined]);
});

test("whoever was served in a turn that a full disk undid is not told that it has the lock", async () => {
  const side = makeQuietSide();
  const { db, journal } = side.world;
  await side.play(lock("db", "ada"));
  const bob = await stand(side, "db", "bob");
  whenHandedOver(side.world, () => {
    db.run("PRAGMA max_page_count = 1"); // SQLite makes it the pages that there are.
    const data = { id: 1, sender: null, preview: "x".repeat(200_000) };
    expect(() =>
      journal.commit(() => journal.record("message.publish", "build", "eve", data)),
    ).toThrow("the disk is full");
    db.run("PRAGMA max_page_count = 1000000");
  });
  expect((await side.request(unlock("db", "ada"))).status).toBe(503);
  expect([holderOf(side.world), bob.status]).toEqual(["ada", undefined]);
  await side.play(unlock("db", "ada"));
  await isAnswered(bob, "bob is served");
});

test("a release that could not be stored leaves the lock with its holder", async () => {
  const side = makeQuietSide();
  const { db, journal } = side.world;
  await side.play(lock("db", "ada"));
  const bob = await stand(side, "db", "bob", { timeout: 0 });
  const answer = side.request(unlock("db", "ada"));
  journal.commit(() => spoil(db)); // In the turn in which the request is answered.
  expect((await answer).ok).toBe(false);
  expect([holderOf(side.world), bob.status]).toEqual(["ada", undefined]);
  await side.play(unlock("db", "ada"));
  await isAnswered(bob, "bob is served");
});
