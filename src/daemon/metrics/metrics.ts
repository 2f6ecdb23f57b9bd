// What makes the numbers move: events that have landed, transactions, requests, and what streams, waits and deliveries
// tell of themselves.

import { waitOutcomes, type WaitOutcome } from "../../contract/metrics.ts";
import {
  events,
  releaseReasons,
  unlockReasons,
  type EventData,
  type EventName,
} from "../../contract/events.ts";
import type { Delivery, DeliveryStatus } from "../../contract/entities.ts";
import { asFault, type FaultCode } from "../../contract/faults.ts";
import * as locks from "../../domain/locks.ts";
import type { Entry } from "../../store/journal.ts";
import type { World } from "../../world.ts";
import type { StreamWatch } from "../streams.ts";
import { createMeters, forEach, observe, type Counter, type Meters } from "./meters.ts";
import { createRequestMeter, type RequestMeter } from "./requests.ts";

export type Metrics = {
  meters: Meters;
  requests: RequestMeter;
  streams: StreamWatch;
  /** Counts an attempt to deliver an event. */
  onSettled: (delivery: Delivery) => void;
  /** Measures how long a wait for a lock takes, until it ends as it may. */
  waitForLock: <T>(wait: () => Promise<T>) => Promise<T>;
};

export function createMetrics(world: World): Metrics {
  const meters = createMeters({ isSampled: world.config.statsd !== undefined });
  countEvents(world, meters);
  const commits = meters.histogram("port_daddy_commit_duration_seconds", {});
  world.journal.watch({ landed: (tookMs) => observe(commits, tookMs / 1_000), undone() {} });
  const slow = meters.counter("port_daddy_slow_subscribers_cut_total", {});
  return {
    meters,
    requests: createRequestMeter(meters),
    streams: { onSlow: () => void slow.value++, onEnd: meters.touch },
    onSettled: deliveryMeter(meters),
    waitForLock: waitMeter(meters),
  };
}

/** Counts what happened, once it is stored: what was undone has not. */
function countEvents(world: World, meters: Meters): void {
  const all = forEach(Object.keys(events) as EventName[], (event) =>
    meters.counter("port_daddy_events_total", { event }),
  );
  const closer = closerLook(meters, locks.acquisitions(world));
  world.journal.listen(({ event, metadata, timestamp }) => {
    const name = event as EventName;
    all[name].value++;
    const look = closer[name] as Look<EventName> | undefined;
    look?.(metadata as EventData[EventName], timestamp);
  });
}

type Look<N extends EventName> = (data: EventData[N], at: Entry["timestamp"]) => void;

/** What is counted of some events beside that they happened. `heldSince` are the locks that are held already. */
function closerLook(
  meters: Meters,
  heldSince: Map<number, number>,
): { [N in EventName]?: Look<N> } {
  const claims = forEach(["new", "again", "moved"], (kind) =>
    meters.counter("port_daddy_claims_total", { kind }),
  );
  const releases = forEach(releaseReasons, (reason) =>
    meters.counter("port_daddy_releases_total", { reason }),
  );
  const unlocks = forEach(unlockReasons, (reason) =>
    meters.counter("port_daddy_lock_releases_total", { reason }),
  );
  const holds = meters.histogram("port_daddy_lock_hold_seconds", {});
  const published = meters.counter("port_daddy_messages_published_total", {});
  return {
    "service.claim": ({ existing, movedFrom }) =>
      void claims[movedFrom ? "moved" : existing ? "again" : "new"].value++,
    "service.release": ({ reason }) => void releases[reason].value++,
    "lock.acquire": ({ fence }, at) => void heldSince.set(fence, at),
    "lock.release": ({ fence, reason }, at) => {
      unlocks[reason].value++;
      const since = heldSince.get(fence);
      heldSince.delete(fence);
      // A clock that was set back measures nothing.
      if (since !== undefined) observe(holds, Math.max(0, at - since) / 1_000);
    },
    "message.publish": () => void published.value++,
  };
}

function deliveryMeter(meters: Meters): Metrics["onSettled"] {
  const counter = (outcome: "delivered" | "retried" | "failed"): Counter =>
    meters.counter("port_daddy_webhook_deliveries_total", { outcome });
  const outcomes: Record<DeliveryStatus, Counter> = {
    delivered: counter("delivered"),
    pending: counter("retried"),
    failed: counter("failed"),
  };
  const durations = meters.histogram("port_daddy_webhook_delivery_duration_seconds", {});
  return ({ status, durationMs }) => {
    outcomes[status].value++;
    if (durationMs !== null) observe(durations, durationMs / 1_000);
  };
}

function waitMeter(meters: Meters): Metrics["waitForLock"] {
  const waits = forEach(waitOutcomes, (outcome) =>
    meters.histogram("port_daddy_lock_wait_seconds", { outcome }),
  );
  return async function waitForLock(wait) {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1_000;
    try {
      const lock = await wait();
      observe(waits.acquired, seconds());
      return lock;
    } catch (error) {
      observe(waits[outcomeOf(asFault(error).code)], seconds());
      throw error;
    }
  };
}

function outcomeOf(code: FaultCode): WaitOutcome {
  if (code === "timed_out") return code;
  return code === "unavailable" || code === "not_found" ? "gone" : "refused";
}
