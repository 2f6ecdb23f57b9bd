// lock, unlock, locks.

import type { Client } from "../../client/client.ts";
import type { Lock } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { boolean, described } from "../../contract/fields.ts";
import {
  defaultTtlMs,
  defaultWaitMs,
  operations,
  type InputOf,
} from "../../contract/operations.ts";
import { command, type Context, type Invocation } from "../command.ts";
import { persist } from "../patience.ts";
import { lostCode, NotStarted, prepare, requireProgram, type Program } from "../program.ts";
import { dateTime, plain, relative, table, toJson } from "../render.ts";

/** How long an acquisition that does not wait is tried through a restart of the daemon. */
const reachMs = 5_000;

export const lock = command({
  name: "lock",
  args: "<name>",
  program: "optional",
  group: "Coordination",
  summary: "Acquire a distributed lock; with a command, while it runs",
  flags: () => ({
    wait: described(operations.lock.input.wait, "Wait in line where somebody has it"),
    timeout: operations.lock.input.timeout,
    ttl: operations.lock.input.ttl,
    owner: operations.lock.input.owner,
    pid: operations.lock.input.pid,
    metadata: operations.lock.input.metadata,
    extend: boolean({ summary: "Extend the lock that is yours instead" }),
    fence: described(
      operations.extendLock.input.fence,
      "With --extend: only if this is its number",
    ),
  }),
  examples: [
    "port-daddy lock db-migrations -- npx prisma migrate dev",
    'port-daddy lock db-migrations || echo "Lock held, skipping"',
    "port-daddy lock db-migrations --wait --timeout 5m",
  ],
  async run({ args: [name = ""], program, flags }, context) {
    refuseContradiction(flags, program);
    const { json, quiet, extend, fence, ...given } = flags;
    const wanted = { name, ...given };
    if (program.length > 0) return runLocked(program, wanted, context);
    const acquired = extend
      ? await renew({ ...wanted, ...(fence !== undefined && { fence }) }, context)
      : await acquire(wanted, given.wait ?? given.timeout !== undefined, context);
    if (json) return context.terminal.out(toJson(acquired));
    if (quiet) return context.terminal.out(String(acquired.fence));
    context.terminal.out(acquiredSentence(acquired));
  },
});

type Wanted = Omit<InputOf<"lock">, "attempt">;

/** Throws `invalid_input` for words that say two things: which of them is meant is not guessed at. */
function refuseContradiction(
  { extend, fence, wait, timeout, metadata, pid }: Invocation<typeof lock.flags>["flags"],
  program: string[],
): void {
  const isRun = program.length > 0;
  const contradictions: [boolean | undefined, string][] = [
    [extend && (wait ?? timeout) !== undefined, "--extend does not wait"],
    [extend && metadata !== undefined, "--extend leaves the metadata as it is"],
    [extend && isRun, "--extend takes no command: a lock with one is extended by itself"],
    [!extend && fence !== undefined, "--fence goes with --extend"],
    [isRun && pid !== undefined, "--pid does not go with a command: the lock lives with that"],
  ];
  const said = contradictions.find(([isSaid]) => isSaid);
  if (said) throw new Fault("invalid_input", said[1], { hint: "see: port-daddy lock --help" });
}

/** Acquires a lock as one attempt, however often the daemon must be asked. */
function acquire(
  { timeout = defaultWaitMs, ...wanted }: Wanted,
  wait: boolean,
  context: Context,
): Promise<Lock> {
  const attempt = crypto.randomUUID();
  const owner = wanted.owner ?? context.config.owner;
  return persist(wait ? timeout || Infinity : reachMs, context, (daemon, leftMs, deadlineMs) =>
    daemon.call(
      "lock",
      {
        ...wanted,
        ...(owner !== undefined && { owner }),
        wait,
        ...(wait && { timeout: timeout && leftMs }),
        attempt,
      },
      { deadlineMs },
    ),
  );
}

/** Extends a lock that is ours, by the same names as it was acquired. */
function renew(wanted: InputOf<"extendLock">, { config, daemon }: Context): Promise<Lock> {
  const owner = wanted.owner ?? config.owner;
  return daemon.call("extendLock", {
    ...wanted,
    ...(owner !== undefined && { owner }),
  });
}

function acquiredSentence({ name, owner, fence, expiresAt }: Lock): string {
  const lapse = relative(expiresAt, Date.now());
  return `Locked ${name} for ${plain(owner)} (fence ${fence}); it lapses ${lapse} unless unlocked`;
}

/** Runs a program for as long as we have the lock, and returns its exit code. */
async function runLocked(words: string[], wanted: Wanted, context: Context): Promise<number> {
  const { lock, program } = await startLocked(words, wanted, context);
  const lease = createLease(lock, wanted.ttl ?? defaultTtlMs, context);
  const isLost = await Promise.race([program.ended.then(() => false), lease.lost.then(() => true)]);
  if (isLost) {
    context.terminal.err(`error: the lock ${lock.name} was lost; ending the command`);
    await program.end();
    return lostCode;
  }
  lease.end();
  await unlockQuietly(lock, context);
  return program.ended;
}

/** Acquires the lock for the program, which begins when it is its own. Throws `NotStarted` with what prevented it. */
async function startLocked(
  words: string[],
  wanted: Wanted,
  context: Context,
): Promise<{ lock: Lock; program: Program }> {
  let [lock, program]: [Lock?, Program?] = [];
  try {
    requireProgram(words);
    // Ours until the program has it: should we die on the way, it is free again.
    lock = await acquire({ ...wanted, pid: process.pid }, wanted.wait ?? true, context);
    const { name, owner, fence } = lock;
    program = prepare(words, { PORT_DADDY_LOCK: name, PORT_DADDY_FENCE: String(fence) });
    await context.daemon.call("extendLock", { name, owner, fence, pid: program.pid });
    program.begin();
    return { lock, program };
  } catch (error) {
    await program?.end();
    if (lock) await unlockQuietly(lock, context);
    throw new NotStarted(error);
  }
}

/** How many renewals a lease has time for, so that one may fail. */
const renewalsPerTtl = 3;

/** How soon a loss is noticed, and a renewal that failed is tried again; sooner for a short lease. */
const lookEveryMs = 2_000;

/** Keeps a lock until it is ended. `lost` resolves when the daemon says so, or when it lapsed without a renewal. */
function createLease(
  { name, owner, fence }: Lock,
  ttl: number,
  { daemon, runningDaemon }: Context,
) {
  const { promise: lost, resolve: lose } = Promise.withResolvers<void>();
  const end = new AbortController();
  let renewedAt = performance.now();
  async function look(): Promise<void> {
    const askedAt = performance.now();
    const deadlineMs = Math.max(1, renewedAt + ttl - askedAt);
    const [age, third] = [askedAt - renewedAt, ttl / renewalsPerTtl];
    // One that was stopped by somebody is started only when the lock would be lost otherwise.
    const asked = age < 2 * third ? runningDaemon() : daemon;
    if (age >= third) {
      await asked.call("extendLock", { name, owner, fence, ttl }, { deadlineMs });
      renewedAt = askedAt;
    } else {
      const { lock } = await asked.call("lockState", { name }, { deadlineMs });
      if (lock?.fence !== fence) lose();
    }
  }
  async function keep(): Promise<void> {
    while (true) {
      await Bun.sleep(Math.min(lookEveryMs, ttl / renewalsPerTtl / 2));
      if (end.signal.aborted) return;
      try {
        await look();
      } catch (error) {
        // A daemon that is away is no loss by itself.
        if (isRefusal(error) || performance.now() >= renewedAt + ttl) lose();
      }
    }
  }
  void keep();
  return { lost, end: () => end.abort() };
}

function isRefusal(error: unknown): boolean {
  return error instanceof Fault && (error.code === "not_owner" || error.code === "not_found");
}

/** Frees a lock whose command has ended. Where that fails, its process is gone: the daemon frees it by itself. */
async function unlockQuietly(lock: Lock, { daemon, terminal }: Context): Promise<void> {
  const { name, owner, fence } = lock;
  try {
    await daemon.call("unlock", { name, owner, fence });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (isRefusal(error) && (await hasEndedWithProcess(lock, daemon))) return;
    terminal.err(`warning: ${plain(error.message)}`);
  }
}

/** Whether the daemon saw the process end before we told it, and has freed the lock for that: nothing was lost. */
async function hasEndedWithProcess({ name, fence }: Lock, daemon: Client): Promise<boolean> {
  const { entries } = await daemon.call("activity", { targetId: name, action: "cleanup" });
  const own = entries.find(({ metadata }) => metadata["fence"] === fence);
  return own?.metadata["reason"] === "pid_died";
}

export const unlock = command({
  name: "unlock",
  args: "<name>",
  group: "Coordination",
  summary: operations.unlock.summary,
  flags: () => ({
    owner: operations.unlock.input.owner,
    fence: operations.unlock.input.fence,
    force: operations.unlock.input.force,
  }),
  examples: ["port-daddy unlock db-migrations", "port-daddy unlock db-migrations --fence 12"],
  async run({ args: [name = ""], flags: { json, quiet, ...given } }, { config, daemon, terminal }) {
    const owner = given.owner ?? config.owner;
    const answer = await daemon.call("unlock", {
      name,
      ...given,
      ...(owner !== undefined && { owner }),
    });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return;
    const { waiting } = answer.lock;
    const next = waiting > 0 ? `; the next of ${waiting} who wait has it` : "";
    terminal.out(`Unlocked ${name}${next}`);
  },
});

export const locks = command({
  name: "locks",
  args: "[pattern]",
  group: "Coordination",
  summary: operations.locks.summary,
  flags: () => ({ owner: operations.locks.input.owner }),
  examples: ["port-daddy locks", "port-daddy locks 'files:*'"],
  async run({ args: [pattern], flags: { json, quiet, ...given } }, { daemon, terminal }) {
    const answer = await daemon.call("locks", {
      ...given,
      ...(pattern !== undefined && { pattern }),
    });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return answer.locks.forEach(({ name }) => terminal.out(name));
    if (answer.count === 0)
      return terminal.err(
        pattern === undefined ? "No lock is held" : `No lock that matches ${pattern} is held`,
      );
    const now = Date.now();
    terminal.out(
      table(
        ["LOCK", "OWNER", "FENCE", "SINCE", "LAPSES", "WAITING"],
        answer.locks.map(({ name, owner, fence, acquiredAt, expiresAt, waiting }) => [
          name,
          owner,
          fence,
          dateTime(acquiredAt),
          relative(expiresAt, now),
          waiting || null,
        ]),
        terminal.paint,
        terminal.columns(),
      ),
    );
  },
});
