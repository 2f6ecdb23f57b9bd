// What the product promises, while something is done to it that it did not ask for.
// `bun test/faults/run.ts [--short] [--seed N] [experiment…]`

import { parseArgs } from "node:util";
import { cleanUp, Skipped, type Effort, type Experiment } from "./experiment.ts";
import { clock } from "./clock.ts";
import { corrupted } from "./corrupted.ts";
import { deleted } from "./deleted.ts";
import { descriptors } from "./descriptors.ts";
import { disk } from "./disk.ts";
import { kill } from "./kill.ts";
import { odd } from "./fuzz.ts";
import { port } from "./port.ts";
import { range } from "./range.ts";
import { readonly } from "./readonly.ts";
import { socket } from "./socket.ts";
import { stopped } from "./stopped.ts";
import { two } from "./two.ts";

const experiments: Record<string, Experiment> = {
  kill,
  stopped,
  clock,
  disk,
  readonly,
  corrupted,
  deleted,
  descriptors,
  two,
  port,
  socket,
  range,
  fuzz: odd,
};

/** Far longer than any takes: what is waited for has been lost. */
const deadlineMs = { short: 60_000, full: 480_000 };

const { values, positionals } = parseArgs({
  options: { short: { type: "boolean", default: false }, seed: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !Object.hasOwn(experiments, name));
if (unknown !== undefined)
  throw new Error(`there is no experiment ${unknown}; there are ${Object.keys(experiments)}`);
const effort: Effort = {
  length: values.short ? "short" : "full",
  seed: values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed),
};

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => void cleanUp().then(() => process.exit(1)));

console.log(`seed ${effort.seed} (again: npm run faults -- --seed ${effort.seed})`);
const counts = { PASS: 0, FAIL: 0, SKIP: 0 };
for (const name of positionals.length > 0 ? positionals : Object.keys(experiments)) {
  const start = performance.now();
  const { verdict, seen } = await run(experiments[name]!);
  counts[verdict]++;
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  console.log(`${verdict}  ${name.padEnd(12)}${seen} (${seconds} s)`);
}
const skipped = counts.SKIP > 0 ? `, ${counts.SKIP} skipped` : "";
console.log(`${counts.PASS} passed, ${counts.FAIL} failed${skipped}`);
process.exit(counts.FAIL > 0 ? 1 : 0);

/** Makes one experiment, and leaves nothing of it behind. */
async function run(
  experiment: Experiment,
): Promise<{ verdict: keyof typeof counts; seen: string }> {
  const late = Promise.withResolvers<never>();
  const limitMs = deadlineMs[effort.length];
  const timer = setTimeout(
    () => late.reject(new Error(`it did not end within ${limitMs / 1_000} s`)),
    limitMs,
  );
  try {
    return { verdict: "PASS", seen: await Promise.race([experiment(effort), late.promise]) };
  } catch (error) {
    if (error instanceof Skipped) return { verdict: "SKIP", seen: `skipped: ${error.message}` };
    return { verdict: "FAIL", seen: String(error instanceof Error ? error.stack : error) };
  } finally {
    clearTimeout(timer);
    await cleanUp();
  }
}
