// The plot of the timeline: its axis and lanes, and what a pointer and the keyboard do with it.

import { memo, useMemo, useState } from "hono/jsx/dom";
import { Legend, useWidth } from "./figure.tsx";
import {
  barsPath,
  dotsPath,
  layOutLanes,
  nearest,
  sentenceOfDots,
  sentenceOfSpan,
  type Bar,
  type Lane,
  type LaneKind,
  type Section,
} from "./lanes.ts";
import type { Ending, Story } from "./story.ts";
import { dragged, instantAt, move, ticks, xOf, zoom, type Window } from "./window.ts";
import { cut, instant } from "./words.ts";

// Pixels.
const axisHeight = 22;
const headHeight = 22;
const laneHeight = 18;
const barHeight = 10;
/** A character of the pictures' monospaced names is no wider. */
const characterWidth = 6.8;

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

type PlotProps = {
  story: Story;
  from: number;
  to: number;
  /** Of what was before, nothing is known here. */
  knownSince: number;
  onShow: (window: Window) => void;
  onLive: () => void;
};

/** Where the pointer is, and where it went down if it is dragging. */
type Pointer = { x: number; y: number; start?: number };

export const Plot = memo<PlotProps>(({ story, from, to, knownSince, onShow, onLive }) => {
  const [measure, available] = useWidth(900);
  const [all, setAll] = useState<ReadonlySet<LaneKind>>(new Set());
  const [pointer, setPointer] = useState<Pointer | undefined>(undefined);
  const labelWidth = available < 600 ? 96 : 168;
  const width = Math.max(160, available - labelWidth - 10);
  const window = useMemo(() => ({ from, to }), [from, to]);
  const sections = useMemo(
    () => layOutLanes(story, window, width, all),
    [story, window, width, all],
  );
  const placed = useMemo(() => place(sections), [sections]);
  const height = placed.height;

  function at(event: PointerEvent): Pointer | undefined {
    if (!(event.currentTarget instanceof Element)) return undefined;
    const { left, top } = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - left - labelWidth, y: event.clientY - top };
  }
  function onPointerDown(event: PointerEvent): void {
    const here = at(event);
    if (event.button !== 0 || !here || here.x < 0 || !(event.currentTarget instanceof Element))
      return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setPointer({ ...here, start: here.x });
  }
  function onPointerMove(event: PointerEvent): void {
    const here = at(event);
    setPointer(
      (before) => here && { ...here, ...(before?.start !== undefined && { start: before.start }) },
    );
  }
  function onPointerUp(event: PointerEvent): void {
    const here = at(event);
    const chosen =
      here && pointer?.start !== undefined
        ? dragged(window, pointer.start, here.x, width)
        : undefined;
    setPointer(here);
    if (chosen) onShow(chosen);
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target !== event.currentTarget) return;
    const now = Date.now();
    const key = keys[event.key];
    if (!key) return;
    event.preventDefault();
    if (key === "live") {
      setPointer(undefined);
      onLive();
    } else onShow(key(window, now));
  }

  const edges = pointer?.start === undefined ? undefined : [pointer.start, pointer.x];
  const unknown = Math.min(width, Math.max(0, xOf(knownSince, window, width)));
  return (
    <div class="timeline">
      <div
        class="plot"
        ref={measure}
        tabindex={0}
        role="group"
        aria-label="Plot of the timeline. Plus and minus zoom, the left and right arrow move it, Escape goes back to live."
        onKeyDown={onKeyDown}
      >
        <svg
          width={labelWidth + width + 10}
          height={height}
          role="img"
          aria-label={labelOf(sections, window)}
          onPointerDown={onPointerDown}
          onPointerMove={onPointerMove}
          onPointerUp={onPointerUp}
          onPointerCancel={() => setPointer(undefined)}
          onPointerLeave={() => setPointer(undefined)}
        >
          <g transform={`translate(${labelWidth} 0)`}>
            {unknown > 1 ? (
              <rect
                class="unknown"
                x={0}
                y={axisHeight}
                width={unknown}
                height={height - axisHeight}
              />
            ) : null}
            <Axis from={from} to={to} width={width} height={height} />
          </g>
          <Lanes placed={placed} labelWidth={labelWidth} width={width} />
          <g transform={`translate(${labelWidth} 0)`}>
            {unknown > 90 && sections.length === 0 ? (
              <text class="faint" x={8} y={axisHeight + 18}>
                not loaded
              </text>
            ) : null}
            {edges ? (
              <rect
                class="selection"
                x={Math.max(0, Math.min(...edges))}
                y={axisHeight}
                width={Math.min(width, Math.max(...edges)) - Math.max(0, Math.min(...edges))}
                height={height - axisHeight}
              />
            ) : pointer && pointer.x >= 0 && pointer.x <= width ? (
              <path class="cursor" d={`M${Math.round(pointer.x) + 0.5} ${axisHeight}V${height}`} />
            ) : null}
          </g>
        </svg>
      </div>
      <p class={pointer ? "readout near" : "readout"}>
        {readoutOf(placed.rows, pointer, window, width)}
      </p>
      <ShowAll sections={sections} all={all} onChange={setAll} />
      <Legend shapes={legend()} />
    </div>
  );
});

const keys: Record<string, "live" | ((window: Window, now: number) => Window)> = {
  "+": (window, now) => zoom(window, 0.5, now),
  "=": (window, now) => zoom(window, 0.5, now),
  "-": (window, now) => zoom(window, 2, now),
  _: (window, now) => zoom(window, 2, now),
  ArrowLeft: (window, now) => move(window, -0.25, now),
  ArrowRight: (window, now) => move(window, 0.25, now),
  Escape: "live",
};

type PlacedLane = Lane & { top: number };
type Placed = { heads: { text: string; top: number }[]; rows: PlacedLane[]; height: number };

/** The sections one below the other, each under its heading. */
function place(sections: readonly Section[]): Placed {
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

const Axis = memo<AxisProps>(({ from, to, width, height }) => {
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

const Lanes = memo<LanesProps>(({ placed: { heads, rows }, labelWidth, width }) => (
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
        {cut(name, (labelWidth - 10) / characterWidth)}
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

/** What the pointer is on, in a line; else the instant that it is at. */
function readoutOf(
  rows: readonly PlacedLane[],
  pointer: Pointer | undefined,
  window: Window,
  width: number,
): string {
  const now = Date.now();
  if (!pointer) return "Drag to zoom into a span. By keyboard: + and −, arrows, Escape.";
  const time = (x: number) =>
    instant(instantAt(Math.min(width, Math.max(0, x)), window, width), now);
  if (pointer.start !== undefined) {
    const [one, other] = [pointer.start, pointer.x];
    return `${time(Math.min(one, other))} – ${time(Math.max(one, other))}`;
  }
  const lane = rows.find(({ top }) => pointer.y >= top && pointer.y < top + laneHeight);
  if (lane && pointer.x < 0) return `${lane.kind} ${lane.name}`;
  const found = lane && nearest(lane, pointer.x);
  if (!found) return time(pointer.x);
  return "span" in found ? sentenceOfSpan(found.span, now) : sentenceOfDots(found.dots, now);
}

function labelOf(sections: readonly Section[], window: Window): string {
  const now = Date.now();
  const what = sections.map(({ kind, total }) => `${total} ${headings[kind].toLowerCase()}`);
  const when = `${instant(window.from, now)} to ${instant(window.to, now)}`;
  return `${when}: ${what.length === 0 ? "nothing" : what.join(", ")}`;
}

function ShowAll({
  sections,
  all,
  onChange,
}: {
  sections: readonly Section[];
  all: ReadonlySet<LaneKind>;
  onChange: (all: ReadonlySet<LaneKind>) => void;
}) {
  const more = sections.filter(({ kind, lanes, total }) => lanes.length < total || all.has(kind));
  if (more.length === 0) return null;
  return (
    <div class="choice">
      {more.map(({ kind, total }) => {
        const isAll = all.has(kind);
        const others = [...all].filter((other) => other !== kind);
        const label = isAll ? `Fewer ${kind}s` : `Show all ${total} ${kind}s`;
        return (
          <button
            key={kind}
            type="button"
            onClick={() => onChange(new Set(isAll ? others : [...others, kind]))}
          >
            {label}
          </button>
        );
      })}
    </div>
  );
}

function legend() {
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
