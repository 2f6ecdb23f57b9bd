// Claims: an identity and its port, from the moment it is asked for until it is released, expires or its process dies.

import {
  maxEnvironments,
  processInWords,
  type Claimed,
  type Freed,
  type Moved,
  type PortReport,
  type Service,
  type ServiceStatus,
} from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import { contains, parse } from "../contract/range.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import * as listeners from "./listeners.ts";
import { end, releaseExpired } from "./endings.ts";
import * as ports from "./ports.ts";
import { birthmarkOf, hasDied } from "./processes.ts";
import { isActive, requireRoom } from "./registry.ts";
import {
  addUrls,
  findRow,
  isLive,
  live,
  removeUrl,
  rowsMatching,
  toService,
  write,
  type Row,
} from "./serviceRows.ts";

/** `elsewhere`: where a stranger has its port, take another. */
type Wanted = InputOf<"claim"> & { elsewhere?: boolean | undefined };

/**
 * Claims a port for an identity, or confirms the one it holds (`existing`). What is given replaces what was there.
 * Throws `held`, `invalid_input` or `no_port` (see `ports.choose`); then nothing has changed.
 */
export function claim(world: World, input: Wanted, caller: Caller): Claimed {
  return world.journal.commit(() => {
    releaseExpired(world);
    const row = findLiving(world, input.id);
    if (row && input.onlyIfFree) throw heldAlready(row);
    const claimed = row ? repeat(world, row, input, caller) : begin(world, input, caller);
    world.journal.record("service.claim", input.id, caller.actor, withoutNulls(claimed));
    return claimed;
  });
}

function heldAlready({ id, port, agent }: Row): Fault {
  return new Fault("held", `${id} is claimed already: it holds port ${port}`, {
    details: { port, holder: { id, agent } },
    hint: `see it: port-daddy find ${id}`,
  });
}

/** Claims several: all or none. */
export function claimAll(
  world: World,
  { ids, ...shared }: InputOf<"claimAll">,
  caller: Caller,
): { services: Claimed[] } {
  return world.journal.commit(() => ({
    services: ids.map((id) => claim(world, { id, ...shared }, caller)),
  }));
}

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
  return (
    world.db.query(`SELECT count(*) AS n FROM services WHERE ${isLive}`).get(world.clock.now()) as {
      n: number;
    }
  ).n;
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

function begin(world: World, input: InputOf<"claim">, caller: Caller): Claimed {
  const agent = input.agent ?? caller.agent ?? null;
  requireRoom(world, agent, "services");
  const last = ports.remembered(world, input.id);
  const { server, ...choice } = choose(world, input, last);
  const now = world.clock.now();
  const row: Row = {
    id: input.id,
    ...blank,
    claimer: caller.id ?? null,
    createdAt: now,
    ...given(world, input),
    agent,
    // It has been there all along, so it has not started.
    ...(server && {
      claimer: server.claimer,
      seenPid: server.pid,
      seenMark: server.mark,
      seenAt: now,
    }),
    port: choice.port,
    lastSeenAt: now,
  };
  write(world, row, input.urls);
  ports.remember(world, row.id, row.port, last);
  // Else it was bound a moment ago, so nothing listens there, whatever an earlier look has seen.
  const service = toService(
    world,
    row,
    input.urls ?? {},
    server ? undefined : { status: "assigned", listener: null },
  );
  return { ...service, existing: false, ...choice };
}

/** Chooses a port; one that belongs to the dead is free, though nobody has come by yet to say so. */
function choose(world: World, input: InputOf<"claim">, last: number | undefined): ports.Choice {
  const wanted = input.port ?? last;
  const owner = wanted === undefined ? undefined : live(world, "port = ?", wanted)[0];
  if (owner && hasDied(world, owner)) end(world, owner, "pid_died", daemonCaller);
  return ports.choose(world, input.id, input, last);
}

/** The claim of an identity, unless its process has died meanwhile: then it ends here rather than at the next round. */
function findLiving(world: World, id: string): Row | undefined {
  const row = findRow(world, id);
  if (!row || !hasDied(world, row)) return row;
  end(world, row, "pid_died", daemonCaller);
  return undefined;
}

/** The identity holds a port: confirm it, or move it where another was asked for. */
function repeat(world: World, held: Row, input: Wanted, caller: Caller): Claimed {
  const isLost = input.elsewhere && listeners.view(world, held).listener?.stranger === true;
  const choice = isLost
    ? leave(world, held, input)
    : mustMove(held, input)
      ? move(world, held, input)
      : { port: held.port };
  const { agent } = held;
  const isAnothers = agent !== null && agent !== caller.agent && isActive(world, agent);
  const row: Row = {
    ...held,
    ...(choice.port === held.port && isServed(world, held) ? {} : neverSeen),
    ...(caller.id !== undefined && { claimer: caller.id }),
    ...renewal(world, held),
    ...given(world, input),
    ...(isAnothers && { ...keptFor(held), ...renewal(world, held) }),
    port: choice.port,
    lastSeenAt: world.clock.now(),
  };
  write(world, row, input.urls);
  if (row.port !== held.port) ports.remember(world, row.id, row.port, held.port);
  const service = toService(world, row, mergedUrls(held, input));
  const ignored = isAnothers && ["agent", "pid", "expires"].filter((name) => name in input);
  return {
    ...service,
    existing: true,
    ...strangerWarning(service),
    ...(ignored && ignored.length > 0 && { warning: othersWarning(held, ignored) }),
    ...choice,
  };
}

function othersWarning({ id, agent }: Row, ignored: string[]): string {
  return `${id} belongs to the agent ${agent}, so its ${ignored.join(" and ")} did not change`;
}

/** Whoever repeats a claim takes it over neither from an agent that is there nor decides when that loses it. */
function keptFor({ agent, claimer, pid, pidMark, expiresAt, expiresMs }: Row): Partial<Row> {
  return { agent, claimer, pid, pidMark, expiresAt, expiresMs };
}

function strangerWarning({ port, listener }: Service): { warning?: string } {
  if (!listener?.stranger) return {};
  return { warning: `port ${port} is in use by a stranger: ${processInWords(listener)}` };
}

/** Whether its own server, seen before, listens at this very moment. */
function isServed(world: World, row: Row): boolean {
  if (row.seenAt === null) return false;
  world.probe.listening(0);
  return listeners.view(world, row).own !== undefined;
}

function mergedUrls(held: Row, { urls }: Pick<InputOf<"claim">, "urls">): Record<string, string> {
  const merged = { ...JSON.parse(held.urls), ...urls };
  if (Object.keys(merged).length <= maxEnvironments) return merged;
  throw new Fault("invalid_input", `urls of ${held.id} would be more than ${maxEnvironments}`, {
    details: { field: "urls" },
  });
}

function mustMove(held: Row, { port, range }: InputOf<"claim">): boolean {
  if (port !== undefined) return port !== held.port;
  return range !== undefined && !contains(parse(range)!, held.port);
}

function move(world: World, held: Row, input: InputOf<"claim">): ports.Choice {
  const isInUse = world.probe.obstacle(held.port) === "in_use";
  if (isInUse && !listeners.view(world, held).listener?.stranger) {
    const process = world.probe.listenersOn(held.port)[0]?.process ?? null;
    throw new Fault(
      "held",
      `${held.id} cannot move from port ${held.port} while it is in use by ${processInWords(process)}`,
      {
        details: { port: held.port, holder: { id: held.id, process } },
        hint: `stop it first, or keep the port: port-daddy claim ${held.id}`,
      },
    );
  }
  const movedFrom: Moved = { port: held.port, reason: "requested", holder: null };
  const { server: _, ...choice } = choose(world, input, held.port);
  return { ...choice, movedFrom };
}

/** Another port than the one that a stranger has. */
function leave(world: World, { id, port: taken }: Row, { port, ...input }: Wanted): ports.Choice {
  const isAsked = port !== undefined && port !== taken;
  const wanted = { ...input, id, ...(isAsked && { port }) };
  const { server: _, ...choice } = choose(world, wanted, taken);
  return choice;
}

/** Whoever claims a service again is about to start it: its silence is over, and on a new port it was never seen. */
const neverSeen = { seenPid: null, seenMark: null, seenAt: null, silentSince: null };

const blank = {
  pid: null,
  pidMark: null,
  agent: null,
  cmd: null,
  cwd: null,
  health: null,
  metadata: null,
  expiresAt: null,
  expiresMs: null,
  ...neverSeen,
  urls: "{}",
};

/** The columns that the input sets; those it does not mention are left out. */
function given(world: World, input: InputOf<"claim">): Partial<Row> {
  const { pid, agent, cmd, cwd, health, metadata, expires } = input;
  return {
    ...(pid !== undefined && { pid, pidMark: birthmarkOf(world, pid) }),
    ...(agent !== undefined && { agent }),
    ...(cmd !== undefined && { cmd }),
    ...(cwd !== undefined && { cwd }),
    ...(health !== undefined && { health }),
    ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }),
    ...(expires !== undefined && { expiresAt: world.clock.now() + expires, expiresMs: expires }),
  };
}

/** A repeat without `expires` renews the span that was given before. */
function renewal(world: World, { expiresMs }: Row): Partial<Row> {
  return expiresMs === null ? {} : { expiresAt: world.clock.now() + expiresMs };
}

/** The same without what is null: what an event keeps. */
function withoutNulls(claimed: Claimed): Claimed {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(claimed)) if (value !== null) kept[name] = value;
  return kept as Claimed;
}
