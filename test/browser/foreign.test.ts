// A web page you visit can do nothing to the daemon, nor read from it: real Chromium, real pages of other origins.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { Home } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";

const { home, newContext } = setUp();
let daemonPort: number;

/** Serves the hostile page. */
const site = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () =>
    new Response("<!doctype html><title>harmless</title>", {
      headers: { "Content-Type": "text/html" },
    }),
});

/** What came to the daemon without a guard. */
const reached: string[] = [];

/** Answers everybody everything, as a daemon without a guard would: what it gets, ours would have got. */
const gullible = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch({ method, url }) {
    reached.push(`${method} ${new URL(url).pathname}`);
    const headers = {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Methods": "*",
      "Access-Control-Allow-Headers": "*",
    };
    return new Response('{"secret":true}', { headers });
  },
});

/** Everything a page may try against an address. Runs in the page; answers the texts that it could read. */
async function attack(target: string): Promise<string[]> {
  const read: string[] = [];
  async function attempt(path: string, init: RequestInit = {}): Promise<void> {
    try {
      const text = await (await fetch(target + path, init)).text();
      if (text !== "") read.push(`${path}: ${text}`);
    } catch {
      return; // What is hoped for.
    }
  }
  const json = { "Content-Type": "application/json" };
  const plain = { "Content-Type": "text/plain" };
  await attempt("/services");
  await attempt("/version", { mode: "no-cors" });
  await attempt("/claim/cors", { method: "POST", headers: plain, body: "{}" });
  await attempt("/claim/no-cors", { method: "POST", mode: "no-cors", headers: plain, body: "{}" });
  await attempt("/claim/bare", { method: "POST", mode: "no-cors" });
  await attempt("/claim/json", { method: "POST", headers: json, body: "{}" });
  await attempt("/release/precious", { method: "DELETE" });
  await attempt("/shutdown", { method: "POST", mode: "no-cors", headers: plain, body: "{}" });
  navigator.sendBeacon(`${target}/claim/beacon`, "{}");

  const loaded = (element: HTMLElement) =>
    new Promise((resolve) => {
      element.onload = element.onerror = resolve;
      document.body.append(element);
    });
  await loaded(Object.assign(new Image(), { src: `${target}/services` }));
  await loaded(Object.assign(document.createElement("script"), { src: `${target}/version` }));

  const frame = Object.assign(document.createElement("iframe"), { name: "target" });
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {
    action: `${target}/claim/form`,
    method: "post",
    enctype: "text/plain",
    target: "target",
  });
  form.append(Object.assign(document.createElement("input"), { name: '{"cmd":"', value: '"}' }));
  document.body.append(form);
  await new Promise((resolve) => {
    frame.onload = resolve;
    form.submit();
  });
  return read;
}

/** What the daemon holds and what has happened to it. */
async function stateOf(home: Home): Promise<unknown> {
  const [services, activity] = [await home.fetch("/services"), await home.fetch("/activity")];
  return [await services.json(), await activity.json()];
}

describe.skipIf(!isInstalled)("a page of a stranger", () => {
  let page: Page;

  beforeAll(async () => {
    daemonPort = (await home.json(["version"])).daemon.port;
    await home.run(["claim", "precious"]);
    page = await (await newContext()).newPage();
  });
  afterAll(() => Promise.all([site.stop(true), gullible.stop(true)]));

  test("would reach a daemon without a guard, so the attack is a real one", async () => {
    await page.goto(`http://evil.test:${site.port}/`);
    const read = await page.evaluate(attack, gullible.url.origin);
    expect(read).toContain('/services: {"secret":true}');
    expect(reached).toEqual(
      expect.arrayContaining([
        ...["GET /services", "GET /version", "POST /shutdown", "DELETE /release/precious"],
        ...["cors", "no-cors", "bare", "json", "beacon", "form"].map(
          (name) => `POST /claim/${name}`,
        ),
      ]),
    );
  });

  test.each([
    ["of another site", "evil.test", "127.0.0.1"],
    ["of another site, by name", "evil.test", "localhost"],
    ["of another port of localhost", "localhost", "localhost"],
    ["of another port of 127.0.0.1", "127.0.0.1", "127.0.0.1"],
  ])("%s reads nothing and changes nothing", async (_, from, to) => {
    const before = await stateOf(home);
    await page.goto(`http://${from}:${site.port}/`);
    expect(await page.evaluate(attack, `http://${to}:${daemonPort}`)).toEqual([]);
    expect(await stateOf(home)).toEqual(before);
  });

  test("whose name was rebound to this machine gets refusals for everything", async () => {
    const before = await stateOf(home);
    const origin = `http://evil.test:${daemonPort}`;
    expect((await page.goto(`${origin}/services`))!.status()).toBe(403);
    const read = await page.evaluate(attack, origin);
    expect(read).not.toEqual([]);
    for (const text of read) expect(text).toContain('"code":"forbidden"');
    for (const text of read) expect(text).not.toContain('precious"');
    expect(await stateOf(home)).toEqual(before);
  });

  test("may not even show the daemon in a frame of its own", async () => {
    await page.goto(`http://evil.test:${site.port}/`);
    const [response] = await Promise.all([
      page.waitForResponse(`http://localhost:${daemonPort}/version`),
      page.setContent(`<iframe src="http://localhost:${daemonPort}/version"></iframe>`),
    ]);
    expect(response.status()).toBe(403);
  });
});
