// A directory that somebody works in, and the environment of their shell, run no code in the binary and turn it to no
// other daemon.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home } from "../home.ts";

let home: Home;
/** A directory with everything that a runtime might pick up. */
let trap: string;
/** Every request that came to the proxy. */
const proxied: string[] = [];
const proxy = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: ({ url }) => (proxied.push(url), new Response("{}")),
});

beforeAll(() => {
  home = new Home();
  trap = path.join(home.directory, "trap");
  fs.mkdirSync(trap);
  const files = {
    ".env": `PORT_DADDY_HOME=${trap}/state\nPORT_DADDY_PORT=1\nPORT_DADDY_URL=${proxy.url}\n`,
    ".env.local": "PORT_DADDY_AGENT=mallory\n",
    ".env.production": "PORT_DADDY_RANGE_START=1\nNO_COLOR=\n",
    "preload.js": `require("node:fs").writeFileSync("${trap}/it-ran", "");`,
    "bunfig.toml": 'preload = ["./preload.js"]\n[run]\npreload = ["./preload.js"]\n',
    "package.json": '{"name":"trap","type":"commonjs","imports":{"cac":"./preload.js"}}',
    "tsconfig.json": '{"compilerOptions":{"paths":{"*":["./preload.js"]}}}',
  };
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(trap, name), text);
});
afterAll(async () => {
  await proxy.stop(true);
  await home[Symbol.asyncDispose]();
});

/** Nothing was written there, nobody was asked, and what runs is ours. */
function expectNothingTouched(): void {
  expect(fs.existsSync(path.join(trap, "it-ran"))).toBe(false);
  expect(fs.existsSync(path.join(trap, "state"))).toBe(false);
  expect(proxied).toEqual([]);
}

const viaProxy = Object.fromEntries(
  ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"].map((name) => [
    name,
    proxy.url.origin,
  ]),
);

test.each<[string, () => Record<string, string>]>([
  [".env, bunfig.toml, package.json and tsconfig.json", () => ({})],
  ["a proxy of the environment", () => viaProxy],
  ["NODE_OPTIONS", () => ({ NODE_OPTIONS: `--require ${trap}/preload.js` })],
  ["BUN_CONFIG_FILE", () => ({ BUN_CONFIG_FILE: `${trap}/bunfig.toml` })],
  ["BUN_INSPECT_CONNECT_TO", () => ({ BUN_INSPECT_CONNECT_TO: `unix://${trap}/inspector` })],
  ["NODE_ENV", () => ({ NODE_ENV: "production" })],
])("%s change nothing, for a command and the daemon it starts", async (_, env) => {
  await home.run(["stop"]);
  const { code, out } = await home.run(["claim", "myapp"], { cwd: trap, env: env() });
  expect(code).toBe(0);
  expect(Number(out)).toBeWithin(home.range.start, home.range.end + 1);
  const { home: state } = await home.json(["status"], { cwd: trap, env: env() });
  expect(state).toBe(home.state);
  expect((await home.run(["log"])).out).not.toContain("mallory");
  expectNothingTouched();
});

test("a proxy of the environment is not asked on the way to PORT_DADDY_URL either", async () => {
  await home.run(["start"]);
  const { port } = await home.json(["status"]);
  for (const host of ["127.0.0.1", "localhost"]) {
    const env = { ...viaProxy, PORT_DADDY_URL: `http://${host}:${port}` };
    expect((await home.run(["claim", "myapp", "-q"], { env })).code).toBe(0);
  }
  expectNothingTouched();
});

// Bun has no way to leave these out; it refuses to start with them, and says so.
test.each<[string, () => Record<string, string>]>([
  ["BUN_OPTIONS=--preload", () => ({ BUN_OPTIONS: `--preload ${trap}/preload.js` })],
  ["BUN_OPTIONS=--require", () => ({ BUN_OPTIONS: `--require ${trap}/preload.js` })],
  ["BUN_OPTIONS=--import", () => ({ BUN_OPTIONS: `--import=${trap}/preload.js` })],
  ["BUN_INSPECT", () => ({ BUN_INSPECT: "ws://127.0.0.1:0/trap?wait=1" })],
  ["BUN_INSPECT_PRELOAD", () => ({ BUN_INSPECT_PRELOAD: `${trap}/preload.js` })],
])("%s runs nothing: the command is refused at once", async (_, env) => {
  const { code, out, err } = await home.run(["claim", "hostage"], { cwd: trap, env: env() });
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/code.generation.from.strings/i);
  expect((await home.json(["find", "hostage"])).count).toBe(0);
  expectNothingTouched();
});
