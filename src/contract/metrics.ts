// What is counted and measured: one row a metric, under the name that Prometheus has it by. `GET /metrics`, what is sent
// to StatsD and the README's table come from here. Names and units are as https://prometheus.io/docs/practices/naming/
// wants them; no label ever holds what somebody made up, so that there are only so many series.

import { agentStatuses, serviceStatuses } from "./entities.ts";
import { events, releaseReasons, unlockReasons, type EventName } from "./events.ts";
import { faults } from "./faults.ts";
import { fillPath, operations, type Operation } from "./operations.ts";
import { assetsPath, enterPath, pagePath } from "./pages.ts";

export type Metric = {
  type: "counter" | "gauge" | "histogram";
  help: string;
  /** Each label with all the values that it can have; with none where they are the build's. */
  labels: Readonly<Record<string, readonly string[]>>;
  /** Of a histogram, the upper bounds, in the metric's unit. */
  buckets: readonly number[];
};

function counter<const L extends Metric["labels"] = {}>(help: string, labels: L = {} as L) {
  return { type: "counter", help, labels, buckets: [] } as const;
}

function gauge<const L extends Metric["labels"] = {}>(help: string, labels: L = {} as L) {
  return { type: "gauge", help, labels, buckets: [] } as const;
}

function histogram<const L extends Metric["labels"] = {}>(
  help: string,
  buckets: readonly number[],
  labels: L = {} as L,
) {
  return { type: "histogram", help, labels, buckets } as const;
}

/** What stands for the method and the route of a request whose path is none of ours. */
export const noRoute = "other";

/** A route as a label has it: `/locks/:name`. */
export function routeLabel(path: string): string {
  return fillPath(path, (name) => `:${name}`);
}

const pages = [pagePath, `${assetsPath}*`, enterPath];
const rows = Object.values<Operation>(operations);
const route = {
  method: [...new Set(rows.map(({ method }) => method)), noRoute],
  route: [...new Set([...rows.map(({ path }) => routeLabel(path)), ...pages]), noRoute],
};

/** Done, sent on to the page, not changed; and what a fault becomes. */
const statuses = [200, 303, 304, ...Object.values(faults).map(({ status }) => status)];

/** How a wait for a lock ended; `gone`: whoever waited has left, is no longer there, or the daemon stopped. */
export const waitOutcomes = ["acquired", "timed_out", "refused", "gone"] as const;
export type WaitOutcome = (typeof waitOutcomes)[number];

export const metrics = {
  port_daddy_http_requests_total: counter("Requests answered", {
    ...route,
    status: [...new Set(statuses)].sort().map(String),
  }),
  port_daddy_http_request_duration_seconds: histogram(
    "Time until an answer; without requests that are held on purpose (waits, locks waited for, streams)",
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    route,
  ),
  port_daddy_http_requests_held: gauge(
    "Requests held open on purpose: waits, locks waited for, streams",
  ),

  port_daddy_claims_total: counter("Claims made: of a port, of the one held already, or moved", {
    kind: ["new", "again", "moved"],
  }),
  port_daddy_releases_total: counter("Claims ended, by why", { reason: releaseReasons }),
  port_daddy_services: gauge("Claims in force, by whether something listens on their port", {
    status: serviceStatuses,
  }),
  port_daddy_ports_left: gauge(
    "Ports of the range that can be claimed: neither claimed, reserved, refused by browsers nor in use",
  ),

  port_daddy_locks_held: gauge("Locks held"),
  port_daddy_lock_waiters: gauge("Requests in line for a lock"),
  port_daddy_lock_releases_total: counter("Locks freed, by why", { reason: unlockReasons }),
  port_daddy_lock_wait_seconds: histogram(
    "Time that requests were in line for a lock, by how that ended",
    [0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800],
    { outcome: waitOutcomes },
  ),
  port_daddy_lock_hold_seconds: histogram(
    "Time that locks were held, until they were freed",
    [0.1, 1, 5, 15, 60, 300, 1800, 7200, 86_400],
  ),

  port_daddy_messages_published_total: counter("Messages published"),
  port_daddy_messages_stored: gauge("Messages kept, of all channels"),
  port_daddy_subscribers: gauge("Open streams, of messages or of events", {
    stream: ["messages", "events"],
  }),
  port_daddy_slow_subscribers_cut_total: counter(
    "Times a stream was cut off from what is new because its reader was slow; it catches up from what is stored",
  ),

  port_daddy_agents: gauge("Registered agents", { status: agentStatuses }),

  port_daddy_webhook_deliveries_total: counter(
    "Attempts to deliver an event to a webhook: delivered, failed and to be retried, failed for good",
    { outcome: ["delivered", "retried", "failed"] },
  ),
  port_daddy_webhook_delivery_duration_seconds: histogram(
    "Time that an attempt to deliver took",
    [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  ),
  port_daddy_webhook_deliveries_pending: gauge("Events that wait to be delivered to a webhook"),

  port_daddy_events_total: counter("Events written to the activity log", {
    event: Object.keys(events) as EventName[],
  }),
  port_daddy_database_size_bytes: gauge("Size of the database, without its write-ahead log"),
  port_daddy_database_log_size_bytes: gauge("Size of the database's write-ahead log"),
  port_daddy_commit_duration_seconds: histogram(
    "Time that the database took to store a transaction",
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1],
  ),

  port_daddy_build_info: gauge("1, with the version and the code of the daemon", {
    version: [] as readonly string[],
    code_hash: [] as readonly string[],
  }),
  process_resident_memory_bytes: gauge("Resident memory of the daemon"),
  process_cpu_seconds_total: counter("Processor time of the daemon, of user and system"),
  process_start_time_seconds: gauge("When the daemon started, in seconds since 1970"),
} satisfies Record<string, Metric>;

export type Metrics = typeof metrics;
export type MetricName = keyof Metrics;
export type NameOf<T extends Metric["type"]> = {
  [N in MetricName]: Metrics[N]["type"] extends T ? N : never;
}[MetricName];

/** A value for each label of a metric. */
export type LabelsOf<N extends MetricName> = {
  [L in keyof Metrics[N]["labels"]]: Metrics[N]["labels"][L] extends readonly (infer V)[]
    ? V
    : never;
};
