// The nouns, as answers carry them. Each is said once, as fields; its type is inferred.

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
  text,
  url,
  type Field,
  type ValueOf,
} from "./fields.ts";
import { agentId, identity, instant, pid, port } from "./values.ts";
import { loopbackNames } from "./loopback.ts";

/** The most that a claim's `metadata` may take, written out as JSON. */
export const maxMetadataBytes = 4096;

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
export const serviceStatus = oneOf({
  summary: "Whether something of its own listens: not yet, now, or no more",
  values: ["assigned", "running", "stopped"],
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
  metadata: nullable(object({ summary: "Anything else, as given", maxBytes: maxMetadataBytes })),
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

export const freed = record({ id: identity, port }, { summary: "A claim that ended" });
export type Freed = ValueOf<typeof freed>;

export const portReport = record(
  {
    port,
    service: nullable(service),
    listeners: list(listener, { summary: "The processes that listen on it", max: 1000 }),
    refusal: nullable(text({ summary: "Why it is never given out, if so", max: 500 })),
  },
  { summary: "Everything known of one port" },
);
export type PortReport = ValueOf<typeof portReport>;

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
