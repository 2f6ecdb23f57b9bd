// Requests that are held until services are healthy.

import { format } from "../contract/duration.ts";
import { processInWords, type Service } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { defaultWaitMs, type InputOf, type OutputOf } from "../contract/operations.ts";
import * as launches from "../domain/launches.ts";
import { find } from "../domain/services.ts";
import { tryingMs } from "../system/sockets.ts";
import type { World } from "../world.ts";
import type { Daemon } from "./daemon.ts";
import { unhealthy } from "./health.ts";
import { goneFault, stoppingFault, type HeldRequest } from "./request.ts";

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
  { id: ids, timeout = defaultWaitMs }: InputOf<"wait">,
  { signal, hold }: HeldRequest,
): Promise<OutputOf<"wait">> {
  const letGo = hold();
  try {
    return await lookUntilHealthy(daemon, ids, timeout, signal);
  } finally {
    letGo();
  }
}

async function lookUntilHealthy(
  daemon: Daemon,
  ids: string[],
  timeout: number,
  signal: AbortSignal,
): Promise<OutputOf<"wait">> {
  const deadline = timeout === 0 ? [] : [AbortSignal.timeout(timeout)];
  const end = AbortSignal.any([signal, daemon.stopping, ...deadline]);
  let looks: (Service | Missing)[] = [];
  while (true) {
    const wasMissing = looks.map(isMissing);
    const next = Promise.all(ids.map((id, at) => sharedLook(daemon, id, wasMissing[at] === true)));
    const isOver = end.aborted;
    looks =
      (await (isOver ? Promise.race([next, Bun.sleep(lastLookMs)]) : unlessAborted(next, end))) ??
      looks;
    const missing = looks.filter(isMissing);
    if (looks.length > 0 && missing.length === 0) {
      await daemon.world.journal.landed(); // What was seen may be of this very turn.
      return { services: looks as Service[] };
    }
    if (daemon.stopping.aborted) throw stoppingFault();
    if (signal.aborted) throw goneFault();
    if (isOver) throw notInTime(missing, timeout);
    await unlessAborted(Bun.sleep(lookEveryMs), end);
  }
}

type Missing = { missing: string; reason: string; hint?: string };

function isMissing(look: Service | Missing): look is Missing {
  return "missing" in look;
}

/** The looks under way or just over, by service: however many wait for one, it is looked at once in a while. */
const looksOf = new WeakMap<Daemon["world"], Map<string, Promise<Service | Missing>>>();

function sharedLook(daemon: Daemon, id: string, wasMissing: boolean): Promise<Service | Missing> {
  const looks = looksOf.get(daemon.world) ?? new Map<string, Promise<Service | Missing>>();
  looksOf.set(daemon.world, looks);
  const underWay = looks.get(id);
  if (underWay) return underWay;
  const result = wasMissing ? lookTwice(daemon, id) : look(daemon, id);
  looks.set(id, result);
  // Fresh for as long as one waiter lags behind another.
  const forget = () => Bun.sleep(lookEveryMs / 2).then(() => looks.delete(id));
  result.then(forget, forget);
  return result;
}

/** A look at one that was missing. What answers where its health is asked for has not just tried its port. */
async function lookTwice(daemon: Daemon, id: string): Promise<Service | Missing> {
  const first = await look(daemon, id);
  if (isMissing(first) || first.health !== null) return first;
  await Bun.sleep(tryingMs);
  return look(daemon, id, 0);
}

async function look(
  { world, port, stopping }: Daemon,
  id: string,
  maxAgeMs = lookEveryMs / 2,
): Promise<Service | Missing> {
  world.probe.listening(maxAgeMs);
  const service = find(world, { id });
  if (!service) return { missing: id, ...absence(world, id) };
  const { health, listener } = service;
  if (health?.startsWith("http") !== true) {
    // A connection is not tried before something listens: on a high port it could connect to itself.
    if (!listener) return { missing: id, ...silence(world, service) };
    if (listener.stranger) {
      return {
        missing: id,
        reason: `a stranger has port ${service.port}: ${processInWords(listener)}`,
      };
    }
  } else if (Number(URL.parse(health)?.port) === port) {
    return { missing: id, reason: "its health URL is the daemon's own" };
  }
  const reason = await unhealthy(service, stopping);
  return reason === undefined ? (find(world, { id }) ?? service) : { missing: id, reason };
}

function notInTime(missing: Missing[], timeoutMs: number): Fault {
  const names = missing.map(({ missing, reason }) => `${missing} (${reason})`).join(", ");
  return new Fault("timed_out", `Not healthy within ${format(timeoutMs)}: ${names}`, {
    details: { missing: missing.map(({ missing, reason }) => ({ id: missing, reason })) },
    hint: missing[0]?.hint ?? "see what is claimed: port-daddy find",
  });
}

/** Why nothing listens; of a command that is started again and again, how it ends. */
function silence(world: World, { id, port }: Service): Omit<Missing, "missing"> {
  const launch = launches.findRunning(world, id);
  if (!launch || launch.restarts === 0) return { reason: `nothing listens on port ${port}` };
  return {
    reason: `its command ended with ${launch.code} and was started again, ${launch.restarts}×`,
    ...(launch.detached && { hint: `see what it said: port-daddy launch --logs ${id}` }),
  };
}

/** Why nobody holds a port for it; what was launched detached has a log that says more. */
function absence(world: World, id: string): Omit<Missing, "missing"> {
  const [last] = launches.list(world, { pattern: id }).launches;
  if (!last) return { reason: "nobody has claimed it" };
  if (last.endedAt === null) {
    return {
      reason: "its claim has ended, while its command goes on",
      hint: `put a new one in its place: port-daddy launch ${id} --force-new`,
    };
  }
  const code = last.code === null ? "" : ` with ${last.code}`;
  return {
    reason: `its command has ended${code}`,
    hint: last.detached
      ? `see what it said: port-daddy launch --logs ${id}`
      : `start it again: port-daddy launch ${id}`,
  };
}

/** The value of a promise, or nothing where the signal is aborted first. Leaves nothing behind on the signal. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const wake = () => resolve(undefined);
  if (signal.aborted) wake();
  signal.addEventListener("abort", wake);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", wake);
  }
}
