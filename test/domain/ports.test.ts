// Which port an identity gets, and who is named where it cannot be that one.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as claims from "../../src/domain/claims.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { observe } from "../../src/domain/liveness.ts";
import { makeSide, type Scenario } from "../scenario.ts";
import { makeWorld, startOfTime } from "../world.ts";

function claim(id: string, body?: Record<string, unknown>): Scenario {
  return { method: "POST", path: `/claim/${id}`, ...(body && { body }) };
}

function release(idOrPattern: string): Scenario {
  return { method: "DELETE", path: `/release/${idOrPattern}` };
}

/** A world whose range is these ports alone. */
function rangeOf(start: number, end: number, more: Record<string, string> = {}) {
  return makeWorld({
    PORT_DADDY_RANGE_START: String(start),
    PORT_DADDY_RANGE_END: String(end),
    ...more,
  });
}

const foreign = {
  pid: 4321,
  command: "node server.js",
  cwd: "/srv/app",
  user: "ada",
  startedAt: startOfTime,
};

test("fresh identities get the ports of the range from its lowest on", async () => {
  const { play } = makeSide(rangeOf(5000, 5002));
  await play({ ...claim("c"), answer: { port: 5000 } });
  await play({ ...claim("b"), answer: { port: 5001 } });
  await play({ ...claim("a"), answer: { port: 5002 } });
});

test("reserved ports, the daemon's own, those browsers refuse and bound ones are passed over", async () => {
  const { play, world } = makeSide(
    makeWorld({
      PORT_DADDY_RANGE_START: "6664",
      PORT_DADDY_RANGE_END: "6676",
      PORT_DADDY_PORT: "6672",
      PORT_DADDY_RESERVED: "6670,6671",
    }),
  );
  world.machine.listen(6664);
  world.machine.forbidden.add(6673);
  // 6665 to 6669 are IRC's, to which no browser connects.
  await play({ ...claim("a"), answer: { port: 6674 } });
  await play({ ...claim("b"), answer: { port: 6675 } });
});

for (const port of [8000, 8080, 9876]) {
  test(`${port} is never given out`, async () => {
    const { play } = makeSide(rangeOf(port, port + 1));
    await play({ ...claim("a"), answer: { port: port + 1 } });
    await play({ ...claim("b"), status: 409, answer: { code: "no_port" }, events: [] });
  });
}

// https://fetch.spec.whatwg.org/#port-blocking, those from 1024 on.
const refusedByBrowsers = [
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
  6679, 6697, 10080,
];

test("no port that browsers refuse is given out unasked", async () => {
  for (const port of refusedByBrowsers) {
    const { play } = makeSide(rangeOf(port, port));
    await play({ ...claim("a"), status: 409, answer: { code: "no_port" }, events: [] });
  }
});

test("a thousand claims are a thousand ports", async () => {
  const { request, play, world } = makeSide();
  const ids = Array.from({ length: 1_000 }, (_, n) => `app${n}:web`);
  const answers = await Promise.all(ids.map((id) => request(claim(id))));
  const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { port: number }[];
  const ports = new Set(bodies.map(({ port }) => port));
  expect(ports.size).toBe(1_000);
  expect(ports.intersection(new Set([...refusedByBrowsers, ...world.config.reserved])).size).toBe(
    0,
  );
  expect(world.journal.lastId()).toBe(1_000);
  await play({ path: "/services", answer: { count: 1_000 } });
});

// The port an identity had

test("an identity gets its port again after a release, whoever came in between", async () => {
  const { play } = makeSide();
  await play({ ...claim("first"), answer: { port: 3100 } });
  await play({ ...claim("second"), answer: { port: 3101 } });
  await play(release("first"));
  await play({ ...claim("third"), answer: { port: 3102 } });
  await play(release("second"));
  await play({ ...claim("fourth"), answer: { port: 3103 } });
  const second = await play({ ...claim("second"), answer: { port: 3101, existing: false } });
  expect(second.movedFrom).toBeUndefined();
  await play({ ...claim("first"), answer: { port: 3100, existing: false } });
});

test("an identity gets its port again after a restart, held or released", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  try {
    const file = path.join(directory, "port-daddy.db");
    const before = makeSide(makeWorld({}, file));
    await before.play({ method: "POST", path: "/claim", body: { ids: ["a", "held", "released"] } });
    await before.play(release("released"));
    await before.play(release("a"));
    before.world.db.close();

    const after = makeSide(makeWorld({}, file));
    await after.play({ path: "/services", answer: { count: 1, services: [{ id: "held" }] } });
    await after.play({ ...claim("newcomer"), answer: { port: 3103 } });
    await after.play({ ...claim("released"), answer: { port: 3102, existing: false } });
    await after.play({ ...claim("held"), answer: { port: 3101, existing: true } });
    await after.play({ ...claim("a"), answer: { port: 3100 } });
    after.world.db.close();
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test("a port asked for is the one remembered from then on, outside the range too", async () => {
  const { play } = makeSide();
  await play({ ...claim("myapp", { port: 20_000 }), answer: { port: 20_000 } });
  await play(release("myapp"));
  await play({ ...claim("myapp"), answer: { port: 20_000 } });
});

test("when all ports are remembered, the one released longest ago is given", async () => {
  const { play, world } = makeSide(rangeOf(3100, 3102));
  await play({ method: "POST", path: "/claim", body: { ids: ["a", "b", "c"] } });
  for (const id of ["b", "c", "a"]) {
    world.advance(1_000);
    await play(release(id));
  }
  await play({ ...claim("x"), answer: { port: 3101 } });
  await play({ ...claim("y"), answer: { port: 3102 } });
  await play({ ...claim("z"), answer: { port: 3100 } });
  await play({ ...claim("b"), status: 409, answer: { code: "no_port" }, events: [] });
});

test("a port that several remember counts as released when the last of them released it", async () => {
  const { play, world } = makeSide(rangeOf(3100, 3101));
  await play(claim("a")); // 3100
  await play(release("a"));
  world.advance(1_000);
  await play(claim("b", { port: 3101 }));
  await play(release("b"));
  world.advance(1_000);
  await play(claim("c", { port: 3100 }));
  await play(release("c"));
  await play({ ...claim("d"), answer: { port: 3101 } });
});

test("a bound port is passed over among the remembered ones too", async () => {
  const { play, world } = makeSide(rangeOf(3100, 3101));
  await play({ method: "POST", path: "/claim", body: { ids: ["a", "b"] } });
  await play(release("a"));
  world.advance(1_000);
  await play(release("b"));
  world.machine.listen(3100);
  await play({ ...claim("c"), answer: { port: 3101 } });
});

test("an identity whose port another has by now moves, and is told to whom", async () => {
  const { play } = makeSide(rangeOf(3100, 3101));
  await play(claim("a"));
  await play(release("a"));
  await play(claim("b", { port: 3100 }));
  const movedFrom = { port: 3100, reason: "held", holder: { id: "b", process: null } };
  const moved = await play({ ...claim("a"), answer: { port: 3101, existing: false } });
  expect(moved.movedFrom).toEqual(movedFrom);
  await play({
    path: "/activity?limit=1",
    answer: { entries: [{ targetId: "a", metadata: { port: 3101, movedFrom } }] },
  });
});

test("memory follows a move: the identity keeps its new port when the old one is free again", async () => {
  const { play, world } = makeSide();
  await play(claim("a"));
  await play(release("a"));
  world.machine.listen(3100);
  await play({ ...claim("a"), answer: { port: 3101 } });
  await play(release("a"));
  world.machine.bound.clear();
  const again = await play({ ...claim("a"), answer: { port: 3101 } });
  expect(again.movedFrom).toBeUndefined();
});

test("an identity whose port a foreign process has moves, and is told which process", async () => {
  const { play, world } = makeSide();
  await play(claim("a"));
  await play(release("a"));
  world.machine.listen(3100);
  const { movedFrom } = await play({ ...claim("a"), answer: { port: 3101 } });
  expect(movedFrom).toEqual({
    port: 3100,
    reason: "in_use",
    holder: { id: null, process: foreign },
  });
});

test("an identity outside the range that it asks for now moves into it", async () => {
  const { play } = makeSide();
  await play(claim("a"));
  await play(release("a"));
  const { movedFrom } = await play({
    ...claim("a", { range: "4000-4010" }),
    answer: { port: 4000 },
  });
  expect(movedFrom).toEqual({ port: 3100, reason: "out_of_range", holder: null });
});

test("an identity whose port has been reserved since moves", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  try {
    const file = path.join(directory, "port-daddy.db");
    const before = makeSide(makeWorld({}, file));
    await before.play(claim("a"));
    await before.play(release("a"));
    before.world.db.close();

    const after = makeSide(makeWorld({ PORT_DADDY_RESERVED: "3100" }, file));
    const { movedFrom } = await after.play({ ...claim("a"), answer: { port: 3101 } });
    expect(movedFrom).toEqual({ port: 3100, reason: "reserved", holder: null });
    after.world.db.close();
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test("a port given up for another is fresh again, at once and later", async () => {
  const { play } = makeSide(rangeOf(3100, 3101));
  await play(claim("a"));
  await play(claim("a", { port: 3101 }));
  await play({ ...claim("b"), answer: { port: 3100 } });
});

test("a port given up by asking for another after a release is fresh again", async () => {
  const { play } = makeSide(rangeOf(3100, 3101));
  await play(claim("a"));
  await play(release("a"));
  await play({ ...claim("a", { port: 3101 }), answer: { port: 3101 } });
  await play({ ...claim("b"), answer: { port: 3100 } });
});

test("a port given up is given out again also within the same turn", () => {
  const world = rangeOf(3100, 3101);
  const caller = { actor: "tester" };
  claims.claim(world, { id: "a" }, caller);
  world.journal.flush();
  expect(claims.claim(world, { id: "a", port: 3101 }, caller).port).toBe(3101);
  expect(claims.claim(world, { id: "b" }, caller).port).toBe(3100);
});

test("a port given up by work that was undone is still its identity's", () => {
  const world = rangeOf(3100, 3101);
  const caller = { actor: "tester" };
  claims.claim(world, { id: "a" }, caller);
  world.journal.flush();
  expect(() =>
    world.journal.commit(() => {
      claims.claim(world, { id: "a", port: 3101 }, caller);
      throw new Error("undone");
    }),
  ).toThrow("undone");
  expect(claims.claim(world, { id: "b" }, caller).port).toBe(3101);
  expect(claims.claim(world, { id: "a" }, caller).port).toBe(3100);
});

// A port asked for

test("a port asked for is given, remembered by others or not", async () => {
  const { play } = makeSide();
  await play(claim("other"));
  await play(release("other"));
  await play({ ...claim("myapp", { port: 3100 }), answer: { port: 3100, existing: false } });
});

for (const port of [1, 80, 3099, 10_000, 65_535]) {
  test(`${port}, outside the range, may be asked for`, async () => {
    const { play } = makeSide();
    await play({ ...claim("myapp", { port }), answer: { port }, events: ["service.claim myapp"] });
  });
}

test("a port that another identity holds is refused naming it", async () => {
  const { play } = makeSide();
  await play(claim("other:api", { port: 4000 }));
  const { error, hint } = await play({
    ...claim("myapp", { port: 4000 }),
    status: 409,
    answer: { code: "held", port: 4000, holder: { id: "other:api", process: null } },
    events: [],
  });
  expect(error).toBe("Port 4000 is held by other:api");
  expect(hint).toEndWith("port-daddy who 4000");
});

test("a port that a foreign process has is refused naming pid and command", async () => {
  const { play, world } = makeSide();
  world.machine.listen(4000);
  const { error } = await play({
    ...claim("myapp", { port: 4000 }),
    status: 409,
    answer: { code: "held", port: 4000, holder: { id: null, process: foreign } },
    events: [],
  });
  expect(error).toBe("Port 4000 is in use by process 4321 (node server.js)");
});

test("a process that cannot be seen is named as far as it can be", async () => {
  const { play, world } = makeSide();
  const unseen = { pid: null, command: null, cwd: null, startedAt: null };
  world.machine.bound.set(4000, { ...unseen, user: "root" });
  world.machine.bound.set(4001, { ...unseen, user: null });
  const of = async (port: number) =>
    (await play({ ...claim("a", { port }), status: 409, answer: { code: "held" }, events: [] }))
      .error;
  expect(await of(4000)).toBe("Port 4000 is in use by a process of user root");
  expect(await of(4001)).toBe("Port 4001 is in use by a process that cannot be seen from here");
});

test("a port that browsers refuse is given when asked for, with a warning", async () => {
  const { play } = makeSide();
  const { warning } = await play({ ...claim("irc", { port: 6667 }), answer: { port: 6667 } });
  expect(warning).toBe("browsers refuse to connect to port 6667");
  expect((await play(claim("web", { port: 6670 }))).warning).toBeUndefined();
});

test("a reserved port is not given, not even when asked for", async () => {
  const { play } = makeSide(
    makeWorld({ PORT_DADDY_RESERVED: "5432,6379", PORT_DADDY_PORT: "9900" }),
  );
  for (const port of [8080, 8000, 9876, 9900, 5432, 6379]) {
    const { error } = await play({
      ...claim("myapp", { port }),
      status: 400,
      answer: { code: "invalid_input", field: "port" },
      events: [],
    });
    expect(error).toContain(`${port}`);
    expect(error).toContain("reserved");
  }
});

test("a port that this user may not bind is refused with a sentence of its own", async () => {
  const { play, world } = makeSide();
  world.machine.forbidden.add(443);
  const { error } = await play({
    ...claim("myapp", { port: 443 }),
    status: 400,
    answer: { code: "invalid_input", field: "port" },
    events: [],
  });
  expect(error).toBe("Port 443 is not permitted to this user");
});

test("a port that is free for the range wins over the range when both are asked for", async () => {
  const { play } = makeSide();
  await play({ ...claim("a", { port: 4000, range: "5000-5001" }), answer: { port: 4000 } });
});

// None left

test("a range that is used up says so, and gives again what is released", async () => {
  const { play, world } = makeSide();
  const small = { range: "4000-4001" };
  await play({ ...claim("a", small), answer: { port: 4000 } });
  await play({ ...claim("b", small), answer: { port: 4001 } });
  world.advance(1);
  const { error, hint } = await play({
    ...claim("c", small),
    status: 409,
    answer: { code: "no_port", range: "4000-4001" },
    events: [],
  });
  expect(error).toBe("No port is left in 4000-4001");
  expect(hint).toEndWith("port-daddy release a");
  await play(release("b"));
  await play({ ...claim("c", small), answer: { port: 4001 } });
});

test("where none is left, the ten claims that were unused longest are named", async () => {
  const { play, world } = makeSide(rangeOf(3100, 3111));
  const ids = Array.from({ length: 12 }, (_, n) => `app${n}`);
  for (const id of ids) {
    await play(claim(id));
    world.advance(1_000);
  }
  await play(claim("app0"));
  await play(claim("elsewhere", { port: 5000 }));
  const { longestUnused } = await play({ ...claim("late"), status: 409, events: [] });
  expect(longestUnused).toEqual(
    ids.slice(1, 11).map((id, index) => ({
      id,
      port: 3101 + index,
      lastSeenAt: startOfTime + (index + 1) * 1_000,
    })),
  );
});

test("a range in which every port is bound by others has none left, and no claim to name", async () => {
  const { play, world } = makeSide();
  world.machine.listen(4000);
  await play({
    ...claim("a", { range: "4000-4000" }),
    status: 409,
    answer: { code: "no_port", longestUnused: [] },
    events: [],
  });
});

test("every claim tries its port at that moment, and a repeat does not", async () => {
  const { play, world } = makeSide();
  await play(claim("a"));
  const tried = world.machine.probes;
  expect(tried).toBeGreaterThan(0);
  await play(claim("a"));
  expect(world.machine.probes).toBe(tried);
  await play(release("a"));
  await play(claim("a"));
  expect(world.machine.probes).toBeGreaterThan(tried);
});

test("a service that runs is never named as unused, however long ago it was claimed", async () => {
  const { play, world } = makeSide(rangeOf(3100, 3101));
  await play(claim("busy"));
  world.advance(60_000);
  await play(claim("idle"));
  world.machine.listen(3100);
  reap(world);
  world.advance(60_000);
  const { longestUnused, hint } = await play({ ...claim("late"), status: 409, events: [] });
  expect(longestUnused).toMatchObject([{ id: "idle" }]);
  expect(hint).toEndWith("port-daddy release idle");
});

test("a port whose owner has died is free to a claim that moves to it, before anybody has come by", async () => {
  const { play, world } = makeSide();
  world.machine.processes.set(77, "boot/1");
  await play(claim("dead", { port: 4000, pid: 77 }));
  await play(claim("mover"));
  world.machine.processes.delete(77);
  await play({
    ...claim("mover", { port: 4000 }),
    answer: { port: 4000 },
    events: ["service.release dead", "service.claim mover"],
  });
});

test("a port that is asked for is had back from under the identity's own server, and from nobody else's", async () => {
  const { play, world } = makeSide();
  world.machine.processes.set(4321, "boot/1");
  await play(claim("a"));
  world.machine.listen(3100);
  observe(world);
  await play(release("a"));
  // Unasked it is not: whoever claims anew is about to start another server.
  await play({ ...claim("a"), answer: { port: 3101 } });
  await play(release("a"));
  await play({ ...claim("b", { port: 3100 }), status: 409 });
});

test("a release can be taken back while the server runs, until another process has its number", async () => {
  const { play, world } = makeSide();
  world.machine.processes.set(4321, "boot/1");
  await play(claim("a"));
  world.machine.listen(3100);
  observe(world);
  await play(release("a"));
  await play({ ...claim("a", { port: 3100 }), answer: { port: 3100, status: "running" } });
  await play(release("a"));
  world.machine.processes.set(4321, "boot/2");
  await play({ ...claim("a", { port: 3100 }), status: 409 });
});

test("so is one whose server has begun to listen since the last round", async () => {
  const { play, world } = makeSide();
  const { port } = await play({
    method: "POST",
    path: "/claim/shop:api",
    body: { cwd: "/srv/app" },
  });
  world.machine.processes.set(4321, "first");
  world.machine.listen(port);
  await play({ method: "DELETE", path: "/release/shop:api" });
  const body = { port, cwd: "/srv/app" };
  await play({
    method: "POST",
    path: "/claim/shop:api",
    body,
    answer: { port, status: "running" },
  });
});
