// What is not counted but read when somebody asks: how things stand at that moment.

import { statSync } from "node:fs";
import { metrics, type MetricName, type NameOf } from "../../contract/metrics.ts";
import * as agents from "../../domain/agents.ts";
import * as deliveries from "../../domain/deliveries.ts";
import * as lockQueue from "../../domain/lockQueue.ts";
import * as locks from "../../domain/locks.ts";
import * as messages from "../../domain/messages.ts";
import * as services from "../../domain/services.ts";
import * as database from "../../store/database.ts";
import { databaseFile } from "../../system/paths.ts";
import type { Daemon } from "../daemon.ts";
import type { Counted, Family } from "./meters.ts";

type Read = (daemon: Daemon) => Counted[];
type ReadName = NameOf<"gauge"> | "process_cpu_seconds_total";

/** Each is a query at most, on an index or over rows that are few: a scrape must cost nobody a claim. */
const readings: { [N in ReadName]: Read } = {
  port_daddy_http_requests_held: ({ room }) => one(room.count()),
  port_daddy_services: ({ world }) => byLabel(services.countByStatus(world)),
  port_daddy_ports_left: ({ world }) => one(services.countPortsLeft(world)),
  port_daddy_locks_held: ({ world }) => one(locks.count(world)),
  port_daddy_lock_waiters: ({ world }) => one(lockQueue.count(world)),
  port_daddy_messages_stored: ({ world }) => one(messages.count(world)),
  port_daddy_subscribers: ({ feeds }) =>
    byLabel({ messages: feeds.messages.size(), events: feeds.events.size() }),
  port_daddy_agents: ({ world }) =>
    byLabel({ active: agents.count(world, "active"), stale: agents.count(world, "stale") }),
  port_daddy_webhook_deliveries_pending: ({ world }) => one(deliveries.countPending(world)),
  port_daddy_database_size_bytes: ({ world }) => one(database.sizeOf(world.db)),
  port_daddy_database_log_size_bytes: ({ world }) =>
    one(sizeOf(`${databaseFile(world.config.home)}-wal`)),
  port_daddy_build_info: ({ build }) => [{ labels: [build.version, build.codeHash], value: 1 }],
  process_resident_memory_bytes: () => one(process.memoryUsage.rss()),
  process_cpu_seconds_total: () => one(processorSeconds()),
  process_start_time_seconds: ({ startedAt }) => one(startedAt / 1_000),
};

/** Every metric as it is now, in the order of the table. */
export function families(daemon: Daemon): Family[] {
  return (Object.keys(metrics) as MetricName[]).map((name) => ({
    name,
    row: metrics[name],
    series: isRead(name) ? readings[name](daemon) : daemon.metrics.meters.of(name),
  }));
}

function isRead(name: MetricName): name is ReadName {
  return Object.hasOwn(readings, name);
}

function one(value: number): Counted[] {
  return [{ labels: [], value }];
}

function byLabel(values: Record<string, number>): Counted[] {
  return Object.entries(values).map(([label, value]) => ({ labels: [label], value }));
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}
