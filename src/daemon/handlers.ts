// Which domain call answers which operation: a line each.

import {
  standsInLine,
  type InputOf,
  type OperationName,
  type OutputOf,
  type StreamName,
} from "../contract/operations.ts";
import { format } from "../contract/range.ts";
import * as activity from "../domain/activity.ts";
import * as agents from "../domain/agents.ts";
import * as launches from "../domain/launches.ts";
import * as lockQueue from "../domain/lockQueue.ts";
import * as locks from "../domain/locks.ts";
import * as messages from "../domain/messages.ts";
import * as claims from "../domain/claims.ts";
import * as services from "../domain/services.ts";
import * as deliveries from "../domain/deliveries.ts";
import * as webhooks from "../domain/webhooks.ts";
import * as database from "../store/database.ts";
import type { Caller } from "../world.ts";
import type { Daemon } from "./daemon.ts";
import * as feeds from "./feeds.ts";
import { untilHealthy } from "./healthWait.ts";
import * as launching from "./launching.ts";
import { acquireNow, untilAcquired } from "./lockWait.ts";
import { write } from "./metrics/exposition.ts";
import { families } from "./metrics/readings.ts";
import { openapi } from "./openapi.ts";
import { releaseAll } from "./reaper.ts";
import type { HeldRequest } from "./request.ts";

type Handler<N extends OperationName> = (
  daemon: Daemon,
  input: InputOf<N>,
  caller: Caller,
  request: HeldRequest,
) => N extends StreamName ? Response : OutputOf<N> | Promise<OutputOf<N>>;

export const handlers: { [N in OperationName]: Handler<N> } = {
  health: (daemon) => ({
    status: "ok",
    version: daemon.build.version,
    pid: process.pid,
    uptimeMs: daemon.world.clock.now() - daemon.startedAt,
    services: services.count(daemon.world),
    locks: locks.count(daemon.world),
    agents: agents.count(daemon.world, "active"),
    subscribers: daemon.streams.count(),
    lastMessage: daemon.world.sequences.messages.last(),
  }),
  version,
  activity: ({ world }, input) => activity.list(world, input),
  events: (daemon, input, _, request) => feeds.events(daemon, input, request),
  metrics: (daemon) => write(families(daemon)),
  browserKey: ({ access }) => access.makeKey(),
  openapi: ({ build }) => openapi(build.version),
  shutdown: (daemon) => {
    daemon.stop("asked to by POST /shutdown");
    return { stopping: true, pid: process.pid };
  },

  claim: ({ world }, input, caller) => claims.claim(world, input, caller),
  claimAll: ({ world }, input, caller) => claims.claimAll(world, input, caller),
  release: ({ world }, input, caller) => services.release(world, input, caller),
  services: ({ world }, input) => services.list(world, input),
  service: ({ world }, input) => services.get(world, input),
  setEndpoint: ({ world }, input, caller) => services.setEndpoint(world, input, caller),
  unsetEndpoint: ({ world }, input, caller) =>
    services.setEndpoint(world, { ...input, url: null }, caller),
  wait: (daemon, input, _, request) => untilHealthy(daemon, input, request),
  port: ({ world }, input) => services.report(world, input),
  launch: ({ world }, input, caller) => launching.launch(world, input, caller),
  reportLaunch: ({ world }, input, caller) => launching.report(world, input, caller),
  launches: ({ world }, input) => launches.list(world, input),

  lock: (daemon, input, caller, request) =>
    standsInLine(input)
      ? daemon.metrics.waitForLock(() => untilAcquired(daemon, input, caller, request))
      : acquireNow(daemon, input, caller, request),
  extendLock: ({ world }, input, caller) => locks.extend(world, input, caller),
  unlock: ({ world }, input, caller) => {
    const answer = locks.release(world, input, caller);
    // In the same turn: whoever waits has it as soon as it is free.
    lockQueue.serve(world, input.name);
    return answer;
  },
  locks: ({ world }, input) => locks.list(world, input),
  lockState: ({ world }, input) => locks.get(world, input),

  publish: ({ world, feeds }, input, caller) => ({
    ...messages.publish(world, input, caller),
    subscribers: feeds.messages.count(input.channel),
  }),
  messages: ({ world }, input) => messages.read(world, input),
  subscribe: (daemon, input, _, request) => feeds.subscribe(daemon, input, request),
  clearChannel: ({ world }, input, caller) => messages.clear(world, input, caller),
  channels: (daemon, input) => feeds.channels(daemon.world, daemon.feeds, input),

  registerAgent: ({ world }, input, caller) => agents.register(world, input, caller),
  heartbeat: ({ world }, input, caller) => agents.heartbeat(world, input, caller),
  unregisterAgent: ({ world }, input, caller) =>
    world.journal.commit(() => {
      agents.unregister(world, input, caller);
      return {
        unregistered: true,
        ...releaseAll(world, input.id, "agent_unregistered", caller),
      };
    }),
  agents: ({ world }, input) => agents.list(world, input),
  agent: ({ world }, input) => agents.get(world, input),

  webhookEvents: () => ({ events: webhooks.offered() }),
  addWebhook: async (daemon, input, caller) => {
    await daemon.checkTarget(input.url);
    return landed(daemon, webhooks.add(daemon.world, input, caller));
  },
  webhooks: ({ world }) => webhooks.list(world),
  webhook: ({ world }, input) => webhooks.get(world, input),
  updateWebhook: async (daemon, input, caller) => {
    if (input.url !== undefined) await daemon.checkTarget(input.url);
    return landed(daemon, webhooks.update(daemon.world, input, caller));
  },
  removeWebhook: ({ world }, input, caller) => webhooks.remove(world, input, caller),
  testWebhook: async (daemon, input, caller) =>
    landed(daemon, await daemon.courier.test(input.id, caller)),
  deliveries: ({ world }, input) => deliveries.list(world, input),
};

/** The answer of an operation that has waited, when what it changed is stored. */
async function landed<T>({ world }: Daemon, answer: T): Promise<T> {
  await world.journal.landed();
  return answer;
}

/** What is in force: version, code, and the settings that a shell may hold a different view of. */
export function version({
  build,
  startedAt,
  port,
  world: { config, db },
}: Daemon): OutputOf<"version"> {
  return {
    ...build,
    api: 1,
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    startedAt,
    ...(port !== undefined && { port }),
    ...(config.host !== undefined && { host: config.host }),
    ...(config.token !== undefined && { needsToken: true }),
    wantedPort: config.port,
    range: format(config.range),
    home: config.home,
    state: database.stateOf(db),
  };
}
