// What may be asked of the daemon: one row an operation. Routes, input checks, the typed client, the words of flags,
// OpenAPI and the README's tables come from here. It holds data about asking, never how it is answered.

import * as entities from "./entities.ts";
import { actions } from "./events.ts";
import {
  boolean,
  described,
  integer,
  list,
  map,
  nullable,
  object,
  oneOf,
  optional,
  record,
  span,
  text,
  waitSpan,
  type Field,
  type Shape,
  type ValueOf,
  type ValuesOf,
} from "./fields.ts";
import {
  agentId,
  channelName,
  channelPattern,
  identity,
  instant,
  lockName,
  pattern,
  pid,
  port,
  portRange,
  tenYearsMs,
} from "./values.ts";

export type Operation<S extends Shape = Shape, A = any> = {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** The route; a `:name` in it is the input field of that name, and `:name{[^]+}` takes the rest of the path. */
  path: string;
  /** The heading it stands under. */
  group: string;
  summary: string;
  input: S;
  /** The answer; of a stream of server-sent events, what the data of one of them is. */
  output: Field<A>;
  answersIn: "json" | "events" | "text";
  /** Answered on the Unix socket alone: what is run on this machine is told by this user, and by nobody else. */
  isLocal: boolean;
};

/** A row whose fields are made when they are first asked for: a command loads the table and needs one row of it. */
function operation<S extends Shape, A>(
  row: Omit<Operation<S, A>, "input" | "output" | "answersIn" | "isLocal"> & {
    input: () => S;
    output: () => Field<A>;
    answersIn?: "events" | "text";
    isLocal?: true;
  },
): Operation<S, A> {
  const { input, output, answersIn = "json", isLocal = false, ...words } = row;
  let [fields, answer]: [S?, Field<A>?] = [];
  return {
    ...words,
    answersIn,
    isLocal,
    get input() {
      return (fields ??= input());
    },
    get output() {
      return (answer ??= output());
    },
  };
}

/** How long a wait is held where it does not say. */
export const defaultWaitMs = 60_000;

/** How many entries of the activity log are answered where no limit is given. */
export const defaultEntries = 100;

/** How long a lock is held where its TTL is not given. */
export const defaultTtlMs = 300_000;

/** What an agent may hold where its limits are not given. */
export const defaultMaxServices = 50;
export const defaultMaxLocks = 20;

/** How many messages are answered where no limit is given. */
export const defaultMessages = 100;

const dayMs = 24 * 3_600_000;

const count = integer({ summary: "How many", min: 0, max: Number.MAX_SAFE_INTEGER });
const name = (summary: string) => text({ summary, max: 200 });

const expires = span({
  summary: "Auto-release after this long, such as 30m, 2h or 1d",
  min: 1,
  max: tenYearsMs,
  placeholder: "<dur>",
});

const timeout = waitSpan({
  summary: `Wait timeout (default: ${defaultWaitMs}); 0 is no limit`,
  min: 0,
  max: dayMs,
});

const ttl = waitSpan({
  summary: `Lock time-to-live (default: ${defaultTtlMs})`,
  min: 1,
  max: dayMs,
});

const after = described(count, "Only what is newer than this id");

/** What a claim may say beside the identity; given again, it replaces what was there. */
const claimInput = () => ({
  range: optional(described(portRange, "Acceptable port range")),
  expires: optional(expires),
  pid: optional(described(pid, "Free it when this process has died")),
  agent: optional(described(agentId, "The agent it belongs to")),
  cmd: optional(entities.commandText),
  cwd: optional(entities.directoryText),
  health: optional(entities.healthTarget),
  urls: optional(
    map(entities.endpointUrl, {
      summary: "Environment → URL, beside local",
      key: entities.settableEnvironment,
      max: entities.maxEnvironments,
    }),
  ),
  metadata: optional(entities.metadata),
});

/** What a webhook may say beside its URL; given again, it replaces what was there. */
const webhookInput = () => ({
  events: optional(
    list(entities.webhookEvent, { summary: "The events it is for (all)", min: 1, max: 50 }),
  ),
  filter: optional(nullable(described(pattern, "Only of targets that match; null for all"))),
  secret: optional(nullable(described(entities.webhookSecret, "Sign with it; null for not"))),
  active: optional(boolean({ summary: "Whether it is switched on (true)" })),
});

export const operations = {
  health: operation({
    method: "GET",
    path: "/health",
    group: "Health & Status",
    summary: "Health check, with what is held at the moment",
    input: () => ({}),
    output: () =>
      record(
        {
          status: text({ summary: "Always ok: a daemon that is not does not answer", max: 10 }),
          version: name("The daemon's version"),
          pid,
          uptimeMs: count,
          services: count,
          locks: count,
          agents: described(count, "How many agents are active"),
          subscribers: described(count, "How many streams are open"),
          lastMessage: described(
            count,
            "The newest message's id, 0 before the first: subscribe after it",
          ),
        },
        { summary: "The daemon is up" },
      ),
  }),
  version: operation({
    method: "GET",
    path: "/version",
    group: "Health & Status",
    summary: "Version, code hash and the settings in force",
    input: () => ({}),
    output: () =>
      record(
        {
          version: name("The daemon's version"),
          codeHash: text({ summary: "12 hex digits over the sources built in", max: 12 }),
          api: integer({ summary: "Grows when an answer changes its meaning", min: 1, max: 1 }),
          pid,
          uid: integer({ summary: "The user it runs as", min: 0, max: 2 ** 32 }),
          startedAt: instant,
          port: optional(
            described(port, "Its TCP port; left out where it serves its socket alone"),
          ),
          host: optional(
            text({ summary: "The address beyond loopback that it listens on", max: 253 }),
          ),
          needsToken: optional(
            boolean({ summary: "True where requests over TCP must carry its token" }),
          ),
          wantedPort: integer({
            summary: "The TCP port it was set to; 0 is any free one",
            min: 0,
            max: 65_535,
          }),
          range: text({ summary: "First and last port given out", max: 11 }),
          home: text({ summary: "Its state directory", max: 4096 }),
          state: integer({
            summary: "Tells this state from any other: ids of events and messages go on within one",
            min: 1,
            max: 2 ** 31 - 1,
          }),
        },
        { summary: "What is in force" },
      ),
  }),
  activity: operation({
    method: "GET",
    path: "/activity",
    group: "Health & Status",
    summary: "Activity log, newest first",
    input: () => ({
      limit: optional(
        integer({ summary: `At most this many entries (${defaultEntries})`, min: 1, max: 1000 }),
      ),
      action: optional(
        oneOf({ summary: "Only this action", values: actions, placeholder: "<action>" }),
      ),
      targetId: optional(described(pattern, "Only this target, or pattern of targets")),
      actor: optional(
        text({ summary: "Only what this actor did", max: 300, placeholder: "<actor>" }),
      ),
      since: optional(described(instant, "Not before this instant")),
      until: optional(described(instant, "Before this instant")),
      before: optional(described(count, "Only entries with a smaller id, for the next page")),
    }),
    output: () =>
      record(
        { entries: list(entities.activityEntry, { summary: "Newest first", max: 1000 }), count },
        { summary: "What happened" },
      ),
  }),
  events: operation({
    method: "GET",
    path: "/events",
    group: "Health & Status",
    summary: "Stream what happens: a snapshot, then each event; resumes by id",
    answersIn: "events",
    input: () => ({
      after: optional(described(count, "Go on after this id instead of with a snapshot")),
      event: optional(entities.eventPattern),
    }),
    output: () => entities.activityEntry,
  }),
  metrics: operation({
    method: "GET",
    path: "/metrics",
    group: "Health & Status",
    summary: "What is counted and measured, as text for Prometheus",
    answersIn: "text",
    input: () => ({}),
    output: () =>
      text({
        summary: "Prometheus text, version 0.0.4",
        max: 2 ** 20,
        pattern: "^[^\\0]*$",
        expects: "lines of text",
      }),
  }),
  browserKey: operation({
    method: "POST",
    path: "/keys",
    group: "Health & Status",
    summary: "Make a key that lets one browser in, once: open /enter?key=…",
    input: () => ({}),
    output: () =>
      record(
        { key: text({ summary: "The key", max: 100 }), expiresAt: instant },
        { summary: "A key" },
      ),
  }),
  openapi: operation({
    method: "GET",
    path: "/openapi.json",
    group: "Health & Status",
    summary: "This interface as an OpenAPI 3.1 document",
    input: () => ({}),
    output: () => object({ summary: "The document", maxBytes: 2 ** 20 }),
  }),
  shutdown: operation({
    method: "POST",
    path: "/shutdown",
    group: "Health & Status",
    summary: "Stop the daemon",
    input: () => ({}),
    output: () =>
      record(
        { stopping: boolean({ summary: "True: it ends in a moment" }), pid },
        { summary: "It stops" },
      ),
  }),

  claim: operation({
    method: "POST",
    path: "/claim/:id",
    group: "Services",
    summary: "Claim a port for a service",
    input: () => ({
      id: identity,
      port: optional(described(port, "Request a specific port")),
      onlyIfFree: optional(boolean({ summary: "Only where the identity holds no port yet" })),
      ...claimInput(),
    }),
    output: () => entities.claimed,
  }),
  claimAll: operation({
    method: "POST",
    path: "/claim",
    group: "Services",
    summary: "Claim ports for several services: all or none",
    input: () => ({
      ids: list(identity, { summary: "The identities", min: 1, max: 100 }),
      ...claimInput(),
    }),
    output: () =>
      record(
        { services: list(entities.claimed, { summary: "In the order asked for", max: 100 }) },
        { summary: "The claims" },
      ),
  }),
  release: operation({
    method: "DELETE",
    path: "/release/:id",
    group: "Services",
    summary: "Release port(s) by identity or pattern",
    input: () => ({
      id: described(pattern, "An identity, or a pattern"),
      port: optional(described(port, "Only if it still holds this port")),
      dryRun: optional(boolean({ summary: "Only say what would be released" })),
    }),
    output: () =>
      record(
        {
          released: count,
          dryRun: boolean({ summary: "True where nothing was done" }),
          services: list(entities.freed, {
            summary: "What was (or would be) released",
            max: 65_535,
          }),
        },
        { summary: "What was released" },
      ),
  }),
  services: operation({
    method: "GET",
    path: "/services",
    group: "Services",
    summary: "List services",
    input: () => ({
      pattern: optional(pattern),
      status: optional(described(entities.serviceStatus, "Only those of this status")),
      port: optional(described(port, "Only the one that holds this port")),
      agent: optional(described(agentId, "Only those of this agent")),
    }),
    output: () =>
      record(
        { services: list(entities.service, { summary: "By identity", max: 65_535 }), count },
        { summary: "The services" },
      ),
  }),
  service: operation({
    method: "GET",
    path: "/services/:id",
    group: "Services",
    summary: "Get service details",
    input: () => ({ id: identity }),
    output: () => entities.service,
  }),
  setEndpoint: operation({
    method: "PUT",
    path: "/services/:id/endpoints/:env",
    group: "Services",
    summary: "Set the URL of a service in an environment",
    input: () => ({ id: identity, env: entities.settableEnvironment, url: entities.endpointUrl }),
    output: () => entities.service,
  }),
  unsetEndpoint: operation({
    method: "DELETE",
    path: "/services/:id/endpoints/:env",
    group: "Services",
    summary: "Remove the URL of a service in an environment",
    input: () => ({ id: identity, env: entities.settableEnvironment }),
    output: () => entities.service,
  }),
  wait: operation({
    method: "GET",
    path: "/wait",
    group: "Services",
    summary: "Wait for service(s) to become healthy",
    input: () => ({
      id: list(identity, { summary: "The identities, claimed already or not", min: 1, max: 100 }),
      timeout: optional(timeout),
    }),
    output: () =>
      record(
        { services: list(entities.service, { summary: "In the order asked for", max: 100 }) },
        { summary: "All of them are healthy" },
      ),
  }),
  port: operation({
    method: "GET",
    path: "/ports/:port",
    group: "Services",
    summary: "Show who has a port: identity, process, directory, since when",
    input: () => ({ port }),
    output: () => entities.portReport,
  }),
  launch: operation({
    method: "POST",
    path: "/launches/:id",
    group: "Services",
    summary: "Claim a port for a command that is about to be started",
    isLocal: true,
    input: () => {
      const { agent, cmd: _, cwd: __, pid: ___, ...wanted } = claimInput();
      return {
        id: identity,
        directory: entities.directoryText,
        command: optional(
          described(entities.commandWords, "The command to remember for this directory"),
        ),
        cmd: described(entities.commandText, "What is run, for people to read"),
        pid: described(pid, "The process that watches over the command"),
        restart: optional(entities.restartPolicy),
        detached: optional(boolean({ summary: "Whether it runs on its own" })),
        keep: optional(boolean({ summary: "Keep the claim when the command has ended" })),
        retry: optional(boolean({ summary: "Where a stranger has the port, take another" })),
        port: optional(described(port, "Request a specific port")),
        agent,
        ...wanted,
      };
    },
    output: () => entities.launched,
  }),
  reportLaunch: operation({
    method: "PUT",
    path: "/launches/:id",
    group: "Services",
    summary: "Tell how a launch goes on",
    isLocal: true,
    input: () => ({
      id: identity,
      pid: described(pid, "The process that watches over the command"),
      state: oneOf({
        summary: "What has happened to it",
        values: ["ready", "hijacked", "restarting", "ended"],
      }),
      code: optional(entities.exitCode),
      by: optional(described(entities.processInfo, "Who has hijacked its port")),
    }),
    output: () => entities.launch,
  }),
  launches: operation({
    method: "GET",
    path: "/launches",
    group: "Services",
    summary: "List what was launched: each identity and directory, the newest first",
    input: () => ({
      pattern: optional(pattern),
      directory: optional(described(entities.directoryText, "Only what was launched there")),
    }),
    output: () =>
      record(
        { launches: list(entities.launch, { summary: "The newest first", max: 1_000_000 }), count },
        { summary: "The launches" },
      ),
  }),

  lock: operation({
    method: "POST",
    path: "/locks/:name{[^]+}",
    group: "Locks",
    summary: "Acquire a lock",
    input: () => ({
      name: lockName,
      owner: optional(entities.lockOwner),
      ttl: optional(ttl),
      wait: optional(boolean({ summary: "Wait in line where somebody has it" })),
      timeout: optional(timeout),
      pid: optional(described(pid, "Free it when this process has died")),
      metadata: optional(entities.metadata),
      attempt: optional(
        text({ summary: "Names this attempt: asked again, it is answered again", max: 100 }),
      ),
      since: optional(described(instant, "When the attempt was first made: its place in the line")),
    }),
    output: () => entities.lock,
  }),
  extendLock: operation({
    method: "PUT",
    path: "/locks/:name{[^]+}",
    group: "Locks",
    summary: "Extend a lock",
    input: () => ({
      name: lockName,
      owner: optional(entities.lockOwner),
      fence: optional(entities.fence),
      ttl: optional(described(ttl, "Time-to-live from now (as long as before)")),
      pid: optional(described(pid, "From now on, free it when this process has died")),
      whileAlive: optional(
        boolean({ summary: "From now on, extend it by itself while its process lives" }),
      ),
    }),
    output: () => entities.lock,
  }),
  unlock: operation({
    method: "DELETE",
    path: "/locks/:name{[^]+}",
    group: "Locks",
    summary: "Release a lock",
    input: () => ({
      name: lockName,
      owner: optional(entities.lockOwner),
      fence: optional(described(entities.fence, "Only if this is still its fencing number")),
      force: optional(boolean({ summary: "Release it whoever has it; this is logged" })),
    }),
    output: () =>
      record(
        { released: boolean({ summary: "Always true" }), lock: entities.lock },
        { summary: "The lock is free" },
      ),
  }),
  locks: operation({
    method: "GET",
    path: "/locks",
    group: "Locks",
    summary: "List all active locks",
    input: () => ({
      owner: optional(described(entities.lockOwner, "Only those of this owner")),
      pattern: optional(pattern),
    }),
    output: () =>
      record(
        { locks: list(entities.lock, { summary: "By name", max: 1_000_000 }), count },
        { summary: "The locks" },
      ),
  }),
  lockState: operation({
    method: "GET",
    path: "/locks/:name{[^]+}",
    group: "Locks",
    summary: "Get lock details",
    input: () => ({ name: lockName }),
    output: () => entities.lockState,
  }),

  publish: operation({
    method: "POST",
    path: "/msg/:channel{[^]+}",
    group: "Messages",
    summary: "Publish a message",
    input: () => ({
      channel: channelName,
      payload: entities.payload,
      sender: optional(entities.sender),
      expires: optional(described(expires, "Told no longer after this long, such as 30m or 2h")),
    }),
    output: () => entities.published,
  }),
  messages: operation({
    method: "GET",
    path: "/msg/:channel{[^]+}",
    group: "Messages",
    summary: "Get channel messages",
    input: () => ({
      channel: described(channelPattern, "A channel, or a pattern"),
      after: optional(after),
      limit: optional(
        integer({
          summary: `At most this many: the next after an id, else the newest (${defaultMessages})`,
          min: 1,
          max: 1000,
        }),
      ),
    }),
    output: () =>
      record(
        {
          messages: list(entities.message, { summary: "Oldest first", max: 1000 }),
          count,
          gap: boolean({ summary: "Whether any after that id are no longer there" }),
        },
        { summary: "The messages" },
      ),
  }),
  subscribe: operation({
    method: "GET",
    path: "/subscribe/:channel{[^]+}",
    group: "Messages",
    summary: "Subscribe to a channel or pattern; resumes by id",
    answersIn: "events",
    input: () => ({
      channel: described(channelPattern, "A channel, or a pattern"),
      after: optional(after),
      last: optional(integer({ summary: "Begin with the last n messages", min: 1, max: 1000 })),
    }),
    output: () => entities.message,
  }),
  clearChannel: operation({
    method: "DELETE",
    path: "/msg/:channel{[^]+}",
    group: "Messages",
    summary: "Clear a channel",
    input: () => ({ channel: channelName }),
    output: () => record({ deleted: count }, { summary: "How many messages were deleted" }),
  }),
  channels: operation({
    method: "GET",
    path: "/channels",
    group: "Messages",
    summary: "List all channels",
    input: () => ({ pattern: optional(pattern) }),
    output: () =>
      record(
        { channels: list(entities.channel, { summary: "By name", max: 1_000_000 }), count },
        { summary: "The channels" },
      ),
  }),

  registerAgent: operation({
    method: "POST",
    path: "/agents/:id",
    group: "Agents",
    summary: "Register an agent",
    input: () => ({
      id: agentId,
      name: optional(entities.agentName),
      type: optional(entities.agentType),
      pid: optional(described(pid, "The process it lives with: heard from while that runs")),
      metadata: optional(entities.metadata),
      maxServices: optional(
        described(entities.maxServices, `Most services it may hold (${defaultMaxServices})`),
      ),
      maxLocks: optional(
        described(entities.maxLocks, `Most locks it may hold (${defaultMaxLocks})`),
      ),
    }),
    output: () => entities.registered,
  }),
  heartbeat: operation({
    method: "PUT",
    path: "/agents/:id/heartbeat",
    group: "Agents",
    summary: "Send a heartbeat",
    input: () => ({ id: agentId }),
    output: () => entities.agent,
  }),
  unregisterAgent: operation({
    method: "DELETE",
    path: "/agents/:id",
    group: "Agents",
    summary: "Unregister an agent and release what it holds",
    input: () => ({ id: agentId }),
    output: () => entities.unregistered,
  }),
  agents: operation({
    method: "GET",
    path: "/agents",
    group: "Agents",
    summary: "List all agents",
    input: () => ({
      status: optional(described(entities.agentStatus, "Only those of this status")),
    }),
    output: () =>
      record(
        { agents: list(entities.agent, { summary: "By id", max: 1_000_000 }), count },
        { summary: "The agents" },
      ),
  }),
  agent: operation({
    method: "GET",
    path: "/agents/:id",
    group: "Agents",
    summary: "Get agent details",
    input: () => ({ id: agentId }),
    output: () => entities.agent,
  }),

  webhookEvents: operation({
    method: "GET",
    path: "/webhooks/events",
    group: "Webhooks",
    summary: "List available events",
    input: () => ({}),
    output: () =>
      record(
        {
          events: list(
            record(
              { event: name("Its name"), summary: name("What it means") },
              { summary: "An event" },
            ),
            { summary: "The events a webhook can be for", max: 100 },
          ),
        },
        { summary: "The events" },
      ),
  }),
  addWebhook: operation({
    method: "POST",
    path: "/webhooks",
    group: "Webhooks",
    summary: "Register webhook",
    input: () => ({ url: entities.webhookUrl, ...webhookInput() }),
    output: () => entities.webhook,
  }),
  webhooks: operation({
    method: "GET",
    path: "/webhooks",
    group: "Webhooks",
    summary: "List webhooks",
    input: () => ({}),
    output: () =>
      record(
        { webhooks: list(entities.webhook, { summary: "Oldest first", max: 100_000 }), count },
        { summary: "The webhooks" },
      ),
  }),
  webhook: operation({
    method: "GET",
    path: "/webhooks/:id",
    group: "Webhooks",
    summary: "Get webhook details",
    input: () => ({ id: entities.webhookId }),
    output: () => entities.webhook,
  }),
  updateWebhook: operation({
    method: "PUT",
    path: "/webhooks/:id",
    group: "Webhooks",
    summary: "Update webhook; resumes one that is paused",
    input: () => ({
      id: entities.webhookId,
      url: optional(entities.webhookUrl),
      ...webhookInput(),
    }),
    output: () => entities.webhook,
  }),
  removeWebhook: operation({
    method: "DELETE",
    path: "/webhooks/:id",
    group: "Webhooks",
    summary: "Delete webhook",
    input: () => ({ id: entities.webhookId }),
    output: () =>
      record({ removed: boolean({ summary: "Always true" }) }, { summary: "It is gone" }),
  }),
  testWebhook: operation({
    method: "POST",
    path: "/webhooks/:id/test",
    group: "Webhooks",
    summary: "Send test payload at once; where it arrives, a paused webhook is resumed",
    input: () => ({ id: entities.webhookId }),
    output: () => entities.delivery,
  }),
  deliveries: operation({
    method: "GET",
    path: "/webhooks/:id/deliveries",
    group: "Webhooks",
    summary: "Delivery history",
    input: () => ({
      id: entities.webhookId,
      status: optional(described(entities.deliveryStatus, "Only those of this status")),
      limit: optional(
        integer({ summary: `At most this many (${defaultEntries})`, min: 1, max: 1000 }),
      ),
    }),
    output: () =>
      record(
        {
          deliveries: list(entities.delivery, { summary: "Newest first", max: 1000 }),
          count,
        },
        { summary: "The deliveries" },
      ),
  }),
};

export type Operations = typeof operations;
export type OperationName = keyof Operations;
export type InputOf<N extends OperationName> = ValuesOf<Operations[N]["input"]>;
export type OutputOf<N extends OperationName> = ValueOf<Operations[N]["output"]>;

/** Whether an acquisition stands in line where somebody has the lock: whoever says how long means that it does. */
export function standsInLine({ wait, timeout }: InputOf<"lock">): boolean {
  return wait ?? timeout !== undefined;
}

/** The operations that answer with a stream. */
export type StreamName = "events" | "subscribe";

/** The operations that answer with a value, as JSON. */
export type ValueName = Exclude<OperationName, StreamName | "metrics">;

/** `:id` or `:name{[^]+}` in a route. */
const placeholder = /:(\w+)(?:\{([^}]+)\})?/g;

/** What paths a route matches, as hono does. */
export function routePattern(path: string): RegExp {
  const source = path.split(placeholder);
  // What `split` leaves is text, name, pattern, and again.
  return new RegExp(
    `^${source.map((part, at) => [part?.replaceAll(".", "\\."), "", part ?? "[^/]+"][at % 3]).join("")}$`,
  );
}

/** The names in a route: `/services/:id` has `id`. */
export function pathFields(path: string): string[] {
  return [...path.matchAll(placeholder)].map((match) => match[1]!);
}

/** The route with each name in it replaced. */
export function fillPath(path: string, fill: (name: string) => string): string {
  return path.replace(placeholder, (_, name: string) => fill(name));
}
