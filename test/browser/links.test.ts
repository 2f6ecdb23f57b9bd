// What foreign.test.ts leaves open of what a page of a stranger may try: streams, other windows, workers, other methods,
// a name that is rebound while the page is open. And what any page may do: link to us.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, Home } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { says } from "./window.ts";

const { home, newContext } = setUp();
let page: Page;
let daemonPort: number;

/** Serves the page of the stranger; `/worker.js` fetches what it is told and answers with what it could read. */
const site = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: ({ url }) =>
    new URL(url).pathname === "/worker.js"
      ? new Response(
          `onmessage = async ({ data }) => postMessage(await fetch(data).then((r) => r.text(), () => ""));`,
          { headers: { "Content-Type": "text/javascript" } },
        )
      : new Response("<!doctype html><title>harmless</title>", {
          headers: { "Content-Type": "text/html" },
        }),
});

/** Reads a stream; runs in the page. Answers what came of it, or that it was refused. */
function listen(url: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const source = new EventSource(url, { withCredentials: true });
  for (const name of ["snapshot", "message", "position", "open"])
    source.addEventListener(name, () => resolve(name));
  source.onerror = () => resolve("refused");
  return promise.finally(() => source.close());
}

/** Asks from a worker; runs in the page. */
function askFromWorker(url: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const worker = new Worker("/worker.js");
  worker.onmessage = ({ data }) => resolve(data);
  worker.postMessage(url);
  return promise.finally(() => worker.terminate());
}

/** Writes with every way to ask that needs leave first, or that has a body of its own kind; runs in the page. */
async function write(target: string): Promise<string[]> {
  const read: string[] = [];
  const form = new FormData();
  form.set("cmd", "evil");
  const attempts: [string, RequestInit][] = [
    ["/claim/put", { method: "PUT", body: "{}" }],
    ["/services/precious/endpoints/dev", { method: "PUT", body: '{"url":"http://evil.com"}' }],
    ["/claim/header", { method: "POST", headers: { "X-Agent-Id": "mallory" }, body: "{}" }],
    ["/claim/form", { method: "POST", mode: "no-cors", body: form }],
    ["/claim/search", { method: "POST", mode: "no-cors", body: new URLSearchParams("port=4000") }],
    ["/claim/credentials", { method: "POST", mode: "no-cors", credentials: "include" }],
    ["/claim/kept", { method: "POST", mode: "no-cors", keepalive: true, body: "{}" }],
    ["/keys", { method: "POST", mode: "no-cors" }],
    ["/locks/evil", { method: "POST", referrerPolicy: "no-referrer", mode: "no-cors" }],
    ["/msg/evil", { method: "POST", mode: "no-cors", body: '{"payload":1}' }],
  ];
  for (const [path, init] of attempts) {
    const text = await fetch(target + path, init).then(
      (answer) => answer.text(),
      () => "",
    );
    if (text !== "") read.push(text);
  }
  return read;
}

/** Everything that can be seen of the daemon's state. */
async function stateOf(home: Home): Promise<string> {
  const routes = ["/services", "/locks", "/agents", "/channels", "/activity?limit=1000"];
  return (await Promise.all(routes.map(async (each) => (await home.fetch(each)).text()))).join();
}

describe.skipIf(!isInstalled)("a page of a stranger", () => {
  beforeAll(async () => {
    daemonPort = (await home.json(["version"])).daemon.port;
    await home.run(["claim", "precious"]);
    page = await (await newContext()).newPage();
  });
  afterAll(() => site.stop(true));

  const origins = [
    ["of another site", "evil.test"],
    ["of another port of localhost", "localhost"],
  ] as const;

  describe.each(origins)("%s", (_, from) => {
    beforeAll(() => page.goto(`http://${from}:${site.port}/`));
    const target = () => `http://localhost:${daemonPort}`;

    test("gets no stream", async () => {
      for (const route of ["/events", "/events?after=0", "/subscribe/builds?after=0"])
        expect(await page.evaluate(listen, target() + route)).toBe("refused");
      const { subscribers } = (await (await home.fetch("/health")).json()) as any;
      expect(subscribers).toBe(0);
    });

    test("reads nothing from a worker", async () => {
      for (const route of ["/services", "/version", "/openapi.json"])
        expect(await page.evaluate(askFromWorker, target() + route)).toBe("");
    });

    test("changes nothing, by whatever method and body", async () => {
      const before = await stateOf(home);
      expect(await page.evaluate(write, target())).toEqual([]);
      expect(await stateOf(home)).toBe(before);
    });

    test("gets nothing out of a window that it opens", async () => {
      const [opened] = await Promise.all([
        page.waitForEvent("popup"),
        page.evaluate((url) => void window.open(url, "other"), `${target()}/services`),
      ]);
      await opened.waitForLoadState();
      expect(await opened.textContent("body")).toContain('"code":"forbidden"');
      await opened.close();
    });

    test("may link to the dashboard, which opens and is live", async () => {
      await page.setContent(`<a href="${target()}/">port-daddy</a>`);
      const [answer] = await Promise.all([page.waitForResponse(`${target()}/`), page.click("a")]);
      expect(answer.status()).toBe(200);
      await page.locator(".light.live").waitFor();
      await says(page.locator("main"), "1 of ");
      await page.goto(`http://${from}:${site.port}/`);
    });

    test("may not link to anything else, nor show the first page in a frame", async () => {
      await page.setContent(`<a href="${target()}/services">services</a>`);
      const [linked] = await Promise.all([
        page.waitForResponse(`${target()}/services`),
        page.click("a"),
      ]);
      expect(linked.status()).toBe(403);
      await page.goto(`http://${from}:${site.port}/`);
      const [framed] = await Promise.all([
        page.waitForResponse(`${target()}/`),
        page.setContent(`<iframe src="${target()}/"></iframe>`),
      ]);
      expect(framed.status()).toBe(403);
      await page.goto(`http://${from}:${site.port}/`);
    });
  });

  test("whose own server sends it on to us gets no further than before", async () => {
    const before = await stateOf(home);
    using redirecting = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url }) => {
        const to = `http://localhost:${daemonPort}${new URL(url).pathname}`;
        return new Response(null, {
          status: 307,
          headers: { Location: to, "Access-Control-Allow-Origin": "*" },
        });
      },
    });
    await page.goto(`http://evil.test:${site.port}/`);
    await page.setContent(`<a href="http://evil.test:${redirecting.port}/services">services</a>`);
    const [redirected] = await Promise.all([
      page.waitForResponse(`http://localhost:${daemonPort}/services`),
      page.click("a"),
    ]);
    expect(redirected.status()).toBe(403);
    await page.goto(`http://evil.test:${site.port}/`);
    expect(await page.evaluate(write, `http://evil.test:${redirecting.port}`)).toEqual([]);
    expect(await stateOf(home)).toBe(before);
  });

  test("that was there before its name was rebound to us gets refusals, in streams as well", async () => {
    const before = await stateOf(home);
    // The page comes from a server on the daemon's own port, which is then the daemon's.
    await home.run(["stop"]);
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: daemonPort,
      fetch: () =>
        new Response("<!doctype html>", {
          headers: { "Content-Type": "text/html", Connection: "close" },
        }),
    });
    const origin = `http://rebound.test:${daemonPort}`;
    await page.goto(`${origin}/`);
    await server.stop(true);
    const env = { PORT_DADDY_PORT: String(daemonPort) };
    await eventually(
      "the daemon is back",
      async () => (await home.run(["start"], { env })).code === 0,
    );

    for (const route of ["/services", "/openapi.json"]) {
      const text = await page.evaluate(
        (url) => fetch(url).then((answer) => answer.text()),
        origin + route,
      );
      expect(text).toContain('"code":"forbidden"');
    }
    expect(await page.evaluate(listen, `${origin}/events`)).toBe("refused");
    for (const text of await page.evaluate(write, origin))
      expect(text).toContain('"code":"forbidden"');
    const { entries } = await home.json(["log"]);
    expect(entries.map(({ action }: any) => action)).toEqual([
      ...["daemon_start", "daemon_stop", "claim", "daemon_start"],
    ]);
    expect(before).toContain("precious");
  });
});
