// What a person reads when something is wrong, what a program reads with -j, and the exit code of both.

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { runCommandLine } from "../../src/cli/cli.ts";
import { noPaint, ReaderGone, type Terminal } from "../../src/cli/terminal.ts";
import { Fault } from "../../src/contract/faults.ts";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
const before = { ...process.env };

beforeEach(() => {
  for (const name of Object.keys(process.env))
    if (name.startsWith("PORT_DADDY_")) delete process.env[name];
  process.env["PORT_DADDY_HOME"] = home;
  process.env["PORT_DADDY_NO_AUTOSTART"] = "1";
});
afterAll(() => {
  for (const name of Object.keys(process.env))
    if (name.startsWith("PORT_DADDY_")) delete process.env[name];
  Object.assign(process.env, before);
  fs.rmSync(home, { recursive: true });
});

/** Runs a whole command line, as a pipe. */
async function run(line: string, given: Partial<Terminal> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    isInteractive: false,
    input: async () => "",
    columns: () => undefined,
    paint: noPaint,
    ...given,
  };
  const noDaemon = () => Promise.reject(new Error("no daemon here"));
  const code = await runCommandLine(line.split(" "), terminal, noDaemon);
  return { code, out: out.join("\n"), err: err.join("\n") };
}

/** A daemon that answers every request with one fault. */
function faultyDaemon(fault: Fault) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.json(fault.toBody(), { status: fault.status }),
  });
  process.env["PORT_DADDY_URL"] = server.url.origin;
  return server;
}

describe("a command line that is wrong exits with 2, says what is wrong and where help is", () => {
  test.each([
    "clam myapp",
    "xyzzy",
    "claim",
    "claim a --prot 3200",
    "claim a --port",
    "claim a --port x",
    "claim a b --port 3200",
    "find a b",
    "release *",
    "who http",
  ])("%s", async (line) => {
    const { code, out, err } = await run(line);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatchSnapshot();
    expect(err).toMatch(/^error: .+(\nhint: .*port-daddy .+)?$/);
  });

  test("and so does a setting, by its name", async () => {
    process.env["PORT_DADDY_PORT"] = "many";
    const { code, err } = await run("find");
    expect([code, err]).toEqual([
      2,
      'error: PORT_DADDY_PORT must be a whole number from 0 to 65535, not "many"\nhint: do without: unset PORT_DADDY_PORT',
    ]);
  });
});

describe("with JSON asked for, the body that the API would answer is on stderr, and nothing on stdout", () => {
  test.each(["claim a --port x -j", "--json claim a --port x", "claim a --port x -qj"])(
    "%s",
    async (line) => {
      const { code, out, err } = await run(line);
      expect([code, out]).toEqual([2, ""]);
      expect(JSON.parse(err)).toMatchObject({
        error: '--port must be a whole number from 1 to 65535, not "x"',
        code: "invalid_input",
      });
    },
  );

  test("a --json that belongs to another command's words asks for none", async () => {
    expect((await run("find a b -- --json")).err).toStartWith("error: ");
  });
});

describe("no daemon exits with 7", () => {
  test("and names the place that was tried, the reason and the command that starts one", async () => {
    for (const line of ["find", "claim a", "status"])
      expect(await run(line)).toEqual({
        code: 7,
        out: "",
        err: `error: No daemon answers at ${home}/daemon.sock (there is no socket)\nhint: start it: port-daddy start`,
      });
  });

  test("and for one of somebody else does not name a command that would not help", async () => {
    process.env["PORT_DADDY_URL"] = "http://127.0.0.1:1";
    const { code, err } = await run("find");
    expect(code).toBe(7);
    expect(err).toStartWith(
      "error: No daemon answers at http://127.0.0.1:1 (nothing listens there)",
    );
    // `port-daddy start` refuses while PORT_DADDY_URL is set.
    expect(err).not.toEndWith("port-daddy start");
  });
});

describe("a fault of the daemon", () => {
  test.each([
    ["held", 4],
    ["no_port", 5],
    ["not_found", 3],
    ["timed_out", 6],
    ["internal", 1],
  ] as const)("%s exits with %d, with its sentence and its hint", async (code, exit) => {
    using _ = faultyDaemon(new Fault(code, "It is so", { hint: "look: port-daddy who 3100" }));
    expect(await run("claim a")).toEqual({
      code: exit,
      out: "",
      err: "error: It is so\nhint: look: port-daddy who 3100",
    });
  });

  test("is passed on with all its facts in JSON", async () => {
    const fault = new Fault("held", "Port 3100 is held by shop", { details: { port: 3100 } });
    using _ = faultyDaemon(fault);
    expect(JSON.parse((await run("claim a -p 3100 -j")).err)).toEqual(fault.toBody());
  });

  test("that quotes the command line of a stranger's process cannot repaint the screen", async () => {
    const command = "x\x1b[2J\x07\u202e\ny";
    using _ = faultyDaemon(new Fault("held", `Port 1 is in use by process 9 (${command})`));
    const { err } = await run("claim a -p 3100");
    expect(err).toStartWith("error: Port 1 is in use by process 9 (x");
    expect(err.replaceAll("\nhint: ", "")).not.toMatch(/\p{Cc}|\p{Cf}/u);
  });
});

test("a reader that has gone is no failure", async () => {
  const gone = () => {
    throw new ReaderGone();
  };
  expect((await run("--help", { out: gone })).code).toBe(0);
});

test("what nobody foresaw exits with 1, and says where more is told", async () => {
  const broken = () => {
    throw new Error("the screen is on fire");
  };
  const { code, err } = await run("--help", { out: broken });
  expect(code).toBe(1);
  expect(err).toStartWith("error: Something unexpected went wrong\nError: the screen is on fire");
});
