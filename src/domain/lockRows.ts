// The rows of locks, and how a row becomes the lock that answers carry.

import type { Lock } from "../contract/entities.ts";
import type { World } from "../world.ts";

export type Row = {
  name: string;
  owner: string;
  agent: string | null;
  pid: number | null;
  pidMark: string | null;
  fence: number;
  acquiredAt: number;
  expiresAt: number;
  ttlMs: number;
  metadata: string | null;
  attempt: string | null;
  /** Whether that attempt was made again after it was granted: 0 or 1. */
  askedAgain: number;
  /** Whether it is extended by itself while its process lives: 0 or 1. */
  whileAlive: number;
};

export const select = `
  SELECT name, owner, agent, pid, pid_mark AS pidMark, fence, acquired_at AS acquiredAt, expires_at AS expiresAt,
         ttl_ms AS ttlMs, metadata, attempt, asked_again AS askedAgain, while_alive AS whileAlive
  FROM locks`;

const byName = `${select} WHERE name = ?`;

/** The row of a name, also one whose time is over. */
export function findRow(world: World, name: string): Row | undefined {
  return (world.db.query(byName).get(name) as Row | null) ?? undefined;
}

export function write(world: World, row: Row): void {
  world.db
    .query(
      `INSERT OR REPLACE INTO locks (name, owner, agent, pid, pid_mark, fence, acquired_at, expires_at, ttl_ms,
                                     metadata, attempt, asked_again, while_alive)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      row.name,
      row.owner,
      row.agent,
      row.pid,
      row.pidMark,
      row.fence,
      row.acquiredAt,
      row.expiresAt,
      row.ttlMs,
      row.metadata,
      row.attempt,
      row.askedAgain,
      row.whileAlive,
    );
}

/** A lock as it is answered. */
export function toLock(world: World, row: Row): Lock {
  const { name, owner, agent, pid, fence, acquiredAt, expiresAt, metadata } = row;
  return {
    name,
    owner,
    agent,
    pid,
    fence,
    acquiredAt,
    expiresAt,
    metadata: metadata === null ? null : JSON.parse(metadata),
    waiting: countWaiting(world, name),
  };
}

/** How many stand in line for a lock. */
export function countWaiting(world: World, name: string): number {
  return world.lockQueue.get(name)?.length ?? 0;
}
