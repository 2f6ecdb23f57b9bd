// The figures, each beside what the runtime can do at all on this machine in the same minute.
// `bun test/bench/run.ts [--short] [row…]`

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { median, type Effort, type Line, type Options } from "./measure.ts";
import { claim } from "./rows/claim.ts";
import { cli } from "./rows/cli.ts";
import { dashboard } from "./rows/dashboard.ts";
import { fanout } from "./rows/fanout.ts";
import { handover } from "./rows/handover.ts";
import { lock } from "./rows/lock.ts";
import { publish } from "./rows/publish.ts";

const rows: Record<string, (options: Options) => Promise<Line[]>> = {
  lock,
  publish,
  fanout,
  handover,
  claim,
  cli,
  dashboard,
};

/** About two minutes in all, and about twenty seconds. */
const full: Effort = { rounds: 7, windowMs: 1_000, share: 1 };
const short: Effort = { rounds: 3, windowMs: 250, share: 0.25 };

/** Far longer than any row takes: what is waited for has been lost. */
const rowDeadlineMs = 180_000;

const { values, positionals } = parseArgs({
  options: { short: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !Object.hasOwn(rows, name));
if (unknown !== undefined)
  throw new Error(`there is no row ${unknown}; there are ${Object.keys(rows).join(", ")}`);

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-bench-"));
process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
const binary = path.join(directory, "port-daddy");
build(binary);

const effort = values.short ? short : full;
const start = performance.now();
console.log(`Bun ${Bun.version}, ${os.cpus().length} cores, load ${loads()}`);
console.log(table("", "product", "ceiling", "ratio", "rounds", "target", "met"));
for (const name of positionals.length > 0 ? positionals : Object.keys(rows)) {
  const hangs = setTimeout(() => giveUp(name), rowDeadlineMs);
  for (const line of await rows[name]!({ binary, effort })) print(line);
  clearTimeout(hangs);
}
const seconds = Math.round((performance.now() - start) / 1_000);
console.log(`took ${seconds} s, load ${loads()} at the end`);
process.exit(0);

/** Builds what is measured from the sources as they are. */
function build(outfile: string): void {
  const root = path.join(import.meta.dir, "../..");
  const { exitCode } = Bun.spawnSync([process.execPath, "build.ts", "--outfile", outfile], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (exitCode !== 0) throw new Error("the binary does not build");
}

/** Ends as a signal would, and so leaves nothing running. */
function giveUp(name: string): void {
  console.error(`${name} did not end within ${rowDeadlineMs / 1_000} s`);
  process.kill(process.pid, "SIGTERM");
}

function print({ what, product, ceiling, ratios, target, isMost, note }: Line): void {
  const ratio = median(ratios);
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  const isMet = target !== undefined && (isMost ? ratio <= target : ratio >= target);
  console.log(
    table(
      what,
      product,
      ceiling,
      `${ratio.toFixed(2)} ×`,
      ratios.length > 1 ? `${least.toFixed(2)}–${most.toFixed(2)}` : "",
      target === undefined ? "" : `${isMost ? "≤" : "≥"} ${target}`,
      target === undefined ? "" : isMet ? "yes" : "NO",
    ),
  );
  if (note !== undefined) console.log(`    ${note}`);
}

function table(what: string, ...cells: string[]): string {
  return `${what.padEnd(50)}${cells.map((cell) => cell.padStart(12)).join("")}`;
}

function loads(): string {
  return os
    .loadavg()
    .map((load) => load.toFixed(2))
    .join(" ");
}
