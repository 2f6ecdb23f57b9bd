// What the timeline draws: its axis and, one below the other, the lanes with their bars and dots.

import { memo } from "hono/jsx/dom";
import { characterWidth, cut } from "../words.ts";
import { barsPath, dotsPath, type Bar, type Lane, type LaneKind, type Section } from "./lanes.ts";
import type { Ending } from "./story.ts";
import { ticks, xOf, type Window } from "./window.ts";

// Pixels.
export const axisHeight = 22;
const headHeight = 22;
export const laneHeight = 18;
const barHeight = 10;

const headings: Record<LaneKind, string> = {
  service: "Services",
  lock: "Locks",
  channel: "Channels",
};

/** How a span ended where that is worth a mark, drawn around the end of its bar. */
const endMarks: Partial<Record<Ending, (x: number, y: number) => string>> = {
  forced: (x, y) => `M${x - 4} ${y - 4}l8 8M${x + 4} ${y - 4}l-8 8`,
  cleanup: (x, y) => `M${x} ${y - 5}l5 5l-5 5l-5-5z`,
};

export type PlacedLane = Lane & { top: number };
type Placed = { heads: { text: string; top: number }[]; rows: PlacedLane[]; height: number };

/** The sections one below the other, each under its heading. */
export function place(sections: readonly Section[]): Placed {
  const placed: Placed = { heads: [], rows: [], height: axisHeight };
  for (const { kind, lanes, total } of sections) {
    const some = lanes.length < total ? `, ${lanes.length} of ${total}` : "";
    placed.heads.push({ text: `${headings[kind]}${some}`, top: placed.height });
    placed.height += headHeight;
    for (const lane of lanes) {
      placed.rows.push({ ...lane, top: placed.height });
      placed.height += laneHeight;
    }
  }
  placed.height = Math.max(placed.height + 6, axisHeight + 3 * laneHeight);
  return placed;
}

type AxisProps = Window & { width: number; height: number };

export const Axis = memo<AxisProps>(({ from, to, width, height }) => {
  const marks = ticks({ from, to }, width).map(({ at, label }) => ({
    x: Math.round(xOf(at, { from, to }, width)) + 0.5,
    label,
  }));
  return (
    <g class="axis">
      <path d={marks.map(({ x }) => `M${x} ${axisHeight - 4}V${height}`).join("")} />
      <path class="edge" d={`M0 ${axisHeight - 0.5}H${width}`} />
      {marks.map(({ x, label }) =>
        x > 16 ? (
          <text x={x} y={12} text-anchor={x > width - 16 ? "end" : "middle"}>
            {label}
          </text>
        ) : null,
      )}
    </g>
  );
});

type LanesProps = { placed: Placed; labelWidth: number; width: number };

export const Lanes = memo<LanesProps>(({ placed: { heads, rows }, labelWidth, width }) => (
  <g class="lanes">
    {heads.map(({ text, top }) => (
      <text key={text} class="heading" x={0} y={top + 16}>
        {text}
      </text>
    ))}
    {rows.map((lane) => (
      <LaneMarks
        key={`${lane.kind} ${lane.name}`}
        kind={lane.kind}
        name={lane.name}
        top={lane.top}
        labelWidth={labelWidth}
        width={width}
        {...pathsOf(lane)}
      />
    ))}
  </g>
));

type Paths = { whole: string; running: string; forced: string; cleanup: string; dots: string };
type LaneMarksProps = Paths & {
  kind: LaneKind;
  name: string;
  top: number;
  labelWidth: number;
  width: number;
};

const LaneMarks = memo<LaneMarksProps>(
  ({ kind, name, top, labelWidth, width, whole, running, forced, cleanup, dots }) => (
    <g transform={`translate(0 ${top})`}>
      <text x={0} y={13}>
        {cut(name, (labelWidth - 10) / characterWidth[11])}
        <title>{name}</title>
      </text>
      <g transform={`translate(${labelWidth} 0)`}>
        <path class="base" d={`M0 ${laneHeight - 0.5}H${width}`} />
        {whole ? <path class={kind} d={whole} /> : null}
        {running ? <path class="running" d={running} /> : null}
        {dots ? <path class="channel" d={dots} /> : null}
        {forced ? <path class="forced" d={forced} /> : null}
        {cleanup ? <path class="cleanup" d={cleanup} /> : null}
      </g>
    </g>
  ),
);

const barTop = (laneHeight - barHeight) / 2;

function pathsOf({ bars, clusters }: Lane): Paths {
  return {
    whole: barsPath(bars, barTop, barHeight),
    running: barsPath(
      bars.flatMap(({ running }) => running),
      barTop,
      barHeight,
    ),
    forced: endsPath(bars, "forced"),
    cleanup: endsPath(bars, "cleanup"),
    dots: dotsPath(clusters, laneHeight / 2),
  };
}

function endsPath(bars: readonly Bar[], ending: Ending): string {
  const mark = endMarks[ending];
  if (!mark) return "";
  return bars
    .filter(({ span, isOver }) => isOver && span.ending === ending)
    .map(({ x2 }) => mark(Math.round(x2), laneHeight / 2))
    .join("");
}

/** The shapes and what they stand for. */
export function legend() {
  const bar = barsPath([{ x1: 0.5, x2: 19.5 }], 0.5, 9);
  return [
    { key: "service", d: bar, label: "claimed" },
    { key: "running", d: bar, label: "running" },
    { key: "lock", d: bar, label: "locked" },
    { key: "forced", d: endMarks.forced!(10, 5), label: "freed by force" },
    { key: "cleanup", d: endMarks.cleanup!(10, 5), label: "ended by the daemon" },
    { key: "channel", d: dotsPath([{ x: 10, radius: 3, dots: [] }], 5), label: "message" },
  ].map(({ key, d, label }) => ({
    key,
    sample: (
      <svg width={20} height={10} aria-hidden="true">
        <path class={key} d={d} />
      </svg>
    ),
    label,
  }));
}
