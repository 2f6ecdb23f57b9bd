// One request and everything that follows from it: its status, its body, and the events it recorded. An event that is
// not expected is a failure, so `events: []` asserts that nothing happened.

import { expect } from "bun:test";
import { build } from "../src/build.ts";
import { check, type Field } from "../src/contract/fields.ts";
import { operations, routePattern, type Operation } from "../src/contract/operations.ts";
import { createAccess } from "../src/daemon/access.ts";
import { createCourier } from "../src/daemon/courier.ts";
import { createFeeds } from "../src/daemon/feeds.ts";
import { createLive } from "../src/daemon/live.ts";
import { createLog } from "../src/daemon/log.ts";
import { createMetrics } from "../src/daemon/metrics/metrics.ts";
import { createPresence } from "../src/daemon/presence.ts";
import { createRoom } from "../src/daemon/room.ts";
import type { Send } from "../src/daemon/sending.ts";
import { createStreams } from "../src/daemon/streams.ts";
import * as agents from "../src/domain/agents.ts";
import type { Daemon } from "../src/daemon/daemon.ts";
import type { RequestEnv } from "../src/daemon/request.ts";
import { answerHeaders, createApp } from "../src/daemon/server.ts";
import { makeWorld, type TestWorld } from "./world.ts";

export type Scenario = {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  /** Sent as JSON; a string is sent as it is. */
  body?: unknown;
  status?: number;
  /** What the body must hold, at least. */
  answer?: Record<string, unknown>;
  /** What happened, in order: `event target`. Left out, it is not looked at. */
  events?: string[];
};

export type Side = ReturnType<typeof makeSide>;

/** The app over a test world, spoken to without a socket. */
export function makeSide(world: TestWorld = makeWorld(), transport: "socket" | "tcp" = "socket") {
  const stops: string[] = [];
  const stopping = new AbortController();
  /** Where deliveries of webhooks go; a test may put another in its place. */
  const post: { send: Send } = {
    send: async () => ({ httpStatus: 200, durationMs: 1, response: "", error: null }),
  };
  const feeds = createFeeds(world);
  const report = (error: unknown) => void world.reported.push(error);
  const metrics = createMetrics(world);
  const send: Send = (...delivery) => post.send(...delivery);
  const courier = createCourier(world, send, report, metrics.onSettled);
  const live = createLive({ world, feeds, courier }, report);
  world.journal.watch({ landed: live.touch, undone: live.touch });
  const daemon: Daemon = {
    world,
    build,
    log: createLog("error", "/nonexistent"),
    startedAt: world.clock.now(),
    port: 9876,
    notices: [],
    answerHeaders: answerHeaders(build, 9876, world.config.range),
    catchUp() {},
    alarm: { set() {}, clear() {} },
    presence: createPresence(
      (agent) => agents.hear(world, agent),
      (agent) => agents.noteEnd(world, agent),
    ),
    streams: createStreams(report, metrics.streams),
    feeds,
    live,
    courier,
    checkTarget: async () => {},
    access: createAccess(world.config.token, world.clock.now),
    room: createRoom(Infinity),
    metrics,
    stopping: stopping.signal,
    stop: (reason) => void stops.push(reason),
    stopped: Promise.resolve(),
  };
  const app = createApp(daemon);
  const env: RequestEnv["Bindings"] =
    transport === "socket"
      ? { transport }
      : { transport, port: 9876, remoteAddress: "127.0.0.1", isLoopback: true, hold() {} };

  async function request(
    scenario: Pick<Scenario, "method" | "path" | "headers" | "body">,
  ): Promise<Response> {
    const { method = "GET", path, headers = {}, body } = scenario;
    const host = transport === "tcp" ? { host: "localhost:9876" } : {};
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return app.request(
      path,
      { method, headers: { ...host, ...headers }, ...(body !== undefined && { body: text }) },
      { ...env },
    );
  }

  /** Runs a scenario and returns the answer's body. Checks a success against the operation's declared output. */
  async function play(scenario: Scenario): Promise<any> {
    world.journal.flush();
    const before = world.journal.lastId();
    const response = await request(scenario);
    const body = await response.json();
    const context = `${scenario.method ?? "GET"} ${scenario.path} → ${response.status} ${JSON.stringify(body)}`;
    expect(response.status, context).toBe(scenario.status ?? 200);
    if (response.ok) checkOutput(scenario, body);
    if (scenario.answer) expect(body).toMatchObject(scenario.answer);
    if (scenario.events) expect(eventsSince(before), context).toEqual(scenario.events);
    return body;
  }

  function eventsSince(id: number): string[] {
    return world.journal.since(id).map(({ event, targetId }) => `${event} ${targetId}`);
  }

  return { world, daemon, post, app, request, play, stops, stopping, eventsSince };
}

/** An answer that is not what the table declares makes OpenAPI, the client's types and the docs untrue. */
function checkOutput({ method = "GET", path }: Scenario, body: unknown): void {
  const pathname = path.split("?")[0]!;
  const operation = Object.values<Operation>(operations).find(
    (row) => row.method === method && routePattern(row.path).test(pathname),
  );
  if (operation) check(operation.output as Field<unknown>, body, `the answer of ${operation.path}`);
}
