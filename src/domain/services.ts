// Claims: an identity and its port, from the moment it is asked for until it is released, expires or its process dies.

import {
  maxEnvironments,
  type Claimed,
  type Freed,
  type Moved,
  type PortReport,
  type Service,
} from "../contract/entities.ts";
import type { ReleaseReason } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import { isPattern, literalPrefix, matcher } from "../contract/pattern.ts";
import { contains, parse } from "../contract/range.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import * as ports from "./ports.ts";

/**
 * Claims a port for an identity, or confirms the one it holds (`existing`). What is given replaces what was there.
 * Throws `held`, `invalid_input` or `no_port` (see `ports.choose`); then nothing has changed.
 */
export function claim(world: World, input: InputOf<"claim">, caller: Caller): Claimed {
  return world.journal.commit(() => {
    releaseExpired(world);
    const row = findLiving(world, input.id);
    const claimed = row ? repeat(world, row, input) : begin(world, input, caller);
    world.journal.record("service.claim", input.id, caller.actor, withoutNulls(claimed));
    return claimed;
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
): { released: number; services: Freed[] } {
  return world.journal.commit(() => {
    const rows = rowsMatching(world, id).filter((row) => port === undefined || row.port === port);
    if (!dryRun) for (const row of rows) end(world, row, "released", caller);
    return { released: rows.length, services: rows.map((row) => ({ id: row.id, port: row.port })) };
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

/** Throws `not_found` where the identity holds no port. */
export function get(world: World, { id }: InputOf<"service">): Service {
  const row = findRow(world, id);
  if (row) return toService(world, row);
  throw new Fault("not_found", `${id} holds no port`, {
    hint: `claim one: port-daddy claim ${id}`,
  });
}

/** Everything known of one port: whose claim it is, who listens on it, whether it is ever given out. */
export function report(world: World, { port }: InputOf<"port">): PortReport {
  const row = live(world, "port = ?", port)[0];
  return {
    port,
    service: row ? toService(world, row) : null,
    listeners: world.probe.listenersOn(port),
    refusal: ports.refusal(world, port),
  };
}

export function count(world: World): number {
  return (
    world.db
      .query("SELECT count(*) AS n FROM services WHERE expires_at IS NULL OR expires_at > ?")
      .get(world.clock.now()) as { n: number }
  ).n;
}

/** Ends the claims whose time is over. An expired one is never shown or honoured, however late this runs. */
export function releaseExpired(world: World): void {
  const rows = world.db.query(`${select} WHERE expires_at <= ?`).all(world.clock.now()) as Row[];
  endAll(world, rows, "expired");
}

/** Ends the claims whose process has died, or whose process number belongs to another by now. */
export function releaseDead(world: World): void {
  const rows = world.db.query(`${select} WHERE pid IS NOT NULL`).all() as Row[];
  endAll(
    world,
    rows.filter((row) => hasDied(world, row)),
    "pid_died",
  );
}

type Row = {
  id: string;
  port: number;
  pid: number | null;
  pidMark: string | null;
  agent: string | null;
  cmd: string | null;
  cwd: string | null;
  health: string | null;
  metadata: string | null;
  createdAt: number;
  lastSeenAt: number;
  expiresAt: number | null;
  expiresMs: number | null;
  /** A JSON object of environment → URL. */
  urls: string;
};

const select = `
  SELECT id, port, pid, pid_mark AS pidMark, agent, cmd, cwd, health, metadata, created_at AS createdAt,
         last_seen_at AS lastSeenAt, expires_at AS expiresAt, expires_ms AS expiresMs,
         (SELECT json_group_object(environment, url) FROM endpoints WHERE service_id = services.id) AS urls
  FROM services`;

function begin(world: World, input: InputOf<"claim">, caller: Caller): Claimed {
  const choice = ports.choose(world, input.id, input);
  const now = world.clock.now();
  const row: Row = {
    id: input.id,
    ...blank,
    agent: caller.agent ?? null,
    createdAt: now,
    ...given(world, input),
    port: choice.port,
    lastSeenAt: now,
  };
  store(world, row, input.urls);
  return answer(world, row, input.urls, choice, false);
}

/** The claim of an identity, unless its process has died meanwhile: then it ends here rather than at the next round. */
function findLiving(world: World, id: string): Row | undefined {
  const row = findRow(world, id);
  if (!row || !hasDied(world, row)) return row;
  end(world, row, "pid_died", daemonCaller);
  return undefined;
}

function hasDied(world: World, { pid, pidMark }: Row): boolean {
  return pid !== null && world.probe.birthmark(pid) !== pidMark;
}

/** The identity holds a port: confirm it, or move it where another was asked for. */
function repeat(world: World, held: Row, input: InputOf<"claim">): Claimed {
  const choice = mustMove(held, input) ? move(world, held, input) : { port: held.port };
  const row: Row = {
    ...held,
    ...renewal(world, held),
    ...given(world, input),
    port: choice.port,
    lastSeenAt: world.clock.now(),
  };
  store(world, row, input.urls);
  return answer(world, row, mergedUrls(held, input), choice, true);
}

function mergedUrls(held: Row, { urls }: InputOf<"claim">): Record<string, string> {
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
  if (world.probe.obstacle(held.port) === "in_use") {
    const process = world.probe.listenersOn(held.port)[0] ?? null;
    throw new Fault(
      "held",
      `${held.id} cannot move from port ${held.port} while it is in use by ${ports.nameOf(process)}`,
      {
        details: { port: held.port, holder: { id: held.id, process } },
        hint: `stop it first, or keep the port: port-daddy claim ${held.id}`,
      },
    );
  }
  const movedFrom: Moved = { port: held.port, reason: "requested", holder: null };
  return { ...ports.choose(world, held.id, input), movedFrom };
}

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

function birthmarkOf(world: World, pid: number): string {
  const mark = world.probe.birthmark(pid);
  if (mark !== undefined) return mark;
  throw new Fault("invalid_input", `pid ${pid} is not a running process`, {
    details: { field: "pid" },
  });
}

function store(world: World, row: Row, urls: Record<string, string> = {}): void {
  world.db
    .query(
      `INSERT INTO services (id, port, pid, pid_mark, agent, cmd, cwd, health, metadata, created_at, last_seen_at,
                             expires_at, expires_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         port = excluded.port, pid = excluded.pid, pid_mark = excluded.pid_mark, agent = excluded.agent,
         cmd = excluded.cmd, cwd = excluded.cwd, health = excluded.health, metadata = excluded.metadata,
         last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at, expires_ms = excluded.expires_ms`,
    )
    .run(
      row.id,
      row.port,
      row.pid,
      row.pidMark,
      row.agent,
      row.cmd,
      row.cwd,
      row.health,
      row.metadata,
      row.createdAt,
      row.lastSeenAt,
      row.expiresAt,
      row.expiresMs,
    );
  for (const [environment, url] of Object.entries(urls)) {
    world.db
      .query("INSERT OR REPLACE INTO endpoints (service_id, environment, url) VALUES (?, ?, ?)")
      .run(row.id, environment, url);
  }
  ports.remember(world, row.id, row.port);
}

function answer(
  world: World,
  row: Row,
  urls: Record<string, string> = {},
  { movedFrom, warning }: ports.Choice,
  existing: boolean,
): Claimed {
  return {
    ...toService(world, row, urls),
    existing,
    ...(movedFrom && { movedFrom }),
    ...(warning !== undefined && { warning }),
  };
}

function endAll(world: World, rows: Row[], reason: ReleaseReason): void {
  if (rows.length === 0) return;
  world.journal.commit(() => {
    for (const row of rows) end(world, row, reason, daemonCaller);
  });
}

function end(world: World, { id, port }: Row, reason: ReleaseReason, caller: Caller): void {
  world.db.query("DELETE FROM services WHERE id = ?").run(id);
  ports.markReleased(world, id);
  world.journal.record("service.release", id, caller.actor, { port, reason });
}

function findRow(world: World, id: string): Row | undefined {
  return live(world, "id = ?", id)[0];
}

/** The claims that match, by identity. The database narrows by what every match starts with; the rule decides. */
function rowsMatching(world: World, pattern: string): Row[] {
  if (!isPattern(pattern)) return live(world, "id = ?", pattern);
  const prefix = literalPrefix(pattern);
  // U+10FFFF sorts after every character an identity can have.
  const rows = live(world, "id >= ? AND id < ? || char(0x10FFFF) ORDER BY id", prefix, prefix);
  const isMatch = matcher(pattern);
  return rows.filter((row) => isMatch(row.id));
}

function live(world: World, condition: string, ...values: (string | number)[]): Row[] {
  return world.db
    .query(`${select} WHERE (expires_at IS NULL OR expires_at > ?) AND ${condition}`)
    .all(world.clock.now(), ...values) as Row[];
}

function toService(
  world: World,
  row: Row,
  urls: Record<string, string> = JSON.parse(row.urls),
): Service {
  return {
    id: row.id,
    port: row.port,
    status: world.probe.listening().has(row.port) ? "running" : "assigned",
    pid: row.pid,
    agent: row.agent,
    cmd: row.cmd,
    cwd: row.cwd,
    urls: { local: `http://localhost:${row.port}`, ...urls },
    health: row.health,
    metadata: row.metadata === null ? null : JSON.parse(row.metadata),
    createdAt: row.createdAt,
    lastSeenAt: row.lastSeenAt,
    expiresAt: row.expiresAt,
  };
}

/** The same without what is null: what an event keeps. */
function withoutNulls(claimed: Claimed): Claimed {
  return Object.fromEntries(
    Object.entries(claimed).filter(([, value]) => value !== null),
  ) as Claimed;
}
