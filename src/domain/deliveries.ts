// Deliveries: what is to be sent to each webhook, in the order in which it happened. Sending is the courier's.

import type { Delivery, DeliveryStatus } from "../contract/entities.ts";
import { events, testEvent, type EventName } from "../contract/events.ts";
import { defaultEntries, type InputOf } from "../contract/operations.ts";
import { matches } from "../contract/pattern.ts";
import type { Entry } from "../store/journal.ts";
import { countRows } from "../store/queries.ts";
import type { Caller, World } from "../world.ts";
import * as webhooks from "./webhooks.ts";

/** How long, and how many, deliveries that are over are kept. */
const keepMs = 7 * 86_400_000;
const keepRows = 1_000;

export type Row = {
  number: number;
  id: string;
  webhook: string;
  event: string;
  targetId: string;
  body: string;
  status: DeliveryStatus;
  attempts: number;
  nextAt: number | null;
  httpStatus: number | null;
  durationMs: number | null;
  response: string | null;
  error: string | null;
  createdAt: number;
  finishedAt: number | null;
};

const select = `
  SELECT number, id, webhook, event, target_id AS targetId, body, status, attempts, next_at AS nextAt,
         http_status AS httpStatus, duration_ms AS durationMs, response, error, created_at AS createdAt,
         finished_at AS finishedAt
  FROM deliveries`;

/** What an attempt came to. */
export type Outcome = {
  httpStatus: number | null;
  durationMs: number;
  response: string | null;
  /** Why it failed; null where it arrived. */
  error: string | null;
};

export function list(
  world: World,
  { id, status, limit = defaultEntries }: InputOf<"deliveries">,
): { deliveries: Delivery[]; count: number } {
  webhooks.getRow(world, id);
  const rows = world.db
    .query(
      `${select} WHERE webhook = ? AND status = coalesce(?, status) ORDER BY number DESC LIMIT ?`,
    )
    .all(id, status ?? null, limit) as Row[];
  return { deliveries: rows.map(toDelivery), count: rows.length };
}

/** Puts an event down for every webhook that wants it, in the event's own transaction. */
export function enqueue(world: World, entry: Entry): void {
  if (!Object.hasOwn(events, entry.event) || !events[entry.event as EventName].webhook) return;
  for (const row of world.webhooks.all()) {
    if (!isWanted(row, entry)) continue;
    if (row.paused !== null) drop(world, row);
    else insert(world, row, entry);
  }
}

function isWanted(row: webhooks.Row, { event, targetId }: Entry): boolean {
  if (!row.active || (row.filter !== null && !matches(row.filter, targetId))) return false;
  const wanted = JSON.parse(row.events) as string[];
  return wanted.some((pattern) => matches(pattern, event));
}

function drop(world: World, { id }: webhooks.Row): void {
  world.db.query("UPDATE webhooks SET dropped = dropped + 1 WHERE id = ?").run(id);
}

function insert(world: World, { id }: webhooks.Row, entry: Entry): void {
  world.db
    .query(
      `INSERT INTO deliveries (id, webhook, event, target_id, body, status, attempts, next_at, created_at)
       VALUES (?, ?, ?, ?, ?, 'pending', 0, ?, ?)`,
    )
    .run(
      crypto.randomUUID(),
      id,
      entry.event,
      entry.targetId,
      bodyOf(entry),
      entry.timestamp,
      entry.timestamp,
    );
}

/** The body that is sent: bytes that are what `JSON.stringify` makes of what they parse to. */
function bodyOf({ event, timestamp, targetId, actor, metadata }: Entry): string {
  return JSON.stringify({ event, timestamp, data: { targetId, actor, ...metadata } });
}

/** A delivery that tests a webhook: it is not stored, and goes out at once. */
export function ofTest(world: World, row: webhooks.Row, caller: Caller): Row {
  const now = world.clock.now();
  return {
    number: 0,
    id: crypto.randomUUID(),
    webhook: row.id,
    event: testEvent,
    targetId: row.id,
    body: JSON.stringify({
      event: testEvent,
      timestamp: now,
      data: { targetId: row.id, actor: caller.actor },
    }),
    status: "pending",
    attempts: 0,
    nextAt: now,
    httpStatus: null,
    durationMs: null,
    response: null,
    error: null,
    createdAt: now,
    finishedAt: null,
  };
}

/** The webhooks that have something to send, each with what comes first. */
export function due(world: World): { webhook: webhooks.Row; delivery: Row }[] {
  return world.webhooks.all().flatMap((webhook) => {
    const delivery = webhook.active && webhook.paused === null && next(world, webhook.id);
    return delivery ? [{ webhook, delivery }] : [];
  });
}

/** What a webhook is to be sent next. */
export function next(world: World, id: string): Row | undefined {
  const row = world.db
    .query(`${select} WHERE webhook = ? AND status = 'pending' ORDER BY number LIMIT 1`)
    .get(id);
  return (row as Row | null) ?? undefined;
}

/** How many wait to be sent, to all webhooks. */
export function countPending(world: World): number {
  return countRows(world.db, "deliveries WHERE status = 'pending'");
}

/** Writes down what an attempt came to; `retryAt` is when it is tried again, `null` where that is over. */
export function settle(
  world: World,
  delivery: Row,
  outcome: Outcome,
  retryAt: number | null,
): Delivery {
  const now = world.clock.now();
  const status = outcome.error === null ? "delivered" : retryAt === null ? "failed" : "pending";
  const settled: Row = {
    ...delivery,
    ...outcome,
    status,
    attempts: delivery.attempts + 1,
    nextAt: status === "pending" ? retryAt : null,
    finishedAt: status === "pending" ? null : now,
  };
  world.journal.commit(() => {
    world.db
      .query(
        `INSERT OR REPLACE INTO deliveries (number, id, webhook, event, target_id, body, status, attempts, next_at,
                                            http_status, duration_ms, response, error, created_at, finished_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        settled.number || null,
        settled.id,
        settled.webhook,
        settled.event,
        settled.targetId,
        settled.body,
        settled.status,
        settled.attempts,
        settled.nextAt,
        settled.httpStatus,
        settled.durationMs,
        settled.response,
        settled.error,
        settled.createdAt,
        settled.finishedAt,
      );
    if (status !== "pending" && settled.event !== testEvent)
      webhooks.countOutcome(world, settled.webhook, status);
  });
  return toDelivery(settled);
}

/** Deletes deliveries that are over and old, or too many. */
export function prune(world: World): void {
  world.journal.commit(() => {
    world.db
      .query("DELETE FROM deliveries WHERE status <> 'pending' AND finished_at < ?")
      .run(world.clock.now() - keepMs);
    for (const { id } of world.webhooks.all()) {
      world.db
        .query(
          `DELETE FROM deliveries WHERE webhook = ?1 AND status <> 'pending' AND number <= (
             SELECT number FROM deliveries WHERE webhook = ?1 AND status <> 'pending'
             ORDER BY number DESC LIMIT 1 OFFSET ?2)`,
        )
        .run(id, keepRows);
    }
  });
}

function toDelivery(row: Row): Delivery {
  const { number: _, webhook: __, body: ___, nextAt, ...shown } = row;
  return { ...shown, nextAttemptAt: nextAt };
}
