// The activity log: what happened, read back by who, what, to what and when.

import type { ActivityEntry } from "../contract/entities.ts";
import { defaultEntries, type InputOf } from "../contract/operations.ts";
import { entryMatcher } from "../contract/entryFilter.ts";
import { isPattern, literalPrefix } from "../contract/pattern.ts";
import { entryColumns, toEntry, type EntryRow } from "../store/journal.ts";
import { logParts, type Part } from "../store/logIndex.ts";
import { startsWith } from "../store/queries.ts";
import type { World } from "../world.ts";

/** One that was sent every minute would soon be most of the log. */
const keepHeartbeatsMs = 3_600_000;

/** Rows read at a time where the pattern rule, and not the database alone, decides. */
const chunk = 500;

/** The entries that meet every filter, newest first. */
export function list(
  world: World,
  input: InputOf<"activity">,
): { entries: ActivityEntry[]; count: number } {
  const limit = input.limit ?? defaultEntries;
  const entries: ActivityEntry[] = [];
  for (const row of candidates(world, input)) {
    entries.push(toEntry(row));
    if (entries.length === limit) break;
  }
  return { entries, count: entries.length };
}

/**
 * Deletes what is older or more than the configured retention, and heartbeats sooner. Never the newest row: the ids of
 * events continue from it, also after a restart. Heartbeats are found by the indices: one that they do not know yet stays.
 */
export function prune(world: World): void {
  const { ms } = world.config.activityRetention;
  const now = world.clock.now();
  world.journal.commit(() => {
    const newest = world.journal.lastId();
    world.db
      .query(
        `DELETE FROM activity WHERE ${heartbeats} AND NOT metadata ->> 'revived'
           AND id < ? AND timestamp < ?`,
      )
      .run(newest, now - keepHeartbeatsMs);
    world.db.query("DELETE FROM activity WHERE id < ? AND timestamp < ?").run(newest, now - ms);
  });
  pruneSurplus(world);
}

/**
 * Deletes what is more than the configured number, the oldest first; cheap where nothing is. Heartbeats, of which there
 * may be as many, do not push out what else has happened.
 */
export function pruneSurplus(world: World): void {
  const { rows } = world.config.activityRetention;
  const newest = world.journal.lastId();
  const { oldest } = world.db.query("SELECT min(id) AS oldest FROM activity").get() as {
    oldest: number | null;
  };
  // To count takes milliseconds, and there are no more entries than ids.
  if (oldest === null || newest - oldest < rows) return;
  world.journal.commit(() => {
    const others = count(world) - count(world, `WHERE ${heartbeats}`);
    // What is older goes with them: a stream takes the oldest entry for the beginning of what it can be told.
    if (others > rows) deleteUpTo(world, nth(world, "action <> 'agent_heartbeat'", others - rows));
    const surplus = count(world, `WHERE ${heartbeats}`) - rows;
    if (surplus > 0) deleteUpTo(world, nth(world, heartbeats, surplus), heartbeats);
  });
}

const heartbeats = "indexed AND action = 'agent_heartbeat'";

function count(world: World, where = ""): number {
  const row = world.db.query(`SELECT count(*) AS count FROM activity ${where}`).get();
  return (row as { count: number }).count;
}

/** The id of the nth entry that meets a condition, from the oldest. */
function nth(world: World, condition: string, n: number): number {
  const row = world.db
    .query(`SELECT id FROM activity WHERE ${condition} ORDER BY id LIMIT 1 OFFSET ?`)
    .get(n - 1);
  return (row as { id: number }).id;
}

/** Never the newest row. */
function deleteUpTo(world: World, id: number, condition = "true"): void {
  world.db
    .query(`DELETE FROM activity WHERE id <= ? AND id < ? AND ${condition}`)
    .run(id, world.journal.lastId());
}

function* candidates(world: World, input: InputOf<"activity">): Generator<EntryRow> {
  for (const part of logParts(world.db)) yield* candidatesOf(world, part, input);
}

function* candidatesOf(world: World, part: Part, input: InputOf<"activity">): Generator<EntryRow> {
  const { targetId } = input;
  const isWanted = entryMatcher(input);
  // Where the database alone decides, it need not read more than is asked for.
  const size =
    targetId !== undefined && isPattern(targetId)
      ? chunk
      : Math.min(chunk, input.limit ?? defaultEntries);
  let before = input.before ?? Number.MAX_SAFE_INTEGER;
  while (true) {
    const rows = page(world, part, input, before, size);
    for (const row of rows) if (isWanted(row)) yield row;
    if (rows.length < size) return;
    before = rows.at(-1)!.id;
  }
}

function page(
  world: World,
  part: Part,
  { action, targetId, actor, since, until }: InputOf<"activity">,
  before: number,
  size: number,
): EntryRow[] {
  const conditions = [part.condition, "id < ?"];
  const values: (string | number)[] = [...part.values, before];
  function add(condition: string, value: string | number | undefined): void {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  }
  add("action = ?", action);
  add("actor = ?", actor);
  add("timestamp >= ?", since);
  add("timestamp < ?", until);
  if (targetId !== undefined && isPattern(targetId)) {
    const prefix = literalPrefix(targetId);
    if (prefix !== "") {
      conditions.push(startsWith("target_id"));
      values.push(prefix, prefix);
    }
  } else add("target_id = ?", targetId);
  return world.db
    .query(
      `SELECT ${entryColumns} FROM activity WHERE ${conditions.join(" AND ")} ORDER BY id DESC LIMIT ${size}`,
    )
    .all(...values) as EntryRow[];
}
