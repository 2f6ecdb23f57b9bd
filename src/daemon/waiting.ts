// Requests that are held until something is so.

import { format } from "../contract/duration.ts";
import type { Service } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf, OutputOf } from "../contract/operations.ts";
import { find } from "../domain/services.ts";
import type { Daemon } from "./daemon.ts";
import { unhealthy } from "./health.ts";
import type { HeldRequest } from "./address.ts";

const defaultTimeoutMs = 60_000;

/** How often the machine is looked at while somebody waits. Half of it is the mean delay of the answer. */
const lookEveryMs = 100;

/** A look that has begun may take so much longer than the wait: its reason is worth more than the moment. */
const lastLookMs = 250;

/**
 * Answers when all of the services are healthy. Throws `timed_out` naming what is missing and why, `unavailable` where
 * the daemon stops meanwhile. A service need not be claimed yet.
 */
export async function untilHealthy(
  daemon: Daemon,
  { id: ids, timeout = defaultTimeoutMs }: InputOf<"wait">,
  { signal, hold }: HeldRequest,
): Promise<OutputOf<"wait">> {
  hold();
  const start = performance.now(); // A wait is as long as it takes, whatever the clock says meanwhile.
  const deadline = timeout === 0 ? [] : [AbortSignal.timeout(timeout + lastLookMs)];
  const end = AbortSignal.any([signal, daemon.stopping, ...deadline]);
  while (true) {
    const leftMs = timeout === 0 ? Number.POSITIVE_INFINITY : start + timeout - performance.now();
    const looks = await Promise.all(ids.map((id) => look(daemon, id, end)));
    const missing = looks.filter(isMissing);
    if (missing.length === 0) return { services: looks as Service[] };
    if (daemon.stopping.aborted) throw stopping();
    if (signal.aborted) throw new Fault("unavailable", "The caller has gone");
    if (performance.now() - start >= timeout && timeout !== 0) throw notInTime(missing, timeout);
    await pause(Math.min(lookEveryMs, leftMs), end);
  }
}

function stopping(): Fault {
  return new Fault("unavailable", "The daemon is stopping", {
    details: { stopping: true },
    hint: "it may be back in a moment: port-daddy status",
  });
}

type Missing = { missing: string; reason: string };

function isMissing(look: Service | Missing): look is Missing {
  return "missing" in look;
}

async function look(
  { world }: Daemon,
  id: string,
  signal: AbortSignal,
): Promise<Service | Missing> {
  const service = find(world, { id });
  if (!service) return { missing: id, reason: "nobody has claimed it" };
  // A connection is not tried before something listens: on a high port it could connect to itself.
  const isElsewhere = service.health?.startsWith("http") === true;
  if (!isElsewhere && !world.probe.listening(lookEveryMs / 2).has(service.port)) {
    return { missing: id, reason: `nothing listens on port ${service.port}` };
  }
  const reason = await unhealthy(service, signal);
  return reason === undefined ? (find(world, { id }) ?? service) : { missing: id, reason };
}

function notInTime(missing: Missing[], timeoutMs: number): Fault {
  const names = missing.map(({ missing, reason }) => `${missing} (${reason})`).join(", ");
  return new Fault("timed_out", `Not healthy within ${format(timeoutMs)}: ${names}`, {
    details: { missing: missing.map(({ missing, reason }) => ({ id: missing, reason })) },
    hint: `see what is claimed: port-daddy find`,
  });
}

/** Sleeps, unless the signal ends it. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = () => resolve();
  signal.addEventListener("abort", wake);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", wake);
}
