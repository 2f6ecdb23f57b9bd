// The daemon's life as commands and signals see it.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { parseTable } from "../../src/system/linux.ts";
import { eventually, Home, isGone } from "../home.ts";

describe("start, stop, restart and status", () => {
  test("start says what is in force, and again that it is already running", async () => {
    await using home = new Home();
    const first = await home.run(["start"]);
    const { pid, port } = await home.json(["status"]);
    expect(first).toEqual({ code: 0, out: expect.any(String), err: "" });
    expect(first.out.split("\n")).toEqual([
      expect.stringMatching(new RegExp(`^port-daddy [\\d.]+ started, pid ${pid}$`)),
      `  API        http://localhost:${port} and ~/state/daemon.sock`,
      `  dashboard  http://localhost:${port}/`,
      "  state      ~/state",
      "",
    ]);
    const second = await home.run(["start"]);
    expect(second.code).toBe(0);
    expect(second.out).toContain(`already running, pid ${pid}\n`);
    expect(home.daemons()).toEqual([pid]);
  });

  test("status is 7 where there is none, and stop has nothing to do", async () => {
    await using home = new Home();
    const { code, out, err } = await home.run(["status"]);
    expect({ code, out }).toEqual({ code: 7, out: "" });
    expect(err).toMatch(/^error: No daemon answers at .+\nhint: start it: port-daddy start\n$/);
    expect(await home.run(["stop"])).toEqual({
      code: 0,
      out: "port-daddy is not running\n",
      err: "",
    });
    expect(await home.json(["stop"])).toEqual({ stopped: false });
  });

  test("restart is another process with the same claims", async () => {
    await using home = new Home();
    const claimed = await home.json(["claim", "myapp", "--expires", "2h"]);
    const before = await home.daemonPid();
    expect(await home.run(["restart", "-q"])).toEqual({ code: 0, out: "", err: "" });
    expect(await home.daemonPid()).not.toBe(before);
    const { existing, ...service } = claimed;
    expect((await home.json(["find"])).services).toEqual([service]);
  });

  test("stop returns when the process and its socket are gone and the log is in the database", async () => {
    await using home = new Home();
    const { pid } = await home.json(["start"]);
    await home.run(["claim", "myapp"]);
    expect(await home.json(["stop"])).toEqual({ stopped: true, pid });
    await isGone(pid);
    expect(fs.readdirSync(home.state).filter((name) => /sock|wal|shm/.test(name))).toEqual([]);
  });
});

describe("a daemon is not started", () => {
  test.each(["status", "stop", "logs", "version", "whoami", "--version", "help"])(
    "by %s",
    async (word) => {
      await using home = new Home();
      await home.run([word]);
      expect(home.daemons()).toEqual([]);
      expect(fs.existsSync(home.state)).toBe(false);
    },
  );

  test("where PORT_DADDY_NO_AUTOSTART=1: the command is 7 and says how", async () => {
    await using home = new Home({ PORT_DADDY_NO_AUTOSTART: "1" });
    const { code, err } = await home.run(["claim", "myapp"]);
    expect(code).toBe(7);
    expect(err).toEndWith("\nhint: start it: port-daddy start\n");
    expect(home.daemons()).toEqual([]);
    expect((await home.run(["start"])).code).toBe(0);
    expect((await home.run(["claim", "myapp"])).code).toBe(0);
  });

  test("where PORT_DADDY_URL names one that isn't there, and the hint is one that works", async () => {
    await using home = new Home();
    const { port } = await home.json(["start"]);
    await home.run(["stop"]);
    const env = { PORT_DADDY_URL: `http://127.0.0.1:${port}` };
    const { code, err } = await home.run(["claim", "myapp"], { env });
    expect(code).toBe(7);
    expect(err).toStartWith(`error: No daemon answers at http://127.0.0.1:${port} `);
    expect(home.daemons()).toEqual([]);
    // `start` refuses while the variable is set.
    expect(err).not.toContain("port-daddy start");
  });
});

test("a command reaches the daemon at PORT_DADDY_URL", async () => {
  await using theirs = new Home();
  await using ours = new Home();
  const { port } = await theirs.json(["start"]);
  for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
    const env = { PORT_DADDY_URL: `http://${host}:${port}/` };
    expect(await ours.run(["claim", "guest", "-q"], { env })).toMatchObject({ code: 0, err: "" });
  }
  expect((await theirs.json(["find", "guest"])).count).toBe(1);
  expect(ours.daemons()).toEqual([]);
});

describe("it ends cleanly", () => {
  const causes: [string, (home: Home, pid: number) => unknown][] = [
    ["SIGTERM", (_, pid) => process.kill(pid, "SIGTERM")],
    ["SIGINT", (_, pid) => process.kill(pid, "SIGINT")],
    ["POST /shutdown", (home) => home.fetch("/shutdown", { method: "POST" })],
  ];
  test.each(causes)("by %s: socket removed, stop recorded, exit code 0", async (cause, end) => {
    await using home = new Home();
    const daemon = home.spawn(["daemon"]);
    await eventually("it serves", () => home.daemonPid());
    await home.run(["claim", "myapp"]);
    await end(home, daemon.pid);
    expect(await daemon.exited).toBe(0);
    expect(fs.existsSync(home.socket)).toBe(false);
    expect(await new Response(daemon.stderr).text()).toContain(cause);

    const { entries } = await home.json(["log"]);
    expect(entries.map(({ event }: any) => event)).toEqual([
      ...["daemon.start", "daemon.stop", "service.claim", "daemon.start"],
    ]);
  });

  test("but not by SIGHUP: the terminal it was started from may close", async () => {
    await using home = new Home();
    const { pid } = await home.json(["start"]);
    process.kill(pid, "SIGHUP");
    expect((await home.run(["claim", "myapp"])).code).toBe(0);
    expect(await home.daemonPid()).toBe(pid);
  });
});

test("a second daemon of one state directory says that there is one, and leaves it alone", async () => {
  await using home = new Home();
  const { pid } = await home.json(["start"]);
  const { code, out, err } = await home.run(["daemon"]);
  expect({ code, out }).toEqual({ code: 4, out: "" });
  expect(err).toBe(
    `error: A daemon already runs with the state directory ${home.state}\nhint: see it: port-daddy status\n`,
  );
  expect(await home.daemonPid()).toBe(pid);
});

test("it listens on 127.0.0.1 and ::1 and nothing else", async () => {
  await using home = new Home();
  const { pid, port } = await home.json(["start"]);
  const inodes = new Set(
    fs
      .readdirSync(`/proc/${pid}/fd`)
      .flatMap((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1] ?? []),
  );
  function listenersIn(table: string): string[] {
    const lines = fs.readFileSync(`/proc/net/${table}`, "utf8").split("\n");
    const own = lines.filter((line) => parseTable(line).some(({ inode }) => inodes.has(inode)));
    return own.map((line) => line.trim().split(/\s+/)[1]!);
  }
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  expect(listenersIn("tcp")).toEqual([`0100007F:${hex}`]);
  expect(listenersIn("tcp6")).toEqual([`00000000000000000000000001000000:${hex}`]);
});

function linkOf(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return ""; // Closed between the listing and the look.
  }
}

test("it keeps nothing of the environment it was started in but what it needs", async () => {
  await using home = new Home({ AWS_SECRET_ACCESS_KEY: "hunter2" });
  const { pid } = await home.json(["start"]);
  expect(fs.readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("hunter2");
  expect(fs.readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
});
