// The real probe on this machine, with real sockets on ports of the kernel's choice.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import { createProbe } from "../../src/daemon/probe.ts";

type Listener = ReturnType<typeof listen>;

function listen(hostname: string) {
  return Bun.listen({ hostname, port: 0, socket: { data() {} } });
}

/** A probe under a clock that stands until it is moved. */
function makeProbe() {
  let now = 1_000_000;
  const probe = createProbe({ now: () => now });
  return { ...probe, advance: (ms: number) => void (now += ms) };
}

function close(listener: Listener): void {
  listener.stop(true);
}

const hasIpv6 = Object.values(os.networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

for (const hostname of ["127.0.0.1", "0.0.0.0", "::1", "::"]) {
  test.skipIf(hostname.includes(":") && !hasIpv6)(
    `a port that somebody listens on at ${hostname} is in use, and free when they are gone`,
    () => {
      const { obstacle } = makeProbe();
      const listener = listen(hostname);
      try {
        expect(obstacle(listener.port)).toBe("in_use");
        expect(obstacle(listener.port)).toBe("in_use");
      } finally {
        close(listener);
      }
      expect(obstacle(listener.port)).toBeUndefined();
    },
  );
}

test("a port whose listener shares it with others is in use as well", () => {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    reusePort: true,
    fetch: () => new Response(),
  });
  try {
    expect(makeProbe().obstacle(server.port!)).toBe("in_use");
  } finally {
    void server.stop(true);
  }
});

test.skipIf(process.platform !== "linux")(
  "who listened only for the moment of a look is nobody",
  () => {
    const { listening, listenersOn } = makeProbe();
    const [gone, there] = [listen("127.0.0.1"), listen("127.0.0.1")];
    expect([gone, there].map(({ port }) => listening().has(port))).toEqual([true, true]);
    close(gone);
    expect(listenersOn(gone.port)).toEqual([]);
    expect(listenersOn(there.port)).toMatchObject([{ process: { pid: process.pid } }]);
    close(there);
  },
);

test("trying a port does not keep it from who wants it next", () => {
  const first = listen("127.0.0.1");
  const { port } = first;
  close(first);
  const { obstacle } = makeProbe();
  expect(obstacle(port)).toBeUndefined();
  const second = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  close(second);
});

test("a port is free though the kernel still remembers a connection of the server that had it", async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    // Who closes first keeps the port in TIME_WAIT (RFC 9293 3.6).
    socket: { open: (socket) => void socket.end(), data() {} },
  });
  await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data() {}, end: (socket) => void socket.end(), close: () => resolve() },
  });
  await closed;
  close(server);
  expect(makeProbe().obstacle(server.port)).toBeUndefined();
});

test("a port that was found in use counts as that for a second, though nobody listens there", async () => {
  const server = listen("127.0.0.1");
  const connection = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data() {} },
  });
  const { obstacle, wasInUse, advance } = makeProbe();
  const port = connection.localPort;
  expect(wasInUse(port)).toBe(false);
  expect(obstacle(port)).toBe("in_use");
  advance(1_000);
  expect(wasInUse(port)).toBe(true);
  advance(1);
  expect(wasInUse(port)).toBe(false);
  connection.end();
  close(server);
});

/** The first port that anybody may bind (man 7 ip). */
function firstUnprivileged(): number {
  try {
    return Number(fs.readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024;
  }
}

const mayBindAll = process.getuid?.() === 0 || firstUnprivileged() <= 1;

test.skipIf(mayBindAll)("a port that this user may not bind is not permitted", () => {
  expect(makeProbe().obstacle(1)).toBe("not_permitted");
});

test.skipIf(process.platform !== "linux")(
  "who listens is looked at again when the look is older than a second",
  () => {
    const { listening, advance } = makeProbe();
    const first = listen("127.0.0.1");
    const second = listen(hasIpv6 ? "::1" : "127.0.0.1");
    try {
      const seen = listening();
      expect([seen.has(first.port), seen.has(second.port)]).toEqual([true, true]);
      close(first);
      advance(1_000);
      expect(listening().has(first.port)).toBe(true);
      advance(1);
      expect([listening().has(first.port), listening().has(second.port)]).toEqual([false, true]);
    } finally {
      close(first);
      close(second);
    }
  },
);

test.skipIf(process.platform !== "linux")(
  "who listens is looked at again when the clock was set back",
  () => {
    const { listening, advance } = makeProbe();
    listening();
    const listener = listen("127.0.0.1");
    try {
      advance(-3_600_000);
      expect(listening().has(listener.port)).toBe(true);
    } finally {
      close(listener);
    }
  },
);

test.skipIf(process.platform !== "linux")(
  "the process that listens on a port is named, with its directory, and none when it is gone",
  () => {
    const { listenersOn, advance } = makeProbe();
    const listener = listen("127.0.0.1");
    try {
      const [sighting, ...others] = listenersOn(listener.port);
      const found = sighting?.process;
      expect(found).toMatchObject({ pid: process.pid, cwd: process.cwd() });
      expect(found?.command).toContain("bun");
      expect(found?.user).toBeString();
      expect(found?.startedAt).toBeLessThanOrEqual(Date.now());
      expect(others).toEqual([]);
    } finally {
      close(listener);
    }
    advance(1_001);
    expect(listenersOn(listener.port)).toEqual([]);
  },
);

test.skipIf(process.platform !== "linux")(
  "a running process has one birthmark, another has another, and a dead one has none",
  async () => {
    const { birthmark } = makeProbe();
    const own = birthmark(process.pid);
    expect(own).toBeString();
    expect(birthmark(process.pid)).toBe(own!);
    const child = Bun.spawn(["cat"], { stdin: "pipe", stdout: "ignore" });
    const mark = birthmark(child.pid);
    expect(mark).toBeString();
    expect(birthmark(child.pid)).toBe(mark!);
    child.kill("SIGKILL");
    await child.exited;
    expect(birthmark(child.pid)).toBeUndefined();
  },
);
