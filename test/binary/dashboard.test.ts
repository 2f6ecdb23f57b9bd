// `dashboard`: what the browser is handed leads to the page, and where there is none the URL is printed.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { headers } from "../../src/contract/headers.ts";
import { Home } from "../home.ts";

const token = "the-token-of-this-test-4711";

/** A browser that writes down what it is given, then does what a line of shell says. */
function browserIn(home: Home, name = "browser", then = "") {
  const file = path.join(home.directory, name);
  fs.writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$@" >>"$0.seen"\n${then}\n`, { mode: 0o755 });
  return {
    env: { BROWSER: file },
    file,
    /** What it was given since it was last asked. */
    seen(): string[] {
      const record = `${file}.seen`;
      if (!fs.existsSync(record)) return [];
      const lines = fs.readFileSync(record, "utf8").trimEnd().split("\n");
      fs.rmSync(record);
      return lines;
    },
  };
}

/** Asks over TCP as a browser would, but goes nowhere by itself. */
function get(url: string, given: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: given, redirect: "manual", proxy: false });
}

async function isPage(url: string): Promise<void> {
  const response = await get(url);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toStartWith("text/html");
  expect(await response.text()).toContain("/assets/");
}

describe("without a token", () => {
  let home: Home;
  let browser: ReturnType<typeof browserIn>;
  let page: string;
  beforeAll(async () => {
    home = new Home();
    browser = browserIn(home);
    page = `http://localhost:${(await home.json(["start"])).port}/`;
  });
  afterAll(() => home[Symbol.asyncDispose]());

  test("it starts a daemon that is missing", async () => {
    await using at = new Home();
    const { env, seen } = browserIn(at);
    const { code, out } = await at.run(["dashboard"], { env });
    expect(code).toBe(0);
    expect(seen()).toEqual([out.trim()]);
    await isPage(out.trim());
  });

  test("the browser gets the page, whose URL alone is on stdout", async () => {
    const result = await home.run(["dashboard"], { env: browser.env });
    expect(result).toEqual({ code: 0, out: `${page}\n`, err: `Opened ${page}\n` });
    expect(browser.seen()).toEqual([page]);
    await isPage(page);
  });

  test("on a terminal it says what it did", async () => {
    const line = `BROWSER='${browser.file}' port-daddy dashboard`;
    expect(await home.onTerminal(line)).toMatchObject({ code: 0, out: `Opened ${page}\n` });
    expect(browser.seen()).toEqual([page]);
    const { out } = await home.onTerminal(`${line} --no-open`);
    expect(out).toBe(`${page}\n`);
    expect(browser.seen()).toEqual([]);
  });

  test.each([
    [["-q"], "URL\n", true],
    [["-j"], '{"url":"URL","opened":true}\n', true],
    [["--no-open"], "URL\n", false],
    [["--no-open", "-j"], '{"url":"URL","opened":false}\n', false],
  ])("%j narrates nothing", async (flags, out, isOpened) => {
    const result = await home.run(["dashboard", ...flags], { env: browser.env });
    expect(result).toEqual({ code: 0, out: out.replace("URL", page), err: "" });
    expect(browser.seen()).toEqual(isOpened ? [page] : []);
  });

  test("a browser that fails is told of, and the URL printed all the same", async () => {
    const failing = browserIn(home, "failing", "exit 3");
    expect(await home.run(["dashboard"], { env: failing.env })).toEqual({
      code: 0,
      out: `${page}\n`,
      err: `No browser was opened: '${failing.file}' exited with 3\n`,
    });
    expect(failing.seen()).toEqual([page]);
    expect(await home.json(["dashboard"], { env: failing.env })).toEqual({
      url: page,
      opened: false,
    });
  });

  test("without a display, or over SSH, it says so", async () => {
    const ssh = { SSH_CONNECTION: "192.0.2.1 50000 192.0.2.2 22" };
    for (const [env, why] of [
      [{}, "there is no display\n"],
      [ssh, "this is an SSH session\nhint: to see it where you sit, run there: ssh -L "],
    ] as const) {
      const { code, out, err } = await home.run(["dashboard"], { env });
      expect({ code, out }).toEqual({ code: 0, out: `${page}\n` });
      expect(err).toStartWith(`No browser was opened: ${why}`);
    }
  });

  test("a browser that stays is not waited for, and what it prints goes nowhere", async () => {
    const staying = browserIn(home, "staying", "echo noise; echo noise >&2; exec sleep 30");
    const { code, out, err } = await home.run(["dashboard"], { env: staying.env });
    expect({ code, out, err }).toEqual({ code: 0, out: `${page}\n`, err: `Opened ${page}\n` });
    expect(staying.seen()).toEqual([page]);
  });

  test("a daemon at a URL is opened there", async () => {
    const env = { ...browser.env, PORT_DADDY_URL: page.replace("localhost", "127.0.0.1") };
    expect((await home.run(["dashboard"], { env })).code).toBe(0);
    expect(browser.seen()).toEqual([env.PORT_DADDY_URL]);
  });
});

describe("with a token", () => {
  let home: Home;
  let browser: ReturnType<typeof browserIn>;
  let page: string;
  beforeAll(async () => {
    home = new Home({ PORT_DADDY_TOKEN: token });
    browser = browserIn(home);
    page = `http://localhost:${(await home.json(["start"])).port}/`;
  });
  afterAll(() => home[Symbol.asyncDispose]());

  /** Enters by a URL, and returns the cookie that is given for it. */
  async function enter(url: string): Promise<string> {
    expect(url).toStartWith(`${page}enter?key=`);
    const response = await get(url);
    expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
    expect((await get(url)).status).toBe(401);
    return response.headers.get("set-cookie")!.split(";")[0]!;
  }

  async function statusWith(cookie: string): Promise<number> {
    return (await get(`${page}services`, { Cookie: cookie })).status;
  }

  test("the browser is let in once by a key, which is printed nowhere", async () => {
    // The daemon's own setting counts, not what the shell at hand holds.
    for (const shell of [{}, { PORT_DADDY_TOKEN: "" }]) {
      const result = await home.run(["dashboard"], { env: { ...browser.env, ...shell } });
      expect(result).toEqual({ code: 0, out: `${page}\n`, err: `Opened ${page}\n` });
      const [url = "", ...others] = browser.seen();
      expect(others).toEqual([]);
      expect(await statusWith(await enter(url))).toBe(200);
    }
    expect(await statusWith("")).toBe(401);
  });

  test("a URL that is printed to be opened has a key in it, and how long it is good beside it", async () => {
    const { code, out, err } = await home.run(["dashboard", "--no-open"]);
    expect({ code, err }).toEqual({
      code: 0,
      err: "The key in it works once and expires in 1m\n",
    });
    expect(await statusWith(await enter(out.trim()))).toBe(200);
    const { url, opened } = await home.json(["dashboard", "--no-open"]);
    expect(opened).toBe(false);
    expect(await statusWith(await enter(url))).toBe(200);
  });

  test("a daemon at a URL hands a key to whoever has the token", async () => {
    const remote = { ...browser.env, PORT_DADDY_URL: page };
    expect(await home.run(["dashboard"], { env: remote })).toMatchObject({ code: 0 });
    expect(await statusWith(await enter(browser.seen()[0]!))).toBe(200);
    const without = { ...remote, PORT_DADDY_TOKEN: "" };
    expect(await home.run(["dashboard"], { env: without })).toMatchObject({ code: 4, out: "" });
    expect(browser.seen()).toEqual([]);
  });
});

test("a daemon without a TCP port has no dashboard, and it is said how to give it one", async () => {
  // Plays the port-daddy of another user.
  using other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () =>
      Response.json({ uid: 4_000_000 }, { headers: { [headers.build]: "1.0.0+0123456789ab" } }),
  });
  await using home = new Home({ PORT_DADDY_PORT: String(other.port) });
  const browser = browserIn(home);
  const { code, out, err } = await home.run(["dashboard"], { env: browser.env });
  expect({ code, out }).toEqual({ code: 7, out: "" });
  expect(err).toContain(
    `error: The daemon serves its socket alone, where no browser can go: another user's port-daddy has port ${other.port}\n`,
  );
  expect(err).toMatch(/\nhint: give it another: PORT_DADDY_PORT=\d+ port-daddy restart\n$/);
  expect(browser.seen()).toEqual([]);

  const env = { PORT_DADDY_PORT: "0" };
  expect((await home.run(["restart"], { env })).code).toBe(0);
  const { url } = await home.json(["dashboard", "--no-open"], { env });
  await isPage(url);
});
