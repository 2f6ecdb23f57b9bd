// Messages: published to a channel, kept for a while, read by whoever asks for them by id.

import type { Channel, Message, Published } from "../contract/entities.ts";
import { defaultMessages, type InputOf } from "../contract/operations.ts";
import { isPattern, literalPrefix, matcher } from "../contract/pattern.ts";
import { startsWith } from "../store/queries.ts";
import type { Caller, World } from "../world.ts";
import * as channels from "./channels.ts";

type Row = Omit<Message, "payload"> & { payload: string };

const columns = "id, channel, payload, sender, created_at AS createdAt, expires_at AS expiresAt";

/** How much of a payload goes into the log. */
const previewCharacters = 200;

/** An answer is held in memory as a whole, for each who asks and does not read. */
const maxAnswerBytes = 1024 * 1024;

/** Rows read at a time where the pattern rule, and not the database alone, decides. */
const chunk = 500;

/** Publishes a message. Its id is greater than that of any before it, in whatever channel. */
export function publish(
  world: World,
  { channel, payload, sender, expires }: InputOf<"publish">,
  caller: Caller,
): Omit<Published, "subscribers"> {
  return world.journal.commit(() => {
    const id = world.sequences.messages.next();
    const createdAt = world.clock.now();
    const text = JSON.stringify(payload);
    const from = sender ?? caller.agent ?? caller.id ?? null;
    world.db
      .query(
        "INSERT INTO messages (id, channel, payload, sender, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
      )
      .run(id, channel, text, from, createdAt, expires === undefined ? null : createdAt + expires);
    const count = channels.add(world, channel, createdAt);
    if (count > world.config.messageRetention.rows) trimOldest(world, channel);
    world.journal.record("message.publish", channel, caller.actor, {
      id,
      sender: from,
      preview: preview(text),
    });
    return { id, channel, createdAt };
  });
}

/**
 * The next messages after an id, or the newest; oldest first, and about `maxAnswerBytes` of them at most. `gap` tells
 * that some after the id are gone.
 */
export function read(
  world: World,
  { channel, after, limit = defaultMessages }: InputOf<"messages">,
): { messages: Message[]; count: number; gap: boolean } {
  const messages =
    after === undefined
      ? newest(world, channel, limit)
      : readAllAfter(world, channel, after, limit);
  return {
    messages,
    count: messages.length,
    gap: after !== undefined && channels.lossesAfter(world, channel, after).length > 0,
  };
}

/**
 * Messages after an id, oldest first: as many as a look at some hundred rows finds, and a little more than `bytes` of
 * payload at most. They reach up to `cursor`, beyond the last one where what follows does not match; `isEnd` where
 * nothing is left.
 */
export function readAfter(
  world: World,
  pattern: string,
  after: number,
  { limit = chunk, bytes = Infinity }: { limit?: number; bytes?: number },
): { messages: Message[]; cursor: number; isEnd: boolean } {
  removeExpired(world);
  const isMatch = matcher(pattern);
  const messages: Message[] = [];
  let [cursor, count, size] = [after, 0, 0];
  for (const row of rowsAfter(world, pattern, after)) {
    if (messages.length === limit || size >= bytes) return { messages, cursor, isEnd: false };
    [cursor, count] = [row.id, count + 1];
    if (!isMatch(row.channel)) continue;
    messages.push(toMessage(row));
    size += row.payload.length;
  }
  return { messages, cursor, isEnd: count < chunk };
}

function readAllAfter(world: World, pattern: string, after: number, limit: number): Message[] {
  const messages: Message[] = [];
  let [cursor, isEnd] = [after, false];
  while (!isEnd && messages.length < limit) {
    const page = readAfter(world, pattern, cursor, {
      limit: limit - messages.length,
      bytes: maxAnswerBytes,
    });
    messages.push(...page.messages);
    ({ cursor, isEnd } = page);
    if (sizeOf(messages) >= maxAnswerBytes) break;
  }
  return messages;
}

/** The id before the last `count` messages: whoever reads after it gets those. */
export function idBefore(world: World, pattern: string, count: number): number {
  const first = newest(world, pattern, count)[0];
  return first === undefined ? world.sequences.messages.last() : first.id - 1;
}

export function find(world: World, id: number): Message | undefined {
  const row = world.db.query(`SELECT ${columns} FROM messages WHERE id = ?`).get(id) as Row | null;
  return row ? toMessage(row) : undefined;
}

/** Deletes the messages of a channel. Subscribers who come back are told of the gap. */
export function clear(
  world: World,
  { channel }: InputOf<"clearChannel">,
  caller: Caller,
): { deleted: number } {
  removeExpired(world);
  return world.journal.commit(() => {
    const deleted = remove(world, "channel = ?", channel);
    if (deleted > 0) world.journal.record("channel.clear", channel, caller.actor, { deleted });
    return { deleted };
  });
}

/** The channels that have messages, by name. */
export function listChannels(world: World, pattern = "*"): Omit<Channel, "subscribers">[] {
  removeExpired(world);
  return channels.list(world, pattern);
}

/** How many messages are kept, of all channels. */
export function count(world: World): number {
  const row = world.db.query("SELECT coalesce(sum(count), 0) AS n FROM channels").get();
  return (row as { n: number }).n;
}

/** Deletes the messages whose own time is over. */
export function removeExpired(world: World): void {
  const now = world.clock.now();
  const isAny = world.db.query("SELECT 1 FROM messages WHERE expires_at <= ? LIMIT 1").get(now);
  if (isAny) world.journal.commit(() => void remove(world, "expires_at <= ?", now));
}

/** Deletes what is older than the configured retention, and forgets channels that have been empty for as long. */
export function prune(world: World): void {
  const before = world.clock.now() - world.config.messageRetention.ms;
  world.journal.commit(() => {
    remove(world, "id <= ?", newestBefore(world, before));
    channels.forgetEmpty(world, before);
  });
}

/** The newest id of those before an instant, which are the first in the table; 0 where there are none. */
function newestBefore(world: World, instant: number): number {
  const { id } = world.db
    .query(
      "SELECT coalesce((SELECT min(id) FROM messages WHERE created_at >= ?) - 1, (SELECT max(id) FROM messages), 0) AS id",
    )
    .get(instant) as { id: number };
  return id;
}

/** Deletes what a channel has beyond the retention. One whose own time is over takes no place of another. */
function trimOldest(world: World, channel: string): void {
  removeExpired(world);
  const count = channels.countOf(world, channel) - world.config.messageRetention.rows;
  if (count <= 0) return;
  const { id } = world.db
    .query(
      "SELECT max(id) AS id FROM (SELECT id FROM messages WHERE channel = ? ORDER BY id LIMIT ?)",
    )
    .get(channel, count) as { id: number };
  world.db.query("DELETE FROM messages WHERE channel = ? AND id <= ?").run(channel, id);
  channels.subtract(world, channel, count, id);
}

/** Deletes the messages that meet a condition, keeps the books of their channels, and returns how many they were. */
function remove(world: World, condition: string, value: string | number): number {
  const groups = world.db
    .query(
      `SELECT channel, count(*) AS n, max(id) AS id FROM messages WHERE ${condition} GROUP BY channel`,
    )
    .all(value) as { channel: string; n: number; id: number }[];
  world.db.query(`DELETE FROM messages WHERE ${condition}`).run(value);
  for (const { channel, n, id } of groups) channels.subtract(world, channel, n, id);
  return groups.reduce((sum, { n }) => sum + n, 0);
}

/** The newest messages that match, oldest first. */
function newest(world: World, pattern: string, limit: number): Message[] {
  removeExpired(world);
  const [messages, isMatch] = [[] as Message[], matcher(pattern)];
  const size = Math.min(chunk, isPattern(pattern) ? chunk : limit);
  let [before, bytes] = [Number.MAX_SAFE_INTEGER, 0];
  while (messages.length < limit) {
    const rows = rowsBefore(world, pattern, before, size);
    for (const row of rows) {
      if (messages.length === limit || bytes >= maxAnswerBytes) return messages.reverse();
      if (!isMatch(row.channel)) continue;
      messages.push(toMessage(row));
      bytes += row.payload.length;
    }
    if (rows.length < size) break;
    before = rows.at(-1)!.id;
  }
  return messages.reverse();
}

/** At most a chunk of rows after an id, read one by one: whoever has enough leaves the rest unread. */
function rowsAfter(world: World, pattern: string, after: number): Iterable<Row> {
  const [sql, values] = narrowed(pattern, "id > ? ORDER BY id");
  return world.db.query(sql).iterate(...values, after, chunk) as Iterable<Row>;
}

function rowsBefore(world: World, pattern: string, before: number, size: number): Row[] {
  const [sql, values] = narrowed(pattern, "id < ? ORDER BY id DESC");
  return world.db.query(sql).all(...values, before, size) as Row[];
}

/** The database narrows by what every match starts with, in the order of ids; the rule decides. */
function narrowed(pattern: string, order: string): [sql: string, values: string[]] {
  if (!isPattern(pattern))
    return [`SELECT ${columns} FROM messages WHERE channel = ? AND ${order} LIMIT ?`, [pattern]];
  const prefix = literalPrefix(pattern);
  // The plus keeps SQLite to the order of ids: going by channel it would have to read and sort them all for each page.
  const isNear = startsWith("+channel");
  return [`SELECT ${columns} FROM messages WHERE ${isNear} AND ${order} LIMIT ?`, [prefix, prefix]];
}

/** The beginning of a payload, cut between characters. */
function preview(text: string): string {
  if (text.length <= previewCharacters) return text;
  return text.slice(0, previewCharacters).replace(/[\uD800-\uDBFF]$/, "");
}

function sizeOf(messages: Message[]): number {
  return messages.reduce((sum, { payload }) => sum + JSON.stringify(payload).length, 0);
}

function toMessage(row: Row): Message {
  return { ...row, payload: JSON.parse(row.payload) };
}
