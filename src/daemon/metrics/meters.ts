// What is counted, as numbers: to count something is an addition, to measure it one more. Nothing is made or written
// where it happens; whoever reads them does that.

import {
  metrics,
  type LabelsOf,
  type Metric,
  type MetricName,
  type NameOf,
} from "../../contract/metrics.ts";

/** A number with the values of its metric's labels, in the order of the table. */
export type Counted = { labels: readonly string[]; value: number };

export type Counter = Counted;

/** How often what was measured was at most each bound, and above all of them; not yet added up. */
export type Histogram = {
  labels: readonly string[];
  bounds: readonly number[];
  counts: number[];
  sum: number;
  /** What was measured lately, where somebody takes it. */
  sample: Sample | undefined;
};

/** A part of what was measured, each as likely to be in it as any other, and of how much it is. */
export type Sample = { values: number[]; seen: number };

/** A metric with what it is at this moment. */
export type Family = { name: MetricName; row: Metric; series: readonly (Counted | Histogram)[] };

/** However much is measured between two looks at a sample, it holds so much. */
const maxSample = 100;

export type Meters = ReturnType<typeof createMeters>;

/** `isSampled`: what is measured is also kept one by one, for somebody who takes it soon and often. */
export function createMeters({ isSampled }: { isSampled: boolean }) {
  const series = new Map<MetricName, (Counted | Histogram)[]>();

  function add<T extends Counted | Histogram>(name: MetricName, made: T): T {
    const others = series.get(name) ?? [];
    series.set(name, others);
    others.push(made);
    return made;
  }

  /** A counter, from now on among its metric's. Made once for each combination of labels, and kept by who counts. */
  function counter<N extends NameOf<"counter">>(name: N, labels: LabelsOf<N>): Counter {
    return add(name, { labels: valuesOf(name, labels), value: 0 });
  }

  function histogram<N extends NameOf<"histogram">>(name: N, labels: LabelsOf<N>): Histogram {
    const { buckets: bounds } = metrics[name];
    return add(name, {
      labels: valuesOf(name, labels),
      bounds,
      counts: Array(bounds.length + 1).fill(0),
      sum: 0,
      sample: isSampled ? { values: [], seen: 0 } : undefined,
    });
  }

  let touches = 0;

  return {
    counter,
    histogram,
    /** For what is counted nowhere but shows in what is read, such as a stream that ends. */
    touch: () => void touches++,
    /** Grows whenever something is counted or measured. */
    moves(): number {
      let sum = touches;
      for (const each of [...series.values()].flat())
        sum += "value" in each ? each.value : each.counts.reduce((all, count) => all + count);
      return sum;
    },
    of: (name: MetricName): readonly (Counted | Histogram)[] => series.get(name) ?? [],
  };
}

/** The labels' values in the order of the table. */
function valuesOf<N extends MetricName>(name: N, labels: LabelsOf<N>): string[] {
  return Object.keys(metrics[name].labels).map(
    (label) => (labels as Record<string, string>)[label]!,
  );
}

/** Makes something for each value of a label. */
export function forEach<V extends string, T>(
  values: readonly V[],
  make: (value: V) => T,
): Record<V, T> {
  return Object.fromEntries(values.map((value) => [value, make(value)])) as Record<V, T>;
}

/** Measures something: seconds, as all our histograms hold. */
export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts, sample } = histogram;
  let at = 0;
  while (at < bounds.length && value > bounds[at]!) at++;
  counts[at]!++;
  histogram.sum += value;
  if (sample !== undefined) keep(sample, value);
}

/** Reservoir sampling, "algorithm R" (Vitter 1985). */
function keep(sample: Sample, value: number): void {
  const at = sample.seen < maxSample ? sample.seen : Math.floor(Math.random() * (sample.seen + 1));
  if (at < maxSample) sample.values[at] = value;
  sample.seen++;
}
