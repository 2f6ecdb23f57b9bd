// What a row measures and how it is told: the product and its ceiling in turns, so that what else the machine does hits
// both, and the median of the rounds.

import * as fs from "node:fs";
import type { Server } from "./rig.ts";

/** How much is measured: so many rounds, each of windows of this length, or of so much of the full count. */
export type Effort = { rounds: number; windowMs: number; share: number };

export type Options = { binary: string; effort: Effort };

export type Unit = "/s" | "µs" | "MiB" | "% of a core";
export type Figure = { value: number; unit: Unit };

/** One line of the table. Of a figure where less is better, `isMost` says so. */
export type Line = {
  what: string;
  product: Figure;
  /** What it is held against: what the runtime can do at all, or of something that grows, where it began. */
  ceiling: Figure;
  /** One of each round. */
  ratios: number[];
  /** What the ratio is to reach. */
  target?: number;
  /** What the figure itself may be at most, where a promise is not a ratio. */
  allowed?: number;
  isMost?: true;
  /** The figure as what it depends on grows. */
  steps?: Step[];
  /** What helps to judge it. */
  note?: string;
};

export type Step = { size: number; figure: Figure };

/** A run of the load generator against one server. */
export type Load = {
  perSecond: number;
  /** Microseconds of each unit of work, ascending. */
  latencies: Float64Array;
  /** Processor time that the server took for a unit, in microseconds. */
  serverMicros: number;
  /** The share of one core that the load generator took: near 1, it is what was measured. */
  clientShare: number;
};

/** Does `work` on every connection, over and over, until the time or the count is reached. */
export async function load<C>(
  { pid }: Server,
  connections: C[],
  until: { ms: number } | { count: number },
  work: (connection: C, index: number) => Promise<void>,
): Promise<Load> {
  const latencies: number[] = [];
  const before = { server: cpuMicros(pid), client: ownMicros(), at: performance.now() };
  const end = "ms" in until ? before.at + until.ms : Number.POSITIVE_INFINITY;
  const count = "count" in until ? until.count : Number.POSITIVE_INFINITY;
  let begun = 0;
  async function repeat(connection: C, index: number): Promise<void> {
    for (let at = performance.now(); at < end && begun < count;) {
      begun++;
      await work(connection, index);
      const now = performance.now();
      latencies.push((now - at) * 1_000);
      at = now;
    }
  }
  await Promise.all(connections.map(repeat));
  const tookMs = performance.now() - before.at;
  return {
    perSecond: (latencies.length / tookMs) * 1_000,
    latencies: Float64Array.from(latencies).sort(),
    serverMicros: (cpuMicros(pid) - before.server) / latencies.length,
    clientShare: (ownMicros() - before.client) / 1_000 / tookMs,
  };
}

/** Measures both in each round, in changing order, after one round that does not count. */
export async function inTurns<P, C>(
  rounds: number,
  product: () => Promise<P>,
  ceiling: () => Promise<C>,
): Promise<{ product: P; ceiling: C }[]> {
  const results: { product: P; ceiling: C }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const first = round % 2 === 0 ? await product() : undefined;
    const ceilings = await ceiling();
    results.push({ product: first ?? (await product()), ceiling: ceilings });
  }
  return results.slice(1);
}

/** The line of two rates. */
export function compareRates(
  what: string,
  rounds: { product: Load; ceiling: Load }[],
  target: number | undefined,
): Line {
  const micros = (of: "product" | "ceiling") =>
    median(rounds.map((round) => round[of].serverMicros)).toFixed(1);
  const shares = (of: "product" | "ceiling") =>
    Math.round(median(rounds.map((round) => round[of].clientShare)) * 100);
  return {
    what,
    product: rate(median(rounds.map(({ product }) => product.perSecond))),
    ceiling: rate(median(rounds.map(({ ceiling }) => ceiling.perSecond))),
    ratios: rounds.map(({ product, ceiling }) => product.perSecond / ceiling.perSecond),
    ...(target !== undefined && { target }),
    note: `server ${micros("product")} against ${micros("ceiling")} µs each; load generator ${shares("product")} and ${shares("ceiling")} % of a core`,
  };
}

export function median(values: ArrayLike<number>): number {
  return percentile(Float64Array.from(values).sort(), 50);
}

/** Of ascending values. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))]!;
}

export const rate = (perSecond: number): Figure => ({ value: perSecond, unit: "/s" });
export const micros = (value: number): Figure => ({ value, unit: "µs" });

/** As people read it. */
export function show({ value, unit }: Figure): string {
  const text = {
    "/s": () => `${Math.round(value).toLocaleString("en")}/s`,
    µs: () => (value < 10_000 ? `${Math.round(value)} µs` : `${(value / 1_000).toFixed(1)} ms`),
    MiB: () => `${value.toFixed(1)} MiB`,
    "% of a core": () => `${value.toFixed(2)} %`,
  } satisfies Record<Unit, () => string>;
  return text[unit]();
}

/** Measures at every size in each round, so that what else the machine does hits all, after one that does not count. */
export async function atEachSize(
  sizes: readonly number[],
  rounds: number,
  measure: (size: number) => Promise<number>,
): Promise<Map<number, number[]>> {
  const figures = new Map<number, number[]>(sizes.map((size) => [size, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const size of round % 2 === 0 ? sizes : sizes.toReversed()) {
      const figure = await measure(size);
      if (round > 0) figures.get(size)!.push(figure);
    }
  }
  return figures;
}

/** The line of what grows: the figure at the last size against that at the first. */
export function slope(
  what: string,
  figures: Map<number, number[]>,
  unit: (value: number) => Figure,
  more: Pick<Line, "target" | "isMost">,
): Line {
  const steps = [...figures].map(([size, each]) => ({ size, figure: unit(median(each)) }));
  const [first, last] = [[...figures.values()][0]!, [...figures.values()].at(-1)!];
  return {
    what,
    product: steps.at(-1)!.figure,
    ceiling: steps[0]!.figure,
    ratios: last.map((each, round) => each / first[round]!),
    steps,
    ...more,
  };
}

/** Processor time of a process, in steps of 10 ms (man 5 proc_pid_stat); not a number where there is no /proc. */
export function cpuMicros(pid: number): number {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return Number.NaN;
  }
}

function ownMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Our time against the ceiling's, in rounds of one each, in microseconds: at most the target. */
export function compareTimes(
  what: string,
  rounds: { product: number; ceiling: number }[],
  target: number,
  kind: string,
): Line {
  const product = median(rounds.map((round) => round.product));
  const ceiling = median(rounds.map((round) => round.ceiling));
  return {
    what,
    product: micros(product),
    ceiling: micros(ceiling),
    ratios: [product / ceiling],
    isMost: true,
    target,
    note: `medians of ${rounds.length} ${kind}`,
  };
}
