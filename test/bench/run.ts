// The figures, each beside what the runtime can do at all on this machine in the same minute.
// `bun test/bench/run.ts [--short] [--json [FILE]] [row…]`

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Effort, Line, Options } from "./measure.ts";
import { heading, inJson, inWords } from "./report.ts";
import { claim } from "./rows/claim.ts";
import { cli } from "./rows/cli.ts";
import { dashboard } from "./rows/dashboard.ts";
import { fanout } from "./rows/fanout.ts";
import { growth } from "./rows/growth.ts";
import { handover } from "./rows/handover.ts";
import { idle } from "./rows/idle.ts";
import { lock } from "./rows/lock.ts";
import { publish } from "./rows/publish.ts";
import { redis } from "./rows/redis.ts";
import { start } from "./rows/start.ts";
import { wait } from "./rows/wait.ts";

const rows: Record<string, (options: Options) => Promise<Line[]>> = {
  lock,
  publish,
  fanout,
  handover,
  claim,
  cli,
  wait,
  start,
  growth,
  redis,
  idle,
  dashboard,
};

/** About six minutes in all, and about one and a half. */
const full: Effort = { rounds: 7, windowMs: 1_000, share: 1 };
const short: Effort = { rounds: 3, windowMs: 250, share: 0.25 };

/** Far longer than any row takes: what is waited for has been lost. */
const rowDeadlineMs = 300_000;

const asked = readWords(process.argv.slice(2));
/** Where JSON goes to stdout, it goes there alone. */
const say = asked.json === true ? console.error : console.log;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-bench-"));
process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
const binary = path.join(directory, "port-daddy");
build(binary);

const effort = asked.isShort ? short : full;
const machine = { bun: Bun.version, cores: os.cpus().length, loadBefore: os.loadavg() };
const begun = performance.now();
const lines: ({ row: string } & ReturnType<typeof inJson>)[] = [];
say(`Bun ${machine.bun}, ${machine.cores} cores, load ${loads()}`);
say(heading());
for (const name of asked.rows) {
  const hangs = setTimeout(() => giveUp(name), rowDeadlineMs);
  for (const line of await rows[name]!({ binary, effort })) {
    say(inWords(line));
    lines.push({ row: name, ...inJson(line) });
  }
  clearTimeout(hangs);
}
const seconds = Math.round((performance.now() - begun) / 1_000);
say(`took ${seconds} s, load ${loads()} at the end`);
if (asked.json !== false) {
  const measured = { ...machine, loadAfter: os.loadavg(), effort, seconds, lines };
  const text = `${JSON.stringify(measured, null, 2)}\n`;
  if (asked.json === true) fs.writeSync(1, text);
  else fs.writeFileSync(asked.json, text);
}
process.exit(0);

/** The word after `--json` is its file, unless it names a row. */
function readWords(words: string[]): { rows: string[]; isShort: boolean; json: boolean | string } {
  const asked = { rows: [] as string[], isShort: false, json: false as boolean | string };
  for (let at = 0; at < words.length; at++) {
    const [word, next] = [words[at]!, words[at + 1]];
    if (word === "--short") asked.isShort = true;
    else if (word === "--json") {
      const isFile = next !== undefined && !next.startsWith("-") && !Object.hasOwn(rows, next);
      asked.json = isFile ? words[++at]! : true;
    } else if (Object.hasOwn(rows, word)) asked.rows.push(word);
    else throw new Error(`there is no row ${word}; there are ${Object.keys(rows).join(", ")}`);
  }
  return { ...asked, rows: asked.rows.length > 0 ? asked.rows : Object.keys(rows) };
}

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

function loads(): string {
  return os
    .loadavg()
    .map((load) => load.toFixed(2))
    .join(" ");
}
