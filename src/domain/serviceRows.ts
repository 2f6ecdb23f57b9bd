// The rows of claims, and how a row becomes the service that answers carry.

import { maxEnvironments, type Service } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { localUrl } from "../contract/loopback.ts";
import type { InputOf } from "../contract/operations.ts";
import { isPattern, literalPrefix, matcher } from "../contract/pattern.ts";
import { startsWith } from "../store/queries.ts";
import type { World } from "../world.ts";
import * as listeners from "./listeners.ts";

export type Row = {
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
  claimer: string | null;
  seenPid: number | null;
  seenMark: string | null;
  seenAt: number | null;
  silentSince: number | null;
  /** A JSON object of environment → URL. */
  urls: string;
};

export const select = `
  SELECT id, port, pid, pid_mark AS pidMark, agent, cmd, cwd, health, metadata, created_at AS createdAt,
         last_seen_at AS lastSeenAt, expires_at AS expiresAt, expires_ms AS expiresMs, claimer, seen_pid AS seenPid,
         seen_mark AS seenMark, seen_at AS seenAt, silent_since AS silentSince,
         (SELECT json_group_object(environment, url) FROM endpoints WHERE service_id = services.id) AS urls
  FROM services`;

/** Of a claim whose time is not over; takes the present instant. */
export const isLive = "(expires_at IS NULL OR expires_at > ?)";

/** The claim of an identity, unless its time is over. */
export function findRow(world: World, id: string): Row | undefined {
  return live(world, "id = ?", id)[0];
}

/** The claims that match, by identity. The database narrows by what every match starts with; the rule decides. */
export function rowsMatching(world: World, pattern: string): Row[] {
  if (!isPattern(pattern)) return live(world, "id = ?", pattern);
  const prefix = literalPrefix(pattern);
  const rows = live(world, `${startsWith("id")} ORDER BY id`, prefix, prefix);
  const isMatch = matcher(pattern);
  return rows.filter((row) => isMatch(row.id));
}

/** The claims that meet a condition and whose time is not over. */
export function live(world: World, condition: string, ...values: (string | number)[]): Row[] {
  return world.db
    .query(`${select} WHERE ${isLive} AND ${condition}`)
    .all(world.clock.now(), ...values) as Row[];
}

/** Writes a claim, and adds URLs to those it has. */
export function write(world: World, row: Row, urls: Record<string, string> = {}): void {
  world.db
    .query(
      `INSERT INTO services (id, port, pid, pid_mark, agent, cmd, cwd, health, metadata, created_at, last_seen_at,
                             expires_at, expires_ms, claimer, seen_pid, seen_mark, seen_at, silent_since)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         port = excluded.port, pid = excluded.pid, pid_mark = excluded.pid_mark, agent = excluded.agent,
         cmd = excluded.cmd, cwd = excluded.cwd, health = excluded.health, metadata = excluded.metadata,
         last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at, expires_ms = excluded.expires_ms,
         claimer = excluded.claimer, seen_pid = excluded.seen_pid, seen_mark = excluded.seen_mark,
         seen_at = excluded.seen_at, silent_since = excluded.silent_since`,
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
      row.claimer,
      row.seenPid,
      row.seenMark,
      row.seenAt,
      row.silentSince,
    );
  addUrls(world, row.id, urls);
}

export function addUrls(world: World, id: string, urls: Record<string, string>): void {
  for (const [environment, url] of Object.entries(urls)) {
    world.db
      .query("INSERT OR REPLACE INTO endpoints (service_id, environment, url) VALUES (?, ?, ?)")
      .run(id, environment, url);
  }
}

export function removeUrl(world: World, id: string, environment: string): void {
  world.db
    .query("DELETE FROM endpoints WHERE service_id = ? AND environment = ?")
    .run(id, environment);
}

/** The URLs of a service with more or other ones. Throws `invalid_input` where that is too many. */
export function mergedUrls(
  row: Row,
  { urls }: Pick<InputOf<"claim">, "urls">,
): Record<string, string> {
  const merged = { ...JSON.parse(row.urls), ...urls };
  if (Object.keys(merged).length <= maxEnvironments) return merged;
  throw new Fault("invalid_input", `urls of ${row.id} would be more than ${maxEnvironments}`, {
    details: { field: "urls" },
  });
}

/** Whoever claims a service again is about to start it: its silence is over, and on a new port it was never seen. */
export const neverSeen = { seenPid: null, seenMark: null, seenAt: null, silentSince: null };

/** A claim as it is answered. `view` is what can be seen of its port. */
export function toService(
  world: World,
  row: Row,
  urls: Record<string, string> = JSON.parse(row.urls),
  view: Pick<listeners.View, "status" | "listener"> = listeners.view(world, row),
): Service {
  return {
    id: row.id,
    port: row.port,
    status: view.status,
    listener: view.listener,
    pid: row.pid,
    agent: row.agent,
    cmd: row.cmd,
    cwd: row.cwd,
    urls: { local: localUrl(row.port), ...urls },
    health: row.health,
    metadata: row.metadata === null ? null : JSON.parse(row.metadata),
    createdAt: row.createdAt,
    lastSeenAt: view.status === "running" ? world.clock.now() : row.lastSeenAt,
    expiresAt: row.expiresAt,
  };
}
