// The table of metrics: names and labels that its readers accept.

import { expect, test } from "bun:test";
import { metrics, type Metric, type MetricName } from "../../src/contract/metrics.ts";

const rows = Object.entries<Metric>(metrics) as [MetricName, Metric][];

test.each(rows)("%s is named as Prometheus wants it", (name, { type, labels, buckets }) => {
  expect(name).toMatch(/^(port_daddy|process)(_[a-z]+)+$/);
  expect(name.endsWith("_total")).toBe(type === "counter");
  if (type === "histogram") expect(name).toEndWith("_seconds");
  expect(buckets.length > 0).toBe(type === "histogram");
  expect([...buckets]).toEqual([...buckets].sort((a, b) => a - b));
  for (const label of Object.keys(labels)) expect(label).toMatch(/^(?!le$)[a-z]+(_[a-z]+)*$/);
});
