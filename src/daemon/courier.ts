// Delivers events to webhooks: each webhook in the order in which things happened, each by itself, so that a receiver
// that hangs or fails holds up only its own.

import type { Delivery } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import * as webhooks from "../domain/webhooks.ts";
import * as deliveries from "../domain/deliveries.ts";
import type { Caller, World } from "../world.ts";
import type { Send } from "./sending.ts";

/** How long after a failed attempt the next one is made; after the last of them it is given up. */
const retryAfterMs = [1_000, 2_000, 4_000, 8_000];
const longestPauseMs = Math.max(...retryAfterMs);

export type Courier = {
  /** Looks for what is to be sent, now and whenever it becomes due. */
  start(): void;
  /** Sends a test at once, beside the line; one that arrives resumes a webhook that is paused. */
  test(id: string, caller: Caller): Promise<Delivery>;
  /** How many attempts were made for each webhook since the daemon started. */
  attempts(): Record<string, number>;
  /** Stops; what is not sent by then goes out after the next start. */
  stop(withinMs: number): Promise<void>;
};

/**
 * `report` is told of what fails where nobody waits for it, `onSettled` what came of each attempt once that is stored.
 */
export function createCourier(
  world: World,
  send: Send,
  report: (error: unknown) => void,
  onSettled: (delivery: Delivery) => void = () => {},
): Courier {
  /** The webhooks that are being served, until each has nothing to do. */
  const working = new Map<string, Promise<void>>();
  /** Those that wait for a while, because their last attempt failed. */
  const timers = new Map<string, Timer>();
  /** What came of a webhook's delivery, where that could not be stored yet: it is not made again for it. */
  const unsettled = new Map<string, { delivery: string; outcome: deliveries.Outcome }>();
  const testing = new Set<string>();
  const attempts = new Map<string, number>();
  let isStopped = false;

  /** To be called for a webhook that is still there: of one that was removed nothing is kept. */
  function count(id: string): void {
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
  }

  /** Serves every webhook that has something to send. */
  function look(): void {
    if (isStopped) return;
    try {
      for (const { webhook, delivery } of deliveries.due(world)) {
        if (timers.has(webhook.id)) continue;
        const inMs = (delivery.nextAt ?? 0) - world.clock.now();
        if (inMs > 0) beginIn(webhook.id, inMs);
        else begin(webhook.id);
      }
    } catch (error) {
      report(error); // The next event looks again.
    }
  }

  /** A clock that was set holds nothing up for longer than the longest pause. */
  function beginIn(id: string, ms: number): void {
    const timer = setTimeout(
      () => {
        timers.delete(id);
        begin(id);
      },
      Math.min(ms, longestPauseMs),
    );
    timers.set(id, timer);
  }

  function begin(id: string): void {
    if (!isStopped && !working.has(id)) working.set(id, serve(id));
  }

  /** Sends what a webhook has, until there is nothing, one fails, or it is paused. */
  async function serve(id: string): Promise<void> {
    try {
      while (await serveNext(id));
    } catch (error) {
      report(error);
      // What came of it could not be stored: the receiver is left alone for a while.
      if (!isStopped) beginIn(id, longestPauseMs);
    } finally {
      working.delete(id);
      // What was put down meanwhile, or is to be tried again.
      setImmediate(look);
    }
  }

  /** Returns whether to go on with the next one at once. */
  async function serveNext(id: string): Promise<boolean> {
    const row = webhooks.findRow(world, id);
    const delivery = deliveries.next(world, id);
    if (!row || !delivery || isStopped || !row.active || row.paused !== null) return false;
    const kept = unsettled.get(id);
    const isMade = kept?.delivery === delivery.id;
    const outcome = isMade ? kept.outcome : await send(row, delivery);
    if (isStopped && outcome.error !== null) return false; // It counts for nothing that we have cut it off.
    if (!webhooks.findRow(world, id)) return false;
    if (!isMade) count(id);
    unsettled.set(id, { delivery: delivery.id, outcome });
    const settled = settle(delivery, outcome);
    await world.journal.landed();
    unsettled.delete(id);
    onSettled(settled);
    return outcome.error === null;
  }

  function settle(delivery: deliveries.Row, outcome: deliveries.Outcome): Delivery {
    const pauseMs = retryAfterMs[delivery.attempts];
    const retryAt = pauseMs === undefined ? null : world.clock.now() + pauseMs;
    return deliveries.settle(world, delivery, outcome, retryAt);
  }

  /** One test of a webhook at a time: each holds a connection for as long as the receiver likes. */
  async function sendAlone(
    row: webhooks.Row,
    delivery: deliveries.Row,
  ): Promise<deliveries.Outcome> {
    if (testing.has(row.id)) {
      throw new Fault("limit_reached", `A test of the webhook ${row.id} is under way`, {
        details: { retryAfterMs: 1_000 },
      });
    }
    testing.add(row.id);
    try {
      return await send(row, delivery);
    } finally {
      testing.delete(row.id);
    }
  }

  let isLooking = false;
  /** After an event that a webhook may be for; those of one turn are looked at together. */
  function lookSoon(): void {
    if (isLooking || world.webhooks.all().length === 0) return;
    isLooking = true;
    setImmediate(() => {
      isLooking = false;
      try {
        webhooks.pauseThoseBehind(world);
      } catch (error) {
        report(error);
      }
      look();
    });
  }
  world.journal.listen(lookSoon);
  world.journal.listen(({ event, targetId }) => {
    if (event !== "webhook.remove") return;
    attempts.delete(targetId);
    unsettled.delete(targetId);
  });

  return {
    start: look,
    attempts: () => Object.fromEntries(attempts),
    async test(id, caller) {
      const row = webhooks.getRow(world, id);
      const delivery = deliveries.ofTest(world, row, caller);
      const outcome = await sendAlone(row, delivery);
      webhooks.getRow(world, id); // Or not found, where it was removed meanwhile.
      count(id);
      const settled = deliveries.settle(world, delivery, outcome, null);
      if (outcome.error === null) webhooks.resume(world, id, caller);
      look();
      return settled;
    },
    async stop(withinMs) {
      look();
      await Promise.race([Promise.all(working.values()), Bun.sleep(withinMs)]);
      isStopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}
