// Metrics as Prometheus reads them: the text-based format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

import type { Counted, Family, Histogram } from "./meters.ts";

export const contentType = "text/plain; version=0.0.4; charset=utf-8";

export function write(families: Iterable<Family>): string {
  const lines: string[] = [];
  for (const { name, row, series } of families) {
    if (series.length === 0) continue;
    lines.push(`# HELP ${name} ${escaped(row.help)}`, `# TYPE ${name} ${row.type}`);
    const labelNames = Object.keys(row.labels);
    for (const each of series) {
      const labels = each.labels.map((value, at) => pair(labelNames[at]!, value));
      if ("value" in each) lines.push(line(name, labels, each.value));
      else lines.push(...distribution(name, labels, each));
    }
  }
  return lines.join("\n") + "\n";
}

/** The counts of a histogram are of everything up to each bound; the last is of all there is. */
function distribution(name: string, labels: string[], { bounds, counts, sum }: Histogram) {
  let total = 0;
  const buckets = counts.map((count, at) => {
    total += count;
    const bound = bounds[at] === undefined ? "+Inf" : String(bounds[at]);
    return line(`${name}_bucket`, [...labels, pair("le", bound)], total);
  });
  return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, total)];
}

function line(name: string, labels: string[], value: Counted["value"]): string {
  return `${name}${labels.length === 0 ? "" : `{${labels.join(",")}}`} ${value}`;
}

function pair(label: string, value: string): string {
  return `${label}="${escaped(value).replaceAll('"', '\\"')}"`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
