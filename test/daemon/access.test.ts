// Who may ask over TCP: with a token, with a session that a key opened, how often, and how much is held open at once.

import { afterEach, expect, spyOn, test } from "bun:test";
import * as os from "node:os";
import type { RequestEnv } from "../../src/daemon/request.ts";
import { makeSide, type Side } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const token = "a-token-of-the-tests-0123";
const port = 9876;

/** A side over TCP with settings of its own, without the `PORT_DADDY_`. */
function sideWith(settings: Record<string, string> = {}): Side {
  const named = Object.entries(settings).map(([name, value]) => [`PORT_DADDY_${name}`, value]);
  return makeSide(makeWorld(Object.fromEntries(named)), "tcp");
}

type Asked = {
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** The address from which it comes; loopback where it is left out, `socket` for the socket. */
  from?: string;
  at?: number;
  signal?: AbortSignal;
};

function ask(
  { app }: Side,
  path: string,
  { method = "GET", headers = {}, body, from, at = port, signal }: Asked = {},
) {
  const remoteAddress = from ?? "127.0.0.1";
  const env: RequestEnv["Bindings"] =
    from === "socket"
      ? { transport: "socket" }
      : { transport: "tcp", port: at, remoteAddress, isLoopback: from === undefined, hold() {} };
  const init = {
    method,
    headers: { host: `localhost:${at}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  };
  return app.request(path, init, env);
}

const bearer = (of: string) => ({ authorization: `Bearer ${of}` });

async function isUnauthorized(response: Promise<Response> | Response): Promise<void> {
  const { status, headers } = await response;
  expect({ status, asksFor: headers.get("www-authenticate") }).toEqual({
    status: 401,
    asksFor: "Bearer",
  });
  expect(await (await response).json()).toMatchObject({
    code: "unauthorized",
    error: expect.any(String),
    hint: expect.any(String),
  });
}

test("whoever sends the token may do everything", async () => {
  const { play } = sideWith({ TOKEN: token });
  const headers = bearer(token);
  await play({
    method: "POST",
    path: "/claim/myapp",
    headers,
    body: {},
    events: ["service.claim myapp"],
  });
  await play({ path: "/services", headers, answer: { count: 1 } });
  await play({ path: "/services", headers: { authorization: `bearer ${token}` } });
});

test.each<[string, Record<string, string>]>([
  ["no header", {}],
  ["an empty one", { authorization: "" }],
  ["a scheme alone", { authorization: "Bearer" }],
  ["the token alone", { authorization: token }],
  ["another scheme", { authorization: `Basic ${btoa(`:${token}`)}` }],
  ["another token", bearer("another-token-of-the-tests")],
  ["the beginning of it", bearer(token.slice(0, -1))],
  ["more than it", bearer(`${token}x`)],
  ["another case of it", bearer(token.toUpperCase())],
  ["two of them", { authorization: `Bearer ${token}, Bearer ${token}` }],
  ["the token as a cookie", { cookie: `port-daddy=${token}` }],
  ["an empty cookie", { cookie: "port-daddy=" }],
])("without the token nothing is done nor told: %s", async (_, headers) => {
  const side = sideWith({ TOKEN: token });
  const before = side.world.journal.lastId();
  for (const path of [
    "/health",
    "/version",
    "/services",
    "/openapi.json",
    "/events",
    "/no",
    "/assets",
  ])
    await isUnauthorized(ask(side, path, { headers }));
  for (const path of ["/claim/myapp", "/keys", "/shutdown"])
    await isUnauthorized(ask(side, path, { method: "POST", headers, body: {} }));
  await isUnauthorized(ask(side, `/services?token=${token}`, { headers }));
  expect(side.eventsSince(before)).toEqual([]);
  expect(side.stops).toEqual([]);
});

test("the socket asks for no token", async () => {
  const { play } = makeSide(makeWorld({ PORT_DADDY_TOKEN: token }), "socket");
  await play({ method: "POST", path: "/claim/myapp", events: ["service.claim myapp"] });
});

test("no refusal tells the token", async () => {
  const side = sideWith({ TOKEN: token });
  for (const path of ["/health", "/enter", "/enter?key=x"]) {
    const response = await ask(side, path, { headers: bearer("wrong") });
    const told = (await response.text()) + JSON.stringify([...response.headers]);
    expect(told).not.toContain(token);
  }
});

test("the token opens nothing to a page of another origin, nor to a name that is not ours", async () => {
  const { play } = sideWith({ TOKEN: token });
  for (const foreign of [{ origin: "http://evil.com" }, { host: "evil.com" }]) {
    await play({ path: "/services", headers: { ...bearer(token), ...foreign }, status: 403 });
  }
});

/** A key, as the command line gets it over the socket. */
async function makeKey(side: Side): Promise<string> {
  const response = await ask(side, "/keys", { method: "POST", from: "socket" });
  return ((await response.json()) as { key: string }).key;
}

/** Enters and returns the cookie with its attributes. */
async function enter(side: Side, key: string): Promise<string> {
  const response = await ask(side, `/enter?key=${key}`);
  expect(response.status).toBe(303);
  expect(response.headers.get("location")).toBe("/");
  expect(response.headers.get("cache-control")).toBe("no-store");
  return response.headers.get("set-cookie")!;
}

const valueOf = (cookie: string) => cookie.split(";")[0]!;

test("a key opens a session whose cookie no script and no other site gets", async () => {
  const side = sideWith({ TOKEN: token });
  const key = await makeKey(side);
  const cookie = await enter(side, key);
  expect(cookie.split("; ")).toEqual(
    expect.arrayContaining(["HttpOnly", "SameSite=Strict", "Path=/"]),
  );
  expect(cookie).not.toContain(key);
  expect(cookie).not.toContain(token);
  const headers = { cookie: valueOf(cookie) };
  expect((await ask(side, "/services", { headers })).status).toBe(200);
  const among = { cookie: `a=b; ${valueOf(cookie)}; other=port-daddy=x` };
  expect((await ask(side, "/services", { headers: among })).status).toBe(200);
});

test("a key works once, and only itself", async () => {
  const side = sideWith({ TOKEN: token });
  const key = await makeKey(side);
  for (const wrong of ["", "x", key.slice(1), `${key}x`, token])
    await isUnauthorized(ask(side, `/enter?key=${encodeURIComponent(wrong)}`));
  await isUnauthorized(ask(side, "/enter"));
  await enter(side, key);
  const again = await ask(side, `/enter?key=${key}`);
  expect(again.headers.get("set-cookie")).toBeNull();
  await isUnauthorized(again);
});

test("a key is good for a minute", async () => {
  const side = sideWith({ TOKEN: token });
  const [timely, late] = [await makeKey(side), await makeKey(side)];
  side.world.advance(59_999);
  await enter(side, timely);
  side.world.advance(1);
  await isUnauthorized(ask(side, `/enter?key=${late}`));
});

test("a session ends when its cookie does", async () => {
  const side = sideWith({ TOKEN: token });
  const cookie = await enter(side, await makeKey(side));
  const lastsMs = Number(/Max-Age=(\d+)/.exec(cookie)![1]) * 1000;
  const headers = { cookie: valueOf(cookie) };
  side.world.advance(lastsMs - 1);
  expect((await ask(side, "/health", { headers })).status).toBe(200);
  side.world.advance(1);
  await isUnauthorized(ask(side, "/health", { headers }));
});

test("a key is no session, and a session no key", async () => {
  const side = sideWith({ TOKEN: token });
  const key = await makeKey(side);
  await isUnauthorized(ask(side, "/health", { headers: { cookie: `port-daddy=${key}` } }));
  const session = valueOf(await enter(side, key)).split("=")[1]!;
  await isUnauthorized(ask(side, `/enter?key=${session}`));
  await isUnauthorized(ask(side, "/health", { headers: bearer(session) }));
});

test("a key that a page elsewhere asks for is not used up", async () => {
  const side = sideWith({ TOKEN: token });
  const key = await makeKey(side);
  for (const headers of [
    { host: "evil.com" },
    { origin: "http://evil.com" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  ]) {
    expect((await ask(side, `/enter?key=${key}`, { headers })).status).toBe(403);
  }
  await enter(side, key);
});

const link = {
  "sec-fetch-site": "cross-site",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
};

test("a link on another site leads to our pages", async () => {
  const side = sideWith();
  for (const site of ["cross-site", "same-site"])
    for (const path of ["/", "/?from=elsewhere"])
      expect(
        (await ask(side, path, { headers: { ...link, "sec-fetch-site": site } })).status,
      ).not.toBe(403);
  const key = await makeKey(side);
  expect((await ask(side, `/enter?key=${key}`, { headers: link })).status).toBe(303);
});

test.each<[string, string, Asked]>([
  ["to anything else", "/services", {}],
  ["to a path below", "//", {}],
  ["that posts", "/", { method: "POST" }],
  ["that fetches", "/", { headers: { "sec-fetch-mode": "cors" } }],
  ["that embeds an image", "/", { headers: { "sec-fetch-mode": "no-cors" } }],
  ["into a frame", "/", { headers: { "sec-fetch-dest": "iframe" } }],
  ["into an object", "/", { headers: { "sec-fetch-dest": "object" } }],
  ["with an origin", "/", { headers: { origin: "null" } }],
  ["to another name", "/", { headers: { host: "evil.com" } }],
])("a link on another site is refused %s", async (_, path, { method = "GET", headers = {} }) => {
  const side = sideWith();
  const response = await ask(side, path, { method, headers: { ...link, ...headers } });
  expect(response.status).toBe(403);
});

test.each([
  ["192.168.1.5", "192.168.1.5:9876", "192.168.1.50"],
  ["Box.Example", "BOX.example:9876", "sub.box.example"],
  ["fd00::5", "[fd00::5]:9876", "[fd00::6]:9876"],
  ["FD00:0:0::5", "[fd00::5]:9876", "fd00::5"],
])("beyond loopback the host %s answers to its own name too", async (host, own, foreign) => {
  const side = sideWith({ HOST: host, TOKEN: token });
  const headers = (host: string) => ({ ...bearer(token), host });
  for (const each of [own, "localhost:9876", "127.0.0.1", "[::1]"])
    expect([each, (await ask(side, "/health", { headers: headers(each) })).status]).toEqual([
      each,
      200,
    ]);
  for (const each of [foreign, "evil.com", `${own.split(":98")[0]}.evil.com`, "0.0.0.0"])
    expect([each, (await ask(side, "/health", { headers: headers(each) })).status]).toEqual([
      each,
      403,
    ]);
  const origin = `http://${own.toLowerCase()}`;
  const page = { headers: { ...headers(own), origin } };
  expect((await ask(side, "/health", page)).status).toBe(200);
});

test.each(["0.0.0.0", "::"])("with %s the names of this machine are ours", async (host) => {
  const side = sideWith({ HOST: host, TOKEN: token });
  const statusFor = async (name: string) =>
    (await ask(side, "/health", { headers: { ...bearer(token), host: `${name}:9876` } })).status;
  const addresses = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
  const names = addresses.map(({ family, address }) =>
    family === "IPv6" ? `[${address}]` : address,
  );
  for (const name of ["localhost", os.hostname(), ...names])
    expect([name, await statusFor(name)]).toEqual([name, 200]);
  for (const name of ["evil.com", `${os.hostname()}.evil.com`, "203.0.113.9", "[2001:db8::9]"])
    expect([name, await statusFor(name)]).toEqual([name, 403]);
});

test("with a wildcard, an address that the machine gets later is ours as well", async () => {
  const side = sideWith({ HOST: "0.0.0.0", TOKEN: token });
  const later = { ...os.networkInterfaces()["lo"]![0]!, address: "203.0.113.7", internal: false };
  using _ = spyOn(os, "networkInterfaces").mockReturnValue({ wlan0: [later as never] });
  const headers = { ...bearer(token), host: "203.0.113.7:9876" };
  expect((await ask(side, "/health", { headers })).status).toBe(200);
});

test("on port 80 our own pages have an origin without a port", async () => {
  const headers = { host: "localhost", origin: "http://localhost" };
  expect((await ask(sideWith(), "/health", { headers, at: 80 })).status).toBe(200);
});

afterEach(() => {
  ticks = 0;
});
let ticks = 0;

/** Holds still the clock that rates are counted by, until it is moved. */
function stillClock() {
  return spyOn(performance, "now").mockImplementation(() => ticks);
}

const remote = "192.168.1.77";

async function statusesOf(side: Side, times: number, asked: Asked = {}): Promise<number[]> {
  const statuses: number[] = [];
  for (let each = 0; each < times; each++)
    statuses.push((await ask(side, "/health", asked)).status);
  return statuses;
}

test("beyond loopback each address may ask a hundred times a second", async () => {
  using _ = stillClock();
  const side = sideWith();
  expect(new Set(await statusesOf(side, 100, { from: remote }))).toEqual(new Set([200]));
  const refused = await ask(side, "/claim/myapp", { method: "POST", from: remote });
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("1");
  const { code, error } = (await refused.json()) as { code: string; error: string };
  expect(code).toBe("limit_reached");
  expect(error).toContain(remote);
  expect(side.eventsSince(0)).toEqual([]);
  // Nobody else pays for it.
  expect(await statusesOf(side, 1, { from: "192.168.1.78" })).toEqual([200]);
  expect(await statusesOf(side, 1)).toEqual([200]);
  expect(await statusesOf(side, 1, { from: "socket" })).toEqual([200]);
  ticks += 10;
  expect(await statusesOf(side, 2, { from: remote })).toEqual([200, 429]);
  ticks += 3_600_000;
  expect((await statusesOf(side, 101, { from: remote })).indexOf(429)).toBe(100);
});

test("on loopback and over the socket there is no limit, unless one is set", async () => {
  using _ = stillClock();
  const free = sideWith();
  expect(new Set(await statusesOf(free, 1_000))).toEqual(new Set([200]));
  const bound = sideWith({ RATE_LIMIT: "3" });
  expect(await statusesOf(bound, 5)).toEqual([200, 200, 200, 429, 429]);
  expect(new Set(await statusesOf(bound, 20, { from: "socket" }))).toEqual(new Set([200]));
  const none = sideWith({ RATE_LIMIT: "0" });
  expect(new Set(await statusesOf(none, 1_000, { from: remote }))).toEqual(new Set([200]));
});

test("whoever guesses at tokens is slowed down, and the answer no longer says whether it was right", async () => {
  using _ = stillClock();
  const side = sideWith({ TOKEN: token });
  const guess = { from: remote, headers: bearer("a-guess-at-the-token-1") };
  expect(new Set(await statusesOf(side, 100, guess))).toEqual(new Set([401]));
  expect(await statusesOf(side, 1, { from: remote, headers: bearer(token) })).toEqual([429]);
});

/** Opens held requests; the function that comes back ends them as a client that goes away does. */
async function holdOpen(side: Side, count: number, from?: string): Promise<() => Promise<void>> {
  const streams: Response[] = [];
  for (let each = 0; each < count; each++) {
    const stream = await ask(side, each % 2 ? "/events?after=0" : "/subscribe/builds", {
      ...(from && { from }),
    });
    expect(stream.status).toBe(200);
    streams.push(stream);
  }
  return async () => {
    for (const stream of streams) await stream.body!.cancel();
  };
}

async function isFull(response: Response): Promise<void> {
  expect(response.status).toBe(429);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await response.json()).toMatchObject({ code: "limit_reached" });
}

test("1,792 requests are held over TCP at once, and no more until one has gone; the socket has room for 256 more", async () => {
  const side = sideWith();
  const leave = await holdOpen(side, 1_791);
  const leaveLast = await holdOpen(side, 1);
  await isFull(await ask(side, "/events"));
  const own = await ask(side, "/subscribe/builds", { from: "socket" });
  expect(own.status).toBe(200);
  await own.body!.cancel();
  await isFull(await ask(side, "/wait?id=myapp"));
  await isFull(await ask(side, "/wait?id=myapp", { from: remote }));
  await side.play({ method: "POST", path: "/locks/a" });
  await isFull(await ask(side, "/locks/a", { method: "POST", body: { wait: true } }));
  // What is answered at once has room.
  await side.play({ path: "/health", answer: { subscribers: 1_792 } });
  await leaveLast();
  await (
    await holdOpen(side, 1)
  )();
  await leave();
  await side.play({ path: "/health", answer: { subscribers: 0 } });
  await (
    await holdOpen(side, 1_792)
  )();
});

test("beyond loopback 64 are held for each address", async () => {
  const side = sideWith({ RATE_LIMIT: "0" });
  const leave = await holdOpen(side, 64, remote);
  const refused = await ask(side, "/events", { from: remote });
  await isFull(refused);
  await isFull(await ask(side, "/wait?id=myapp", { from: remote }));
  await (
    await holdOpen(side, 64, "192.168.1.78")
  )();
  await (
    await holdOpen(side, 100)
  )();
  expect((await ask(side, "/health", { from: remote })).status).toBe(200);
  await leave();
  await (
    await holdOpen(side, 64, remote)
  )();
});

test("a wait and a place in line give their room back, however they end", async () => {
  const side = sideWith({ RATE_LIMIT: "0" });
  await side.play({ method: "POST", path: "/locks/a", body: { owner: "first" } });
  const wait = (signal?: AbortSignal) =>
    ask(side, "/wait?id=gone&timeout=1", { from: remote, ...(signal && { signal }) });
  for (let each = 0; each < 70; each++) {
    expect((await wait()).status).toBe(408);
    const gone = AbortSignal.abort();
    const inLine = { method: "POST", body: { wait: true }, from: remote };
    expect((await ask(side, "/locks/a", { ...inLine, signal: gone })).status).toBe(503);
    // Refused after it took its place.
    expect((await ask(side, "/subscribe/x?after=1&last=1", { from: remote })).status).toBe(400);
  }
  await (
    await holdOpen(side, 64, remote)
  )();
});
