// `wait`: one request, held by the daemon until everything that is waited for answers.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home } from "../home.ts";

let home: Home;
beforeAll(async () => {
  home = new Home();
  await home.run(["start"]);
});
afterAll(() => home[Symbol.asyncDispose]());

/** A server in this process, which is the one that claims: no stranger. */
function listen(port: number, hostname = "127.0.0.1") {
  return Bun.serve({ hostname, port, fetch: () => new Response("ok") });
}

async function claim(id: string, ...flags: string[]): Promise<number> {
  return (await home.json(["claim", id, ...flags])).port;
}

type Child = ReturnType<Home["start"]>;

async function ended(child: Child) {
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

function healthy(...services: [id: string, port: number][]) {
  const out = services.map(([id, port]) => `${id} is healthy → http://localhost:${port}\n`);
  return { code: 0, out: out.join(""), err: "" };
}

/** Stands between a command and the daemon, and counts what passes. */
class Relay {
  connections = 0;
  requests = "";
  private readonly server:
    Bun.TCPSocketListener<Bun.Socket[]> | Bun.UnixSocketListener<Bun.Socket[]>;

  constructor(
    at: { unix: string } | { hostname: string; port: number },
    to: { unix: string } | { hostname: string; port: number },
  ) {
    const relay = this;
    this.server = Bun.listen<Bun.Socket[]>({
      ...(at as { unix: string }),
      data: [],
      socket: {
        open(inner) {
          relay.connections++;
          inner.data = [];
          inner.pause();
          void Bun.connect({
            ...(to as { unix: string }),
            socket: {
              open: (outer) => (inner.data.push(outer), inner.resume()),
              data: (_, bytes) => void inner.write(bytes),
              close: () => void inner.end(),
            },
          });
        },
        data(inner, bytes) {
          relay.requests += bytes.toString();
          inner.data[0]?.write(bytes);
        },
        close: (inner) => void inner.data[0]?.end(),
      },
    });
  }

  get port(): number {
    return (this.server as Bun.TCPSocketListener).port;
  }

  /** The first line of each request. */
  get lines(): string[] {
    return this.requests.match(/^[A-Z]+ \S+ HTTP\/1\.1/gm) ?? [];
  }

  [Symbol.dispose](): void {
    this.server.stop(true);
  }
}

/** Returns when the daemon holds the request. */
async function isHeld(relay: Relay): Promise<void> {
  await eventually("the wait has come", () => relay.requests.includes("\r\n\r\n"));
}

/** Whether a process has a connection to somebody. */
function isConnected(pid: number): boolean {
  const descriptors = `/proc/${pid}/fd`;
  return fs
    .readdirSync(descriptors)
    .some((name) => fs.readlinkSync(path.join(descriptors, name)).startsWith("socket:"));
}

/** A wait through a relay: over the daemon's socket, or over TCP. */
async function startWait(transport: "socket" | "TCP", ids: string[]) {
  if (transport === "TCP") {
    const { port } = await home.json(["status"]);
    const loopback = { hostname: "127.0.0.1" };
    const relay = new Relay({ ...loopback, port: 0 }, { ...loopback, port });
    const env = { PORT_DADDY_URL: `http://127.0.0.1:${relay.port}` };
    return { relay, child: home.spawn(["wait", ...ids], { env }) };
  }
  const state = home.makeDirectory(`relay-${crypto.randomUUID()}`);
  const relay = new Relay({ unix: path.join(state, "daemon.sock") }, { unix: home.socket });
  return { relay, child: home.spawn(["wait", ...ids], { env: { PORT_DADDY_HOME: state } }) };
}

describe.concurrent.each(["socket", "TCP"] as const)("over %s", (transport) => {
  test("a wait is told of the server at once, after one request on one connection", async () => {
    const id = `told:${transport}`;
    const port = await claim(id);
    const { relay, child } = await startWait(transport, [id]);
    using _ = relay;
    await isHeld(relay);
    using __ = disposable(listen(port));
    const start = performance.now();
    expect(await ended(child)).toEqual(healthy([id, port]));
    console.info(`wait over ${transport}: ${Math.round(performance.now() - start)} ms`);
    expect(relay.connections).toBe(1);
    expect(relay.lines).toEqual([expect.stringMatching(/^GET \/wait\?id=/)]);
  });

  // Bun's own servers and clients cut a connection that is quiet for 10 to 12 seconds.
  test("a quiet wait of 13 seconds is not cut", async () => {
    const id = `quiet:${transport}`;
    const port = await claim(id);
    const { relay, child } = await startWait(transport, [id]);
    using _ = relay;
    await isHeld(relay);
    await Bun.sleep(13_000);
    expect(child.exitCode).toBeNull();
    using __ = disposable(listen(port));
    expect(await ended(child)).toEqual(healthy([id, port]));
    expect(relay.connections).toBe(1);
    expect(relay.lines).toHaveLength(1);
  });
});

function disposable(server: { stop(force: boolean): unknown }): Disposable {
  return { [Symbol.dispose]: () => void server.stop(true) };
}

describe.concurrent("wait", () => {
  test("may come before the claim, and is about the port that is claimed then", async () => {
    const { relay, child } = await startWait("socket", ["early:api"]);
    using _ = relay;
    await isHeld(relay);
    const port = await claim("early:api");
    expect(child.exitCode).toBeNull();
    using __ = disposable(listen(port));
    expect(await ended(child)).toEqual(healthy(["early:api", port]));
  });

  test.each(["127.0.0.1", "::1", "0.0.0.0", "::"])("is content with %s", async (hostname) => {
    const id = `address:${hostname.replaceAll(":", "_")}`;
    const port = await claim(id);
    using _ = disposable(listen(port, hostname));
    expect(await home.run(["wait", id])).toEqual(healthy([id, port]));
  });

  test("of several is over with the last of them, and tells of all in order", async () => {
    const ids = ["several:a", "several:b", "several:c"] as const;
    const [a, b] = [await claim(ids[0]), await claim(ids[1])];
    using _ = disposable(listen(b));
    const { relay, child } = await startWait("socket", [...ids]);
    using __ = relay;
    await isHeld(relay);
    using ___ = disposable(listen(a));
    const c = await claim(ids[2]);
    expect(child.exitCode).toBeNull();
    using ____ = disposable(listen(c));
    expect(await ended(child)).toEqual(healthy([ids[0], a], [ids[1], b], [ids[2], c]));
  });

  test("prints nothing with -q and the services with -j", async () => {
    const port = await claim("printed:api");
    using _ = disposable(listen(port));
    expect(await home.run(["wait", "printed:api", "-q"])).toEqual({ code: 0, out: "", err: "" });
    expect(await home.json(["wait", "printed:api"])).toEqual({
      services: [expect.objectContaining({ id: "printed:api", port, status: "running" })],
    });
  });

  test("that times out is 6 and names what is missing, and why", async () => {
    const [silent, alive] = [await claim("late:silent"), await claim("late:alive")];
    using _ = disposable(listen(alive));
    const words = ["wait", "late:silent", "late:alive", "late:unclaimed", "--timeout", "300"];
    const { code, out, err } = await home.run(words);
    expect({ code, out }).toEqual({ code: 6, out: "" });
    expect(err).toStartWith("error: Not healthy within ");
    expect(err).toContain(`: late:silent (nothing listens on port ${silent}), `);
    expect(err).toContain(", late:unclaimed (nobody has claimed it)\nhint: ");
    expect(err).not.toContain("late:alive");
  });

  test("asks the declared health path, and says what that answers", async () => {
    const port = await claim("checked:api", "--health", "/ready");
    let status = 503;
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch: ({ url }) =>
        new Response("", { status: new URL(url).pathname === "/ready" ? status : 200 }),
    });
    using _ = disposable(server);
    const { code, err } = await home.run(["wait", "checked:api", "--timeout", "300"]);
    expect(code).toBe(6);
    expect(err).toContain(`checked:api (http://127.0.0.1:${port}/ready answers 503)`);

    const { relay, child } = await startWait("socket", ["checked:api"]);
    using __ = relay;
    await isHeld(relay);
    status = 204;
    expect(await ended(child)).toEqual(healthy(["checked:api", port]));
  });

  test("that is killed takes nothing with it", async () => {
    const id = "killed:api";
    const port = await claim(id);
    const { relay, child } = await startWait("TCP", [id]);
    using _ = relay;
    await isHeld(relay);
    child.kill("SIGKILL");
    expect(await child.exited).toBe(137);
    using __ = disposable(listen(port));
    expect(await home.run(["wait", id])).toEqual(healthy([id, port]));
  });
});

describe.concurrent("a wait goes on", () => {
  const interruptions: [string, (home: Home) => Promise<unknown>][] = [
    ["through a restart of the daemon", (home) => home.run(["restart"])],
    [
      "after the daemon was killed, which it brings back itself",
      async (home) => home.kill((await home.daemonPid())!),
    ],
  ];
  test.each(interruptions)("%s", async (_, interrupt) => {
    await using home = new Home();
    const { port } = await home.json(["claim", "myapp"]);
    const before = await home.daemonPid();
    const child = home.spawn(["wait", "myapp", "--timeout", "20000"]);
    await eventually("the daemon holds it", () => isConnected(child.pid));
    await interrupt(home);
    await eventually("another daemon holds it", async () => {
      const pid = await home.daemonPid();
      return pid !== undefined && pid !== before && isConnected(child.pid);
    });
    expect(child.exitCode).toBeNull();
    using __ = disposable(listen(port));
    expect(await ended(child)).toEqual(healthy(["myapp", port]));
    expect(home.daemons()).toHaveLength(1);
  });

  test("over TCP it ends with the daemon, which is somebody else's to start", async () => {
    await using home = new Home();
    const { port, pid } = await home.json(["start"]);
    await home.run(["claim", "myapp"]);
    const env = { PORT_DADDY_URL: `http://127.0.0.1:${port}` };
    const child = home.spawn(["wait", "myapp"], { env });
    await eventually("the daemon holds it", () => isConnected(child.pid));
    await home.kill(pid);
    const { code, out, err } = await ended(child);
    expect({ code, out }).toEqual({ code: 7, out: "" });
    expect(err).toStartWith(`error: No daemon answers at http://127.0.0.1:${port} `);
    expect(home.daemons()).toEqual([]);
  });
});
