// The books of channels: how many messages each has, when the newest came, and up to which id some of them are gone.

import type { Channel } from "../contract/entities.ts";
import { matcher } from "../contract/pattern.ts";
import type { World } from "../world.ts";

/** The row of `channels` that stands for those no longer listed. */
const unlisted = "";

/** Counts a message in, and returns how many its channel has with it. */
export function add(world: World, channel: string, createdAt: number): number {
  const { count } = world.db
    .query(
      `INSERT INTO channels (channel, count, last_message_at, trimmed_to) VALUES (?, 1, ?, 0)
       ON CONFLICT (channel) DO UPDATE SET count = count + 1, last_message_at = excluded.last_message_at
       RETURNING count`,
    )
    .get(channel, createdAt) as { count: number };
  return count;
}

/** Counts messages out, the newest of them of this id. */
export function subtract(world: World, channel: string, count: number, id: number): void {
  world.db
    .query(
      "UPDATE channels SET count = count - ?, trimmed_to = max(trimmed_to, ?) WHERE channel = ?",
    )
    .run(count, id, channel);
}

export function countOf(world: World, channel: string): number {
  const row = world.db.query("SELECT count FROM channels WHERE channel = ?").get(channel);
  return (row as { count: number }).count;
}

/** Those that have messages, by name. */
export function list(world: World, pattern: string): Omit<Channel, "subscribers">[] {
  const isMatch = matcher(pattern);
  const rows = world.db
    .query(
      `SELECT channel, count, last_message_at AS lastMessageAt FROM channels WHERE count > 0 ORDER BY channel`,
    )
    .all() as Omit<Channel, "subscribers">[];
  return rows.filter(({ channel }) => isMatch(channel));
}

/**
 * What a subscriber who has seen `after` has missed: by channel, the newest id that is gone. An id that was never
 * given out is of a state that is lost, with everything up to the newest.
 */
export function lossesAfter(
  world: World,
  pattern: string,
  after: number,
): { channel: string; id: number }[] {
  const last = world.sequences.messages.last();
  if (after > last) return [{ channel: unlisted, id: last }];
  const isMatch = matcher(pattern);
  const trimmed = world.db
    .query("SELECT channel, trimmed_to AS id FROM channels WHERE trimmed_to > ?")
    .all(after) as { channel: string; id: number }[];
  return trimmed.filter(({ channel }) => channel === unlisted || isMatch(channel));
}

/** Forgets those that have been empty since before an instant. */
export function forgetEmpty(world: World, before: number): void {
  const { id } = world.db
    .query(
      "SELECT max(trimmed_to) AS id FROM channels WHERE count = 0 AND coalesce(last_message_at, 0) < ?",
    )
    .get(before) as { id: number | null };
  if (id === null) return;
  raiseFloor(world, id);
  world.db
    .query("DELETE FROM channels WHERE count = 0 AND last_message_at < ? AND channel <> ?")
    .run(before, unlisted);
}

/** In an empty database, ids up to the newest may have been given out by one that is lost. */
export function markLoss(world: World): void {
  const known = world.db.query("SELECT 1 FROM channels WHERE channel = ?").get(unlisted);
  if (!known) world.journal.commit(() => raiseFloor(world, world.sequences.messages.last()));
}

/** Everything up to this id is gone from the channels that are no longer listed. */
function raiseFloor(world: World, id: number): void {
  world.db
    .query(
      `INSERT INTO channels (channel, count, trimmed_to) VALUES (?, 0, ?)
       ON CONFLICT (channel) DO UPDATE SET trimmed_to = max(trimmed_to, excluded.trimmed_to)`,
    )
    .run(unlisted, id);
}
