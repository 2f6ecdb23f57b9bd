// How claims end by themselves: their time is over, or their process has died.

import { expect, test } from "bun:test";
import { reap } from "../../src/daemon/reaper.ts";
import * as services from "../../src/domain/services.ts";
import { makeSide, type Scenario, type Side } from "../scenario.ts";
import { startOfTime } from "../world.ts";

function claim(id: string, body?: Record<string, unknown>): Scenario {
  return { method: "POST", path: `/claim/${id}`, ...(body && { body }) };
}

/** What the reaper does now, as events. */
function reaped({ world, eventsSince }: Side): string[] {
  world.journal.flush();
  const before = world.journal.lastId();
  reap(world);
  return eventsSince(before);
}

test("a claim is held up to its last millisecond", async () => {
  const side = makeSide();
  await side.play(claim("myapp", { expires: "10m" }));
  side.world.advance(599_999);
  expect(reaped(side)).toEqual([]);
  await side.play({ path: "/services/myapp", answer: { id: "myapp" } });
  side.world.advance(1);
  expect(reaped(side)).toEqual(["service.release myapp"]);
  expect(reaped(side)).toEqual([]);
});

test("a claim lasts as long as was asked for, whatever time the clock passes meanwhile", async () => {
  const side = makeSide();
  let now = startOfTime;
  side.world.clock.now = () => now++;
  await side.play(claim("myapp", { expires: "10m" }));
  const { createdAt, expiresAt } = services.get(side.world, { id: "myapp" });
  expect(expiresAt! - createdAt).toBe(600_000);
});

async function withExpired() {
  const side = makeSide();
  await side.play(claim("gone", { expires: "1s", agent: "agent-1" }));
  await side.play(claim("stays", { agent: "agent-1" }));
  side.world.advance(1_000);
  return side;
}

test("an expired claim is shown nowhere, although nobody has looked for it yet", async () => {
  const { play } = await withExpired();
  const listed = { count: 1, services: [{ id: "stays" }] };
  await play({ path: "/services", answer: listed, events: [] });
  await play({ path: "/services?agent=agent-1", answer: listed, events: [] });
  await play({ path: "/services?pattern=*", answer: listed, events: [] });
  await play({ path: "/services?port=3100", answer: { count: 0 }, events: [] });
  await play({ path: "/services?pattern=gone", answer: { count: 0 }, events: [] });
  await play({ path: "/services/gone", status: 404, events: [] });
  await play({ path: "/ports/3100", answer: { service: null }, events: [] });
  await play({ path: "/health", answer: { services: 1 }, events: [] });
});

test("an expired claim is not there to be released", async () => {
  const { play } = await withExpired();
  for (const what of ["gone", "gone*", "gone?port=3100"]) {
    await play({
      method: "DELETE",
      path: `/release/${what}`,
      answer: { released: 0 },
      events: [],
    });
  }
});

test("a claim of an expired claim's port ends that one first", async () => {
  const { play } = await withExpired();
  await play({
    ...claim("next", { port: 3100 }),
    answer: { port: 3100, existing: false },
    events: ["service.release gone", "service.claim next"],
  });
  await play({
    path: "/activity?limit=2",
    answer: {
      entries: [
        { action: "claim", targetId: "next", actor: "local" },
        {
          action: "cleanup",
          targetId: "gone",
          actor: "port-daddy",
          metadata: { port: 3100, reason: "expired" },
        },
      ],
    },
  });
});

test("an identity that claims after its claim expired begins anew, on its port", async () => {
  const { play } = await withExpired();
  await play({
    ...claim("gone"),
    answer: {
      port: 3100,
      existing: false,
      agent: null,
      expiresAt: null,
      createdAt: startOfTime + 1_000,
    },
    events: ["service.release gone", "service.claim gone"],
  });
});

test("an expired claim does not stand in the way when its range is used up", async () => {
  const { play, world } = makeSide();
  await play(claim("gone", { range: "4000-4000", expires: "1s" }));
  await play({ ...claim("next", { range: "4000-4000" }), status: 409, events: [] });
  world.advance(1_000);
  await play({ ...claim("next", { range: "4000-4000" }), answer: { port: 4000 } });
});

test("a claim that fails ends nobody's claim, not even an expired one, by halves", async () => {
  const { play } = await withExpired();
  await play({
    ...claim("next", { port: 3101 }),
    status: 409,
    answer: { code: "held" },
    events: [],
  });
  await play({ path: "/services", answer: { count: 1 } });
  await play({
    ...claim("next"),
    answer: { port: 3102 },
    events: ["service.release gone", "service.claim next"],
  });
});

test("all that have expired are ended, and nothing else", async () => {
  const side = makeSide();
  await side.play(claim("a", { expires: "1s" }));
  await side.play(claim("b", { expires: "2s" }));
  await side.play(claim("c", { expires: "3s" }));
  await side.play(claim("d"));
  side.world.advance(2_500);
  expect(reaped(side).sort()).toEqual(["service.release a", "service.release b"]);
  await side.play({ path: "/services", answer: { services: [{ id: "c" }, { id: "d" }] } });
});

test("a claim lives as long as the process it names", async () => {
  const side = makeSide();
  const { play, world } = side;
  world.machine.processes.set(100, "boot/1");
  await play({ ...claim("myapp", { pid: 100 }), answer: { pid: 100 } });
  world.advance(86_400_000);
  expect(reaped(side)).toEqual([]);
  world.machine.processes.delete(100);
  expect(reaped(side)).toEqual(["service.release myapp"]);
  await play({
    path: "/activity?limit=1",
    answer: {
      entries: [
        {
          action: "cleanup",
          actor: "port-daddy",
          targetId: "myapp",
          metadata: { port: 3100, reason: "pid_died" },
        },
      ],
    },
  });
});

test("another process of the same number does not keep a claim alive", async () => {
  const side = makeSide();
  side.world.machine.processes.set(100, "boot/1");
  await side.play(claim("myapp", { pid: 100 }));
  side.world.machine.processes.set(100, "boot/2");
  expect(reaped(side)).toEqual(["service.release myapp"]);
});

test("a death ends the claims of that process and nobody else's", async () => {
  const side = makeSide();
  const { play, world } = side;
  world.machine.processes.set(100, "boot/1").set(200, "boot/2");
  await play({ method: "POST", path: "/claim", body: { ids: ["a:web", "a:api"], pid: 100 } });
  await play(claim("b", { pid: 200 }));
  await play(claim("c"));
  world.machine.processes.delete(100);
  expect(reaped(side).sort()).toEqual(["service.release a:api", "service.release a:web"]);
  await play({ path: "/services", answer: { services: [{ id: "b" }, { id: "c" }] } });
});

test("a process that does not run is refused, and nothing is claimed or changed", async () => {
  const { play, world } = makeSide();
  const refused = { status: 400, answer: { code: "invalid_input", field: "pid" }, events: [] };
  const { error } = await play({ ...claim("myapp", { pid: 100 }), ...refused });
  expect(error).toBe("pid 100 is not a running process");
  await play({ path: "/services", answer: { count: 0 } });
  world.machine.processes.set(200, "boot/2");
  await play(claim("myapp", { pid: 200, cmd: "npm start" }));
  await play({ ...claim("myapp", { pid: 100, cmd: "changed" }), ...refused });
  await play({ path: "/services/myapp", answer: { pid: 200, cmd: "npm start" } });
});

test("a repeat with another process hands the claim to that one", async () => {
  const side = makeSide();
  const { play, world } = side;
  world.machine.processes.set(100, "boot/1").set(200, "boot/2");
  await play(claim("myapp", { pid: 100 }));
  await play({ ...claim("myapp", { pid: 200 }), answer: { pid: 200, existing: true } });
  world.machine.processes.delete(100);
  expect(reaped(side)).toEqual([]);
  world.machine.processes.delete(200);
  expect(reaped(side)).toEqual(["service.release myapp"]);
});

test("a claim that is over by time and by death ends once", async () => {
  const side = makeSide();
  side.world.machine.processes.set(100, "boot/1");
  await side.play(claim("myapp", { pid: 100, expires: "1s" }));
  side.world.machine.processes.delete(100);
  side.world.advance(1_000);
  expect(reaped(side)).toEqual(["service.release myapp"]);
  await side.play({
    path: "/activity?limit=1",
    answer: { entries: [{ metadata: { reason: "expired" } }] },
  });
});

test("a service on which nobody listens any more, without a process or a time, stays", async () => {
  const side = makeSide();
  await side.play(claim("myapp"));
  side.world.advance(365 * 86_400_000);
  expect(reaped(side)).toEqual([]);
  await side.play({ path: "/services/myapp", answer: { port: 3100 } });
});

test("a claim that is only meant for an identity without a port leaves one that has it alone", async () => {
  const { play } = makeSide();
  const onlyIfFree = { onlyIfFree: true };
  await play({ method: "POST", path: "/claim/shop", body: { port: 3105, ...onlyIfFree } });
  await play({
    method: "POST",
    path: "/claim/shop",
    body: { port: 3101, cmd: "mine", ...onlyIfFree },
    status: 409,
    answer: { code: "held", port: 3105 },
    events: [],
  });
  await play({ path: "/services/shop", answer: { port: 3105, cmd: null } });
});
