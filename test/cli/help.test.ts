// Help and version: what a person reads before anything is asked of a daemon.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { runCommandLine } from "../../src/cli/cli.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { noPaint } from "../../src/cli/terminal.ts";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
const before = { ...process.env };

beforeAll(() => {
  delete process.env["PORT_DADDY_URL"];
  process.env["PORT_DADDY_HOME"] = home;
});
afterAll(() => {
  delete process.env["PORT_DADDY_HOME"];
  delete process.env["PORT_DADDY_URL"];
  Object.assign(process.env, before);
  fs.rmSync(home, { recursive: true });
});

async function run(...words: string[]): Promise<string> {
  const out: string[] = [];
  const terminal = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void out.push(`! ${text}`),
    isInteractive: true,
    input: async () => "",
    columns: () => 100,
    paint: noPaint,
  };
  const code = await runCommandLine(words, terminal, () => Promise.reject(new Error()));
  expect(code).toBe(0);
  return out.join("\n");
}

describe("help", () => {
  test("of all lists every command under its heading", async () => {
    expect(await run("--help")).toMatchSnapshot();
  });

  test("is there for the asking, in each of the ways people ask", async () => {
    const overview = await run("--help");
    for (const words of [[], ["-h"], ["help"]]) expect(await run(...words)).toBe(overview);
    const ofClaim = await run("claim", "--help");
    expect(await run("help", "claim")).toBe(ofClaim);
    expect(await run("claim", "myapp", "-h")).toBe(ofClaim);
  });

  test.each(commands.map(({ name }) => name))("of %s", async (name) => {
    expect(await run(name, "--help")).toMatchSnapshot();
  });

  test("fits a screen of a hundred columns", async () => {
    for (const { name } of commands)
      for (const line of (await run(name, "--help")).split("\n"))
        expect(line.length, line).toBeLessThanOrEqual(100);
    for (const line of (await run()).split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  test("shows the aliases of a command wherever it shows the command", async () => {
    for (const command of commands)
      for (const alias of command.aliases ?? []) {
        expect(await run("--help")).toMatch(new RegExp(`\\b${alias}\\b`));
        expect(await run("help", command.name)).toMatch(new RegExp(`\\b${alias}\\b`));
      }
  });
});

describe("version", () => {
  test("is one line where only a line is asked for", async () => {
    expect(await run("--version")).toBe("port-daddy 0.0.0-source");
    expect(await run("-v")).toBe("port-daddy 0.0.0-source");
    expect(await run("version", "-q")).toBe("0.0.0-source");
  });

  test("starts no daemon to tell of it", async () => {
    expect(await run("version")).toMatchInlineSnapshot(`
      "port-daddy 0.0.0-source+000000000000
      daemon     not running"
    `);
    expect(JSON.parse(await run("version", "-j"))).toMatchObject({ daemon: null });
    expect(fs.readdirSync(home)).toEqual([]);
  });

  test("tells of the daemon that runs", async () => {
    const running = { version: "1.2.3", codeHash: "0123456789ab", pid: 7 };
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => Response.json(running),
    });
    process.env["PORT_DADDY_URL"] = server.url.origin;
    expect(await run("version")).toMatchInlineSnapshot(`
      "port-daddy 0.0.0-source+000000000000
      daemon     1.2.3+0123456789ab, pid 7"
    `);
    expect(JSON.parse(await run("version", "-j"))).toMatchObject({ daemon: running });
  });
});
