// Webhooks and their deliveries: what is to be sent where, in the order in which it happened. Sending is the courier's.

import type { Delivery, DeliveryStatus, Webhook } from "../contract/entities.ts";
import { events, testEvent, webhookEvents, type EventName } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import { defaultEntries, type InputOf } from "../contract/operations.ts";
import { matches } from "../contract/pattern.ts";
import type { Database } from "../store/database.ts";
import type { Entry, Journal } from "../store/journal.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";

/** More deliveries than these waiting, or so many events given up in a row, and a webhook is paused. */
const maxPending = 1_000;
const maxFailures = 10;

/** How long, and how many, deliveries that are over are kept. */
const keepMs = 7 * 86_400_000;
const keepRows = 1_000;

export type Row = {
  id: string;
  url: string;
  /** A JSON list of names and patterns. */
  events: string;
  filter: string | null;
  secret: string | null;
  active: number;
  paused: string | null;
  failures: number;
  dropped: number;
  /** What was waiting when it was last resumed. */
  backlog: number;
  createdAt: number;
};

export type DeliveryRow = {
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
  SELECT id, url, events, filter, secret, active, paused, failures, dropped, backlog, created_at AS createdAt FROM webhooks`;

const selectDelivery = `
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

/** The events that can be asked for. */
export function offered(): { event: string; summary: string }[] {
  return webhookEvents.map((event) => ({ event, summary: events[event].summary }));
}

export function add(world: World, input: InputOf<"addWebhook">, caller: Caller): Webhook {
  const row: Row = {
    id: crypto.randomUUID(),
    url: input.url,
    events: JSON.stringify(input.events ?? ["*"]),
    filter: input.filter ?? null,
    secret: input.secret ?? null,
    active: Number(input.active ?? true),
    paused: null,
    failures: 0,
    dropped: 0,
    backlog: 0,
    createdAt: world.clock.now(),
  };
  world.journal.commit(() => {
    write(world, row);
    const { url, events } = toWebhook(world, row);
    world.journal.record("webhook.add", row.id, caller.actor, { url, events });
  });
  return toWebhook(world, row);
}

/** Changes what is given, and resumes a webhook that is paused. Throws `not_found`. */
export function update(world: World, input: InputOf<"updateWebhook">, caller: Caller): Webhook {
  const { id, url, events, filter, secret, active } = input;
  return world.journal.commit(() => {
    const row: Row = {
      ...getRow(world, id),
      ...(url !== undefined && { url }),
      ...(events !== undefined && { events: JSON.stringify(events) }),
      ...(filter !== undefined && { filter }),
      ...(secret !== undefined && { secret }),
      ...(active !== undefined && { active: Number(active) }),
    };
    write(world, row);
    const webhook = toWebhook(world, row);
    world.journal.record("webhook.update", id, caller.actor, {
      url: webhook.url,
      events: webhook.events,
      active: webhook.active,
    });
    resume(world, id, caller);
    return get(world, { id });
  });
}

/** Removes a webhook with its deliveries, also those still to be made. Throws `not_found`. */
export function remove(
  world: World,
  { id }: InputOf<"removeWebhook">,
  caller: Caller,
): { removed: boolean } {
  world.journal.commit(() => {
    const { url } = getRow(world, id);
    world.db.query("DELETE FROM webhooks WHERE id = ?").run(id);
    world.webhooks.forget();
    world.journal.record("webhook.remove", id, caller.actor, { url });
  });
  return { removed: true };
}

export function list(world: World): { webhooks: Webhook[]; count: number } {
  const rows = world.db.query(`${select} ORDER BY created_at, id`).all() as Row[];
  return { webhooks: rows.map((row) => toWebhook(world, row)), count: rows.length };
}

/** Throws `not_found`. */
export function get(world: World, { id }: InputOf<"webhook">): Webhook {
  return toWebhook(world, getRow(world, id));
}

/** The row of a webhook, with its secret. Throws `not_found`. */
export function getRow(world: World, id: string): Row {
  const row = findRow(world, id);
  if (row) return row;
  throw new Fault("not_found", `There is no webhook ${id}`, {
    hint: "see them all: port-daddy webhooks list",
  });
}

export function findRow(world: World, id: string): Row | undefined {
  return (world.db.query(`${select} WHERE id = ?`).get(id) as Row | null) ?? undefined;
}

export function listDeliveries(
  world: World,
  { id, status, limit = defaultEntries }: InputOf<"deliveries">,
): { deliveries: Delivery[]; count: number } {
  getRow(world, id);
  const rows = world.db
    .query(
      `${selectDelivery} WHERE webhook = ? AND status = coalesce(?, status) ORDER BY number DESC LIMIT ?`,
    )
    .all(id, status ?? null, limit) as DeliveryRow[];
  return { deliveries: rows.map(toDelivery), count: rows.length };
}

/** The webhooks, kept beside the table because every event asks for them. */
export type WebhookIndex = {
  all(): readonly Row[];
  /** To be called by whoever changes one. */
  forget(): void;
};

export function indexWebhooks(db: Database, journal: Journal): WebhookIndex {
  let rows: Row[] | undefined;
  const forget = () => void (rows = undefined);
  journal.watch({ landed: () => {}, undone: forget });
  return {
    all: () => (rows ??= db.query(`${select} ORDER BY created_at, id`).all() as Row[]),
    forget,
  };
}

/** Puts an event down for every webhook that wants it, in the event's own transaction. */
export function enqueue(world: World, entry: Entry): void {
  if (!Object.hasOwn(events, entry.event) || !events[entry.event as EventName].webhook) return;
  for (const row of world.webhooks.all()) {
    if (!isWanted(row, entry)) continue;
    if (row.paused !== null) drop(world, row);
    else insertDelivery(world, row, entry);
  }
}

function isWanted(row: Row, { event, targetId }: Entry): boolean {
  if (!row.active || (row.filter !== null && !matches(row.filter, targetId))) return false;
  const wanted = JSON.parse(row.events) as string[];
  return wanted.some((pattern) => matches(pattern, event));
}

function drop(world: World, { id }: Row): void {
  world.db.query("UPDATE webhooks SET dropped = dropped + 1 WHERE id = ?").run(id);
}

function insertDelivery(world: World, { id }: Row, entry: Entry): void {
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
  const body = { event, timestamp, data: { targetId, actor, ...metadata } };
  return JSON.stringify(JSON.parse(JSON.stringify(body)));
}

/** A delivery that tests a webhook: it is not stored, and goes out at once. */
export function testDelivery(world: World, row: Row, caller: Caller): DeliveryRow {
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
export function due(world: World): { webhook: Row; delivery: DeliveryRow }[] {
  return world.webhooks.all().flatMap((webhook) => {
    const delivery = webhook.active && webhook.paused === null && next(world, webhook.id);
    return delivery ? [{ webhook, delivery }] : [];
  });
}

/** What a webhook is to be sent next. */
export function next(world: World, id: string): DeliveryRow | undefined {
  const row = world.db
    .query(`${selectDelivery} WHERE webhook = ? AND status = 'pending' ORDER BY number LIMIT 1`)
    .get(id);
  return (row as DeliveryRow | null) ?? undefined;
}

/** Writes down what an attempt came to; `retryAt` is when it is tried again, `null` where that is over. */
export function settle(
  world: World,
  delivery: DeliveryRow,
  outcome: Outcome,
  retryAt: number | null,
): Delivery {
  const now = world.clock.now();
  const status = outcome.error === null ? "delivered" : retryAt === null ? "failed" : "pending";
  const settled: DeliveryRow = {
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
      countOutcome(world, settled.webhook, status);
  });
  return toDelivery(settled);
}

function countOutcome(world: World, id: string, status: DeliveryStatus): void {
  const row = findRow(world, id);
  if (!row) return;
  const failures = status === "delivered" ? 0 : row.failures + 1;
  if (failures !== row.failures) write(world, { ...row, failures });
  if (failures >= maxFailures && row.paused === null)
    pause(world, id, `the last ${maxFailures} events could not be delivered`);
}

/** Pauses the webhooks that fall too far behind. */
export function pauseThoseBehind(world: World): void {
  for (const { id, paused, backlog } of world.webhooks.all()) {
    if (paused === null && countPending(world, id) > maxPending + backlog)
      pause(world, id, `more than ${maxPending} events wait to be delivered`);
  }
}

function pause(world: World, id: string, reason: string): void {
  world.journal.commit(() => {
    world.db.query("UPDATE webhooks SET paused = ? WHERE id = ?").run(reason, id);
    world.webhooks.forget();
    world.journal.record("webhook.pause", id, daemonCaller.actor, { reason });
  });
}

/** Resumes a webhook that is paused; what is pending goes out. */
export function resume(world: World, id: string, caller: Caller): void {
  const row = findRow(world, id);
  if (!row || row.paused === null) return;
  world.journal.commit(() => {
    const backlog = countPending(world, id);
    write(world, { ...row, paused: null, failures: 0, dropped: 0, backlog });
    world.journal.record("webhook.resume", id, caller.actor, { dropped: row.dropped });
  });
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

function countPending(world: World, id: string): number {
  return (
    world.db
      .query("SELECT count(*) AS n FROM deliveries WHERE webhook = ? AND status = 'pending'")
      .get(id) as { n: number }
  ).n;
}

function write(world: World, row: Row): void {
  world.db
    .query(
      `INSERT INTO webhooks (id, url, events, filter, secret, active, paused, failures, dropped, backlog, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         url = excluded.url, events = excluded.events, filter = excluded.filter, secret = excluded.secret,
         active = excluded.active, paused = excluded.paused, failures = excluded.failures, dropped = excluded.dropped,
         backlog = excluded.backlog`,
    )
    .run(
      row.id,
      row.url,
      row.events,
      row.filter,
      row.secret,
      row.active,
      row.paused,
      row.failures,
      row.dropped,
      row.backlog,
      row.createdAt,
    );
  world.webhooks.forget();
}

function toWebhook(world: World, row: Row): Webhook {
  return {
    id: row.id,
    url: row.url,
    events: JSON.parse(row.events),
    filter: row.filter,
    active: row.active === 1,
    hasSecret: row.secret !== null,
    paused: row.paused,
    pending: countPending(world, row.id),
    dropped: row.dropped,
    createdAt: row.createdAt,
  };
}

function toDelivery(row: DeliveryRow): Delivery {
  const { number: _, webhook: __, body: ___, nextAt, ...shown } = row;
  return { ...shown, nextAttemptAt: nextAt };
}
