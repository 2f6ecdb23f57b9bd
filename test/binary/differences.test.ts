// A command and a daemon that are not of one mind: another build, other settings, another user.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import * as paths from "../../src/system/paths.ts";
import { Home, isRoot, nobody } from "../home.ts";

const hint = "hint: to put this one in force: port-daddy restart";

/** Makes the last warning an hour and a bit older. */
function letAnHourPass(home: Home): void {
  const then = Date.now() / 1000 - 61 * 60;
  fs.utimesSync(paths.warningStamp(home.state), then, then);
}

/** Starts a daemon of another build: the sources as they are, with no build stamped in. */
async function startOtherBuild(home: Home): Promise<number> {
  const main = path.join(import.meta.dir, "../../src/main.ts");
  const child = Bun.spawn([process.execPath, main, "start", "--json"], {
    cwd: home.directory,
    env: home.environment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(await new Response(child.stdout).text()).pid;
}

describe("a daemon of another build", () => {
  test("is used and never killed, with a warning once an hour", async () => {
    await using home = new Home();
    const pid = await startOtherBuild(home);
    const first = await home.run(["claim", "myapp", "-q"]);
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^\d+\n$/);
    expect(first.err).toMatch(
      /^warning: the daemon is 0\.0\.0-source\+0{12}, this command [\d.]+\+[0-9a-f]{12}\nhint: .+\n$/,
    );
    expect(first.err).toEndWith(`${hint}\n`);
    expect(await home.run(["claim", "myapp", "-q"])).toEqual({ ...first, err: "" });
    letAnHourPass(home);
    expect(await home.run(["claim", "myapp", "-q"])).toEqual(first);
    expect(home.daemons()).toEqual([pid]);
  });

  test("is replaced by restart, and then there is nothing to warn of", async () => {
    await using home = new Home();
    await startOtherBuild(home);
    await home.run(["claim", "myapp"]);
    letAnHourPass(home);
    await home.run(["restart"]);
    expect(await home.run(["find", "-q"])).toEqual({ code: 0, out: "myapp\n", err: "" });
  });

  test("is told by version beside this one", async () => {
    await using home = new Home();
    const pid = await startOtherBuild(home);
    const { out } = await home.run(["version"]);
    expect(out).toMatch(/^port-daddy [\d.]+\+[0-9a-f]{12}\n/);
    expect(out).toEndWith(`\ndaemon     0.0.0-source+000000000000, pid ${pid}\n`);
  });
});

describe("a shell with other settings than the daemon's", () => {
  test.each([
    ["range", { PORT_DADDY_RANGE_START: "4000", PORT_DADDY_RANGE_END: "5000" }, "4000-5000"],
    ["port", { PORT_DADDY_PORT: "31999" }, "31999"],
  ])("is warned once of the %s in force, and served", async (name, env, wanted) => {
    await using home = new Home();
    const { port } = await home.json(["start"]);
    const inForce = name === "port" ? port : `${home.range.start}-${home.range.end}`;
    const first = await home.run(["claim", "myapp", "-q"], { env });
    expect(first.code).toBe(0);
    expect(first.err).toBe(
      `warning: the daemon's ${name} is ${inForce}, this shell's settings say ${wanted}\n${hint}\n`,
    );
    expect(await home.run(["claim", "myapp", "-q"], { env })).toEqual({ ...first, err: "" });
  });

  test("is not warned where it sets nothing", async () => {
    await using home = new Home();
    await home.run(["start"]);
    const env = { PORT_DADDY_PORT: "", PORT_DADDY_RANGE_START: "", PORT_DADDY_RANGE_END: "" };
    expect(await home.run(["find", "-q"], { env })).toEqual({ code: 0, out: "", err: "" });
  });
});

// Two users take root.
describe.skipIf(!isRoot)("where another user's port-daddy has the port", () => {
  async function both() {
    const theirs = new Home({}, { uid: nobody });
    const { port } = await theirs.json(["start"]);
    return { theirs, port: port as number, ours: new Home({ PORT_DADDY_PORT: String(port) }) };
  }

  test("ours runs on its socket alone, and says so at start and status", async () => {
    const { theirs, ours, port } = await both();
    await using _theirs = theirs;
    await using _ours = ours;
    const alone = `  API        ~/state/daemon.sock alone: another user's port-daddy has port ${port}\n`;
    for (const word of ["start", "status"]) {
      const { code, out, err } = await ours.run([word]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toContain(alone);
    }
    expect((await ours.run(["logs"])).out).toContain(`port ${port} is another user's port-daddy`);
  });

  test("each serves its own user's claims, and gives out no port that the other's server has", async () => {
    const { theirs, ours } = await both();
    await using _theirs = theirs;
    await using _ours = ours;
    const { port } = await theirs.json(["claim", "server"]);
    using _server = Bun.serve({ hostname: "127.0.0.1", port, fetch: () => new Response() });
    const env = { PORT_DADDY_RANGE_START: String(port), PORT_DADDY_RANGE_END: String(port + 1) };
    expect((await ours.json(["claim", "mine"], { env })).port).toBe(port + 1);
    expect((await theirs.json(["find"])).services.map(({ id }: any) => id)).toEqual(["server"]);
    expect((await ours.json(["find"])).services.map(({ id }: any) => id)).toEqual(["mine"]);
  });

  test("a port that something unseen has is waited for, as what was killed still closes it", async () => {
    const settings: Record<string, string> = {};
    await using theirs = new Home(settings, { uid: nobody });
    const port = theirs.range.end;
    settings["PORT_DADDY_PORT"] = String(port);
    let asked = 0;
    const closing = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch() {
        if (++asked > 1) void closing.stop(true);
        return new Response("nothing of ours");
      },
    });
    expect((await theirs.json(["start"])).port).toBe(port);
    expect(asked).toBeGreaterThan(1);
  });

  test("nobody else can open our socket", async () => {
    await using ours = new Home();
    await ours.run(["start"]);
    await using theirs = new Home({ PORT_DADDY_HOME: ours.state }, { uid: nobody });
    const { code, err } = await theirs.run(["find"]);
    expect(code).toBe(7);
    expect(err).toContain("permission denied");
  });
});
