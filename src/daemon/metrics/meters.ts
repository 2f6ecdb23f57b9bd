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
};

/** A metric with what it is at this moment. */
export type Family = { name: MetricName; row: Metric; series: readonly (Counted | Histogram)[] };

export type Meters = ReturnType<typeof createMeters>;

export function createMeters() {
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
    });
  }

  return {
    counter,
    histogram,
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
  const { bounds, counts } = histogram;
  let at = 0;
  while (at < bounds.length && value > bounds[at]!) at++;
  counts[at]!++;
  histogram.sum += value;
}
