// What each metric counts, measured by what it does when something happens; and that nothing else makes it move.

import { expect, test } from "bun:test";
import { metrics, type Metric } from "../../../src/contract/metrics.ts";
import { reap } from "../../../src/daemon/reaper.ts";
import * as lockQueue from "../../../src/domain/lockQueue.ts";
import * as messages from "../../../src/domain/messages.ts";
import { makeSide, type Scenario, type Side } from "../../scenario.ts";
import { makeWorld } from "../../world.ts";

type Reading = Record<string, number>;

const claim = (id: string, body?: object): Scenario => ({
  method: "POST",
  path: `/claim/${id}`,
  ...(body && { body }),
});
const release = (id: string): Scenario => ({ method: "DELETE", path: `/release/${id}` });
const lock = (name: string, body: object = {}): Scenario => ({
  method: "POST",
  path: `/locks/${name}`,
  body: { owner: "ada", ...body },
});
const unlock = (name: string, body: object = {}): Scenario => ({
  ...lock(name, body),
  method: "DELETE",
});

/** Every series with its value, under the name it has without the product's. */
async function scrape({ request }: Side): Promise<Reading> {
  const text = await (await request({ path: "/metrics" })).text();
  const lines = [...text.matchAll(/^(?:port_daddy_)?([a-z_]+(?:\{.*\})?) (\S+)$/gm)];
  return Object.fromEntries(lines.map(([, name, value]) => [name!, Number(value)]));
}

/** What depends on the machine, and on the scrape itself. */
const restless =
  /^(process_|database_|commit_duration|http_request)|_(bucket|sum)\{|_(bucket|sum)$/;

/** By how much the series differ that some work has moved. */
async function moved(side: Side, work: () => unknown, left = restless): Promise<Reading> {
  const before = await scrape(side);
  await work();
  side.world.journal.flush();
  const after = await scrape(side);
  const differences = Object.entries(after)
    .filter(([name]) => !left.test(name))
    .map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  return Object.fromEntries(differences.filter(([, difference]) => difference !== 0));
}

/** Lets everything be done that waits for nothing but turns of the event loop. */
async function turns(): Promise<void> {
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve));
}

test("every metric of the table is told, as text of the version that Prometheus asks for", async () => {
  const side = makeSide();
  await side.play({ path: "/health" });
  const response = await side.request({ path: "/metrics" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const types = [...(await response.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  expect(types.map(([, name, type]) => [name!, type!])).toEqual(
    Object.entries<Metric>(metrics).map(([name, { type }]) => [name, type]),
  );
});

// Claims

test("claims are counted as new, made again or moved, and what is refused or undone is not", async () => {
  const side = makeSide();
  expect(await moved(side, () => side.play(claim("a")))).toEqual({
    'claims_total{kind="new"}': 1,
    'events_total{event="service.claim"}': 1,
    'services{status="assigned"}': 1,
    ports_left: -1,
  });
  expect(await moved(side, () => side.play(claim("a")))).toEqual({
    'claims_total{kind="again"}': 1,
    'events_total{event="service.claim"}': 1,
  });
  expect(await moved(side, () => side.play(claim("a", { port: 5000 })))).toEqual({
    'claims_total{kind="moved"}': 1,
    'events_total{event="service.claim"}': 1,
  });
  const refused = { ...claim("b", { port: 5000 }), status: 409 };
  expect(await moved(side, () => side.play(refused))).toEqual({});
  const undone = { method: "POST", path: "/claim", body: { ids: ["c", "d"], range: "6000-6001" } };
  expect(await moved(side, () => side.play({ ...undone, status: 409 }))).toEqual({});
});

test("releases are counted by why", async () => {
  const side = makeSide();
  const { world, play } = side;
  world.machine.processes.set(77, "mark");
  await play({ method: "POST", path: "/agents/bot", body: {} });
  for (const [id, body] of [
    ["asked"],
    ["late", { expires: 1000 }],
    ["dead", { pid: 77 }],
    ["bots", { agent: "bot" }],
  ] as const)
    await play(claim(id, body));
  const moves = await moved(side, async () => {
    await play(release("asked"));
    world.machine.processes.clear();
    world.advance(2_000);
    reap(world);
    await play({ method: "DELETE", path: "/agents/bot" });
  });
  expect(moves).toMatchObject({
    'releases_total{reason="released"}': 1,
    'releases_total{reason="expired"}': 1,
    'releases_total{reason="pid_died"}': 1,
    'releases_total{reason="agent_unregistered"}': 1,
    'services{status="assigned"}': -4,
    'agents{status="active"}': -1,
    ports_left: 4,
  });
  expect(moves).not.toHaveProperty('releases_total{reason="stopped"}');
});

test("services are told by what listens at that moment, also before anybody has looked", async () => {
  const side = makeSide();
  const { world } = side;
  const { port } = await side.play(claim("a"));
  await side.play(claim("b"));
  world.machine.listen(port);
  const running = { 'services{status="assigned"}': 1, 'services{status="running"}': 1 };
  expect(await scrape(side)).toMatchObject(running);
  reap(world);
  world.journal.flush();
  expect(await scrape(side)).toMatchObject({ ...running, 'services{status="stopped"}': 0 });
  world.machine.bound.clear();
  reap(world);
  expect(await scrape(side)).toMatchObject({
    'services{status="assigned"}': 1,
    'services{status="running"}': 0,
    'services{status="stopped"}': 1,
  });
});

test("left are the ports that a claim can have: as many claims as that succeed, and no more", async () => {
  const env = { PORT_DADDY_RANGE_START: "5055", PORT_DADDY_RANGE_END: "5064" };
  const side = makeSide(makeWorld({ ...env, PORT_DADDY_RESERVED: "5055" }));
  side.world.machine.listen(5056);
  await side.play(claim("early", { expires: 1000 }));
  side.world.advance(2_000);
  // Browsers refuse 5060 and 5061.
  const { ports_left } = await scrape(side);
  expect(ports_left).toBe(6);
  for (let n = 0; n < 6; n++) await side.play(claim(`s${n}`));
  await side.play({ ...claim("more"), status: 409 });
  expect(await scrape(side)).toMatchObject({ ports_left: 0 });
});

// Locks

test("a lock is counted while it is held, and measured and told why when it is freed", async () => {
  const side = makeSide();
  expect(await moved(side, () => side.play(lock("db")))).toEqual({
    'events_total{event="lock.acquire"}': 1,
    locks_held: 1,
  });
  side.world.advance(12_000);
  const moves = await moved(side, () => side.play(unlock("db")), /^(process|http|commit|database)/);
  expect(moves).toEqual({
    'events_total{event="lock.release"}': 1,
    locks_held: -1,
    'lock_releases_total{reason="released"}': 1,
    'lock_hold_seconds_bucket{le="15"}': 1,
    'lock_hold_seconds_bucket{le="60"}': 1,
    'lock_hold_seconds_bucket{le="300"}': 1,
    'lock_hold_seconds_bucket{le="1800"}': 1,
    'lock_hold_seconds_bucket{le="7200"}': 1,
    'lock_hold_seconds_bucket{le="86400"}': 1,
    'lock_hold_seconds_bucket{le="+Inf"}': 1,
    lock_hold_seconds_sum: 12,
    lock_hold_seconds_count: 1,
  });
  await side.play(lock("db", { ttl: 1000 }));
  side.world.advance(2_000);
  expect(await moved(side, () => reap(side.world))).toMatchObject({
    'lock_releases_total{reason="expired"}': 1,
  });
});

test("a lock that was held before the daemon started is measured from when it was acquired", async () => {
  const world = makeWorld();
  await makeSide(world).play(lock("db"));
  const side = makeSide(world);
  world.advance(5_000);
  await side.play(unlock("db"));
  expect(await scrape(side)).toMatchObject({ lock_hold_seconds_sum: 5 });
});

test("who waits for a lock is counted, and the wait measured by how it ends", async () => {
  const side = makeSide();
  await side.play(lock("db"));
  const waits = ["bob", "cyd", "dan"].map((owner) =>
    side.request(lock("db", { owner, wait: true, timeout: owner === "cyd" ? 1_000 : 60_000 })),
  );
  await turns();
  expect(await scrape(side)).toMatchObject({ lock_waiters: 3, http_requests_held: 3 });
  await side.play({ ...lock("other", { pid: 99, wait: true }), status: 400 });
  side.world.advance(2_000);
  lockQueue.wake(side.world);
  await side.play(unlock("db"));
  await waits[0];
  side.stopping.abort();
  expect((await Promise.all(waits)).map(({ status }) => status)).toEqual([200, 408, 503]);
  expect(await scrape(side)).toMatchObject({
    lock_waiters: 0,
    http_requests_held: 0,
    'lock_wait_seconds_count{outcome="acquired"}': 1,
    'lock_wait_seconds_count{outcome="timed_out"}': 1,
    'lock_wait_seconds_count{outcome="refused"}': 1,
    'lock_wait_seconds_count{outcome="gone"}': 1,
  });
});

// Messages, streams, webhooks

test("messages are counted as they are published, and as long as they are kept", async () => {
  const side = makeSide();
  const publish = { method: "POST", path: "/msg/news", body: { payload: 1, expires: 1000 } };
  expect(await moved(side, () => side.play(publish))).toEqual({
    'events_total{event="message.publish"}': 1,
    messages_published_total: 1,
    messages_stored: 1,
  });
  side.world.advance(2_000);
  expect(await moved(side, () => reap(side.world))).toEqual({ messages_stored: -1 });
});

test("open streams are counted, and how often one was cut off because it is read slowly", async () => {
  const side = makeSide();
  const stream = await side.request({ path: "/subscribe/news" });
  await turns();
  const events = await side.request({ path: "/events" });
  await turns();
  expect(await scrape(side)).toMatchObject({
    'subscribers{stream="messages"}': 1,
    'subscribers{stream="events"}': 1,
    http_requests_held: 2,
    slow_subscribers_cut_total: 0,
  });
  await events.body!.cancel();
  const payload = "x".repeat(60_000);
  const publish = () =>
    messages.publish(side.world, { channel: "news", payload }, { actor: "tester" });
  // Its buffer takes four and a bit; the fifth still goes into the room that is left.
  for (let n = 0; n < 12; n++) publish();
  side.world.journal.flush();
  expect(await scrape(side)).toMatchObject({
    'subscribers{stream="events"}': 0,
    slow_subscribers_cut_total: 1,
  });
  await stream.body!.cancel();
  expect(await scrape(side)).toMatchObject({
    'subscribers{stream="messages"}': 0,
    http_requests_held: 0,
  });
});

test("attempts to deliver are counted by what came of them, and measured; a test of a webhook is none", async () => {
  const side = makeSide();
  const { world } = side;
  const attempts = ["arrives", "fails for good", "arrives", "fails"];
  side.post.send = async () => {
    // What comes next has been tried four times by then.
    world.db.run("UPDATE deliveries SET attempts = ? WHERE status = 'pending'", [
      attempts[1] === "fails for good" ? 4 : 0,
    ]);
    const error = attempts.shift()!.startsWith("fails") ? "it answered 500" : null;
    return { httpStatus: 200, durationMs: 70, response: "", error };
  };
  const body = { url: "https://example.com/", events: ["service.claim"] };
  const { id } = await side.play({ method: "POST", path: "/webhooks", body });
  for (const target of ["a", "b", "c", "d"])
    world.journal.commit(() =>
      world.journal.record("service.claim", target, "tester", { port: 3100, existing: false }),
    );
  const moves = await moved(side, async () => {
    world.journal.flush();
    await turns();
  });
  expect(moves).toMatchObject({
    'webhook_deliveries_total{outcome="delivered"}': 2,
    'webhook_deliveries_total{outcome="failed"}': 1,
    'webhook_deliveries_total{outcome="retried"}': 1,
    webhook_delivery_duration_seconds_count: 4,
    webhook_deliveries_pending: -3,
  });
  expect((await scrape(side))["webhook_delivery_duration_seconds_sum"]).toBeCloseTo(0.28);
  attempts.push("arrives", "arrives");
  const test = { method: "POST", path: `/webhooks/${id}/test` };
  expect(await moved(side, () => side.play(test))).toEqual({});
  await side.daemon.courier.stop(0);
});

test("transactions are measured, each once however many changes are in it", async () => {
  const side = makeSide();
  const { world } = side;
  const ofCommits = /^(?!commit_duration_seconds_count$)/;
  const moves = await moved(
    side,
    () => {
      for (const channel of ["a", "b", "c"])
        messages.publish(world, { channel, payload: 1 }, { actor: "tester" });
    },
    ofCommits,
  );
  expect(moves).toEqual({ commit_duration_seconds_count: 1 });
});

// Requests

/** The series of requests that moved, by route and status, and those of them that were measured. */
async function requestsOf(side: Side, work: () => unknown): Promise<Reading> {
  const counts = await moved(side, work, /^(?!http_requests_total|http_request_duration.*_count)/);
  for (const name of Object.keys(counts)) if (name.includes('"/metrics"')) delete counts[name];
  return counts;
}

test("requests are counted by route and status, also those that the guard refuses", async () => {
  const side = makeSide(makeWorld(), "tcp");
  const foreign = { host: "evil.example" };
  const moves = await requestsOf(side, async () => {
    await side.play(claim("a"));
    await side.play({ ...claim("b", { port: "x" }), status: 400 });
    await side.play({ ...claim("c"), headers: foreign, status: 403 });
    await side.play({ path: "/nowhere", headers: foreign, status: 403 });
    await side.play({ method: "PATCH", path: "/claim/a", status: 404 });
    await side.request({ method: "HEAD", path: "/health" });
    await side.request({ path: "/" });
    await side.request({ path: "/assets/none.js" });
  });
  expect(moves).toEqual({
    'http_requests_total{method="POST",route="/claim/:id",status="200"}': 1,
    'http_requests_total{method="POST",route="/claim/:id",status="400"}': 1,
    'http_requests_total{method="POST",route="/claim/:id",status="403"}': 1,
    'http_request_duration_seconds_count{method="POST",route="/claim/:id"}': 3,
    'http_requests_total{method="other",route="other",status="403"}': 1,
    'http_requests_total{method="other",route="other",status="404"}': 1,
    'http_request_duration_seconds_count{method="other",route="other"}': 2,
    'http_requests_total{method="GET",route="/health",status="200"}': 1,
    'http_request_duration_seconds_count{method="GET",route="/health"}': 1,
    'http_requests_total{method="GET",route="/",status="200"}': 1,
    'http_request_duration_seconds_count{method="GET",route="/"}': 1,
    'http_requests_total{method="GET",route="/assets/*",status="404"}': 1,
    'http_request_duration_seconds_count{method="GET",route="/assets/*"}': 1,
  });
});

test("requests that are held on purpose are counted but not measured", async () => {
  const side = makeSide();
  const moves = await requestsOf(side, async () => {
    await side.play({ path: "/wait?id=a&timeout=1", status: 408 });
    await side.play(lock("db", { wait: true }));
    await side.play(lock("other"));
    await (await side.request({ path: "/events" })).body!.cancel();
  });
  expect(moves).toEqual({
    'http_requests_total{method="GET",route="/wait",status="408"}': 1,
    'http_requests_total{method="POST",route="/locks/:name",status="200"}': 2,
    'http_request_duration_seconds_count{method="POST",route="/locks/:name"}': 1,
    'http_requests_total{method="GET",route="/events",status="200"}': 1,
  });
});

// Bounds

test("a thousand odd names, paths, methods and agents make no series more", async () => {
  const side = makeSide();
  const odd = (n: number) => [
    claim(`s${n}:x`, { agent: `agent-${n}` }),
    claim(`\u{1F389}${n}`),
    lock(`l${n}`, { owner: `o${n}` }),
    { method: "POST", path: `/msg/c${n}`, body: { payload: n } },
    { path: `/no/such/${n}` },
    { path: `/services/${n}"}\\n` },
    { method: `ODD${n}`, path: "/health" },
    { path: `/assets/${n}` },
    { path: `/metrics?${n}` },
    { method: "POST", path: `/agents/a${n}`, body: { type: `t${n}` } },
  ];
  for (const request of odd(0)) await side.request(request);
  // The first scrape is counted from the second on.
  await scrape(side);
  const before = Object.keys(await scrape(side));
  for (let n = 1; n <= 100; n++) for (const request of odd(n)) await side.request(request);
  expect(Object.keys(await scrape(side))).toEqual(before);
});

test("no label has a value that the table does not know", async () => {
  const side = makeSide();
  const requests = [claim("a"), claim("a"), release("a"), lock("db"), unlock("db"), claim("x y")];
  for (const request of requests) await side.request(request);
  const told = Object.keys(await scrape(side)).filter((name) => name.includes("{"));
  for (const series of told) {
    const [, name, labels] = /^(.*?)\{(.*)\}$/.exec(series)!;
    const row = Object.entries<Metric>(metrics).find(
      ([each]) => each === `port_daddy_${name!.replace(/_(bucket|sum|count)$/, "")}`,
    )?.[1];
    expect(row, series).toBeDefined();
    for (const [, label, value] of labels!.matchAll(/(\w+)="(.*?)"/g)) {
      if (label === "le") continue;
      const known = row!.labels[label!]!;
      if (name !== "build_info") expect(known, series).toContain(value!);
    }
  }
});

test("a scrape changes nothing and is no sign of life", async () => {
  const side = makeSide();
  await side.play({ method: "POST", path: "/agents/bot", body: {} });
  side.world.advance(60_000);
  side.world.journal.flush();
  const before = side.world.journal.lastId();
  await side.request({ path: "/metrics", headers: { "X-Agent-Id": "bot" } });
  expect(side.eventsSince(before)).toEqual([]);
  await side.play({ path: "/agents/bot", answer: { lastHeartbeatAt: side.daemon.startedAt } });
});
