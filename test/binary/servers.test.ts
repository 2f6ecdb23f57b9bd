// Real servers: what is seen of them while they run, when they end, and when their port is free again.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home, isGone, isRoot, nobody, serverOn } from "../home.ts";

const packages = path.join(import.meta.dir, "../../node_modules");
const node = Bun.which("node") ?? process.execPath;
const python = Bun.which("python3");

/** Shorter than the pause between two rounds of the daemon, so that the round after the one that saw it end is the last. */
const graceMs = 1_500;
const settings = { PORT_DADDY_GRACE: `${graceMs}ms` };

let home: Home;
beforeAll(() => {
  home = new Home(settings);
});
afterAll(() => home[Symbol.asyncDispose]());

type Kind = {
  name: string;
  /** What its command line has. */
  command: string;
  /** Writes what it serves, and says how it is started. */
  prepare: (directory: string, port: number) => string[];
  user?: string;
  skip?: boolean;
};

const kinds: Kind[] = [
  {
    name: "Vite",
    command: "vite.js --port",
    prepare(directory, port) {
      fs.writeFileSync(path.join(directory, "index.html"), "<!doctype html><title>A page</title>");
      return [
        node,
        path.join(packages, "vite/bin/vite.js"),
        "--port",
        String(port),
        "--strictPort",
      ];
    },
  },
  {
    name: "Express",
    command: "server.mjs",
    prepare(directory, port) {
      fs.writeFileSync(
        path.join(directory, "server.mjs"),
        `import express from ${JSON.stringify(path.join(packages, "express/index.js"))};
         express().get("/", (_, response) => response.send("ok")).listen(${port});`,
      );
      return [node, "server.mjs"];
    },
  },
  {
    name: "python3 -m http.server",
    command: "-m http.server",
    prepare: (_, port) => [python!, "-m", "http.server", String(port)],
    skip: python === null,
  },
  {
    name: "one that listens on ::1 alone",
    command: '"::1"',
    prepare: (_, port) => serverOn(port, "::1"),
  },
  {
    name: "one of another user",
    command: "setuid",
    user: "nobody",
    prepare(_, port) {
      const [program, flag, source] = serverOn(port) as [string, string, string];
      return [program, flag, `process.setgid(${nobody}); process.setuid(${nobody}); ${source}`];
    },
    skip: !isRoot,
  },
];

function inHistory(where: Home, id: string, action: string, times = 1): Promise<unknown> {
  return eventually(
    `the log has ${action} of ${id}`,
    async () => (await where.history(id)).filter((each) => each === action).length >= times,
  );
}

function hasStatus(where: Home, id: string, status: string): Promise<unknown> {
  return eventually(
    `${id} is ${status}`,
    async () => (await where.service(id))?.status === status,
    15_000,
  );
}

function isFreed(where: Home, id: string): Promise<unknown> {
  return eventually(`${id} is freed`, async () => (await where.service(id)) === undefined);
}

/** Claims a port from a directory of its own. */
async function claim(where: Home, id: string): Promise<{ port: number; cwd: string }> {
  const cwd = where.makeDirectory(id.replaceAll(":", "-"));
  return where.json(["claim", id], { cwd });
}

async function find(where: Home, id: string): Promise<any> {
  return (await where.json(["find", id])).services[0];
}

async function killed(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await isGone(pid);
}

describe.concurrent("from its start to the end of the grace after its death:", () => {
  for (const { name, command, prepare, user, skip } of kinds) {
    test.skipIf(skip === true)(name, async () => {
      const id = `real:${name.replace(/[^A-Za-z0-9]+/g, "-")}`;
      const { port, cwd } = await claim(home, id);
      expect(await find(home, id)).toMatchObject({ status: "assigned", listener: null });

      const waiting = home.run(["wait", id, "--timeout", "15000"]);
      const server = home.start(prepare(cwd, port), { cwd });
      expect(await waiting).toEqual({
        code: 0,
        out: `${id} is healthy → http://localhost:${port}\n`,
        err: "",
      });

      const { status, listener } = await find(home, id);
      expect({ status, listener }).toEqual({
        status: "running",
        listener: {
          pid: server.pid,
          command: expect.stringContaining(command),
          cwd,
          user: user ?? expect.any(String),
          startedAt: expect.any(Number),
          stranger: false,
        },
      });
      const report = await home.json(["who", String(port)]);
      expect(report).toMatchObject({ port, service: { id, status }, listeners: [listener] });
      expect((await home.run(["who", String(port)])).out).toContain(
        `  listening: process ${server.pid} (`,
      );
      await inHistory(home, id, "service_start");

      await killed(server.pid);
      await hasStatus(home, id, "stopped");
      expect(await find(home, id)).toMatchObject({ status: "stopped", listener: null, port });
      await isFreed(home, id);
      expect(await home.json(["find", id])).toEqual({ services: [], count: 0 });
      expect(await home.history(id)).toEqual([
        "claim",
        "service_start",
        "service_stop",
        "cleanup: stopped",
      ]);
      await expectGrace(id);
    });
  }

  /** It was silent for the grace, and not freed before. */
  async function expectGrace(id: string): Promise<void> {
    const { entries } = await home.json(["log", "--target", id]);
    const at = (event: string) => entries.find((each: any) => each.event === event).timestamp;
    expect(at("service.release") - at("service.stop")).toBeGreaterThanOrEqual(graceMs);
  }

  test("a server that comes back within the grace keeps its port", async () => {
    const [id, other] = ["back:again", "back:never"];
    const { port, cwd } = await claim(home, id);
    const away = await claim(home, other);
    const first = home.start(serverOn(port), { cwd });
    const gone = home.start(serverOn(away.port), { cwd: away.cwd });
    await inHistory(home, id, "service_start");
    await inHistory(home, other, "service_start");
    await killed(first.pid);
    await killed(gone.pid);
    await inHistory(home, id, "service_stop");

    const second = home.start(serverOn(port), { cwd });
    // When the other's grace is over, this one's would be too.
    await isFreed(home, other);
    await inHistory(home, id, "service_start", 2);
    expect(await find(home, id)).toMatchObject({
      port,
      status: "running",
      listener: { pid: second.pid },
    });
    expect(await home.history(id)).toEqual([
      "claim",
      "service_start",
      "service_stop",
      "service_start",
    ]);
    await killed(second.pid);
  });

  test("one that no longer listens but lives keeps its port for as long as it lives", async () => {
    const [id, other] = ["quiet:alive", "quiet:dead"];
    const { port, cwd } = await claim(home, id);
    const quiet = home.start(
      [
        process.execPath,
        "-e",
        `const server = Bun.serve({ port: ${port}, fetch: () => new Response() });
         setInterval(() => {}, 1e6);
         process.stdin.once("data", () => server.stop(true));`,
      ],
      { cwd, stdin: "pipe" },
    );
    const away = await claim(home, other);
    const dead = home.start(serverOn(away.port), { cwd: away.cwd });
    await inHistory(home, id, "service_start");
    await inHistory(home, other, "service_start");

    quiet.stdin!.write("now\n");
    await quiet.stdin!.flush();
    await inHistory(home, id, "service_stop");
    await killed(dead.pid);
    await isFreed(home, other);
    expect(await find(home, id)).toMatchObject({ status: "stopped", port });

    await killed(quiet.pid);
    await isFreed(home, id);
  });
});

/** Listens, and at a line on its input hands its socket to a child and ends. */
const forking = (port: number) => `
import os, signal, socket, sys
server = socket.create_server(("127.0.0.1", ${port}))
os.read(0, 1)
if os.fork(): os._exit(0)
signal.pause()
`;

/** The same behind a parent that never asks how its children ended: the one that listened first stays a zombie. */
const forkingUnreaped = (port: number) => `
import os, signal
if os.fork():
    os.close(0)
    signal.pause()
${forking(port)}
`;

describe.concurrent.skipIf(python === null)("a server that forks and whose parent exits", () => {
  test.each([
    ["is the child from then on", "fork:plain", forking],
    ["is the child also where nobody asks after the parent", "fork:zombie", forkingUnreaped],
  ])("%s", async (_, id, source) => {
    const { port, cwd } = await claim(home, id);
    const { stdin } = home.start([python!, "-c", source(port)], { cwd, stdin: "pipe" });
    await hasStatus(home, id, "running");
    await inHistory(home, id, "service_start");
    const { listener: parent } = await find(home, id);

    stdin!.write("\n");
    await stdin!.flush();
    await isGone(parent.pid);
    const child = await eventually("the child is seen to listen", async () => {
      const { listener } = await home.service(id);
      return listener && listener.pid !== parent.pid && listener;
    });
    expect(child).toMatchObject({ cwd, stranger: false });
    expect(await find(home, id)).toMatchObject({ status: "running", listener: child });
    const { listeners } = await home.json(["who", String(port)]);
    expect(listeners).toEqual([child]);

    await killed(child.pid);
    await hasStatus(home, id, "stopped");
    await isFreed(home, id);
    expect(await home.history(id)).toEqual([
      "claim",
      "service_start",
      "service_stop",
      "cleanup: stopped",
    ]);
  });
});

describe.concurrent("a claim with --pid", () => {
  test("is the server's own, and ends with it at once, without a grace", async () => {
    const id = "pid:own";
    const { port, cwd } = await claim(home, id);
    const server = home.start(serverOn(port), { cwd });
    const bound = await home.json(["claim", id, "--pid", String(server.pid)], { cwd });
    expect(bound).toMatchObject({ port, existing: true, pid: server.pid });
    await hasStatus(home, id, "running");
    expect(await find(home, id)).toMatchObject({ listener: { pid: server.pid, stranger: false } });

    await killed(server.pid);
    await isFreed(home, id);
    expect(await home.history(id)).toContainEqual("cleanup: pid_died");
    expect(await home.history(id)).not.toContainEqual("cleanup: stopped");
  });

  test("counts what that process starts as its own, and ends with it whatever still listens", async () => {
    const id = "pid:parent";
    const { port, cwd } = await claim(home, id);
    const parent = home.start(["sh", "-c", '"$@" & wait', "sh", ...serverOn(port)], { cwd });
    await home.run(["claim", id, "--pid", String(parent.pid)], { cwd });
    await hasStatus(home, id, "running");
    const { pid, listener } = await find(home, id);
    expect(pid).toBe(parent.pid);
    expect(listener.stranger).toBe(false);
    expect(listener.pid).not.toBe(parent.pid);

    await killed(parent.pid);
    await isFreed(home, id);
    expect(await home.history(id)).toContainEqual("cleanup: pid_died");
    expect(await home.json(["who", String(port)])).toMatchObject({
      service: null,
      listeners: [{ pid: listener.pid, stranger: true }],
    });
    const again = await home.json(["claim", id], { cwd });
    expect(again.port).not.toBe(port);
    expect(again.movedFrom).toMatchObject({
      port,
      reason: "in_use",
      holder: { process: { pid: listener.pid } },
    });
    await killed(listener.pid);
  });

  test("takes a server that does not come from that process for a stranger", async () => {
    const id = "pid:other";
    const { port, cwd } = await claim(home, id);
    const sleeper = home.start(["sleep", "1000"], { cwd });
    await home.run(["claim", id, "--pid", String(sleeper.pid)], { cwd });
    const server = home.start(serverOn(port), { cwd });
    await eventually("it listens", async () => (await home.service(id)).listener);
    expect(await find(home, id)).toMatchObject({
      status: "assigned",
      listener: { pid: server.pid, stranger: true },
    });
    await killed(server.pid);
    await killed(sleeper.pid);
  });

  test("of a process that has ended is refused", async () => {
    const ended = home.start(["true"]);
    await ended.exited;
    const { code, err } = await home.run(["claim", "pid:ended", "--pid", String(ended.pid)]);
    expect(code).toBe(2);
    expect(err).toContain(`pid ${ended.pid} is not a running process`);
  });
});

test.concurrent(
  "a daemon that was away does not forget what had run: it stopped, and is freed after a whole grace",
  async () => {
    await using home = new Home(settings);
    const id = "away:api";
    const { port, cwd } = await claim(home, id);
    const server = home.start(serverOn(port), { cwd });
    await inHistory(home, id, "service_start");
    await home.kill((await home.daemonPid())!);
    await killed(server.pid);

    await home.run(["start"]);
    expect(await find(home, id)).toMatchObject({ port, status: "stopped", listener: null });
    await isFreed(home, id);
    const { entries } = await home.json(["log"]);
    const [freed, stopped, started] = entries;
    expect([freed, stopped, started].map(({ event }: any) => event)).toEqual([
      "service.release",
      "service.stop",
      "daemon.start",
    ]);
    expect(freed.timestamp - stopped.timestamp).toBeGreaterThanOrEqual(graceMs);
  },
);

test.concurrent.skipIf(!isRoot)(
  "a daemon that may not look into the server's process goes by silence alone",
  async () => {
    await using home = new Home(settings, { uid: nobody });
    const id = "unseen:api";
    const { port } = await home.json(["claim", id]);
    const server = home.start(serverOn(port));
    expect(await home.run(["wait", id, "--timeout", "10000", "-q"])).toMatchObject({ code: 0 });
    const unseen = {
      pid: null,
      command: null,
      cwd: null,
      user: "root",
      startedAt: null,
      stranger: false,
    };
    expect(await find(home, id)).toMatchObject({ status: "running", listener: unseen });
    expect((await home.json(["who", String(port)])).listeners).toEqual([unseen]);
    expect((await home.run(["who", String(port)])).out).toContain(
      "  listening: a process of root that cannot be seen from here\n",
    );
    await inHistory(home, id, "service_start");

    await killed(server.pid);
    await hasStatus(home, id, "stopped");
    await isFreed(home, id);
    expect(await home.history(id)).toEqual([
      "claim",
      "service_start",
      "service_stop",
      "cleanup: stopped",
    ]);
  },
);
