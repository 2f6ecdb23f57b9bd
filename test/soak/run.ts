// Ten minutes of everything at 2,000 operations a second: what the daemon takes must be level after the first minute.
// `npm run soak [-- --minutes N]`, after `npm run build`. Ends with 0 where it is, else with 1.

import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../bench/client.ts";
import { Home } from "../home.ts";
import { gather, type Tally } from "./bystanders.ts";
import { judge } from "./flat.ts";
import { Pace } from "./pace.ts";
import { measures, take, type Measure, type Sample } from "./samples.ts";
import { work } from "./work.ts";

const operationsPerSecond = 2_000;
const workers = 32;
const sampleEveryMs = 5_000;
const warmUpMs = 60_000;

/** Of what was asked for; with less, it was another soak. */
const leastShare = 0.9;

/** Little is kept, so that there is as much as ever within the warm-up: 100,000 entries would fill up for minutes. */
const settings = {
  PORT_DADDY_ACTIVITY_RETENTION: "30d,5000",
  PORT_DADDY_MESSAGE_RETENTION: "7d,200",
  PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1",
};

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
const forMs = Number(values.minutes) * 60_000;
if (!(forMs >= 1.5 * warmUpMs))
  throw new Error(`--minutes is a number from 1.5 on, not ${values.minutes}: the first warms up`);

const home = new Home(settings);
let isInterrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    isInterrupted = true;
    void end(1);
  });
}

type Row = Sample & { atMs: number; perSecond: number; slowestMs: number };
const names = Object.keys(measures) as Measure[];

try {
  const { pid, port } = await home.json(["start"]);
  const start = performance.now();
  const pace = new Pace(operationsPerSecond, forMs);
  const { tally, ended } = await gather(home, port, () => pace.isOver);
  const connections = await connect(port, workers);
  const crowd = connections.map((connection, me) => work(connection, me, pace));
  const rows: Row[] = [];
  const sampling = sample(pid, start, pace, rows);
  await Promise.all([...crowd, ended, sampling]);
  await end(report(rows, tally, pace) ? 0 : 1);
} catch (error) {
  if (!isInterrupted) {
    console.error(error);
    console.error(logOf(home));
    await end(1);
  }
}

async function sample(pid: number, start: number, pace: Pace, rows: Row[]): Promise<void> {
  const titles = names.map((name) => measures[name].title);
  console.log(line("seconds", "ops/s", "slowest", ...titles));
  for (let due = start + sampleEveryMs, done = 0; ; due += sampleEveryMs) {
    await Bun.sleep(due - performance.now());
    if (pace.isOver) break;
    const perSecond = ((pace.done - done) / sampleEveryMs) * 1_000;
    done = pace.done;
    const atMs = performance.now() - start;
    const row = { atMs, perSecond, slowestMs: pace.takeSlowest(), ...take(pid, home.state) };
    rows.push(row);
    console.log(
      line(
        (row.atMs / 1_000).toFixed(0),
        row.perSecond.toFixed(0),
        `${row.slowestMs.toFixed(0)} ms`,
        ...names.map((name) => amount(name, row[name])),
      ),
    );
  }
}

/** Says what each came to; returns whether all is as it should be. */
function report(rows: Row[], tally: Tally, pace: Pace): boolean {
  const judged = rows.filter(({ atMs }) => atMs > warmUpMs);
  const verdicts = names.map((name) => {
    const { title, bound } = measures[name];
    const samples = judged.map((row) => row[name]);
    const { isFlat, rise, allowed, most } = judge(samples, bound);
    const limit = "most" in bound ? ` of ${amount(name, bound.most)}` : "";
    const trend = `${rise < 0 ? "falls" : "rises"} by ${amount(name, Math.abs(rise))} of ${amount(name, allowed)}`;
    console.log(
      `${isFlat ? "flat" : "NOT FLAT"}: ${title} ${trend}, at most ${amount(name, most)}${limit}`,
    );
    return isFlat;
  });
  const perSecond = judged.reduce((sum, row) => sum + row.perSecond, 0) / judged.length;
  const isFast = perSecond >= leastShare * operationsPerSecond;
  console.log(
    `${isFast ? "" : "TOO SLOW, or the machine too busy: "}${perSecond.toFixed(0)} operations a second, ${pace.done} in all`,
  );
  console.log(
    Object.entries(tally)
      .map(([what, count]) => `${what} ${count}`)
      .join(", "),
  );
  const isLively = Object.values(tally).every((count) => count > 0);
  if (!isLively) console.log("NOT TESTED: something of the above never happened");
  const errors = logOf(home).match(/^\S+ (?:error|warn) .*$/gm) ?? [];
  for (const error of errors.slice(0, 10)) console.log(`LOGGED: ${error}`);
  return verdicts.every(Boolean) && isFast && isLively && errors.length === 0;
}

function amount(name: Measure, value: number): string {
  const { unit } = measures[name];
  return unit === "" ? String(Math.round(value)) : `${value.toFixed(1)} ${unit}`;
}

function line(...cells: string[]): string {
  return cells.map((cell) => cell.padStart(11)).join("");
}

function logOf({ state }: Home): string {
  const file = path.join(state, "daemon.log");
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").slice(-20_000) : "";
}

async function end(code: number): Promise<never> {
  await home[Symbol.asyncDispose]();
  process.exit(code);
}
