// lock, unlock, locks.

import type { Lock } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { boolean, described } from "../../contract/fields.ts";
import { operations, standsInLine, type InputOf } from "../../contract/operations.ts";
import { command, type Context, type Invocation } from "../command.ts";
import { acquire, giveBack, runLocked } from "../lease.ts";
import { dateTime, plain, relative, table, toJson } from "../render.ts";

export const lock = command({
  name: "lock",
  args: "<name>",
  argsOf: "locks",
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
      : await acquire({ ...wanted, wait: standsInLine(wanted) }, context);
    const sentence = `${extend ? "Extended" : "Locked"} ${holding(acquired)}`;
    try {
      context.terminal.out(json ? toJson(acquired) : quiet ? String(acquired.fence) : sentence);
    } catch (error) {
      // Whoever cannot be told of it does not have it.
      if (!extend) await giveBack(acquired, context);
      throw error;
    }
  },
});

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

/** Extends a lock that is ours, by the same names as it was acquired. */
function renew(wanted: InputOf<"extendLock">, { config, daemon }: Context): Promise<Lock> {
  const owner = wanted.owner ?? config.owner;
  return daemon.call("extendLock", {
    ...wanted,
    ...(owner !== undefined && { owner }),
  });
}

function holding({ name, owner, fence, expiresAt }: Lock): string {
  const lapse = relative(expiresAt, Date.now());
  return `${name} for ${plain(owner)} (fence ${fence}); it lapses ${lapse} unless extended`;
}

export const unlock = command({
  name: "unlock",
  args: "<name>",
  argsOf: "locks",
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
  argsOf: "locks",
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
        `No lock${pattern === undefined ? "" : ` that matches ${pattern}`} is held${given.owner === undefined ? "" : ` by ${given.owner}`}`,
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
