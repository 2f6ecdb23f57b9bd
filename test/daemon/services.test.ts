// Claims over HTTP: what is kept, what a repeat changes, what a move needs, what a release frees, what a list shows.

import { expect, test } from "bun:test";
import { makeSide, type Scenario } from "../scenario.ts";
import { makeWorld, startOfTime } from "../world.ts";

/** The scenario of a claim. */
function claim(id: string, body?: Record<string, unknown>): Scenario {
  return { method: "POST", path: `/claim/${id}`, ...(body && { body }) };
}

function release(idOrPattern: string): Scenario {
  return { method: "DELETE", path: `/release/${idOrPattern}` };
}

test("a claim gives the lowest port of the range and records it", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/claim/myapp:api",
    answer: { id: "myapp:api", port: 3100, existing: false, status: "assigned" },
    events: ["service.claim myapp:api"],
  });
  await play({
    method: "POST",
    path: "/claim/myapp:api",
    answer: { port: 3100, existing: true },
    events: ["service.claim myapp:api"],
  });
  expect((await play({ path: "/services", events: [] })).count).toBe(1);
});

test("a claim that says nothing more has only a local URL and its instants", async () => {
  const { play } = makeSide();
  await play(claim("myapp"));
  expect(await play({ path: "/services/myapp", events: [] })).toEqual({
    id: "myapp",
    port: 3100,
    status: "assigned",
    listener: null,
    pid: null,
    agent: null,
    cmd: null,
    cwd: null,
    urls: { local: "http://localhost:3100" },
    health: null,
    metadata: null,
    createdAt: startOfTime,
    lastSeenAt: startOfTime,
    expiresAt: null,
  });
});

test("everything that a claim says is kept and shown", async () => {
  const { play, world } = makeSide();
  world.machine.processes.set(77, "boot/1");
  const said = {
    pid: 77,
    agent: "agent-7",
    cmd: "npm run dev",
    cwd: "/srv/app",
    health: "/health",
    metadata: { branch: "main", depth: { is: ["kept"] } },
  };
  const urls = { tunnel: "https://a.example.com/x?y=1", staging: "wss://stage.example.com" };
  const answer = {
    ...said,
    urls: { local: "http://localhost:3100", ...urls },
    expiresAt: startOfTime + 7_200_000,
  };
  await play({ ...claim("myapp:api:main", { ...said, urls, expires: "2h" }), answer });
  await play({ path: "/services/myapp:api:main", answer, events: [] });
});

const refusedClaims: [string, Record<string, unknown>][] = [
  ["prot", { prot: 3100 }],
  ["port", { port: 0 }],
  ["port", { port: 65536 }],
  ["port", { port: "3100" }],
  ["range", { range: "4000-3000" }],
  ["range", { range: "0-10" }],
  ["expires", { expires: "soon" }],
  ["expires", { expires: "30" }],
  ["expires", { expires: 0 }],
  ["pid", { pid: -1 }],
  ["agent", { agent: "" }],
  ["health", { health: "http://evil.example.com/" }],
  ["urls.tunnel", { urls: { tunnel: "file:///etc/passwd" } }],
  ["urls.local", { urls: { local: "http://localhost:1" } }],
  ["urls.Prod", { urls: { Prod: "http://localhost:1" } }],
  ["metadata", { metadata: { text: "x".repeat(4096) } }],
  ["metadata", { metadata: ["not", "an", "object"] }],
];

for (const [field, body] of refusedClaims) {
  const shown = JSON.stringify(body).slice(0, 60);
  test(`a claim with ${shown} is refused naming ${field}, and claims nothing`, async () => {
    const { play } = makeSide();
    const { error } = await play({
      ...claim("myapp", body),
      status: 400,
      answer: { code: "invalid_input", field },
      events: [],
    });
    expect(error).toStartWith(`${field} `);
    await play({ path: "/services", answer: { count: 0 } });
  });
}

test("an identity that is none is refused with the rule in words", async () => {
  const { play } = makeSide();
  for (const id of ["a:b:c:d", ":a", "a:", "-a", ".a", "a%20b", "x".repeat(65), "a*"]) {
    const { error } = await play({
      ...claim(id),
      status: 400,
      answer: { code: "invalid_input", field: "id" },
      events: [],
    });
    expect(error).toContain("project[:stack[:context]]");
  }
});

test("a body that is not a JSON object is refused", async () => {
  const { play } = makeSide();
  for (const body of ["[]", "null", "7", '"text"', "{", "port=3100"]) {
    await play({
      method: "POST",
      path: "/claim/myapp",
      body,
      status: 400,
      answer: { code: "invalid_input", field: "body" },
      events: [],
    });
  }
});

test("a field given twice is refused where the two differ, and taken where they agree", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/claim/myapp?port=3200",
    body: { port: 3201 },
    status: 400,
    answer: { field: "port" },
    events: [],
  });
  await play({
    method: "POST",
    path: "/claim/myapp?port=3200",
    body: { port: 3200 },
    answer: { port: 3200 },
  });
});

// Repeats

test("a repeat updates what it says and keeps the rest", async () => {
  const { play, world } = makeSide();
  await play(
    claim("myapp", {
      cmd: "npm run dev",
      cwd: "/srv/app",
      agent: "agent-7",
      health: "/health",
      metadata: { branch: "main" },
      urls: { tunnel: "https://one.example.com", dev: "http://dev.example.com" },
    }),
  );
  world.advance(5_000);
  const answer = {
    existing: true,
    port: 3100,
    cmd: "npm start",
    cwd: "/srv/app",
    agent: "agent-7",
    health: "/health",
    metadata: { branch: "next" },
    urls: {
      local: "http://localhost:3100",
      tunnel: "https://two.example.com",
      dev: "http://dev.example.com",
    },
    createdAt: startOfTime,
    lastSeenAt: startOfTime + 5_000,
  };
  await play({
    ...claim("myapp", {
      cmd: "npm start",
      metadata: { branch: "next" },
      urls: { tunnel: "https://two.example.com" },
    }),
    answer,
    events: ["service.claim myapp"],
  });
  const { existing: _, ...stored } = answer;
  await play({ path: "/services/myapp", answer: stored });
});

test("a repeat renews the span that was given before, from now", async () => {
  const { play, world } = makeSide();
  await play({
    ...claim("myapp", { expires: "10m" }),
    answer: { expiresAt: startOfTime + 600_000 },
  });
  world.advance(599_999);
  await play({
    ...claim("myapp"),
    answer: { existing: true, expiresAt: startOfTime + 599_999 + 600_000 },
  });
});

test("a repeat with a span of its own replaces the stored one", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp", { expires: "10m" }));
  await play({
    ...claim("myapp", { expires: 60_000 }),
    answer: { expiresAt: startOfTime + 60_000 },
  });
  world.advance(30_000);
  await play({ ...claim("myapp"), answer: { expiresAt: startOfTime + 90_000 } });
});

test("a claim that never expires goes on so when it is repeated", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp"));
  world.advance(1_000);
  await play({ ...claim("myapp"), answer: { expiresAt: null } });
});

test("a repeat does not make the claim another agent's", async () => {
  const { play } = makeSide();
  await play({
    ...claim("myapp"),
    headers: { "X-Agent-Id": "first" },
    answer: { agent: "first" },
  });
  await play({
    ...claim("myapp"),
    headers: { "X-Agent-Id": "second" },
    answer: { agent: "first", existing: true },
  });
});

test("a repeat needs nothing of its port: also while the service listens on it", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp"));
  world.machine.listen(3100);
  const again = { existing: true, port: 3100, status: "running" };
  await play({ ...claim("myapp"), answer: again });
  await play({ ...claim("myapp", { port: 3100 }), answer: again });
  await play({ ...claim("myapp", { range: "3100-3110" }), answer: again });
});

test("a repeat is answered also when no port is left", async () => {
  const { play } = makeSide(
    makeWorld({ PORT_DADDY_RANGE_START: "3100", PORT_DADDY_RANGE_END: "3100" }),
  );
  await play(claim("myapp"));
  await play({ ...claim("other"), status: 409, answer: { code: "no_port" }, events: [] });
  await play({ ...claim("myapp"), answer: { existing: true, port: 3100 } });
});

// Moves

test("another port asked for moves the claim", async () => {
  const { play } = makeSide();
  await play(claim("myapp", { cmd: "npm start", urls: { dev: "http://dev.example.com" } }));
  await play({
    ...claim("myapp", { port: 4000 }),
    answer: {
      existing: true,
      port: 4000,
      cmd: "npm start",
      urls: { local: "http://localhost:4000", dev: "http://dev.example.com" },
      movedFrom: { port: 3100, reason: "requested", holder: null },
    },
    events: ["service.claim myapp"],
  });
  await play({ path: "/services", answer: { count: 1 } });
  await play({ path: "/ports/3100", answer: { service: null } });
});

test("a range that excludes the held port moves the claim into it", async () => {
  const { play } = makeSide();
  await play(claim("myapp"));
  await play({ ...claim("myapp", { range: "3000-3200" }), answer: { port: 3100 } });
  await play({
    ...claim("myapp", { range: "5000-5010" }),
    answer: { existing: true, port: 5000, movedFrom: { port: 3100, reason: "requested" } },
    events: ["service.claim myapp"],
  });
  await play({ ...claim("myapp"), answer: { port: 5000 } });
});

test("after a move the new port is the one remembered", async () => {
  const { play } = makeSide();
  await play(claim("myapp"));
  await play(claim("myapp", { port: 4000 }));
  await play(release("myapp"));
  await play({ ...claim("myapp"), answer: { port: 4000, existing: false } });
});

const moves: [string, Record<string, unknown>][] = [
  ["port", { port: 4000, cmd: "changed" }],
  ["range", { range: "4000-4100", cmd: "changed" }],
];

for (const [how, body] of moves) {
  test(`a claim is not moved by ${how} while something listens on its port`, async () => {
    const { play, world } = makeSide();
    await play(claim("myapp", { cmd: "npm start" }));
    const before = await play({ path: "/services/myapp" });
    world.machine.listen(3100, 4321, "node server.js");
    const { error } = await play({
      ...claim("myapp", body),
      status: 409,
      answer: {
        code: "held",
        port: 3100,
        holder: { id: "myapp", process: { pid: 4321, command: "node server.js" } },
      },
      events: [],
    });
    expect(error).toContain("process 4321 (node server.js)");
    const { listener: _, ...kept } = before;
    await play({ path: "/services/myapp", answer: { ...kept, status: "running" } });
  });
}

test("a move to a port that cannot be had changes nothing", async () => {
  const { play, world } = makeSide(makeWorld({ PORT_DADDY_RESERVED: "4003" }));
  await play(claim("other", { port: 4000 }));
  await play(claim("myapp", { cmd: "npm start", expires: "10m" }));
  world.machine.listen(4001);
  world.machine.forbidden.add(80);
  const before = await play({ path: "/services/myapp" });
  world.advance(1_000);
  const wishes: [Record<string, unknown>, number, string][] = [
    [{ port: 4000 }, 409, "held"],
    [{ port: 4001 }, 409, "held"],
    [{ port: 4003 }, 400, "invalid_input"],
    [{ port: 80 }, 400, "invalid_input"],
    [{ range: "4000-4001" }, 409, "no_port"],
  ];
  for (const [wish, status, code] of wishes) {
    const body = { ...wish, cmd: "changed", expires: "1h" };
    await play({ ...claim("myapp", body), status, answer: { code }, events: [] });
    expect(await play({ path: "/services/myapp" })).toEqual(before);
  }
});

// Several

test("several identities are claimed in the order asked for, each with an event", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/claim",
    body: { ids: ["shop:web", "shop:api", "shop:db"], cwd: "/srv/shop", expires: "1h" },
    answer: {
      services: ["shop:web", "shop:api", "shop:db"].map((id, index) => ({
        id,
        port: 3100 + index,
        existing: false,
        cwd: "/srv/shop",
        expiresAt: startOfTime + 3_600_000,
      })),
    },
    events: ["service.claim shop:web", "service.claim shop:api", "service.claim shop:db"],
  });
});

test("several identities are claimed all or none", async () => {
  const { play } = makeSide();
  await play(claim("shop:api", { port: 5000 }));
  await play({
    method: "POST",
    path: "/claim",
    body: { ids: ["shop:web", "shop:api", "shop:db"], range: "3100-3101", cmd: "changed" },
    status: 409,
    answer: { code: "no_port", range: "3100-3101" },
    events: [],
  });
  await play({
    path: "/services",
    answer: { count: 1, services: [{ id: "shop:api", port: 5000, cmd: null }] },
  });
  await play({ ...claim("later"), answer: { port: 3100 } });
});

test("a failing claim of several leaves what other requests of the same moment did", async () => {
  const { play, request } = makeSide();
  const several = { ids: ["a", "b", "c"], range: "4000-4001" };
  const answers = await Promise.all([
    request(claim("before")),
    request({ method: "POST", path: "/claim", body: several }),
    request(claim("after")),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 409, 200]);
  await play({ path: "/services", answer: { services: [{ id: "after" }, { id: "before" }] } });
  const { entries } = await play({ path: "/activity" });
  expect(entries.map((entry: any) => [entry.id, entry.targetId])).toEqual([
    [2, "after"],
    [1, "before"],
  ]);
});

test("an identity named twice is claimed and then confirmed", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/claim",
    body: { ids: ["shop:web", "shop:web"] },
    answer: {
      services: [
        { id: "shop:web", port: 3100, existing: false },
        { id: "shop:web", port: 3100, existing: true },
      ],
    },
    events: ["service.claim shop:web", "service.claim shop:web"],
  });
  await play({ path: "/services", answer: { count: 1 } });
});

test("several identities share no port, and none or too many are refused", async () => {
  const { play } = makeSide();
  const bodies: [string, Record<string, unknown>][] = [
    ["port", { ids: ["a", "b"], port: 3100 }],
    ["ids", { ids: [] }],
    ["ids", {}],
    ["ids", { ids: Array.from({ length: 101 }, (_, n) => `a${n}`) }],
    ["ids[1]", { ids: ["a", "b c"] }],
  ];
  for (const [field, body] of bodies) {
    await play({
      method: "POST",
      path: "/claim",
      body,
      status: 400,
      answer: { code: "invalid_input", field },
      events: [],
    });
  }
});

// Release

test("a release frees the port and says which", async () => {
  const { play } = makeSide();
  await play(claim("myapp:api"));
  await play({
    ...release("myapp:api"),
    answer: { released: 1, services: [{ id: "myapp:api", port: 3100 }] },
    events: ["service.release myapp:api"],
  });
  await play({ path: "/services/myapp:api", status: 404, answer: { code: "not_found" } });
  await play({ path: "/ports/3100", answer: { service: null } });
});

test("a release of nothing is a success with none, and no event", async () => {
  const { play } = makeSide();
  await play(claim("other"));
  for (const what of ["myapp", "myapp:*", "other:api", "OTHER"]) {
    await play({ ...release(what), answer: { released: 0, services: [] }, events: [] });
  }
});

test("a released identity's URLs and words do not come back with the next claim", async () => {
  const { play } = makeSide();
  await play(claim("myapp", { cmd: "npm start", urls: { dev: "http://dev.example.com" } }));
  await play(release("myapp"));
  const claimed = await play({ ...claim("myapp"), answer: { existing: false, cmd: null } });
  expect(claimed.urls).toEqual({ local: "http://localhost:3100" });
});

async function makeShop() {
  const side = makeSide();
  const ids = ["a_c", "abc", "shop", "shop:api", "shop:api:feature", "shop:web", "shopping"];
  await side.play({ method: "POST", path: "/claim", body: { ids } });
  return side;
}

const patterns: [string, string[]][] = [
  ["shop", ["shop"]],
  ["shop:*", ["shop", "shop:api", "shop:api:feature", "shop:web"]],
  ["shop:*:feature", ["shop:api:feature"]],
  ["*:api", ["shop:api"]],
  ["*:api:*", ["shop:api", "shop:api:feature"]],
  ["shop*", ["shop", "shopping"]],
  ["shop:**", ["shop:api", "shop:api:feature", "shop:web"]],
  ["a_c", ["a_c"]],
  ["a*c", ["a_c", "abc"]],
  ["SHOP:*", []],
  ["*", ["a_c", "abc", "shop", "shop:api", "shop:api:feature", "shop:web", "shopping"]],
];

for (const [pattern, ids] of patterns) {
  test(`${pattern} lists and releases ${ids.join(", ") || "nothing"}, an event each`, async () => {
    const { play } = await makeShop();
    const listed = await play({ path: `/services?pattern=${pattern}`, events: [] });
    expect(listed.services.map(({ id }: any) => id)).toEqual(ids);
    const freed = await play({
      ...release(pattern),
      answer: { released: ids.length },
      events: ids.map((id) => `service.release ${id}`),
    });
    expect(freed.services.map(({ id }: any) => id)).toEqual(ids);
    await play({ path: "/services", answer: { count: 7 - ids.length } });
  });
}

test("a dry run says what would be released and releases nothing", async () => {
  const { play } = await makeShop();
  const answer = {
    released: 2,
    services: [
      { id: "shop:api", port: 3103 },
      { id: "shop:api:feature", port: 3104 },
    ],
  };
  await play({ ...release("*:api:*"), path: "/release/*:api:*?dryRun=true", answer, events: [] });
  await play({ ...release("*:api:*"), body: { dryRun: true }, answer, events: [] });
  await play({ path: "/services", answer: { count: 7 } });
});

test("a release with a port frees only what still holds that port", async () => {
  const { play } = makeSide();
  await play(claim("myapp"));
  await play({
    ...release("myapp"),
    path: "/release/myapp?port=3101",
    answer: { released: 0, services: [] },
    events: [],
  });
  await play({
    ...release("myapp"),
    path: "/release/myapp?port=3100",
    answer: { released: 1 },
    events: ["service.release myapp"],
  });
});

test("a release with a port and a pattern frees the one service of them that holds it", async () => {
  const { play } = await makeShop();
  await play({
    ...release("shop:*"),
    body: { port: 3105 },
    answer: { released: 1, services: [{ id: "shop:web", port: 3105 }] },
    events: ["service.release shop:web"],
  });
});

// Lists

test("services are listed by identity, and filtered by port, agent and status together", async () => {
  const { play, world } = makeSide();
  await play(claim("b:web", { agent: "agent-1" }));
  await play(claim("a:web", { agent: "agent-1" }));
  await play(claim("c:web", { agent: "agent-2" }));
  world.machine.listen(3100);
  world.machine.listen(3102);
  const lists: [string, string[]][] = [
    ["", ["a:web", "b:web", "c:web"]],
    ["?port=3101", ["a:web"]],
    ["?port=3109", []],
    ["?agent=agent-1", ["a:web", "b:web"]],
    ["?agent=AGENT-1", []],
    ["?status=running", ["b:web", "c:web"]],
    ["?status=assigned", ["a:web"]],
    ["?status=running&agent=agent-1", ["b:web"]],
    ["?pattern=c:*&status=running&port=3102&agent=agent-2", ["c:web"]],
    ["?pattern=c:*&agent=agent-1", []],
    ["?nonsense=1", ["a:web", "b:web", "c:web"]],
  ];
  for (const [query, ids] of lists) {
    const { services, count } = await play({ path: `/services${query}`, events: [] });
    expect(
      services.map(({ id }: any) => id),
      query,
    ).toEqual(ids);
    expect(count).toBe(ids.length);
  }
});

test("a filter that can be none is refused rather than ignored", async () => {
  const { play } = makeSide();
  for (const [field, query] of [
    ["status", "status=up"],
    ["port", "port=web"],
    ["pattern", "pattern=a%20b"],
    ["port", "port=3100&port=3101"],
  ]) {
    await play({ path: `/services?${query}`, status: 400, answer: { field }, events: [] });
  }
});

test("a service is running while something listens on its port", async () => {
  const { play, world } = makeSide();
  await play({ ...claim("myapp"), answer: { status: "assigned" } });
  world.machine.listen(3100);
  await play({ path: "/services/myapp", answer: { status: "running" } });
  world.machine.bound.delete(3100);
  await play({ path: "/services/myapp", answer: { status: "assigned" } });
});

test("a service that is not there is not found, with the command that claims it", async () => {
  const { play } = makeSide();
  const { error, hint } = await play({
    path: "/services/myapp:api",
    status: 404,
    answer: { code: "not_found" },
    events: [],
  });
  expect(error).toContain("myapp:api");
  expect(hint).toEndWith("port-daddy claim myapp:api");
});

test("a port is reported with its claim, its listeners, and why it is never given out", async () => {
  const { play, world } = makeSide();
  await play(claim("myapp"));
  world.machine.listen(3100, 99, "vite");
  await play({
    path: "/ports/3100",
    answer: {
      port: 3100,
      service: { id: "myapp", status: "running" },
      listeners: [{ pid: 99, command: "vite", cwd: "/srv/app" }],
      refusal: null,
    },
    events: [],
  });
  await play({
    path: "/ports/3101",
    answer: { service: null, listeners: [], refusal: null },
  });
  await play({ path: "/ports/8080", answer: { refusal: "reserved" } });
  await play({ path: "/ports/6000", answer: { refusal: "browsers refuse it" } });
  await play({ path: "/ports/65536", status: 400, answer: { field: "port" } });
});

test("health counts the claims", async () => {
  const { play, world } = makeSide();
  await play({ path: "/health", answer: { status: "ok", services: 0, uptimeMs: 0 } });
  await play({ method: "POST", path: "/claim", body: { ids: ["a", "b", "c"] } });
  await play(release("b"));
  world.advance(1_500);
  await play({ path: "/health", answer: { services: 2, uptimeMs: 1_500 }, events: [] });
});

test("an answer leaves only when what it tells of is stored", async () => {
  const { request, world } = makeSide();
  await request(claim("myapp"));
  expect(world.db.inTransaction).toBe(false);
});
