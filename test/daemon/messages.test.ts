// Messages over HTTP: publishing, reading, clearing, and the channels that there are.

import { expect, test } from "bun:test";
import { makeSide, type Scenario } from "../scenario.ts";
import { makeWorld, startOfTime } from "../world.ts";

/** The scenario of a publish. */
function publish(channel: string, payload: unknown, rest: Record<string, unknown> = {}): Scenario {
  return { method: "POST", path: `/msg/${channel}`, body: { payload, ...rest } };
}

function clear(channel: string): Scenario {
  return { method: "DELETE", path: `/msg/${channel}` };
}

const idsOf = ({ messages }: { messages: { id: number }[] }) => messages.map(({ id }) => id);

test("a publish answers with the message's id and channel, and is one event", async () => {
  const { play } = makeSide();
  const answer = await play({
    ...publish("build:web", { ok: true }),
    events: ["message.publish build:web"],
  });
  expect(answer).toEqual({
    id: 1,
    channel: "build:web",
    createdAt: startOfTime,
    subscribers: 0,
  });
  await play({ ...publish("build:api", 1), answer: { id: 2 } });
});

test("a message is read as it was published, and reading is no event", async () => {
  const { play, world } = makeSide();
  await play({ ...publish("a", { nested: [1, null] }), headers: { "X-Agent-Id": "ada" } });
  world.advance(10);
  await play({ ...publish("a", "two", { sender: "bob", expires: "30m" }) });
  expect(await play({ path: "/msg/a", events: [] })).toEqual({
    messages: [
      {
        id: 1,
        channel: "a",
        payload: { nested: [1, null] },
        sender: "ada",
        createdAt: startOfTime,
        expiresAt: null,
      },
      {
        id: 2,
        channel: "a",
        payload: "two",
        sender: "bob",
        createdAt: startOfTime + 10,
        expiresAt: startOfTime + 10 + 1_800_000,
      },
    ],
    count: 2,
    gap: false,
  });
});

test("any JSON value goes through, also those that count as nothing", async () => {
  const { play } = makeSide();
  const payloads = [0, false, "", null, [], {}, 1.5, "0", { payload: { payload: null } }];
  for (const payload of payloads) await play(publish("a", payload));
  const { messages } = await play({ path: "/msg/a" });
  expect(messages.map(({ payload }: { payload: unknown }) => payload)).toEqual(payloads);
});

test("a number too large for anything to hold is refused rather than turned into null", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/msg/a",
    body: '{"payload": [1e999]}',
    status: 400,
    answer: { code: "invalid_input" },
    events: [],
  });
});

test("a payload may be 64 KiB as JSON in UTF-8, and not a byte more", async () => {
  const { play } = makeSide();
  const whole = "é".repeat(32 * 1024 - 1); // and two quotes
  await play({ ...publish("a", whole), events: ["message.publish a"] });
  const { error } = await play({
    ...publish("a", `${whole}x`),
    status: 400,
    answer: { code: "invalid_input", field: "payload" },
    events: [],
  });
  expect(error).toContain("65536 bytes");
  expect(error.length).toBeLessThan(300);
  const { messages } = await play({ path: "/msg/a" });
  expect(messages).toHaveLength(1);
  expect(messages[0].payload).toBe(whole);
});

const refusedPublishes: [string, unknown][] = [
  ["payload", {}],
  ["text", { payload: 1, text: "x" }],
  ["sender", { payload: 1, sender: "" }],
  ["sender", { payload: 1, sender: 7 }],
  ["sender", { payload: 1, sender: "x".repeat(301) }],
  ["expires", { payload: 1, expires: 0 }],
  ["expires", { payload: 1, expires: "30" }],
  ["expires", { payload: 1, expires: "soon" }],
  ["channel", { payload: 1, channel: "other" }],
  ["body", [1]],
  ["body", "{payload: 1}"],
];

for (const [field, body] of refusedPublishes) {
  const shown = JSON.stringify(body).slice(0, 60);
  test(`a publish of ${shown} is refused naming ${field}, and publishes nothing`, async () => {
    const { play } = makeSide();
    await play({
      method: "POST",
      path: "/msg/a",
      body,
      status: 400,
      answer: { code: "invalid_input", field },
      events: [],
    });
    await play({ path: "/channels", answer: { count: 0 } });
  });
}

test("a channel may be a path; one with segments that a URL would lose is refused", async () => {
  const { play } = makeSide();
  await play({ ...publish("src/auth:login", 1), answer: { channel: "src/auth:login" } });
  await play({ path: "/msg/src%2Fauth%3Alogin", answer: { count: 1 } });
  await play({ ...publish("x".repeat(200), 1) });
  for (const channel of ["a//b", "a/", "%2Fa", "a%2F..%2Fb", "a*", "a%20b", "x".repeat(201)]) {
    await play({
      ...publish(channel, 1),
      status: 400,
      answer: { code: "invalid_input", field: "channel" },
      events: [],
    });
  }
});

test("what has no channel is no route, and says so in JSON", async () => {
  const { play } = makeSide();
  await play({ path: "/msg", status: 404, answer: { code: "not_found" } });
  await play({
    method: "PUT",
    path: "/msg/a",
    status: 404,
    answer: { code: "not_found", hint: expect.stringContaining("POST") },
  });
});

test("a read takes the newest, or the next after an id, of a channel or a pattern", async () => {
  const { play } = makeSide();
  for (const channel of ["a", "b:x", "a", "b", "a"]) await play(publish(channel, 1));
  expect(idsOf(await play({ path: "/msg/a" }))).toEqual([1, 3, 5]);
  expect(idsOf(await play({ path: "/msg/a?limit=2" }))).toEqual([3, 5]);
  expect(idsOf(await play({ path: "/msg/a?after=0&limit=2" }))).toEqual([1, 3]);
  expect(idsOf(await play({ path: "/msg/a?after=3" }))).toEqual([5]);
  expect(idsOf(await play({ path: "/msg/b:*" }))).toEqual([2, 4]);
  expect(idsOf(await play({ path: "/msg/*?after=1&limit=3" }))).toEqual([2, 3, 4]);
  expect(idsOf(await play({ path: "/msg/nobody", answer: { gap: false } }))).toEqual([]);
  for (const [field, query] of [
    ["limit", "limit=0"],
    ["limit", "limit=1001"],
    ["after", "after=-1"],
    ["after", "after=x"],
    ["after", "after=1&after=2"],
  ]) {
    await play({
      path: `/msg/a?${query}`,
      status: 400,
      answer: { code: "invalid_input", field },
    });
  }
});

test("a read after an id says whether some that followed it are gone", async () => {
  const world = makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,2" });
  const { play } = makeSide(world);
  for (const payload of [1, 2, 3]) await play(publish("a", payload));
  await play(publish("b", 4, { expires: "1s" }));
  await play({ path: "/msg/a?after=0", answer: { count: 2, gap: true } });
  await play({ path: "/msg/a?after=1", answer: { count: 2, gap: false } });
  await play({ path: "/msg/a", answer: { count: 2, gap: false } });
  await play({ path: "/msg/b?after=0", answer: { count: 1, gap: false } });
  world.advance(1_000);
  await play({ path: "/msg/b?after=0", answer: { count: 0, gap: true }, events: [] });
  await play({ path: "/msg/b?after=5", answer: { count: 0, gap: true } });
});

test("clearing answers how many were deleted, and is an event where there were any", async () => {
  const { play } = makeSide();
  await play(publish("a", 1));
  await play(publish("a", 2));
  await play(publish("a:b", 3));
  await play({ ...clear("a"), answer: { deleted: 2 }, events: ["channel.clear a"] });
  await play({ ...clear("a"), answer: { deleted: 0 }, events: [] });
  await play({ path: "/msg/*", answer: { count: 1 } });
  await play({ ...clear("a*"), status: 400, answer: { field: "channel" }, events: [] });
  await play({ path: "/msg/a?after=1", answer: { gap: true } });
});

test("channels show what is kept and how many subscribe, patterns and waited-for ones included", async () => {
  const { play, request, daemon } = makeSide();
  await play(publish("b", 1));
  await play(publish("a:x", 2));
  for (const name of ["a:*", "a:x", "later"]) await request({ path: `/subscribe/${name}` });
  const ax = { channel: "a:x", count: 1, lastMessageAt: startOfTime, subscribers: 2 };
  const b = { channel: "b", count: 1, lastMessageAt: startOfTime, subscribers: 0 };
  const later = { channel: "later", count: 0, lastMessageAt: null, subscribers: 1 };
  expect(await play({ path: "/channels", events: [] })).toEqual({
    channels: [ax, b, later],
    count: 3,
  });
  expect(await play({ path: "/channels?pattern=a:*" })).toEqual({ channels: [ax], count: 1 });
  await play({ path: "/health", answer: { subscribers: 3 } });
  daemon.streams.endAll();
  expect(await play({ path: "/channels" })).toEqual({
    channels: [
      { ...ax, subscribers: 0 },
      { ...b, subscribers: 0 },
    ],
    count: 2,
  });
});

test("a publish says how many subscriptions it went to", async () => {
  const { play, request } = makeSide();
  for (const name of ["a:*", "a:x", "a:x", "*", "b", "a"])
    await request({ path: `/subscribe/${name}` });
  await play({ ...publish("a:x", 1), answer: { subscribers: 4 } });
  await play({ ...publish("c", 1), answer: { subscribers: 1 } });
});

test("a publish by an agent counts as a sign of life of it, and a read does not", async () => {
  const { play, world } = makeSide();
  const headers = { "X-Agent-Id": "ada" };
  await play({ method: "POST", path: "/agents/ada", headers });
  world.advance(60_000);
  await play({ path: "/msg/a", headers, events: [] });
  await play({ path: "/agents/ada", answer: { lastHeartbeatAt: startOfTime } });
  await play({ ...publish("a", 1), headers, events: ["message.publish a"] });
  await play({ path: "/agents/ada", answer: { lastHeartbeatAt: startOfTime + 60_000 } });
});

test("the log names who published and shows the beginning, not the payload again", async () => {
  const { play } = makeSide();
  await play({ ...publish("a", "x".repeat(1_000)), headers: { "X-Caller-Id": "ada@host#1.2" } });
  const { entries } = await play({ path: "/activity?action=publish" });
  expect(entries).toMatchObject([
    {
      targetId: "a",
      actor: "ada@host#1.2",
      metadata: { id: 1, sender: "ada@host#1.2", preview: `"${"x".repeat(199)}` },
    },
  ]);
});

test("of many publishes at once each has an id of its own, and all are kept", async () => {
  const { play, request } = makeSide();
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => (await request(publish("a", n))).json()),
  );
  const given = (answers as { id: number }[]).map(({ id }) => id);
  expect(new Set(given).size).toBe(100);
  expect(idsOf(await play({ path: "/msg/a?limit=1000" }))).toEqual(given.toSorted((a, b) => a - b));
});
