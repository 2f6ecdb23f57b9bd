// Metrics as StatsD takes them (https://github.com/statsd/statsd/blob/master/docs/metric_types.md): what has changed
// since the last time, a line each. It has no labels, so their values are parts of the name:
// `port_daddy.http_requests_total.POST.claim_id.200:1|c`.

import type { Family, Histogram } from "./meters.ts";

/** What passes through an Ethernet of 1,500 bytes in one piece, also by IPv6 and with a few options. */
export const maxDatagramBytes = 1_432;

/** Remembers what was told, so that it is told once: of counters what was added, of gauges what is new. */
export function createStatsdLines() {
  const counted = new Map<string, number>();
  const gauges = new Map<string, number>();

  function counterLine(name: string, value: number): string[] {
    const added = value - (counted.get(name) ?? 0);
    counted.set(name, value);
    return added === 0 ? [] : [`${name}:${brief(added)}|c`];
  }

  function gaugeLine(name: string, value: number): string[] {
    if (gauges.get(name) === value) return [];
    gauges.set(name, value);
    return [`${name}:${brief(value)}|g`];
  }

  function lines(families: Iterable<Family>): string[] {
    const all: string[] = [];
    for (const { name, row, series } of families) {
      for (const each of series) {
        const path = pathOf(name, each.labels);
        if (!("value" in each)) all.push(...timingLines(path, each));
        else all.push(...(row.type === "gauge" ? gaugeLine : counterLine)(path, each.value));
      }
    }
    return all;
  }

  return {
    lines,
    /** For a server that may not know them: from then on each gauge is new. */
    forgetGauges: () => gauges.clear(),
  };
}

/** Each measurement by itself, in the milliseconds of the protocol; where there were many, a part and how large it is. */
function timingLines(name: string, { sample }: Histogram): string[] {
  if (sample === undefined || sample.seen === 0) return [];
  const { values, seen } = sample;
  const rate = values.length < seen ? `|@${Number((values.length / seen).toPrecision(3))}` : "";
  const lines = values.map((seconds) => `${name}:${brief(seconds * 1_000)}|ms${rate}`);
  sample.values = [];
  sample.seen = 0;
  return lines;
}

/** The name that Prometheus has a series by, and its labels' values, where dots part what belongs together. */
export function pathOf(name: string, labels: readonly string[]): string {
  return ["port_daddy", name.replace(/^port_daddy_/, ""), ...labels.map(clean)].join(".");
}

function clean(value: string): string {
  return value.replace(/[^A-Za-z0-9-]+/g, "_").replace(/^_|_$/g, "") || "root";
}

/** To a millionth, which is never written with an exponent: servers differ on those. */
function brief(value: number): string {
  return String(Number(value.toFixed(6)));
}

/** Puts lines together into as few datagrams as hold them in their order. */
export function datagrams(lines: readonly string[]): string[] {
  const full: string[] = [];
  let next = "";
  for (const line of lines) {
    if (next !== "" && next.length + 1 + line.length > maxDatagramBytes) {
      full.push(next);
      next = "";
    }
    next += next === "" ? line : `\n${line}`;
  }
  return next === "" ? full : [...full, next];
}
