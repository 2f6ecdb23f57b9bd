// Prometheus' text format, line by line.

import { expect, test } from "bun:test";
import { write } from "../../../src/daemon/metrics/exposition.ts";
import { createMeters, observe, type Family } from "../../../src/daemon/metrics/meters.ts";

function family(row: Partial<Family["row"]>, series: Family["series"]): Family {
  const name = "port_daddy_services";
  return { name, row: { type: "gauge", help: "Some", labels: {}, buckets: [], ...row }, series };
}

test("a metric is its help, its type and a line for each series; one without any is left out", () => {
  const labels = { status: ["on", "off"], kind: ["a"] };
  const series = [
    { labels: ["on", "a"], value: 3 },
    { labels: ["off", "a"], value: 0.5 },
  ];
  expect(write([family({ labels }, series), family({ type: "counter" }, [])])).toBe(
    "# HELP port_daddy_services Some\n" +
      "# TYPE port_daddy_services gauge\n" +
      'port_daddy_services{status="on",kind="a"} 3\n' +
      'port_daddy_services{status="off",kind="a"} 0.5\n',
  );
});

test("backslashes, quotes and line ends neither end a label nor a line", () => {
  const text = write([
    family({ help: 'a\\b\n"c"', labels: { status: [] } }, [{ labels: ['a\\b\n"c"'], value: 1 }]),
  ]);
  expect(text.split("\n")).toEqual([
    '# HELP port_daddy_services a\\\\b\\n"c"',
    "# TYPE port_daddy_services gauge",
    'port_daddy_services{status="a\\\\b\\n\\"c\\""} 1',
    "",
  ]);
});

test("the buckets of a histogram hold all up to their bound, the last of them everything", () => {
  const waits = createMeters({ isSampled: false }).histogram("port_daddy_lock_wait_seconds", {
    outcome: "acquired",
  });
  waits.bounds = [0.1, 1, 10];
  waits.counts = [0, 0, 0, 0];
  for (const seconds of [0.05, 0.1, 0.5, 10, 64]) observe(waits, seconds);
  const lines = write([family({ type: "histogram", labels: { outcome: [] } }, [waits])]);
  expect(lines.split("\n").slice(2, -1)).toEqual([
    'port_daddy_services_bucket{outcome="acquired",le="0.1"} 2',
    'port_daddy_services_bucket{outcome="acquired",le="1"} 3',
    'port_daddy_services_bucket{outcome="acquired",le="10"} 4',
    'port_daddy_services_bucket{outcome="acquired",le="+Inf"} 5',
    'port_daddy_services_sum{outcome="acquired"} 74.65',
    'port_daddy_services_count{outcome="acquired"} 5',
  ]);
});
