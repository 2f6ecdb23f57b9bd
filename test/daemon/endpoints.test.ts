// URLs of a service in environments beside the local one.

import { expect, test } from "bun:test";
import { makeSide, type Scenario } from "../scenario.ts";

function set(env: string, url: unknown, id = "myapp"): Scenario {
  return { method: "PUT", path: `/services/${id}/endpoints/${env}`, body: { url } };
}

function unset(env: string, id = "myapp"): Scenario {
  return { method: "DELETE", path: `/services/${id}/endpoints/${env}` };
}

async function withClaim(body: Record<string, unknown> = {}) {
  const side = makeSide();
  await side.play({ method: "POST", path: "/claim/myapp", body });
  return side;
}

const local = "http://localhost:3100";
const tunnel = "https://myapp.example.com";
const changed = ["service.endpoint myapp"];

async function urlsOf({ play }: ReturnType<typeof makeSide>): Promise<Record<string, string>> {
  return (await play({ path: "/services/myapp", events: [] })).urls;
}

test("a URL is set, replaced and removed, and the local one stays", async () => {
  const side = await withClaim();
  const { play } = side;
  await play({ ...set("tunnel", tunnel), answer: { id: "myapp", port: 3100 }, events: changed });
  expect(await urlsOf(side)).toEqual({ local, tunnel });
  const other = "wss://other.example.com/socket?a=b&c='d'";
  await play({ ...set("tunnel", other), answer: { urls: { tunnel: other } }, events: changed });
  await play({ ...set("prod", "http://prod.example.com"), events: changed });
  expect(await urlsOf(side)).toEqual({ local, tunnel: other, prod: "http://prod.example.com" });
  const { urls } = await play({ ...unset("tunnel"), events: changed });
  expect(urls).toEqual({ local, prod: "http://prod.example.com" });
  expect(await urlsOf(side)).toEqual(urls);
});

test("a change is logged once, as endpoint_set, with who made it and what it is now", async () => {
  const { play } = await withClaim();
  await play({ ...set("tunnel", tunnel), headers: { "X-Agent-Id": "bob" } });
  await play({ ...unset("tunnel"), headers: { "X-Caller-Id": "ada@box#1.2" } });
  const row = { action: "endpoint_set", event: "service.endpoint", targetId: "myapp" };
  await play({
    path: "/activity?action=endpoint_set",
    answer: {
      count: 2,
      entries: [
        { ...row, actor: "ada@box#1.2", metadata: { environment: "tunnel", url: null } },
        { ...row, actor: "bob", metadata: { environment: "tunnel", url: tunnel } },
      ],
    },
  });
});

test("what changes nothing is answered, and is no event", async () => {
  const { play } = await withClaim({ urls: { tunnel } });
  await play({ ...set("tunnel", tunnel), answer: { urls: { local, tunnel } }, events: [] });
  await play({ ...unset("staging"), answer: { urls: { local, tunnel } }, events: [] });
});

test("an environment may be called what objects call their own", async () => {
  const side = await withClaim();
  await side.play({ ...unset("constructor"), events: [] });
  await side.play({ ...set("constructor", tunnel), events: changed });
  expect(await urlsOf(side)).toEqual({ local, constructor: tunnel } as never);
  await side.play({ ...unset("constructor"), events: changed });
  expect(await urlsOf(side)).toEqual({ local });
});

test("an identity that holds no port has no URLs to set, and the command that claims it is told", async () => {
  const { play } = await withClaim();
  for (const scenario of [set("tunnel", tunnel, "other"), unset("tunnel", "other")]) {
    const answer = { code: "not_found", hint: "claim one: port-daddy claim other" };
    await play({ ...scenario, status: 404, answer, events: [] });
  }
});

test("an expired claim has no URLs to set", async () => {
  const { play, world } = await withClaim({ expires: "1s" });
  world.advance(1_000);
  await play({ ...set("tunnel", tunnel), status: 404, events: [] });
});

test("the local URL is the port's, and can neither be set nor removed", async () => {
  const { play } = await withClaim();
  for (const scenario of [set("local", "http://localhost:1"), unset("local")]) {
    const answer = { code: "invalid_input", field: "env" };
    const { error } = await play({ ...scenario, status: 400, answer, events: [] });
    expect(error).toContain("local is always there");
  }
});

test.each(["Prod", "a_b", "a.b", "a%20b", "x".repeat(33), "a%2Fb"])(
  "an environment called %s is refused",
  async (env) => {
    const { play } = await withClaim();
    for (const scenario of [set(env, tunnel), unset(env)])
      await play({ ...scenario, status: 400, answer: { field: "env" }, events: [] });
  },
);

test.each([
  "",
  "localhost:3000",
  "/path",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "ftp://example.com",
  "http://",
  "http://a b.example.com",
  "http://example.com/a b",
  "http://example.com/\u001b[2J",
  "http://example.com/\nX=1",
  `http://example.com/${"x".repeat(2000)}`,
  7,
  null,
  { href: "http://example.com" },
])("%j is no URL to set", async (url) => {
  const side = await withClaim({ urls: { tunnel } });
  const answer = { code: "invalid_input", field: "url" };
  await side.play({ ...set("tunnel", url), status: 400, answer, events: [] });
  expect(await urlsOf(side)).toEqual({ local, tunnel });
});

test("a URL that is left out is refused, not taken for a removal", async () => {
  const side = await withClaim({ urls: { tunnel } });
  const scenario = { method: "PUT", path: "/services/myapp/endpoints/tunnel" };
  await side.play({ ...scenario, status: 400, answer: { field: "url" }, events: [] });
  expect(await urlsOf(side)).toEqual({ local, tunnel });
});

test("a service has 32 URLs beside the local one at most, and each can still be replaced", async () => {
  const side = await withClaim();
  const { play } = side;
  for (let n = 0; n < 32; n++) await play({ ...set(`env-${n}`, tunnel), events: changed });
  const refused = { status: 400, answer: { code: "invalid_input", field: "urls" }, events: [] };
  await play({ ...set("one-more", tunnel), ...refused });
  await play({
    method: "POST",
    path: "/claim/myapp",
    body: { urls: { "one-more": tunnel } },
    ...refused,
  });
  expect(Object.keys(await urlsOf(side))).toHaveLength(33);
  await play({ ...set("env-7", "http://other.example.com"), events: changed });
  await play({ ...unset("env-8"), events: changed });
  await play({ ...set("one-more", tunnel), events: changed });
});

test("URLs stay over a repeat and a move, and the local one follows the port", async () => {
  const side = await withClaim();
  await side.play(set("tunnel", tunnel));
  await side.play({ method: "POST", path: "/claim/myapp", body: { port: 4000 } });
  expect(await urlsOf(side)).toEqual({ local: "http://localhost:4000", tunnel });
});

test("URLs end with their claim, and no other's do", async () => {
  const side = await withClaim();
  const { play } = side;
  await play({ method: "POST", path: "/claim/other" });
  await play(set("tunnel", tunnel));
  await play(set("tunnel", "http://other.example.com", "other"));
  await play({ method: "DELETE", path: "/release/myapp" });
  await play({ method: "POST", path: "/claim/myapp" });
  expect(await urlsOf(side)).toEqual({ local });
  const others = { urls: { tunnel: "http://other.example.com" } };
  await play({ path: "/services/other", answer: others });
});
