// What a service manager hears from the daemon, by a socket of the kind that it listens on.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { daemonEnvironment, readConfig, takeNotifySocket } from "../../src/config.ts";
import { addressOf, notify } from "../../src/daemon/notify.ts";
import { int, loadLibc, pointer, size } from "../../src/system/libc.ts";
import { eventually, Home } from "../home.ts";

/** Listens as a service manager does. `heard` is one message, or none where there is none. */
function listen(socket: string) {
  const libc = loadLibc({
    socket: { args: [int, int, int], returns: int },
    bind: { args: [int, pointer, "u32"], returns: int },
    recv: { args: [int, pointer, size, int], returns: "i64" },
    close: { args: [int], returns: int },
  });
  const withoutWaiting = 0x40;
  const descriptor = libc.socket(1, 2, 0);
  const address = addressOf(socket);
  if (libc.bind(descriptor, address, address.length) !== 0) throw new Error(`no socket ${socket}`);
  return {
    heard(): string | undefined {
      const bytes = new Uint8Array(4096);
      const length = Number(libc.recv(descriptor, bytes, bytes.length, withoutWaiting));
      return length < 0 ? undefined : new TextDecoder().decode(bytes.subarray(0, length));
    },
    [Symbol.dispose]: () => void libc.close(descriptor),
  };
}

const isLinux = process.platform === "linux";

describe.skipIf(!isLinux)("a service manager hears", () => {
  const sockets: [string, (home: Home) => string][] = [
    ["in a directory", (home) => path.join(home.directory, "notify")],
    ["without one", () => `@port-daddy-test-${crypto.randomUUID()}`],
  ];

  test.each(sockets)("by a socket %s when it serves, and when it begins to end", async (_, at) => {
    await using home = new Home();
    const socket = at(home);
    using manager = listen(socket);
    const daemon = home.spawn(["daemon"], { env: { NOTIFY_SOCKET: socket } });
    const ready = await eventually("it says that it serves", manager.heard);
    const { port } = (await (await home.fetch("/version")).json()) as { port: number };
    expect(ready).toBe(`READY=1\nSTATUS=Serving http://localhost:${port}`);
    daemon.kill("SIGTERM");
    expect(await eventually("it says that it ends", manager.heard)).toBe(
      "STOPPING=1\nSTATUS=Stopping",
    );
    expect(await daemon.exited).toBe(0);
    expect(manager.heard()).toBeUndefined();
  });

  test("nothing from a daemon that some other service's command has started", async () => {
    await using home = new Home();
    const socket = path.join(home.directory, "notify");
    using manager = listen(socket);
    const { pid } = await home.json(["start"], { env: { NOTIFY_SOCKET: socket } });
    expect(fs.readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("NOTIFY_SOCKET");
    await home.run(["stop"]);
    expect(manager.heard()).toBeUndefined();
  });

  test("nothing where it has gone, and the daemon serves all the same", async () => {
    await using home = new Home();
    const socket = path.join(home.directory, "nobody");
    const daemon = home.spawn(["daemon"], { env: { NOTIFY_SOCKET: socket } });
    await eventually("it serves", () => home.daemonPid());
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
    const log = await new Response(daemon.stderr).text();
    expect(log).toContain(`warn  the service manager does not hear at ${socket}\n`);
  });
});

describe("NOTIFY_SOCKET", () => {
  test("is taken out of the environment when it is read", () => {
    const env: Record<string, string | undefined> = { HOME: "/h", NOTIFY_SOCKET: "/run/x" };
    expect(takeNotifySocket(env)).toBe("/run/x");
    expect(env).toEqual({ HOME: "/h" });
    expect(takeNotifySocket(env)).toBeUndefined();
    expect(takeNotifySocket({ NOTIFY_SOCKET: "" })).toBeUndefined();
  });

  test("is nothing that a daemon gets from the command that starts it", () => {
    const env = { HOME: "/h", NOTIFY_SOCKET: "/run/x" };
    expect(Object.keys(daemonEnvironment(readConfig(env), env))).not.toContain("NOTIFY_SOCKET");
  });

  test.each(["vsock:2:1", "relative", `/${"x".repeat(107)}`, `@${"x".repeat(108)}`])(
    "%s is none that we can reach",
    (socket) => {
      expect(() => notify(socket, "READY=1")).toThrow("NOTIFY_SOCKET=");
    },
  );
});
