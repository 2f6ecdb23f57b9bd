// What the guard lets through over TCP, and that what it refuses did nothing.

import { expect, test } from "bun:test";
import { makeSide, type Scenario } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const tcp = () => makeSide(makeWorld(), "tcp");
const claim = { method: "POST", path: "/claim/myapp" } satisfies Scenario;

type Header = Record<string, string>;

/** One request that would change something: it does, or it is refused and nothing has happened. */
async function isLetIn(headers: Header): Promise<void> {
  const { play } = tcp();
  await play({ ...claim, headers, body: {}, events: ["service.claim myapp"] });
}

async function isRefused(headers: Header, header: string): Promise<void> {
  const { play } = tcp();
  await play({ path: "/health", headers, status: 403, answer: { code: "forbidden", header } });
  const { error } = await play({
    ...claim,
    headers,
    body: {},
    status: 403,
    answer: { code: "forbidden", header },
    events: [],
  });
  expect(error).toContain(header);
  await play({ path: "/services", answer: { count: 0 } });
}

for (const host of [
  "localhost",
  "localhost:9876",
  "LOCALHOST:9876",
  "LocalHost",
  "127.0.0.1",
  "127.0.0.1:1",
  "[::1]",
  "[::1]:9876",
]) {
  test(`the host ${host} is ours`, () => isLetIn({ host }));
}

for (const host of [
  "localhost, evil.com",
  "evil.com, localhost",
  "user@localhost",
  "localhost/x",
]) {
  test(`the host ${host} is none, so that the request is bad (RFC 9112 3.2)`, async () => {
    const { play } = tcp();
    const answer = { code: "invalid_input", field: "Host" };
    await play({ ...claim, headers: { host }, body: {}, status: 400, answer, events: [] });
  });
}

for (const host of [
  "",
  "evil.com",
  "evil.com:9876",
  "localhost.evil.com",
  "localhost.evil.com:9876",
  "evil.com.localhost",
  "127.0.0.1.evil",
  "127.0.0.1.evil:9876",
  "127.0.0.1.nip.io",
  "localhost.",
  "localhost:9876.evil.com",
  "localhost:x",
  "localhost:999999",
  "evil.com:80:localhost",
  "0.0.0.0",
  "0.0.0.0:9876",
  "[::]:9876",
  "2130706433",
  "0x7f000001",
  "127.1",
  "::1",
  "[::ffff:127.0.0.1]:9876",
  "localhostx",
  "xlocalhost",
]) {
  test(`the host ${JSON.stringify(host)} is not ours`, () => isRefused({ host }, "Host"));
}

test("a request without a host is refused", async () => {
  const { app, world, eventsSince } = tcp();
  const env = { transport: "tcp" as const, port: 9876, remoteAddress: "127.0.0.1" };
  const response = await app.request("/claim/myapp", { method: "POST" }, env);
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ code: "forbidden", header: "Host" });
  expect(eventsSince(0)).toEqual([]);
  expect(world.db.query("SELECT * FROM services").all()).toEqual([]);
});

for (const origin of ["http://localhost:9876", "http://127.0.0.1:9876", "http://[::1]:9876"]) {
  test(`the origin ${origin} is ours`, () =>
    isLetIn({ origin, "content-type": "application/json" }));
}

for (const origin of [
  "",
  "null",
  "http://localhost",
  "http://localhost:9877",
  "http://localhost:98760",
  "http://localhost:9876/",
  "http://localhost:9876.evil.com",
  "https://localhost:9876",
  "http://evil.com",
  "http://evil.com:9876",
  "http://localhost.evil.com:9876",
  "http://user@localhost:9876",
  "http://0.0.0.0:9876",
  "file://",
  "chrome-extension://abcdefghijklmnop",
]) {
  test(`the origin ${JSON.stringify(origin)} is not ours`, () => isRefused({ origin }, "Origin"));
}

for (const site of ["same-origin", "none"]) {
  test(`a request that a browser calls ${site} is ours`, () =>
    isLetIn({ "sec-fetch-site": site, "content-type": "application/json" }));
}

for (const site of ["same-site", "cross-site", "garbage", "", "Same-Origin", "none, cross-site"]) {
  test(`a request that a browser calls ${JSON.stringify(site)} is not ours`, () =>
    isRefused({ "sec-fetch-site": site }, "Sec-Fetch-Site"));
}

test("our own origin does not excuse a foreign site, nor our own host a foreign origin", async () => {
  const own = { host: "localhost:9876", origin: "http://localhost:9876" };
  await isRefused({ ...own, "sec-fetch-site": "cross-site" }, "Sec-Fetch-Site");
  await isRefused({ ...own, origin: "http://evil.com", "sec-fetch-site": "none" }, "Origin");
  await isRefused({ ...own, host: "evil.com", "sec-fetch-site": "same-origin" }, "Host");
});

// The first three are what a page can send without asking first (https://fetch.spec.whatwg.org/#cors-safelisted-request-header).
const formTypes = [
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "text/plain; application/json",
  "application/jsonp",
  "",
];

for (const type of formTypes) {
  const shown = JSON.stringify(type);
  test(`a page of ours that sends ${shown} is refused`, () =>
    isRefused({ origin: "http://localhost:9876", "content-type": type }, "Content-Type"));
  test(`a navigation that sends ${shown} is refused`, () =>
    isRefused({ "sec-fetch-site": "none", "content-type": type }, "Content-Type"));
}

for (const type of ["application/json", "application/json; charset=utf-8", "Application/JSON"]) {
  test(`a page of ours may send ${type}`, () =>
    isLetIn({ origin: "http://localhost:9876", "content-type": type }));
}

test("a program that sends neither origin nor site may call its JSON what it likes", async () => {
  for (const type of [...formTypes, "application/octet-stream", "application/json"]) {
    const { play } = tcp();
    await play({
      ...claim,
      headers: { "content-type": type },
      body: '{"port": 4000}',
      answer: { port: 4000 },
      events: ["service.claim myapp"],
    });
  }
});

test("what is refused is refused before anything else is looked at", async () => {
  const { play } = tcp();
  const headers = { host: "evil.com" };
  for (const scenario of [
    { path: "/no/such/path" },
    { path: "/openapi.json" },
    { path: "/version" },
    { ...claim, body: "{ not json" },
    { ...claim, path: "/claim/not%20one" },
    { method: "POST", path: "/shutdown" },
    { method: "OPTIONS", path: "/claim/myapp" },
  ]) {
    await play({ ...scenario, headers, status: 403, answer: { header: "Host" }, events: [] });
  }
});

test("a refused shutdown stops nothing", async () => {
  const { play, stops } = tcp();
  const shutdown = { method: "POST", path: "/shutdown" };
  await play({ ...shutdown, headers: { origin: "http://evil.com" }, status: 403 });
  expect(stops).toEqual([]);
  await play({ ...shutdown, answer: { stopping: true } });
  expect(stops).toHaveLength(1);
});

test("no answer allows another origin to read it", async () => {
  const { request } = tcp();
  for (const headers of [{}, { origin: "http://localhost:9876" }, { origin: "http://evil.com" }]) {
    const response = await request({ path: "/health", headers });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  }
});

const limit = 256 * 1024;

for (const transport of ["tcp", "socket"] as const) {
  test(`a body over 256 KiB is refused over ${transport}, unread`, async () => {
    const { play } = makeSide(makeWorld(), transport);
    for (const length of [limit + 1, 10 * limit]) {
      await play({
        ...claim,
        headers: { "content-length": String(length) },
        body: {},
        status: 413,
        answer: { code: "too_large" },
        events: [],
      });
    }
    await play({ path: "/services", answer: { count: 0 } });
  });

  test(`a body of 256 KiB is read over ${transport}`, async () => {
    const { play } = makeSide(makeWorld(), transport);
    const body = JSON.stringify({ port: 4000 }).padEnd(limit);
    await play({
      ...claim,
      headers: { "content-length": String(limit) },
      body,
      answer: { port: 4000 },
      events: ["service.claim myapp"],
    });
  });
}

test("over the socket, which no browser can open, no header is looked at", async () => {
  const foreign: Header[] = [
    { host: "evil.com" },
    { host: "" },
    { origin: "http://evil.com" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { origin: "http://evil.com", "content-type": "text/plain" },
  ];
  for (const headers of foreign) {
    const { play } = makeSide(makeWorld(), "socket");
    await play({ ...claim, headers, body: {}, events: ["service.claim myapp"] });
  }
});
