// The rules of locks: who gets one, who may extend or free it, when it ends by itself, and what its numbers promise.

import { expect, test } from "bun:test";
import type { Lock } from "../../src/contract/entities.ts";
import { Fault } from "../../src/contract/faults.ts";
import { reap } from "../../src/daemon/reaper.ts";
import * as agents from "../../src/domain/agents.ts";
import * as lockQueue from "../../src/domain/lockQueue.ts";
import * as locks from "../../src/domain/locks.ts";
import type { Caller } from "../../src/world.ts";
import { makeWorld, startOfTime, type TestWorld } from "../world.ts";

const ada: Caller = { id: "ada@host#1.1", actor: "ada@host#1.1" };
const bob: Caller = { id: "bob@host#2.2", actor: "bob@host#2.2" };
const anonymous: Caller = { actor: "local" };
const minute = 60_000;

function agent(name: string): Caller {
  return { agent: name, id: `shell-of-${name}`, actor: name };
}

function refused(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("it was allowed");
}

/** Stands in line, and keeps how that ended. */
function stand(world: TestWorld, input: Parameters<typeof locks.acquire>[1], caller: Caller) {
  const place: { outcome?: Lock | Fault } = {};
  const end = (outcome: Lock | Fault) => void (place.outcome = outcome);
  lockQueue.join(world, { input, caller, isGone: () => false, end });
  return place;
}

function told(world: TestWorld): string[] {
  return world.journal
    .since(0)
    .filter(({ event }) => event.startsWith("lock."))
    .map(({ event, targetId, metadata }) =>
      [event, targetId, metadata.reason].filter(Boolean).join(" "),
    );
}

test("a lock says all that was given, and lapses after five minutes where nothing was", () => {
  const world = makeWorld();
  world.machine.processes.set(77, "boot/1");
  const metadata = { why: "migration" };
  expect(locks.acquire(world, { name: "src/auth", pid: 77, metadata }, agent("a1"))).toEqual({
    name: "src/auth",
    owner: "a1",
    agent: "a1",
    pid: 77,
    fence: 1,
    acquiredAt: startOfTime,
    expiresAt: startOfTime + 5 * minute,
    metadata,
    waiting: 0,
  });
  expect(locks.get(world, { name: "src/auth" })).toMatchObject({ held: true, lock: { metadata } });
  expect(locks.get(world, { name: "other" })).toEqual({ name: "other", held: false, lock: null });
});

test("a lock is held for its holder too, and the refusal names who has it and for how long", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db", owner: "team" }, ada);
  world.advance(minute);
  for (const caller of [ada, bob, anonymous]) {
    const fault = refused(() => locks.acquire(world, { name: "db", owner: "team" }, caller));
    expect(fault).toMatchObject({
      code: "held",
      details: {
        name: "db",
        holder: "team",
        heldSince: startOfTime,
        expiresAt: startOfTime + 5 * minute,
        fence: 1,
        waiting: 0,
      },
    });
    expect(fault.message).toContain(
      "db is held by team, which is you, for 1m now; it lapses in 4m",
    );
    expect(fault.hint).toEndWith("port-daddy lock db --extend");
  }
});

const owners: [string, string | undefined, Caller, string][] = [
  ["whoever is given", "team", agent("a1"), "team"],
  ["else the agent", undefined, agent("a1"), "a1"],
  ["else the caller", undefined, ada, "ada@host#1.1"],
];

for (const [what, owner, caller, name] of owners)
  test(`the owner of a lock is ${what}, and that name extends and frees it`, () => {
    const world = makeWorld();
    const given = { name: "db", ...(owner !== undefined && { owner }) };
    expect(locks.acquire(world, given, caller).owner).toBe(name);
    expect(locks.extend(world, given, caller).owner).toBe(name);
    expect(locks.release(world, given, caller)).toMatchObject({ released: true });
    locks.acquire(world, given, caller);
    expect(locks.release(world, { name: "db", owner: name }, bob).lock.owner).toBe(name);
  });

test("whoever has no name gets a fresh one for each lock, and needs it to unlock", () => {
  const world = makeWorld();
  const [a, b] = ["a", "b"].map((name) => locks.acquire(world, { name }, anonymous));
  expect(a!.owner).not.toBe(b!.owner);
  const fault = refused(() => locks.release(world, { name: "a" }, anonymous));
  expect(fault).toMatchObject({ code: "not_owner", details: { holder: a!.owner, caller: null } });
  expect(locks.release(world, { name: "a", owner: a!.owner }, anonymous).released).toBe(true);
});

test("nobody but the holder extends or frees a lock, and the refusal names both", () => {
  const world = makeWorld();
  const { expiresAt } = locks.acquire(world, { name: "db" }, ada);
  world.advance(1_000);
  for (const attempt of [locks.release, locks.extend]) {
    const fault = refused(() => attempt(world, { name: "db" }, bob));
    expect(fault).toMatchObject({
      code: "not_owner",
      details: { name: "db", holder: ada.id, caller: bob.id },
    });
    expect(fault.message).toBe(`db is held by ${ada.id}, and you are ${bob.id}`);
    expect(refused(() => attempt(world, { name: "db", fence: 1 }, bob)).code).toBe("not_owner");
  }
  expect(locks.get(world, { name: "db" }).lock).toMatchObject({ owner: ada.id, expiresAt });
  expect(told(world)).toEqual(["lock.acquire db"]);
});

test("a late unlock or extension with its own fence leaves the next lock of that owner alone", () => {
  const world = makeWorld();
  const first = locks.acquire(world, { name: "db" }, ada);
  locks.release(world, { name: "db" }, ada);
  const second = locks.acquire(world, { name: "db" }, ada);
  expect(second.fence).toBeGreaterThan(first.fence);
  for (const attempt of [locks.release, locks.extend]) {
    const fault = refused(() => attempt(world, { name: "db", fence: first.fence }, ada));
    expect(fault).toMatchObject({ code: "not_owner", details: { fence: second.fence } });
  }
  expect(locks.release(world, { name: "db", fence: second.fence }, ada).released).toBe(true);
});

test("force frees a lock whoever has it, and is logged as such under who did it", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db" }, ada);
  // A fence says from whom it is to be taken: somebody else may have it by now.
  expect(
    refused(() => locks.release(world, { name: "db", force: true, fence: 99 }, bob)).code,
  ).toBe("not_owner");
  locks.release(world, { name: "db", force: true, fence: 1 }, bob);
  expect(locks.get(world, { name: "db" }).held).toBe(false);
  expect(world.journal.since(1)).toMatchObject([
    {
      event: "lock.release",
      action: "lock_release",
      actor: bob.actor,
      metadata: { owner: ada.id, fence: 1, reason: "forced" },
    },
  ]);
  expect(refused(() => locks.release(world, { name: "db", force: true }, bob)).code).toBe(
    "not_found",
  );
});

test("an extension counts from now: as long as before, or as long as it says, and so from then on", () => {
  const world = makeWorld();
  const { fence } = locks.acquire(world, { name: "db", ttl: minute }, ada);
  world.advance(30_000);
  const [now, later] = [startOfTime + 30_000, startOfTime + 40_000];
  expect(locks.extend(world, { name: "db" }, ada)).toMatchObject({
    fence,
    acquiredAt: startOfTime,
    expiresAt: now + minute,
  });
  expect(locks.extend(world, { name: "db", ttl: 20_000 }, ada).expiresAt).toBe(now + 20_000);
  world.advance(10_000);
  expect(locks.extend(world, { name: "db" }, ada).expiresAt).toBe(later + 20_000);
  expect(told(world)).toEqual(["lock.acquire db", ...Array(3).fill("lock.extend db")]);
});

test("a lock lapses in its last millisecond for everybody, its holder too, though nothing has swept it", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db", ttl: 1_000 }, ada);
  world.advance(999);
  expect([locks.get(world, { name: "db" }).held, locks.count(world)]).toEqual([true, 1]);
  world.advance(1);
  expect(locks.get(world, { name: "db" })).toEqual({ name: "db", held: false, lock: null });
  expect(locks.list(world, {})).toEqual({ locks: [], count: 0 });
  expect(locks.count(world)).toBe(0);
  const fault = refused(() => locks.extend(world, { name: "db" }, ada));
  expect(fault).toMatchObject({
    code: "not_found",
    details: { lastOwner: ada.id, freedAt: startOfTime + 1_000, reason: "expired" },
  });
  expect(fault.message).toContain("it lapsed at 2026-01-02T03:04:06.000Z");
  // The refusal has not undone the sweep.
  expect(told(world)).toEqual(["lock.acquire db", "lock.release db expired"]);
  expect(locks.acquire(world, { name: "db" }, bob).fence).toBe(2);
});

test("a lock ends with its process, also where the number has been given to another", () => {
  for (const later of [undefined, "boot/2"]) {
    const world = makeWorld();
    world.machine.processes.set(77, "boot/1");
    locks.acquire(world, { name: "db", pid: 77 }, ada);
    locks.acquire(world, { name: "plain" }, ada);
    reap(world);
    expect(locks.count(world)).toBe(2);
    if (later) world.machine.processes.set(77, later);
    else world.machine.processes.delete(77);
    expect(refused(() => locks.extend(world, { name: "db" }, ada)).details.reason).toBe("pid_died");
    expect(locks.acquire(world, { name: "db", owner: "next" }, bob).owner).toBe("next");
    reap(world);
    expect(locks.list(world, {}).locks.map(({ name }) => name)).toEqual(["db", "plain"]);
  }
});

test("who gives a lock back when its process has just ended does so by right, and nobody else does", () => {
  const world = makeWorld();
  world.machine.processes.set(77, "boot/1");
  locks.acquire(world, { name: "db", pid: 77 }, ada);
  world.machine.processes.delete(77);
  expect(refused(() => locks.release(world, { name: "db" }, bob)).code).toBe("not_owner");
  expect(locks.release(world, { name: "db", fence: 1 }, ada).released).toBe(true);
  expect(told(world)).toEqual(["lock.acquire db", "lock.release db released"]);
});

test("a lock is bound to a process by an extension, and to none that is not there", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db" }, ada);
  expect(refused(() => locks.extend(world, { name: "db", pid: 78 }, ada))).toMatchObject({
    code: "invalid_input",
    details: { field: "pid" },
  });
  expect(refused(() => locks.acquire(world, { name: "new", pid: 78 }, ada)).code).toBe(
    "invalid_input",
  );
  world.machine.processes.set(77, "boot/1");
  expect(locks.extend(world, { name: "db", pid: 77 }, ada).pid).toBe(77);
  expect(locks.extend(world, { name: "db" }, ada).pid).toBe(77);
  world.machine.processes.clear();
  reap(world);
  expect(told(world)).toContain("lock.release db pid_died");
});

test("the same attempt asked again is answered again, with nothing done twice", () => {
  const world = makeWorld();
  const first = locks.acquire(world, { name: "db", attempt: "x1" }, anonymous);
  world.advance(1_000);
  expect(locks.acquire(world, { name: "db", attempt: "x1", ttl: 5 }, anonymous)).toEqual(first);
  expect(refused(() => locks.acquire(world, { name: "db", attempt: "x2" }, anonymous)).code).toBe(
    "held",
  );
  expect(told(world)).toEqual(["lock.acquire db"]);
  locks.release(world, { name: "db", owner: first.owner }, anonymous);
  expect(locks.acquire(world, { name: "db", attempt: "x1" }, anonymous).fence).toBe(2);
});

test("an attempt of the same name by somebody else does not get the lock of the holder", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db", attempt: "1" }, ada);
  expect(refused(() => locks.acquire(world, { name: "db", attempt: "1" }, bob)).code).toBe("held");
  const waiting = stand(world, { name: "db", attempt: "1" }, bob);
  expect(waiting.outcome).toBeUndefined();
});

test("an attempt that has its lock already is answered again, however many wait for it", () => {
  const world = makeWorld();
  const mine = locks.acquire(world, { name: "db", attempt: "x1" }, ada);
  stand(world, { name: "db", timeout: 0 }, bob);
  const again = stand(world, { name: "db", attempt: "x1", timeout: 0 }, ada);
  expect(again.outcome).toMatchObject({ fence: mine.fence, owner: ada.id });
});

test("an attempt that has its lock already is answered again also where its agent may hold no more", () => {
  const world = makeWorld();
  agents.register(world, { id: "a1", maxLocks: 1 }, agent("a1"));
  const mine = locks.acquire(world, { name: "db", attempt: "x1" }, agent("a1"));
  expect(locks.acquire(world, { name: "db", attempt: "x1" }, agent("a1"))).toEqual(mine);
  const again = stand(world, { name: "db", attempt: "x1", timeout: 0 }, agent("a1"));
  expect(again.outcome).toMatchObject({ fence: mine.fence });
});

test("a registered agent holds as many locks as it may, whatever the owner is called; a label has no limit", () => {
  const world = makeWorld();
  agents.register(world, { id: "a1", maxLocks: 2 }, agent("a1"));
  locks.acquire(world, { name: "a", ttl: 1_000 }, agent("a1"));
  locks.acquire(world, { name: "b", owner: "team" }, agent("a1"));
  for (const owner of ["a1", "other"])
    expect(refused(() => locks.acquire(world, { name: "c", owner }, agent("a1")))).toMatchObject({
      code: "limit_reached",
      details: { agent: "a1", held: 2, limit: 2 },
    });
  world.advance(1_000); // One lapses, and no longer counts.
  expect(locks.acquire(world, { name: "c" }, agent("a1")).owner).toBe("a1");
  for (let n = 0; n < 25; n++) locks.acquire(world, { name: `label-${n}` }, agent("label"));
  agents.register(world, { id: "usual" }, agent("usual"));
  for (let n = 0; n < 20; n++) locks.acquire(world, { name: `u-${n}` }, agent("usual"));
  expect(refused(() => locks.acquire(world, { name: "u" }, agent("usual"))).code).toBe(
    "limit_reached",
  );
});

test("a silent agent loses its own locks and nobody else's, cause first", () => {
  const world = makeWorld();
  agents.register(world, { id: "a1" }, agent("a1"));
  agents.register(world, { id: "a2" }, agent("a2"));
  locks.acquire(world, { name: "one" }, agent("a1"));
  locks.acquire(world, { name: "two" }, agent("a2"));
  locks.acquire(world, { name: "label" }, agent("nobody"));
  world.advance(119_999);
  agents.hear(world, "a2");
  reap(world);
  expect(locks.count(world)).toBe(3);
  world.advance(1);
  reap(world);
  expect(locks.list(world, {}).locks.map(({ name }) => name)).toEqual(["label", "two"]);
  const last = world.journal.since(0).slice(-2);
  expect(last.map(({ event, action }) => `${event} ${action}`)).toEqual([
    "agent.stale cleanup",
    "lock.release cleanup",
  ]);
});

test("what an agent is said to have lost does not hold a lock that had lapsed before", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "old", ttl: 1_000 }, agent("a1"));
  locks.acquire(world, { name: "live" }, agent("a1"));
  world.advance(1_000);
  const freed = locks.freeOf(world, "a1", "agent_unregistered", ada);
  expect(freed).toEqual([{ name: "live", fence: 2 }]);
});

test("time that passed without us lets no lock lapse, and brings none back", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "lapsed", ttl: 1_000 }, ada);
  locks.acquire(world, { name: "live", ttl: 10_000 }, ada);
  world.advance(2_000);
  world.advance(8 * 60 * minute);
  locks.forgive(world, 8 * 60 * minute);
  expect(locks.list(world, {}).locks).toMatchObject([
    { name: "live", expiresAt: world.clock.now() + 8_000 },
  ]);
});

test("time that passed without us ends nobody's wait", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db", ttl: 10_000 }, ada);
  const waiting = stand(world, { name: "db", timeout: 5_000 }, bob);
  world.advance(8 * 60 * minute);
  locks.forgive(world, 8 * 60 * minute);
  lockQueue.forgive(world, 8 * 60 * minute);
  world.advance(4_999);
  lockQueue.wake(world);
  expect(waiting.outcome).toBeUndefined();
  world.advance(1);
  lockQueue.wake(world);
  expect(waiting.outcome).toMatchObject({ code: "timed_out" });
});

test("after a start every holder has 15 s to be heard from, and never less than it had", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "short", ttl: 10_000 }, ada);
  locks.acquire(world, { name: "long", ttl: 10 * minute }, ada);
  world.advance(minute);
  locks.resume(world);
  expect(locks.get(world, { name: "short" }).lock?.expiresAt).toBe(world.clock.now() + 15_000);
  expect(locks.get(world, { name: "long" }).lock?.expiresAt).toBe(startOfTime + 10 * minute);
});

const looks: [string, (world: TestWorld) => boolean][] = [
  ["by itself", (world) => locks.get(world, { name: "db" }).held],
  ["in the list", (world) => locks.list(world, {}).count > 0],
];

for (const [where, isHeld] of looks)
  test(`a lock that was seen ${where} to have lapsed is not brought back by a start`, () => {
    const world = makeWorld();
    locks.acquire(world, { name: "db", ttl: 1_000 }, ada);
    expect(isHeld(world)).toBe(true);
    world.advance(1_000);
    expect(isHeld(world)).toBe(false);
    locks.resume(world);
    expect(isHeld(world)).toBe(false);
  });

test("locks are listed by name, by owner and by pattern", () => {
  const world = makeWorld();
  for (const name of ["b:y", "a", "b:x"]) locks.acquire(world, { name }, ada);
  locks.acquire(world, { name: "c", owner: "team" }, ada);
  const names = (input: Parameters<typeof locks.list>[1]) =>
    locks.list(world, input).locks.map(({ name }) => name);
  expect(names({})).toEqual(["a", "b:x", "b:y", "c"]);
  expect(names({ pattern: "b:*" })).toEqual(["b:x", "b:y"]);
  expect(names({ owner: "team" })).toEqual(["c"]);
  expect(names({ owner: "team", pattern: "b:*" })).toEqual([]);
});

test("a lock that lives with its process is extended while that lives, and is free when it has died", () => {
  const world = makeWorld();
  world.machine.processes.set(77, "boot/1");
  const { fence } = locks.acquire(world, { name: "db", ttl: minute }, ada);
  locks.extend(world, { name: "db", fence, pid: 77, whileAlive: true }, ada);
  const before = told(world);
  for (let round = 0; round < 10; round++) {
    world.advance(minute / 2 + 1);
    reap(world);
  }
  expect(locks.get(world, { name: "db" }).lock).toMatchObject({ fence, owner: ada.id });
  expect(told(world)).toEqual(before);
  world.machine.processes.delete(77);
  reap(world);
  expect(told(world)).toEqual([...before, "lock.release db pid_died"]);
});

test("who asked first is served first, in whatever order they come back to a daemon that restarted", () => {
  const world = makeWorld();
  locks.acquire(world, { name: "db" }, ada);
  world.advance(minute);
  const asked = { third: -1_000, first: -3_000, second: -2_000 };
  const places = Object.entries(asked).map(([attempt, ago]) => {
    const input = { name: "db", attempt, since: world.clock.now() + ago, timeout: 0 };
    return { attempt, place: stand(world, input, { id: attempt, actor: attempt }) };
  });
  const order: string[] = [];
  for (let holder = ada; order.length < 3;) {
    locks.release(world, { name: "db" }, holder);
    lockQueue.serve(world, "db");
    const next = places.find(({ attempt, place }) => place.outcome && !order.includes(attempt))!;
    order.push(next.attempt);
    holder = { id: next.attempt, actor: next.attempt };
  }
  expect(order).toEqual(["first", "second", "third"]);
});
