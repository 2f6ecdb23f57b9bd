// What keeps a daemon from starting is told as it is, and what needn't, doesn't.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home, isRoot, nobody } from "../home.ts";

/** Both ways to start it: as asked, and for a command at hand. Neither hangs, and neither starts anything. */
async function refusals(home: Home, env: Record<string, string> = {}) {
  const [start, claim] = [
    await home.run(["start"], { env }),
    await home.run(["claim", "x"], { env }),
  ];
  expect(start.out + claim.out).toBe("");
  await home.noDaemon();
  return { start, claim };
}

describe("a taken port", () => {
  test.each(["127.0.0.1", "::1", "0.0.0.0", "::"])(
    "on %s is named with the process that has it",
    async (hostname) => {
      using server = Bun.serve({ hostname, port: 0, fetch: () => new Response("not yours") });
      await using home = new Home({ PORT_DADDY_PORT: String(server.port) });
      const { start, claim } = await refusals(home);
      const reason = `Port ${server.port} is in use by process ${process.pid} (`;
      expect(start.code).toBe(4);
      expect(start.err).toStartWith(`error: ${reason}`);
      expect(start.err).toMatch(/\nhint: use another: PORT_DADDY_PORT=\d+ port-daddy start\n$/);
      expect(claim.code).toBe(7);
      expect(claim.err).toStartWith(`error: The daemon could not be started: ${reason}`);
    },
  );

  test("of this user's own other daemon is named too", async () => {
    await using other = new Home();
    const { port, pid } = await other.json(["start"]);
    await using home = new Home({ PORT_DADDY_PORT: String(port) });
    const { start } = await refusals(home);
    expect(start.err).toStartWith(`error: Port ${port} is in use by process ${pid} (`);
  });
});

describe("a bad setting names its variable", () => {
  test.each([
    ["PORT_DADDY_PORT", "http"],
    ["PORT_DADDY_PORT", "65536"],
    ["PORT_DADDY_RANGE_START", "0"],
    ["PORT_DADDY_RANGE_END", "3000-4000"],
    ["PORT_DADDY_RESERVED", "80,many"],
    ["PORT_DADDY_URL", "localhost:9876"],
    ["PORT_DADDY_AGENT", "two words"],
    ["PORT_DADDY_NO_AUTOSTART", "yes"],
    ["PORT_DADDY_ACTIVITY_RETENTION", "for ever"],
    ["PORT_DADDY_LOG_LEVEL", "loud"],
  ])("%s=%s", async (name, value) => {
    await using home = new Home();
    const { start, claim } = await refusals(home, { [name]: value });
    expect(start).toEqual({
      code: 2,
      out: "",
      err: expect.stringContaining(`error: ${name} must`),
    });
    expect(claim).toEqual(start);
  });

  test("a range that ends before it starts", async () => {
    await using home = new Home();
    const env = { PORT_DADDY_RANGE_START: "5000", PORT_DADDY_RANGE_END: "4000" };
    const { start } = await refusals(home, env);
    expect(start.code).toBe(2);
    expect(start.err).toContain("PORT_DADDY_RANGE_START (5000) must not be above");
  });

  test("a state directory too deep for a socket", async () => {
    await using home = new Home();
    const env = { PORT_DADDY_HOME: path.join(home.directory, "deep".repeat(30)) };
    const { start } = await refusals(home, env);
    expect(start.code).toBe(2);
    expect(start.err).toContain("too deep for a Unix socket");
  });
});

describe("a state directory", () => {
  test("that is a file is refused", async () => {
    await using home = new Home();
    fs.writeFileSync(home.state, "mine");
    const { start, claim } = await refusals(home);
    expect(start.code).toBe(7);
    expect(start.err).toContain(`The state directory ${home.state} cannot be used: it is a file`);
    expect(claim.code).toBe(7);
    expect(claim.err).toContain("it is a file");
    expect(fs.readFileSync(home.state, "utf8")).toBe("mine");
  });

  test("that its user may not write to is refused", async () => {
    // Root may write everywhere.
    await using home = new Home({}, isRoot ? { uid: nobody } : {});
    fs.chmodSync(home.directory, 0o555);
    const { start, claim } = await refusals(home);
    fs.chmodSync(home.directory, 0o755);
    expect(start.code).toBe(7);
    expect(start.err).toContain("cannot be used: permission denied");
    expect(claim.err).toContain("cannot be used: permission denied");
  });

  test("is this user's alone, whatever it was before", async () => {
    await using home = new Home();
    fs.mkdirSync(home.state, { mode: 0o755 });
    await home.run(["claim", "myapp"]);
    const modeOf = (file: string) => (fs.statSync(file).mode & 0o777).toString(8);
    expect(modeOf(home.state)).toBe("700");
    expect(modeOf(home.socket)).toBe("600");
    for (const name of fs.readdirSync(home.state))
      expect([name, modeOf(path.join(home.state, name))]).toEqual([name, "600"]);
  });
});

describe("in the socket's place", () => {
  test("a stale file left by kill -9 is replaced", async () => {
    await using home = new Home();
    const { pid } = await home.json(["start"]);
    await home.kill(pid);
    expect(fs.existsSync(home.socket)).toBe(true);
    expect((await home.run(["status"])).code).toBe(7);
    expect((await home.run(["claim", "myapp"])).code).toBe(0);
  });

  test("a directory is refused by name, and stays", async () => {
    await using home = new Home();
    fs.mkdirSync(home.state, { mode: 0o700 });
    fs.mkdirSync(home.socket);
    const { start, claim } = await refusals(home);
    expect([start.code, claim.code]).toEqual([7, 7]);
    expect(start.err).toContain(`The socket ${home.socket} cannot be made: `);
    expect(claim.err).toContain(`The socket ${home.socket} cannot be made: `);
    expect(fs.statSync(home.socket).isDirectory()).toBe(true);
  });
});
