// The nouns, as answers carry them. Each is said once, as fields; its type is inferred.

import {
  boolean,
  described,
  integer,
  json,
  list,
  map,
  nullable,
  object,
  oneOf,
  optional,
  record,
  text,
  url,
  type Field,
  type ValueOf,
} from "./fields.ts";
import {
  agentId,
  callerId,
  channelName,
  identity,
  instant,
  lockName,
  pattern,
  pid,
  port,
} from "./values.ts";
import { events, webhookEvents } from "./events.ts";
import { loopbackNames } from "./loopback.ts";
import { matcher } from "./pattern.ts";

/** What whoever takes something adds to it; so many bytes when written out as JSON. */
export const metadata = object({ summary: "Anything else worth keeping", maxBytes: 4096 });

/** The most URLs that a service may have beside the local one. */
export const maxEnvironments = 32;

/** Where a service answers: `local` always, others as they are set. */
export const environmentName: Field<string> = text({
  summary: "Environment: local, tunnel, dev, staging, prod or a name of your own",
  max: 32,
  pattern: "^[a-z0-9-]{1,32}$",
  placeholder: "<env>",
  expects: "an environment such as tunnel, dev, staging or prod (1 to 32 of a-z, 0-9 and '-')",
});

/** An environment whose URL is told to us; that of `local` is the port. */
export const settableEnvironment: Field<string> = {
  ...environmentName,
  expects: `${environmentName.expects}; local is always there and cannot be set`,
  accept: (value, name) => (value === "local" ? undefined : environmentName.accept(value, name)),
};

export const endpointUrl = url({
  summary: "A URL at which the service answers",
  schemes: ["http", "https", "ws", "wss"],
});

/** A path on the service itself, or an http URL on loopback: nothing else is ever fetched. */
export const healthTarget: Field<string> = {
  ...text({
    summary: "Path or loopback URL that answers 2xx or 3xx when healthy",
    max: 2000,
    placeholder: "<path>",
  }),
  expects: "a path such as /health, or an http URL on loopback",
  accept(value) {
    if (typeof value !== "string" || value.length > 2000 || !/^[\x21-\x7e]+$/.test(value))
      return undefined;
    // Browsers and URL parsers read `/\\host` like `//host`: as another machine.
    if (value.startsWith("/") && !/^\/[/\\]/.test(value)) return value;
    const parsed = URL.parse(value);
    const isLoopback = loopbackNames.includes(parsed?.hostname ?? "");
    return parsed?.protocol === "http:" && isLoopback ? value : undefined;
  },
};

/** A process, as the machine tells of it; what cannot be seen from here is null. */
export const processInfo = record(
  {
    pid: nullable(pid),
    command: nullable(text({ summary: "Its command line", min: 0, max: 10_000 })),
    cwd: nullable(text({ summary: "Its directory", min: 0, max: 10_000 })),
    user: nullable(text({ summary: "Whose it is", max: 200 })),
    startedAt: nullable(instant),
  },
  { summary: "A process that listens on a port" },
);
export type ProcessInfo = ValueOf<typeof processInfo>;

/** A process in a sentence, as far as it can be seen. */
export function processInWords(process: ProcessInfo | null): string {
  if (process?.pid)
    return `process ${process.pid} (${process.command ?? "its command cannot be seen"})`;
  return process?.user
    ? `a process of user ${process.user}`
    : "a process that cannot be seen from here";
}

/** assigned: nothing listens yet; running: something of its own does; stopped: it did, and is gone. */
export const serviceStatuses = ["assigned", "running", "stopped"] as const;
export const serviceStatus = oneOf({
  summary: "Whether something of its own listens: not yet, now, or no more",
  values: serviceStatuses,
});
export type ServiceStatus = ValueOf<typeof serviceStatus>;

export const listener = record(
  {
    ...processInfo.shape,
    stranger: boolean({ summary: "True where it has nothing to do with the claim" }),
  },
  { summary: "The process that listens on a claimed port" },
);
export type Listener = ValueOf<typeof listener>;

export const commandText = text({
  summary: "The command that serves it, for people to read",
  max: 4000,
});
export const directoryText = text({
  summary: "The directory it belongs to",
  max: 4000,
  placeholder: "<dir>",
});

const serviceShape = {
  id: identity,
  port: described(port, "The port, for good"),
  status: serviceStatus,
  listener: nullable(listener),
  pid: nullable(described(pid, "The process this claim lives with")),
  agent: nullable(described(agentId, "The agent it belongs to")),
  cmd: nullable(commandText),
  cwd: nullable(directoryText),
  urls: map(endpointUrl, {
    summary: "Environment → URL; `local` is always there",
    key: environmentName,
    max: maxEnvironments + 1,
  }),
  health: nullable(healthTarget),
  metadata: nullable(metadata),
  createdAt: instant,
  lastSeenAt: described(instant, "When it was last claimed, or last seen running"),
  expiresAt: nullable(described(instant, "When it frees itself; null is never")),
};

export const service = record(serviceShape, { summary: "A claim: an identity and its port" });
export type Service = ValueOf<typeof service>;

export const portHolder = record(
  {
    id: nullable(described(identity, "The identity that has it")),
    process: nullable(processInfo),
  },
  { summary: "Who has a port: an identity, or a process that nobody claimed for" },
);

export const moved = record(
  {
    port: described(port, "The port this identity had before"),
    reason: oneOf({
      summary: "Why not that one",
      values: ["held", "in_use", "reserved", "not_permitted", "out_of_range", "requested"],
    }),
    holder: nullable(portHolder),
  },
  { summary: "Which port the identity moved from, why, and who has that port now" },
);
export type Moved = ValueOf<typeof moved>;

export const claimed = record(
  {
    ...serviceShape,
    existing: boolean({ summary: "Whether the identity already held a port" }),
    movedFrom: optional(moved),
    warning: optional(text({ summary: "What to know about this port", max: 10_000 })),
  },
  { summary: "A claim as it was answered" },
);
export type Claimed = ValueOf<typeof claimed>;

/** never: it ends with its command; on-failure: not where that succeeds; always: until it is stopped. */
export const restartPolicies = ["never", "on-failure", "always"] as const;
export const restartPolicy = oneOf({
  summary: "Start it again when it ends: never, on-failure or always (never)",
  values: restartPolicies,
  placeholder: "<policy>",
});
export type RestartPolicy = ValueOf<typeof restartPolicy>;

/** starting: nothing of its own listens on the port yet; ready: something has; ended: it is over. */
export const launchStatus = oneOf({
  summary: "How far a launch has come",
  values: ["starting", "ready", "ended"],
});

/** The words of a command, as a process is given them: anything but NUL. */
export const commandWords = list(
  text({
    summary: "A word of it",
    min: 0,
    max: 100_000,
    pattern: "^[^\\0]*$",
    expects: "text of at most 100000 characters without NUL",
  }),
  { summary: "A command, word by word", min: 1, max: 1_000 },
);

export const exitCode = integer({ summary: "The exit code of a command", min: 0, max: 255 });

export const launch = record(
  {
    id: identity,
    directory: directoryText,
    port: described(port, "The port it was given"),
    command: nullable(
      described(commandWords, "What was asked to run; null where package.json says"),
    ),
    cmd: commandText,
    pid: described(pid, "The process that watches over it"),
    actor: text({ summary: "Who launched it", max: 300 }),
    status: launchStatus,
    restart: restartPolicy,
    detached: boolean({ summary: "Whether it runs on its own, with a log" }),
    restarts: integer({ summary: "How often it was started again", min: 0, max: 2 ** 31 }),
    startedAt: instant,
    readyAt: nullable(described(instant, "When its port was listened on first; null until it is")),
    endedAt: nullable(described(instant, "When it ended")),
    code: nullable(described(exitCode, "What it ended with; null where nobody saw it")),
  },
  { summary: "A command that serves an identity, as it was last launched in a directory" },
);
export type Launch = ValueOf<typeof launch>;

export const launched = record(
  { ...claimed.shape, launch },
  { summary: "A claim, and what is about to serve it" },
);
export type Launched = ValueOf<typeof launched>;

export const freed = record({ id: identity, port }, { summary: "A claim that ended" });
export type Freed = ValueOf<typeof freed>;

export const portReport = record(
  {
    port,
    service: nullable(service),
    listeners: list(listener, { summary: "The processes that listen on it", max: 1000 }),
    refusal: nullable(text({ summary: "Why it is not given out unasked, if so", max: 500 })),
  },
  { summary: "Everything known of one port" },
);
export type PortReport = ValueOf<typeof portReport>;

const many = 1_000_000;
const total = (summary: string) => integer({ summary, min: 0, max: Number.MAX_SAFE_INTEGER });
const serial = (summary: string) => integer({ summary, min: 1, max: Number.MAX_SAFE_INTEGER });

/** Who has a lock: any name that fits a header, so that callers and agents can be owners. */
export const lockOwner = {
  ...callerId,
  summary: "Lock owner identifier",
  placeholder: "<id>",
  expects: "an owner's id: 1 to 300 printable ASCII characters without spaces",
};

export const fence = serial(
  "The fencing number: grows with each acquisition of any lock, for good",
);

export const lock = record(
  {
    name: lockName,
    owner: lockOwner,
    agent: nullable(described(agentId, "The agent it belongs to")),
    pid: nullable(described(pid, "The process this lock lives with")),
    fence,
    acquiredAt: instant,
    expiresAt: described(instant, "When it frees itself, unless it is extended"),
    metadata: nullable(metadata),
    waiting: total("How many wait for it"),
  },
  { summary: "A lock and who has it" },
);
export type Lock = ValueOf<typeof lock>;

export const lockState = record(
  {
    name: lockName,
    held: boolean({ summary: "Whether somebody has it" }),
    lock: nullable(lock),
  },
  { summary: "A lock, held or not" },
);
export type LockState = ValueOf<typeof lockState>;

export const freedLock = record({ name: lockName, fence }, { summary: "A lock that was freed" });
export type FreedLock = ValueOf<typeof freedLock>;

/** The most that a message's payload may take, written out as JSON. */
export const maxPayloadBytes = 64 * 1024;

export const payload = json({ summary: "Any JSON value", maxBytes: maxPayloadBytes });
export const sender = text({ summary: "Who sends it", max: 300 });
export const messageId = serial("Grows with each message of any channel, for good");

export const message = record(
  {
    id: messageId,
    channel: channelName,
    payload,
    sender: nullable(sender),
    createdAt: instant,
    expiresAt: nullable(
      described(instant, "When it is no longer told; null is by retention alone"),
    ),
  },
  { summary: "A message" },
);
export type Message = ValueOf<typeof message>;

export const published = record(
  {
    id: messageId,
    channel: channelName,
    createdAt: instant,
    subscribers: total("How many subscriptions it went to"),
  },
  { summary: "A message as it was published" },
);
export type Published = ValueOf<typeof published>;

export const channel = record(
  {
    channel: channelName,
    count: total("How many messages are kept"),
    lastMessageAt: nullable(instant),
    subscribers: total("How many subscriptions it has, patterns included"),
  },
  { summary: "A channel" },
);
export type Channel = ValueOf<typeof channel>;

export const agentStatuses = ["active", "stale"] as const;
export const agentStatus = oneOf({
  summary: "active, or stale: not heard from for two minutes, or its process has died",
  values: agentStatuses,
});
export type AgentStatus = ValueOf<typeof agentStatus>;

export const agentName = text({ summary: "What people call it", max: 200 });
export const agentType = text({ summary: "What kind it is, such as claude", max: 100 });
export const maxServices = integer({
  summary: "Most services it may hold",
  min: 0,
  max: many,
});
export const maxLocks = integer({ summary: "Most locks it may hold", min: 0, max: many });

const agentShape = {
  id: agentId,
  name: nullable(agentName),
  type: nullable(agentType),
  pid: nullable(described(pid, "The process it lives with")),
  metadata: nullable(metadata),
  maxServices,
  maxLocks,
  status: agentStatus,
  registeredAt: instant,
  lastHeartbeatAt: described(instant, "When it was last heard from"),
  services: total("How many services it holds"),
  locks: total("How many locks it holds"),
};

export const agent = record(agentShape, { summary: "A registered agent" });
export type Agent = ValueOf<typeof agent>;

export const registered = record(
  { ...agentShape, registered: boolean({ summary: "True where it is new, false where updated" }) },
  { summary: "An agent as it was registered" },
);
export type Registered = ValueOf<typeof registered>;

export const unregistered = record(
  {
    unregistered: boolean({ summary: "Always true" }),
    services: list(freed, { summary: "The claims that were released with it", max: 65_535 }),
    locks: list(freedLock, { summary: "The locks that were released with it", max: many }),
  },
  { summary: "What went with an agent" },
);
export type Unregistered = ValueOf<typeof unregistered>;

/** A pattern of events; one that none of those matches is a slip. */
function eventPatternOf(names: readonly string[], summary: string): Field<string> {
  return {
    ...pattern,
    summary,
    expects: `an event, or a pattern of events such as lock.*: ${names.join(", ")}`,
    accept(value, name) {
      const accepted = pattern.accept(value, name);
      return accepted !== undefined && names.some(matcher(accepted)) ? accepted : undefined;
    },
  };
}

export const eventPattern = eventPatternOf(
  Object.keys(events),
  "Only these events, such as lock.*",
);
export const webhookEvent = eventPatternOf(webhookEvents, "An event, or a pattern of events");

export const webhookId = text({
  summary: "A webhook",
  max: 40,
  pattern: "^[0-9a-f-]{1,40}$",
  placeholder: "<id>",
  expects: "a webhook's id, as it was answered when it was added",
});

export const webhookUrl = url({ summary: "Where it goes", schemes: ["http", "https"] });

/** A secret is told to us and never again by us. */
export const webhookSecret: Field<string> = {
  ...text({
    summary: "What signatures are made with",
    max: 200,
    pattern:
      "^(?!whsec_)[^\\p{Cc}]+$|^whsec_(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    expects: "text of 1 to 200 characters; after whsec_, base64",
  }),
  isSecret: true,
};

export const webhook = record(
  {
    id: webhookId,
    url: webhookUrl,
    events: list(webhookEvent, { summary: "The events it is for", max: 50 }),
    filter: nullable(described(pattern, "Only of targets that match")),
    active: boolean({ summary: "Whether it is switched on" }),
    hasSecret: boolean({ summary: "Whether what is sent is signed" }),
    paused: nullable(text({ summary: "Why nothing is sent at the moment", max: 1000 })),
    pending: total("How many deliveries are still to be made"),
    dropped: total("How many events went by while it was paused"),
    createdAt: instant,
  },
  { summary: "A webhook" },
);
export type Webhook = ValueOf<typeof webhook>;

/** off: somebody switched it off; paused: the daemon sends it nothing until it is resumed. */
export type WebhookState = "on" | "off" | "paused";

export function webhookState({ active, paused }: Pick<Webhook, "active" | "paused">): WebhookState {
  if (!active) return "off";
  return paused === null ? "on" : "paused";
}

export const deliveryStatus = oneOf({
  summary: "Still to be made, made, or given up",
  values: ["pending", "delivered", "failed"],
});
export type DeliveryStatus = ValueOf<typeof deliveryStatus>;

/** How much of a receiver's answer is kept. */
export const maxResponseCharacters = 1_000;

export const delivery = record(
  {
    id: text({ summary: "As in X-PortDaddy-Delivery", max: 40 }),
    event: text({ summary: "The event", max: 100 }),
    targetId: text({ summary: "What it happened to", max: 200 }),
    status: deliveryStatus,
    attempts: total("How often it was tried"),
    httpStatus: nullable(integer({ summary: "The last answer's status", min: 100, max: 999 })),
    durationMs: nullable(total("How long the last attempt took")),
    response: nullable(
      text({ summary: "The beginning of the last answer", min: 0, max: maxResponseCharacters }),
    ),
    error: nullable(text({ summary: "Why the last attempt failed", max: 1000 })),
    createdAt: instant,
    nextAttemptAt: nullable(described(instant, "When it is tried next")),
    finishedAt: nullable(instant),
  },
  { summary: "A delivery of an event to a webhook" },
);
export type Delivery = ValueOf<typeof delivery>;

export const activityEntry = record(
  {
    id: integer({ summary: "Grows with each entry", min: 1, max: Number.MAX_SAFE_INTEGER }),
    timestamp: instant,
    action: text({ summary: "What was done", max: 100 }),
    event: text({ summary: "The event it was", max: 100 }),
    targetId: text({ summary: "What it was done to", max: 200 }),
    actor: text({ summary: "Who did it: agent, caller id or address", max: 300 }),
    metadata: object({ summary: "The event's own facts", maxBytes: 65_536 }),
  },
  { summary: "One thing that happened" },
);
export type ActivityEntry = ValueOf<typeof activityEntry>;
