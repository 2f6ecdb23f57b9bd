// Services: the identities that hold a port. What is known of them, where they answer, and how they give it back; how
// they come to it: claims.ts.

import {
  type Freed,
  type PortReport,
  type Service,
  type ServiceStatus,
} from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import { countRows } from "../store/queries.ts";
import type { Caller, World } from "../world.ts";
import { end } from "./endings.ts";
import * as listeners from "./listeners.ts";
import * as ports from "./ports.ts";
import {
  addUrls,
  findRow,
  isLive,
  live,
  mergedUrls,
  neverSeen,
  removeUrl,
  rowsMatching,
  toService,
  write,
} from "./serviceRows.ts";

/** Releases an identity, or all that match a pattern. Nothing to release is a success with none released. */
export function release(
  world: World,
  { id, port, dryRun }: InputOf<"release">,
  caller: Caller,
): { released: number; dryRun: boolean; services: Freed[] } {
  return world.journal.commit(() => {
    const rows = rowsMatching(world, id).filter((row) => port === undefined || row.port === port);
    if (!dryRun) for (const row of rows) end(world, row, "released", caller);
    return {
      released: rows.length,
      dryRun: dryRun === true,
      services: rows.map((row) => ({ id: row.id, port: row.port })),
    };
  });
}

export function list(
  world: World,
  { pattern, status, port, agent }: InputOf<"services">,
): {
  services: Service[];
  count: number;
} {
  const services = rowsMatching(world, pattern ?? "*")
    .filter(
      (row) =>
        (port === undefined || row.port === port) && (agent === undefined || row.agent === agent),
    )
    .map((row) => toService(world, row))
    .filter((service) => status === undefined || service.status === status);
  return { services, count: services.length };
}

/** The service of an identity, if it holds a port. */
export function find(world: World, { id }: InputOf<"service">): Service | undefined {
  const row = findRow(world, id);
  return row && toService(world, row);
}

/** Throws `not_found` where the identity holds no port. */
export function get(world: World, { id }: InputOf<"service">): Service {
  return toService(world, findRow(world, id) ?? notClaimed(id));
}

function notClaimed(id: string): never {
  throw new Fault("not_found", `${id} holds no port`, {
    hint: `claim one: port-daddy claim ${id}`,
  });
}

/** Sets or, with `null`, removes the URL of a service in an environment. Throws `not_found` where it holds no port. */
export function setEndpoint(
  world: World,
  { id, env, url }: { id: string; env: string; url: string | null },
  caller: Caller,
): Service {
  return world.journal.commit(() => {
    const row = findRow(world, id) ?? notClaimed(id);
    const urls: Record<string, string> = JSON.parse(row.urls);
    const before = Object.hasOwn(urls, env) ? urls[env]! : null;
    if (before === url) return toService(world, row);
    if (url === null) removeUrl(world, id, env);
    else addUrls(world, id, mergedUrls(row, { urls: { [env]: url } }));
    world.journal.record("service.endpoint", id, caller.actor, { environment: env, url });
    return get(world, { id });
  });
}

/** Everything known of one port: whose claim it is, who listens on it, whether it is ever given out. */
export function report(world: World, { port }: InputOf<"port">): PortReport {
  const row = live(world, "port = ?", port)[0];
  world.probe.listening(0); // Whoever asks about a port wants to know who has it now.
  return {
    port,
    service: row ? toService(world, row) : null,
    listeners: listeners.onPort(world, port, row),
    refusal: ports.refusal(world, port),
  };
}

/** Its server has ended and is about to be started again: until that is seen, its silence says nothing. */
export function expectAgain(world: World, id: string): void {
  world.journal.commit(() => {
    const row = findRow(world, id);
    if (row) write(world, { ...row, ...neverSeen }, undefined);
  });
}

export function count(world: World): number {
  return countRows(world.db, `services WHERE ${isLive}`, world.clock.now());
}

/** How many there are of each status. Only where something listens is there more to see than what is stored. */
export function countByStatus(world: World): Record<ServiceStatus, number> {
  const counts = world.db
    .query(
      `SELECT 0 AS running, count(*) - count(seen_at) AS assigned, count(seen_at) AS stopped
       FROM services WHERE ${isLive}`,
    )
    .get(world.clock.now()) as Record<ServiceStatus, number>;
  for (const port of world.probe.listening()) {
    for (const row of live(world, "port = ?", port)) {
      if (listeners.view(world, row).status !== "running") continue;
      counts[row.seenAt === null ? "assigned" : "stopped"]--;
      counts.running++;
    }
  }
  return counts;
}

/** How many ports of the range can be claimed, as far as that can be seen without trying each. */
export function countPortsLeft(world: World): number {
  const { start, end } = world.config.range;
  const held = world.db
    .query(`SELECT port FROM services WHERE ${isLive} AND port BETWEEN ? AND ?`)
    .values(world.clock.now(), start, end) as [number][];
  const taken = new Set([...held.flat(), ...world.probe.listening()]);
  let left = 0;
  for (let port = start; port <= end; port++)
    if (!taken.has(port) && ports.refusal(world, port) === null) left++;
  return left;
}
