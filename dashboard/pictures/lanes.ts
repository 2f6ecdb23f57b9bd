// Where spans and dots lie in a window of time: a lane for each service, lock and channel that has something there.

import * as duration from "../../src/contract/duration.ts";
import { causeOf } from "../../src/contract/events.ts";
import { byName } from "../order.ts";
import { clockTime } from "../time.tsx";
import { count, instant } from "../words.ts";
import type { Dot, Run, Span, Story } from "./story.ts";
import { xOf, type Window } from "./window.ts";

const laneKinds = ["service", "lock", "channel"] as const;
export type LaneKind = (typeof laneKinds)[number];

/** `x` in pixels from the left of the plot, cut off at its edges. */
type Stretch = { x1: number; x2: number };
export type Bar = Stretch & {
  span: Span;
  running: Stretch[];
  /** Whether its end is in the window; then it is at `x2`. */
  isOver: boolean;
};
/** Dots so near to each other that they are drawn as one. */
type Cluster = { x: number; radius: number; dots: Dot[] };

export type Lane = {
  kind: LaneKind;
  name: string;
  bars: Bar[];
  clusters: Cluster[];
  /** When something last happened in it, within the window. */
  activeAt: number;
};

/** What each kind has in the window: the lanes that are drawn, by name, and how many there are in all. */
export type Section = { kind: LaneKind; lanes: Lane[]; total: number };

/** So many lanes of a kind are drawn unless all are asked for. */
export const fewLanes = 12;

/** A bar is no narrower, so that the shortest hold is seen. */
const narrowest = 2;

export function layOutLanes(
  story: Story,
  window: Window,
  width: number,
  all: ReadonlySet<LaneKind>,
): Section[] {
  const lanes = new Map<string, Lane>();
  function laneOf(kind: LaneKind, name: string): Lane {
    const key = `${kind} ${name}`;
    const lane = lanes.get(key) ?? { kind, name, bars: [], clusters: [], activeAt: -Infinity };
    lanes.set(key, lane);
    return lane;
  }

  for (const span of story.spans) {
    if (!overlaps(span, window)) continue;
    const lane = laneOf(span.kind, span.name);
    lane.bars.push(barOf(span, window, width));
    lane.activeAt = Math.max(lane.activeAt, Math.min(span.activeAt, window.to));
  }
  for (const dot of story.dots) {
    if (dot.at < window.from || dot.at > window.to) continue;
    const lane = laneOf("channel", dot.channel);
    addDot(lane.clusters, dot, xOf(dot.at, window, width));
    lane.activeAt = Math.max(lane.activeAt, dot.at);
  }
  const byKind = Map.groupBy(lanes.values(), ({ kind }) => kind);
  return laneKinds.flatMap((kind) => {
    const found = byKind.get(kind) ?? [];
    return found.length === 0 ? [] : [sectionOf(kind, found, all.has(kind))];
  });
}

export function overlaps({ from, to }: Run, window: Window): boolean {
  return (from ?? -Infinity) <= window.to && (to ?? Infinity) >= window.from;
}

function sectionOf(kind: LaneKind, lanes: Lane[], isAll: boolean): Section {
  const recent = isAll
    ? lanes
    : lanes.toSorted((one, other) => other.activeAt - one.activeAt).slice(0, fewLanes);
  // By name: lanes that changed places with each event could not be followed.
  const shown = recent.toSorted(byName(({ name }) => name));
  return { kind, lanes: shown, total: lanes.length };
}

function barOf(span: Span, window: Window, width: number): Bar {
  const whole = stretchOf(span, window, width);
  const running = span.running
    .filter((run) => overlaps(run, window))
    .map((run) => stretchOf(run, window, width));
  const isOver = span.to !== undefined && span.to <= window.to;
  return { ...whole, span, running, isOver };
}

function stretchOf({ from, to }: Run, window: Window, width: number): Stretch {
  const x1 = from === undefined ? 0 : Math.max(0, xOf(from, window, width));
  const x2 = to === undefined ? width : Math.min(width, xOf(to, window, width));
  // Against the right edge it is widened to the left.
  const left = Math.min(x1, width - narrowest);
  return { x1: left, x2: Math.max(x2, left + narrowest) };
}

/** Pixels from the first dot of a cluster to its last. */
const clusterWidth = 4;

/** Dots come in the order of time. */
function addDot(clusters: Cluster[], dot: Dot, x: number): void {
  const last = clusters.at(-1);
  if (last && x - last.x <= clusterWidth) {
    last.dots.push(dot);
    last.radius = radiusOf(last.dots.length);
  } else {
    clusters.push({ x, radius: radiusOf(1), dots: [dot] });
  }
}

/** Pixels: 3 for one dot, 5.5 for a hundred or more. */
function radiusOf(dots: number): number {
  return Math.min(5.5, 3 + Math.log10(dots) * 1.25);
}

/** Bars as rectangles of one path; those narrower than can be told apart from the one before are a part of it. */
export function barsPath(bars: readonly Stretch[], top: number, height: number): string {
  const drawn: Stretch[] = [];
  for (const { x1, x2 } of bars) {
    const last = drawn.at(-1);
    if (last && x1 < last.x2 && x2 - x1 <= narrowest) last.x2 = Math.max(last.x2, x2);
    else drawn.push({ x1, x2 });
  }
  return drawn
    .map(({ x1, x2 }) => `M${round(x1)} ${top}H${round(x2)}v${height}H${round(x1)}z`)
    .join("");
}

export function dotsPath(clusters: readonly Cluster[], y: number): string {
  return clusters
    .map(({ x, radius }) => {
      const [r, across] = [round(radius), round(2 * radius)];
      return `M${round(x - radius)} ${y}a${r} ${r} 0 1 0 ${across} 0a${r} ${r} 0 1 0 ${-across} 0z`;
    })
    .join("");
}

/** A tenth of a pixel is as fine as can be seen. */
function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

/** Pixels from a bar or a dot that still count as on it. */
const reach = 8;

/** The bar or the cluster of a lane that lies nearest; the latest where several lie on the place. */
export function nearest({ bars, clusters }: Lane, x: number): Bar | Cluster | undefined {
  let [found, least]: [Bar | Cluster | undefined, number] = [undefined, reach];
  for (const bar of bars) {
    const distance = Math.max(bar.x1 - x, x - bar.x2, 0);
    if (distance <= least) [found, least] = [bar, distance];
  }
  for (const cluster of clusters) {
    const distance = Math.max(Math.abs(cluster.x - x) - cluster.radius, 0);
    if (distance <= least) [found, least] = [cluster, distance];
  }
  return found;
}

/** `lock build · ada · 14:02:11 – 14:03:07 · 56s` */
export function sentenceOfSpan(span: Span, now: number): string {
  const { kind, name, who, from, to, reason } = span;
  const began = from === undefined ? "before" : instant(from, now);
  const ended = to === undefined ? "now" : instant(to, now);
  const lasted = lastingOf(span, now);
  const why = reason === undefined ? undefined : causeOf(reason);
  return [`${kind} ${name}`, who, `${began} – ${ended}`, lasted, why ?? ""]
    .filter((part) => part !== "")
    .join(" · ");
}

/** How long it lasted, or has lasted up to now; empty where its beginning is not known. */
export function lastingOf({ from, to }: Run, now: number): string {
  return from === undefined ? "" : duration.span((to ?? now) - from);
}

/** `channel build:done · ada · 14:02:11 · "ok"`; of many how many and from when to when. */
export function sentenceOfDots(dots: readonly Dot[], now: number): string {
  const [first, last] = [dots[0]!, dots.at(-1)!];
  const channel = `channel ${first.channel}`;
  if (dots.length === 1)
    return [channel, first.who, instant(first.at, now), first.preview].join(" · ");
  const senders = new Set(dots.map(({ who }) => who));
  const who = senders.size === 1 ? first.who : count(senders.size, "sender");
  const times = [instant(first.at, now), clockTime(last.at)];
  return [channel, who, count(dots.length, "message"), times.join(" – ")].join(" · ");
}
