// A lock that is kept for as long as a program runs: acquired for it, renewed, and given back when it has ended.

import type { Client } from "../client/client.ts";
import type { Lock } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { defaultTtlMs, defaultWaitMs, type InputOf } from "../contract/operations.ts";
import type { Context } from "./command.ts";
import { persist } from "./patience.ts";
import { plain } from "./render.ts";
import {
  lostCode,
  NotStarted,
  pidAt,
  prepare,
  requireProgram,
  warnUnlessAway,
  type Program,
} from "./program.ts";

/** How long an acquisition that does not wait is tried through a restart of the daemon. */
const reachMs = 5_000;

/** How many renewals a lease has time for, so that one may fail. */
const renewalsPerTtl = 3;

/** How soon a loss is noticed, and a renewal that failed is tried again; sooner for a short lease. */
const lookEveryMs = 2_000;

export type Wanted = Omit<InputOf<"lock">, "attempt">;

/** Acquires a lock as one attempt, however often the daemon must be asked. */
export async function acquire(
  { wait, timeout = defaultWaitMs, ...wanted }: Wanted & { wait: boolean },
  context: Context,
): Promise<Lock> {
  const attempt = crypto.randomUUID();
  const since = Date.now();
  const owner = wanted.owner ?? context.config.owner;
  if (wait) await tellHolder(wanted.name, context);
  return persist(wait ? timeout || Infinity : reachMs, context, (daemon, leftMs, deadlineMs) =>
    daemon.call(
      "lock",
      {
        ...wanted,
        ...(owner !== undefined && { owner }),
        wait,
        ...(wait && { timeout: timeout && leftMs }),
        attempt,
        ...(wait && { since }),
      },
      { deadlineMs },
    ),
  );
}

/** Tells a person at the screen what there is to wait for. */
async function tellHolder(name: string, { daemon, terminal }: Context): Promise<void> {
  if (!terminal.isInteractive) return;
  const { lock } = await daemon.call("lockState", { name });
  if (!lock) return;
  const ahead = lock.waiting > 0 ? `, ${lock.waiting} waiting before you` : "";
  terminal.err(`waiting for ${name}: ${plain(lock.owner)} has it${ahead}`);
}

/** Runs a program for as long as we have the lock, and returns its exit code. */
export async function runLocked(
  words: string[],
  wanted: Wanted,
  context: Context,
): Promise<number> {
  const { lock, program, renewedAt } = await startLocked(words, wanted, context);
  const lease = keepLease(lock, wanted.ttl ?? defaultTtlMs, renewedAt, context);
  const isLost = await Promise.race([program.ended.then(() => false), lease.lost.then(() => true)]);
  if (isLost) {
    context.terminal.err(`error: the lock ${lock.name} was lost; ending the command`);
    await program.end();
    return lostCode;
  }
  lease.end();
  await giveBack(lock, context);
  return program.ended;
}

/** Acquires the lock for the program, which begins when it is its own. Throws `NotStarted` with what prevented it. */
async function startLocked(
  words: string[],
  wanted: Wanted,
  context: Context,
): Promise<{ lock: Lock; program: Program; renewedAt: number }> {
  const { config, daemon } = context;
  let lock: Lock | undefined;
  let program: Program | undefined;
  try {
    requireProgram(words);
    // Ours until the program has it: should we die on the way, it is free again.
    lock = await acquire(
      { ...wanted, ...pidAt(config, process.pid), wait: wanted.wait ?? true },
      context,
    );
    const { name, owner, fence } = lock;
    program = prepare(words, { PORT_DADDY_LOCK: name, PORT_DADDY_FENCE: String(fence) });
    const renewedAt = performance.now();
    // From here on the lock lives with the program, also without us.
    const life = { ...pidAt(config, program.pid), whileAlive: config.url === undefined };
    await daemon.call("extendLock", { name, owner, fence, ...life });
    program.begin();
    return { lock, program, renewedAt };
  } catch (error) {
    await program?.end();
    if (lock) await giveBack(lock, context);
    throw new NotStarted(error);
  }
}

/**
 * Keeps a lock until it is ended. `lost` resolves when the daemon says so, or when it lapsed without a renewal: a
 * daemon that is away is no loss by itself.
 */
function keepLease(held: Lock, ttl: number, renewedAt: number, { daemon, runningDaemon }: Context) {
  const { name, owner, fence } = held;
  const { promise: lost, resolve: lose } = Promise.withResolvers<void>();
  const end = new AbortController();
  /** Returns whether the lock is still ours. */
  async function look(): Promise<boolean> {
    const askedAt = performance.now();
    const deadlineMs = Math.max(1, renewedAt + ttl - askedAt);
    const [age, third] = [askedAt - renewedAt, ttl / renewalsPerTtl];
    // One that was stopped by somebody is started only when the lock would be lost otherwise.
    const asked = age < 2 * third ? runningDaemon() : daemon;
    if (age < third) {
      const { lock } = await asked.call("lockState", { name }, { deadlineMs });
      return lock?.fence === fence || (await hasEndedWithProcess(held, asked));
    }
    await asked.call("extendLock", { name, owner, fence, ttl }, { deadlineMs });
    renewedAt = askedAt;
    return true;
  }
  async function keep(): Promise<void> {
    while (!end.signal.aborted) {
      await Bun.sleep(Math.min(lookEveryMs, ttl / renewalsPerTtl / 2));
      if (end.signal.aborted) return;
      const isOurs = await look().catch(
        (error) => !isLoss(error) && performance.now() < renewedAt + ttl,
      );
      if (!isOurs) return lose();
    }
  }
  void keep();
  return { lost, end: () => end.abort() };
}

/** Whether a refusal means that the lock is another's; that its process has ended is about to be seen here too. */
function isLoss(error: unknown): boolean {
  return isRefusal(error) && error.details["reason"] !== "pid_died";
}

function isRefusal(error: unknown): error is Fault {
  return error instanceof Fault && (error.code === "not_owner" || error.code === "not_found");
}

/** Frees a lock that is no longer needed. Where that fails it lapses, or ends with its process. */
export async function giveBack(lock: Lock, context: Context): Promise<void> {
  const { name, owner, fence } = lock;
  const daemon = context.runningDaemon();
  await warnUnlessAway(context, async () => {
    try {
      await daemon.call("unlock", { name, owner, fence });
    } catch (error) {
      if (!isRefusal(error) || !(await hasEndedWithProcess(lock, daemon))) throw error;
    }
  });
}

/** Whether the daemon saw the process end before we told it, and has freed the lock for that: nothing was lost. */
async function hasEndedWithProcess({ name, fence }: Lock, daemon: Client): Promise<boolean> {
  const { entries } = await daemon.call("activity", { targetId: name, action: "cleanup" });
  const own = entries.find(({ metadata }) => metadata["fence"] === fence);
  return own?.metadata["reason"] === "pid_died";
}
