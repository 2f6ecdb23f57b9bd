// The table of metrics: names and labels that its readers accept.

import { expect, test } from "bun:test";
import { metrics, type Metric, type MetricName } from "../../src/contract/metrics.ts";
import { pathOf } from "../../src/daemon/metrics/statsd.ts";

const rows = Object.entries<Metric>(metrics) as [MetricName, Metric][];

test.each(rows)("%s is named as Prometheus wants it", (name, { type, labels, buckets }) => {
  expect(name).toMatch(/^(port_daddy|process)(_[a-z]+)+$/);
  expect(name.endsWith("_total")).toBe(type === "counter");
  if (type === "histogram") expect(name).toEndWith("_seconds");
  expect(buckets.length > 0).toBe(type === "histogram");
  expect([...buckets]).toEqual([...buckets].sort((a, b) => a - b));
  for (const label of Object.keys(labels)) expect(label).toMatch(/^(?!le$)[a-z]+(_[a-z]+)*$/);
});

test("StatsD has a path of its own for each series that there can be", () => {
  const paths = rows.flatMap(([name, { labels }]) =>
    combinations(Object.values(labels)).map((values) => pathOf(name, values)),
  );
  for (const path of paths) expect(path).toMatch(/^port_daddy(\.[A-Za-z0-9_-]+)+$/);
  expect(new Set(paths).size).toBe(paths.length);
});

function combinations(lists: (readonly string[])[]): string[][] {
  return lists.reduce<string[][]>(
    (all, list) => all.flatMap((each) => list.map((value) => [...each, value])),
    [[]],
  );
}
