// Webhooks: what somebody wants to be told of, and where; and when one is paused.

import type { DeliveryStatus, Webhook } from "../contract/entities.ts";
import { events, webhookEvents } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import type { Database } from "../store/database.ts";
import type { Journal } from "../store/journal.ts";
import { countRows } from "../store/queries.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";

/** More deliveries than these waiting, or so many events given up in a row, and a webhook is paused. */
const maxPending = 1_000;
const maxFailures = 10;

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

const select = `
  SELECT id, url, events, filter, secret, active, paused, failures, dropped, backlog, created_at AS createdAt FROM webhooks`;

/** The events that can be asked for. */
export function offered(): { event: string; summary: string }[] {
  return webhookEvents.map((event) => ({ event, summary: events[event].summary }));
}

/** Every event looks at each of them, and each may hold a connection. */
const maxWebhooks = 100;

/** Adds a webhook. Throws `limit_reached` where there are as many as there may be. */
export function add(world: World, input: InputOf<"addWebhook">, caller: Caller): Webhook {
  if (world.webhooks.all().length >= maxWebhooks) {
    throw new Fault("limit_reached", `${maxWebhooks} webhooks are as many as there may be`, {
      hint: "remove one: port-daddy webhooks list",
    });
  }
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
    world.journal.record("webhook.add", row.id, caller.actor, { url: originOf(url), events });
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
      url: originOf(webhook.url),
      events: webhook.events,
      active: webhook.active,
    });
    if (webhook.active) resume(world, id, caller);
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
    world.journal.record("webhook.remove", id, caller.actor, { url: originOf(url) });
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

/** Counts events that failed for good, and pauses a webhook after too many in a row. */
export function countOutcome(world: World, id: string, status: DeliveryStatus): void {
  const row = findRow(world, id);
  if (!row) return;
  const failures = status === "delivered" ? 0 : row.failures + 1;
  const backlog = Math.min(row.backlog, countPending(world, id));
  if (failures !== row.failures || backlog !== row.backlog)
    write(world, { ...row, failures, backlog });
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

/** What of a URL goes into the log: the rest may be as good as a password. */
function originOf(url: string): string {
  return new URL(url).origin;
}

function countPending(world: World, id: string): number {
  return countRows(world.db, "deliveries WHERE webhook = ? AND status = 'pending'", id);
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
