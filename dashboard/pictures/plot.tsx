// The plot of the timeline: its axis and lanes, and what a pointer and the keyboard do with it.

import { memo, useMemo, useState } from "hono/jsx/dom";
import { Legend, useWidth } from "./figure.tsx";
import {
  layOutLanes,
  nearest,
  sentenceOfDots,
  sentenceOfSpan,
  type LaneKind,
  type Section,
} from "./lanes.ts";
import {
  Axis,
  axisHeight,
  headings,
  laneHeight,
  Lanes,
  legend,
  place,
  type PlacedLane,
} from "./plotMarks.tsx";
import type { Story } from "./story.ts";
import { dragged, instantAt, move, xOf, zoom, type Window } from "./window.ts";
import { instant } from "./words.ts";

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
            {unknown > 90 ? (
              <text class="faint" x={8} y={axisHeight + 16}>
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
