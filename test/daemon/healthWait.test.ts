// Requests that are held until services are healthy: when they answer, what they name when they don't, and what is
// left of one whose caller has gone.

import { afterEach, expect, spyOn, test } from "bun:test";
import * as os from "node:os";
import type { Daemon } from "../../src/daemon/daemon.ts";
import { createProbe } from "../../src/daemon/probe.ts";
import { untilHealthy } from "../../src/daemon/healthWait.ts";
import { makeSide } from "../scenario.ts";
import { makeWorld, type TestWorld } from "../world.ts";

const hasIpv6 = Object.values(os.networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);
const isLinux = process.platform === "linux";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Place = { hostname?: string; port?: number };

function serve(
  fetch: (request: Request) => Response | Promise<Response> = () => new Response(),
  { hostname = "127.0.0.1", port = 0 }: Place = {},
): number {
  const server = Bun.serve({ hostname, port, fetch, idleTimeout: 0 });
  stops.push(() => server.stop(true));
  return server.port!;
}

/** A port that was free a moment ago. */
function freePort(hostname = "127.0.0.1"): number {
  const listener = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** A side that sees this machine's sockets as they are. */
function makeRealSide() {
  return makeSide({ ...makeWorld(), probe: createProbe({ now: Date.now }) });
}

/** A claim of a port, before anything listens there. */
async function claim(
  { play }: ReturnType<typeof makeSide>,
  id: string,
  port: number,
  more: Record<string, unknown> = {},
): Promise<void> {
  await play({ method: "POST", path: `/claim/${id}`, body: { port, ...more } });
}

/** A claim whose server listens already, and is seen to. */
async function serveClaim(
  side: ReturnType<typeof makeSide>,
  id: string,
  { health, answer }: { health?: string; answer?: () => Response | Promise<Response> } = {},
): Promise<number> {
  const port = serve(answer);
  await claim(side, id, port, health === undefined ? {} : { health });
  side.world.machine.listen(port);
  return port;
}

test("a service that is healthy is answered at once, as it is", async () => {
  const side = makeSide();
  const port = await serveClaim(side, "myapp");
  const { services } = await side.play({
    path: "/wait?id=myapp&timeout=1",
    answer: { services: [{ id: "myapp", port, status: "running" }] },
    events: [],
  });
  expect(services).toEqual([await side.play({ path: "/services/myapp" })]);
});

test("several are answered in the order asked for", async () => {
  const side = makeSide();
  for (const id of ["a", "b:web", "c"]) await serveClaim(side, id);
  await side.play({
    path: "/wait?id=c&id=a&id=b:web&timeout=1",
    answer: { services: [{ id: "c" }, { id: "a" }, { id: "b:web" }] },
  });
});

for (const hostname of ["127.0.0.1", "::1"]) {
  test.skipIf(!isLinux || (hostname === "::1" && !hasIpv6))(
    `a wait is answered when the server begins to listen at ${hostname}`,
    async () => {
      const side = makeRealSide();
      const port = freePort(hostname);
      await claim(side, "myapp", port);
      const held = side.play({ path: "/wait?id=myapp&timeout=0" });
      expect(await Promise.race([held, Bun.sleep(150)])).toBeUndefined();
      serve(() => new Response(), { hostname, port });
      expect(await held).toMatchObject({ services: [{ id: "myapp", port, status: "running" }] });
    },
  );
}

test("a server that only sees whether its port is free is not healthy yet", async () => {
  const side = makeSide();
  const port = freePort();
  await claim(side, "myapp", port);
  const held = side.play({ path: "/wait?id=myapp&timeout=0" });
  expect(await Promise.race([held, Bun.sleep(150)])).toBeUndefined();
  const { promise: met, resolve: meet } = Promise.withResolvers<void>();
  const probe = Bun.listen({
    hostname: "127.0.0.1",
    port,
    socket: {
      open() {
        probe.stop(true);
        side.world.machine.bound.delete(port);
        meet();
      },
      data() {},
    },
  });
  side.world.machine.listen(port);
  await met;
  expect(await Promise.race([held, Bun.sleep(150)])).toBeUndefined();
  serve(undefined, { port });
  side.world.machine.listen(port);
  await held;
});

test("a wait is answered when the last of several is healthy, and not before", async () => {
  const side = makeSide();
  const state = { a: 503, b: 503 };
  const answer = (id: "a" | "b") => () => new Response("", { status: state[id] });
  await serveClaim(side, "a", { health: "/health", answer: answer("a") });
  await serveClaim(side, "b", { health: "/health", answer: answer("b") });
  const held = side.play({ path: "/wait?id=a&id=b&timeout=0" });
  state.a = 200;
  expect(await Promise.race([held, Bun.sleep(150)])).toBeUndefined();
  state.b = 200;
  expect(await held).toMatchObject({ services: [{ id: "a" }, { id: "b" }] });
});

test("a wait for what nobody has claimed yet is answered when it is claimed and listens", async () => {
  const side = makeSide();
  const held = side.play({ path: "/wait?id=later&timeout=0" });
  expect(await Promise.race([held, Bun.sleep(150)])).toBeUndefined();
  await serveClaim(side, "later");
  expect(await held).toMatchObject({ services: [{ id: "later" }] });
});

test("a wait for a service that is released meanwhile goes on, and follows it to its next port", async () => {
  const side = makeSide();
  await serveClaim(side, "myapp", {
    health: "/health",
    answer: () => new Response("", { status: 500 }),
  });
  const held = side.play({ path: "/wait?id=myapp&timeout=0" });
  await side.play({ method: "DELETE", path: "/release/myapp" });
  const port = await serveClaim(side, "myapp");
  expect(await held).toMatchObject({ services: [{ id: "myapp", port }] });
});

for (const status of [200, 204, 302])
  test(`a service whose health path answers ${status} is healthy`, async () => {
    const side = makeSide();
    const answer = () => new Response(null, { status });
    await serveClaim(side, "myapp", { health: "/health", answer });
    await side.play({ path: "/wait?id=myapp&timeout=1", answer: { services: [{ id: "myapp" }] } });
  });

for (const status of [404, 500])
  test(`a service whose health path answers ${status} is not, and that is told`, async () => {
    const side = makeSide();
    const answer = () => new Response("", { status });
    const port = await serveClaim(side, "myapp", { health: "/health", answer });
    const reason = `http://127.0.0.1:${port}/health answers ${status}`;
    const { error } = await side.play({
      path: "/wait?id=myapp&timeout=1",
      status: 408,
      answer: { code: "timed_out", missing: [{ id: "myapp", reason }] },
      events: [],
    });
    expect(error).toBe(`Not healthy within 1ms: myapp (${reason})`);
  });

test("a health URL on another port of loopback is the one that counts", async () => {
  const side = makeSide();
  const other = serve(() => new Response());
  await serveClaim(side, "myapp", {
    health: `http://localhost:${other}/ready`,
    answer: () => new Response("", { status: 500 }),
  });
  await side.play({ path: "/wait?id=myapp&timeout=1", answer: { services: [{ id: "myapp" }] } });
});

test("a health path that hangs does not hold the answer beyond the timeout", async () => {
  const side = makeSide();
  const { promise: over, resolve: end } = Promise.withResolvers<string>();
  // The hanging look is given up after two seconds; the timeout is a tenth of that.
  const timer = setTimeout(() => end("still held"), 1_500);
  await serveClaim(side, "myapp", { health: "/hangs", answer: () => new Promise(() => {}) });
  const held = side.request({ path: "/wait?id=myapp&timeout=200" });
  const first = await Promise.race([held.then(({ status }) => status), over]);
  clearTimeout(timer);
  expect(first).toBe(408);
});

test("a timeout names each that is missing, why, and nothing that is healthy", async () => {
  const side = makeSide();
  await serveClaim(side, "fine");
  await claim(side, "silent", 4001);
  await claim(side, "refuses", 4002);
  const port = freePort();
  await claim(side, "gone", port);
  side.world.machine.listen(port);
  const missing = [
    { id: "silent", reason: "nothing listens on port 4001" },
    { id: "gone", reason: `port ${port} accepts no connection on loopback` },
    { id: "nobody", reason: "nobody has claimed it" },
  ];
  const { error, hint } = await side.play({
    path: "/wait?id=silent&id=fine&id=gone&id=nobody&timeout=150",
    status: 408,
    answer: { code: "timed_out", missing },
    events: [],
  });
  expect(error).toBe(
    `Not healthy within 150ms: ${missing.map(({ id, reason }) => `${id} (${reason})`).join(", ")}`,
  );
  expect(hint).toContain("port-daddy find");
});

test("an expired claim is one that nobody has claimed", async () => {
  const side = makeSide();
  const port = serve();
  await claim(side, "myapp", port, { expires: "1s" });
  side.world.machine.listen(port);
  side.world.advance(1_000);
  const missing = [{ id: "myapp", reason: "nobody has claimed it" }];
  await side.play({ path: "/wait?id=myapp&timeout=1", status: 408, answer: { missing } });
});

test("a wait takes no notice of the clock", async () => {
  const side = makeSide();
  const held = side.play({ path: "/wait?id=myapp&timeout=0" });
  side.world.advance(86_400_000);
  await serveClaim(side, "myapp");
  expect(await held).toMatchObject({ services: [{ id: "myapp" }] });
});

for (const [query, field] of [
  ["", "id"],
  ["timeout=100", "id"],
  ["id=a%20b", "id"],
  ["id=a:*", "id"],
  ["id=a&timeout=-1", "timeout"],
  ["id=a&timeout=soon", "timeout"],
  ["id=a&timeout=25h", "timeout"],
  ["id=a&timeout=1&timeout=2", "timeout"],
] as const)
  test(`a wait for ?${query} is refused naming ${field}`, async () => {
    const { play } = makeSide();
    const { error } = await play({ path: `/wait?${query}`, status: 400, events: [] });
    expect(error).toStartWith(field);
  });

// What ends a wait from outside

/** A wait without HTTP, whose caller can go and whose daemon can stop. */
function hold(world: TestWorld, ids: string[], timeout = 0) {
  const caller = new AbortController();
  const stopping = new AbortController();
  // All of a daemon that a wait looks at.
  const daemon = { world, stopping: stopping.signal } as unknown as Daemon;
  const request = { signal: caller.signal, hold: () => () => {}, lastEventId: undefined };
  return { caller, stopping, held: untilHealthy(daemon, { id: ids, timeout }, request) };
}

/** What a wait has left behind: timers that still run, and listeners of its signals. */
function watchLeaks() {
  const timers = new Set<unknown>();
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const spies = [
    spyOn(globalThis, "setTimeout").mockImplementation(((...given: Parameters<typeof set>) => {
      const timer = set(...given);
      timers.add(timer);
      return timer;
    }) as never),
    spyOn(globalThis, "clearTimeout").mockImplementation(((timer: Timer) => {
      timers.delete(timer);
      clear(timer);
    }) as never),
  ];
  const listeners = new Map<AbortSignal, number>();
  function count(signal: AbortSignal): void {
    listeners.set(signal, 0);
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: any[]) => {
      listeners.set(signal, listeners.get(signal)! + 1);
      addEventListener.apply(signal, given as never);
    };
    signal.removeEventListener = (...given: any[]) => {
      listeners.set(signal, listeners.get(signal)! - 1);
      removeEventListener.apply(signal, given as never);
    };
  }
  stops.push(() => spies.forEach((spy) => spy.mockRestore()));
  return { timers, listeners, count };
}

test("a caller that goes ends its wait, and leaves no timer and no listener", async () => {
  const leaks = watchLeaks();
  const { caller, stopping, held } = hold(makeWorld(), ["myapp"]);
  leaks.count(caller.signal);
  leaks.count(stopping.signal);
  expect(leaks.timers.size).toBe(0); // The first look comes before the first pause.
  await Promise.resolve();
  caller.abort();
  await expect(held).rejects.toMatchObject({ code: "unavailable" });
  expect([...leaks.timers]).toEqual([]);
  expect([...leaks.listeners.values()].every((left) => left === 0)).toBe(true);
});

test("a wait that ends by itself leaves no timer and no listener either", async () => {
  const leaks = watchLeaks();
  const { caller, stopping, held } = hold(makeWorld(), ["myapp"], 250);
  leaks.count(caller.signal);
  leaks.count(stopping.signal);
  await expect(held).rejects.toMatchObject({ code: "timed_out" });
  expect([...leaks.timers]).toEqual([]);
  expect([...leaks.listeners.values()]).toEqual([0, 0]);
});

test("a daemon that stops tells who waits, at once and to all", async () => {
  const world = makeWorld();
  const one = hold(world, ["myapp"]);
  one.stopping.abort();
  await expect(one.held).rejects.toMatchObject({
    code: "unavailable",
    status: 503,
    details: { stopping: true },
  });
  await expect(hold(world, ["a"], 1).held).rejects.toMatchObject({ code: "timed_out" });
});

test("a daemon that stops does not wait for a health path that hangs", async () => {
  const side = makeSide();
  const { promise: asked, resolve: setAsked } = Promise.withResolvers<void>();
  await serveClaim(side, "myapp", {
    health: "/hangs",
    answer() {
      setAsked();
      return new Promise(() => {});
    },
  });
  const { stopping, held } = hold(side.world, ["myapp"]);
  const ended = held.then(
    () => "answered",
    (error) => error.code,
  );
  await asked;
  stopping.abort();
  // The hanging look is given up after two seconds, which is when a stopping daemon cuts connections.
  expect(await Promise.race([ended, Bun.sleep(1_500)])).toBe("unavailable");
});

test("a wait whose HTTP caller hangs up ends", async () => {
  const side = makeSide();
  const { promise: asked, resolve: setAsked } = Promise.withResolvers<() => Promise<Response>>();
  const port = serve((request) => {
    const held = Promise.resolve(side.app.fetch(request, { transport: "socket" }));
    setAsked(() => held);
    return held;
  });
  const caller = new AbortController();
  const call = fetch(`http://127.0.0.1:${port}/wait?id=myapp&timeout=0`, {
    signal: caller.signal,
  }).catch(() => "gone");
  const answer = await asked;
  caller.abort();
  expect(await call).toBe("gone");
  expect((await answer()).status).toBe(503);
});

test("however many wait for a service, its health is asked for once in a while, not once for each", async () => {
  const side = makeSide();
  let asked = 0;
  await serveClaim(side, "myapp", {
    health: "/up",
    answer: () => {
      asked++;
      return new Response("", { status: 503 });
    },
  });
  const waits = Array.from({ length: 40 }, () =>
    side.play({ path: "/wait?id=myapp&timeout=350", status: 408 }),
  );
  await Promise.all(waits);
  // Every tenth of a second at most, and once more at the end.
  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThanOrEqual(8);
});

test("a stranger on the port is not waited out as if it were the service", async () => {
  const side = makeSide();
  const port = serve();
  await claim(side, "myapp", port, { cwd: "/srv/other" });
  side.world.machine.listen(port);
  const { missing } = await side.play({ path: "/wait?id=myapp&timeout=50", status: 408 });
  expect(missing).toEqual([
    { id: "myapp", reason: `a stranger has port ${port}: process 4321 (node server.js)` },
  ]);
});

test("a health URL that is the daemon's own is refused rather than asked", async () => {
  const side = makeSide();
  const health = "http://localhost:9876/wait?id=myapp";
  await claim(side, "myapp", freePort(), { health });
  const { missing } = await side.play({ path: "/wait?id=myapp&timeout=50", status: 408 });
  expect(missing).toEqual([{ id: "myapp", reason: "its health URL is the daemon's own" }]);
});
