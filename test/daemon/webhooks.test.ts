// Webhooks over HTTP: the eight routes with their bodies, statuses and events, and the secret that no answer holds.

import { expect, test } from "bun:test";
import { Fault } from "../../src/contract/faults.ts";
import { webhookEvents } from "../../src/contract/events.ts";
import type { Row as DeliveryRow } from "../../src/domain/deliveries.ts";
import type { Row } from "../../src/domain/webhooks.ts";
import { makeSide, type Scenario, type Side } from "../scenario.ts";
import { startOfTime } from "../world.ts";

const url = "https://example.com/hook";
const nobody = "00000000-0000-0000-0000-000000000000";

const adding = (body: Record<string, unknown> = {}): Scenario => ({
  method: "POST",
  path: "/webhooks",
  body: { url, ...body },
});
const updating = (id: string, body?: Record<string, unknown>): Scenario => ({
  method: "PUT",
  path: `/webhooks/${id}`,
  body,
});
const removing = (id: string): Scenario => ({ method: "DELETE", path: `/webhooks/${id}` });
const testing = (id: string): Scenario => ({ method: "POST", path: `/webhooks/${id}/test` });

/** Adds a webhook and returns its id. */
async function add({ play }: Side, body?: Record<string, unknown>): Promise<string> {
  return (await play(adding(body))).id;
}

/** Collects what is sent; `error` is why it fails, and null where it arrives. */
function collect(side: Side) {
  const receiver = { sent: [] as { webhook: Row; delivery: DeliveryRow }[], error: null as any };
  side.post.send = async (webhook, delivery) => {
    receiver.sent.push({ webhook, delivery });
    const { error } = receiver;
    return { httpStatus: error === null ? 200 : 500, durationMs: 7, response: "words", error };
  };
  return receiver;
}

/** Lets the courier do all that it can do before the clock moves: it waits for nothing but turns of the event loop. */
async function turns(): Promise<void> {
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve));
}

const claim = (id: string): Scenario => ({ method: "POST", path: `/claim/${id}` });

/** Pauses a webhook, whatever for. */
function pause({ world }: Side, id: string): void {
  world.journal.commit(() => {
    world.db.query("UPDATE webhooks SET paused = 'it is tired' WHERE id = ?").run(id);
    world.webhooks.forget();
  });
  world.journal.flush();
}

// Events

test("the events that are offered are listed, and are not taken for a webhook", async () => {
  const { play } = makeSide();
  const { events } = await play({ path: "/webhooks/events", events: [] });
  expect(events.map(({ event }: any) => event)).toEqual(webhookEvents);
  expect(events).toContainEqual({ event: "service.claim", summary: "Service was claimed" });
});

// Add

test("a webhook is for all events, without filter and secret, and switched on, unless told otherwise", async () => {
  const side = makeSide();
  const { id, ...rest } = await side.play(adding());
  expect(rest).toEqual({
    url,
    events: ["*"],
    filter: null,
    active: true,
    hasSecret: false,
    paused: null,
    pending: 0,
    dropped: 0,
    createdAt: startOfTime,
  });
  expect(side.eventsSince(0)).toEqual([`webhook.add ${id}`]);
  await side.play({ path: `/webhooks/${id}`, answer: { id, ...rest }, events: [] });
});

test("a webhook is what it was asked to be, and its actor is in the log", async () => {
  const { play } = makeSide();
  const given = { events: ["service.claim", "lock.*"], filter: "shop:*", active: false };
  const { id } = await play({
    ...adding({ ...given, secret: "sesame" }),
    headers: { "x-agent-id": "ada" },
    answer: { ...given, url, hasSecret: true },
  });
  const { entries } = await play({ path: "/activity?action=webhook_add" });
  expect(entries).toMatchObject([
    {
      event: "webhook.add",
      targetId: id,
      actor: "ada",
      // The rest of a URL may be as good as a password.
      metadata: { url: "https://example.com", events: ["service.claim", "lock.*"] },
    },
  ]);
});

const wrong: [string, Record<string, unknown>][] = [
  ["url", { url: undefined }],
  ["url", { url: "example.com/hook" }],
  ["url", { url: "ftp://example.com/hook" }],
  ["url", { url: null }],
  ["events", { events: [] }],
  ["events", { events: "service.claim" }],
  ["events[1]", { events: ["service.claim", "service.claimed"] }],
  ["events[0]", { events: ["webhook.add"] }],
  ["events[0]", { events: ["service.endpoint"] }],
  ["filter", { filter: "a b" }],
  ["filter", { filter: "" }],
  ["secret", { secret: "" }],
  ["secret", { secret: 7 }],
  ["secret", { secret: "s".repeat(201) }],
  ["active", { active: "yes" }],
  ["paused", { paused: null }],
  ["id", { id: nobody }],
];

for (const [field, body] of wrong)
  test(`${JSON.stringify(body)} is refused, naming ${field}, and adds nothing`, async () => {
    const { play } = makeSide();
    await play({
      ...adding(body),
      status: 400,
      answer: { code: "invalid_input", field },
      events: [],
    });
    await play({ path: "/webhooks", answer: { webhooks: [], count: 0 }, events: [] });
  });

test("a URL that webhooks may not go to is refused when it is added and when it is set", async () => {
  const side = makeSide();
  const id = await add(side, { filter: "a" });
  const refuse = (target: string) => {
    throw new Fault("invalid_input", `${target} is private`, { details: { field: "url" } });
  };
  side.daemon.checkTarget = async (target) => void (target === url || refuse(target));
  const given = { url: "http://10.0.0.1/hook", filter: "b" };
  const refusal = { status: 400, answer: { field: "url" }, events: [] };
  await side.play({ ...adding(given), ...refusal });
  await side.play({ ...updating(id, given), ...refusal });
  await side.play({ path: "/webhooks", answer: { count: 1, webhooks: [{ url, filter: "a" }] } });
  await side.play({ ...updating(id, { filter: "b" }), answer: { filter: "b" } });
});

// List and get

test("webhooks are listed oldest first", async () => {
  const side = makeSide();
  await side.play({ path: "/webhooks", answer: { webhooks: [], count: 0 }, events: [] });
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) {
    ids.push(await add(side));
    side.world.advance(1);
  }
  const { webhooks } = await side.play({ path: "/webhooks", answer: { count: 5 }, events: [] });
  expect(webhooks.map(({ id }: any) => id)).toEqual(ids);
});

const onOne: [string, (id: string) => Scenario][] = [
  ["get", (id) => ({ path: `/webhooks/${id}` })],
  ["update", (id) => updating(id, { active: true })],
  ["removal", removing],
  ["test", testing],
  ["history", (id) => ({ path: `/webhooks/${id}/deliveries` })],
];

for (const [what, scenario] of onOne)
  test(`a ${what} of a webhook that is not there is not found, with the command that lists them`, async () => {
    const side = makeSide();
    const receiver = collect(side);
    await add(side);
    const { error, hint } = await side.play({
      ...scenario(nobody),
      status: 404,
      answer: { code: "not_found" },
      events: [],
    });
    expect(error).toContain(nobody);
    expect(hint).toEndWith("port-daddy webhooks list");
    await side.play({ ...scenario("x!"), status: 400, answer: { field: "id" }, events: [] });
    expect(receiver.sent).toEqual([]);
  });

// Update and remove

test("an update changes what it names and answers the whole", async () => {
  const side = makeSide();
  const id = await add(side, { events: ["lock.*"], filter: "a", secret: "sesame" });
  const before = await side.play({ path: `/webhooks/${id}` });
  const steps: [Record<string, unknown>, Record<string, unknown>][] = [
    [{}, {}],
    [{ url: "https://other.example/x" }, { url: "https://other.example/x" }],
    [
      { events: ["*"], filter: null },
      { events: ["*"], filter: null },
    ],
    [{ secret: null }, { hasSecret: false }],
    [{ secret: "again" }, { hasSecret: true }],
    [{ active: false }, { active: false }],
  ];
  const now = before;
  for (const [body, change] of steps) {
    Object.assign(now, change);
    const answer = await side.play({ ...updating(id, body), events: [`webhook.update ${id}`] });
    expect(answer).toEqual(now);
  }
  expect(await side.play({ path: `/webhooks/${id}` })).toEqual(now);
});

test("an update of what can't be is refused and changes nothing", async () => {
  const side = makeSide();
  const id = await add(side, { filter: "a" });
  for (const [field, body] of wrong.slice(1)) {
    if (field === "id") continue;
    const refusal = { status: 400, answer: { field }, events: [] };
    await side.play({ ...updating(id, { filter: "b", ...body }), ...refusal });
  }
  await side.play({ path: `/webhooks/${id}`, answer: { url, filter: "a", hasSecret: false } });
});

test("an update resumes a webhook that is paused, and what it missed is not sent", async () => {
  const side = makeSide();
  const id = await add(side);
  const receiver = collect(side);
  pause(side, id);
  await side.play(claim("missed"));
  await side.play({ path: `/webhooks/${id}`, answer: { paused: "it is tired", dropped: 1 } });
  await side.play({
    ...updating(id, {}),
    answer: { paused: null, dropped: 0 },
    events: [`webhook.update ${id}`, `webhook.resume ${id}`],
  });
  await side.play(claim("myapp"));
  await turns();
  expect(receiver.sent.map(({ delivery }) => delivery.targetId)).toEqual(["myapp"]);
});

test("a webhook that is removed is gone, once", async () => {
  const side = makeSide();
  const [id, other] = [await add(side), await add(side)];
  await side.play({
    ...removing(id),
    answer: { removed: true },
    events: [`webhook.remove ${id}`],
  });
  await side.play({ ...removing(id), status: 404, events: [] });
  await side.play({ path: "/webhooks", answer: { count: 1, webhooks: [{ id: other }] } });
});

// Test

test("a test goes out at once, signed with what was given, and its delivery is answered", async () => {
  const side = makeSide();
  const id = await add(side, { events: ["lock.*"], secret: "sesame", active: false });
  const receiver = collect(side);
  const delivery = await side.play({ ...testing(id), events: [] });
  expect(delivery).toEqual({
    id: receiver.sent[0]!.delivery.id,
    event: "webhook.test",
    targetId: id,
    status: "delivered",
    attempts: 1,
    httpStatus: 200,
    durationMs: 7,
    response: "words",
    error: null,
    createdAt: startOfTime,
    nextAttemptAt: null,
    finishedAt: startOfTime,
  });
  expect(receiver.sent[0]!.webhook).toMatchObject({ id, url, secret: "sesame" });
  expect(JSON.parse(receiver.sent[0]!.delivery.body)).toEqual({
    event: "webhook.test",
    timestamp: startOfTime,
    data: { targetId: id, actor: "local" },
  });
  await side.play({ path: `/webhooks/${id}/deliveries`, answer: { deliveries: [delivery] } });
});

test("a test that fails is a success that says so, is not repeated, and resumes nothing", async () => {
  const side = makeSide();
  const id = await add(side);
  const receiver = collect(side);
  receiver.error = "it answered 500";
  pause(side, id);
  await side.play({
    ...testing(id),
    answer: { status: "failed", attempts: 1, httpStatus: 500, error: "it answered 500" },
    events: [],
  });
  await side.play({ path: `/webhooks/${id}`, answer: { paused: "it is tired", pending: 0 } });
  receiver.error = null;
  await side.play({
    ...testing(id),
    answer: { status: "delivered" },
    events: [`webhook.resume ${id}`],
  });
  await side.play({ path: `/webhooks/${id}`, answer: { paused: null } });
  expect(receiver.sent).toHaveLength(2);
});

// History

test("what happens is sent to who wants it, and its history is told newest first", async () => {
  const side = makeSide();
  const id = await add(side, { events: ["service.*"], filter: "shop:*" });
  const receiver = collect(side);
  await side.play({ method: "POST", path: "/claim", body: { ids: ["shop:a", "other", "shop:b"] } });
  await side.play({ ...claim("shop:c"), body: { port: 8080 }, status: 400 });
  await side.play({ method: "DELETE", path: "/release/shop:*" });
  await turns();
  const sent = receiver.sent.map(({ delivery }) => `${delivery.event} ${delivery.targetId}`);
  expect(sent).toEqual([
    "service.claim shop:a",
    "service.claim shop:b",
    "service.release shop:a",
    "service.release shop:b",
  ]);
  const path = `/webhooks/${id}/deliveries`;
  const { deliveries } = await side.play({ path, answer: { count: 4 }, events: [] });
  expect(deliveries.map((row: any) => `${row.event} ${row.targetId}`)).toEqual(sent.toReversed());
  await side.play({ path: `${path}?limit=1`, answer: { count: 1, deliveries: [deliveries[0]] } });
  for (const query of ["limit=0", "limit=1001", "status=lost"])
    await side.play({ path: `${path}?${query}`, status: 400, answer: { code: "invalid_input" } });
});

test("a history is filtered by what became of each", async () => {
  const side = makeSide();
  const id = await add(side);
  const receiver = collect(side);
  await side.play(testing(id));
  receiver.error = "it answered 500";
  await side.play(testing(id));
  await side.play(claim("myapp"));
  await turns();
  const counts = { pending: "service.claim", failed: "webhook.test", delivered: "webhook.test" };
  for (const [status, event] of Object.entries(counts))
    await side.play({
      path: `/webhooks/${id}/deliveries?status=${status}`,
      answer: { count: 1, deliveries: [{ event, status }] },
      events: [],
    });
  await side.play({ path: `/webhooks/${id}/deliveries`, answer: { count: 3 } });
  await side.play({ path: `/webhooks/${id}`, answer: { pending: 1 } });
  await side.daemon.courier.stop(0);
});

// The secret

test("a secret is in no answer and no event, however it was given", async () => {
  const side = makeSide();
  const id = await add(side, { secret: "sesame-1" });
  const texts: string[] = [];
  const ask = async (scenario: Scenario) => texts.push(await (await side.request(scenario)).text());
  await ask(adding({ secret: "sesame-2" }));
  await ask({ method: "POST", path: `/webhooks?secret=sesame-3`, body: { url } });
  await ask(updating(id, { secret: "sesame-4" }));
  await side.request(claim("myapp"));
  for (const path of ["", `/${id}`, `/${id}/deliveries`]) await ask({ path: `/webhooks${path}` });
  await ask(testing(id));
  await ask(removing(id));
  await ask({ path: "/activity" });
  expect(texts.join("\n")).not.toContain("sesame");
  expect(texts.slice(0, 3).map((text) => JSON.parse(text).hasSecret)).toEqual([true, true, true]);
  expect(JSON.stringify(side.world.journal.since(0))).not.toContain("sesame");
});

test("a secret that can't be one is refused without repeating it", async () => {
  const side = makeSide();
  const id = await add(side);
  // What a file holds often ends in a line feed.
  for (const scenario of [adding({ secret: "sesame\n" }), updating(id, { secret: "sesame\n" })]) {
    const answer = await side.play({ ...scenario, status: 400, answer: { field: "secret" } });
    expect(JSON.stringify(answer)).not.toContain("sesame");
  }
  const twice = { ...adding({ secret: "sesame" }), path: "/webhooks?secret=open-sesame" };
  expect(JSON.stringify(await side.play({ ...twice, status: 400 }))).not.toContain("sesame");
});
