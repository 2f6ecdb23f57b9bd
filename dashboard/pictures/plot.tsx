// The plot of the timeline: its axis and lanes, and what the keyboard does with it.

import { memo, useMemo, useState } from "hono/jsx/dom";
import { count, instant } from "../words.ts";
import { Legend, useWidth } from "./figure.tsx";
import { layOutLanes, type LaneKind, type Section } from "./lanes.ts";
import { Axis, axisHeight, Lanes, legend, place } from "./plotMarks.tsx";
import { PointerMark, readoutOf, usePointer } from "./pointer.tsx";
import type { Story } from "./story.ts";
import { dragged, move, xOf, zoom, type Window } from "./window.ts";

type PlotProps = {
  story: Story;
  from: number;
  to: number;
  /** Of what was before, nothing is known here. */
  knownSince: number;
  onShow: (window: Window) => void;
  onLive: () => void;
};

export const Plot = memo<PlotProps>(({ story, from, to, knownSince, onShow, onLive }) => {
  const [measure, available] = useWidth(900);
  const [all, setAll] = useState<ReadonlySet<LaneKind>>(new Set());
  const labelWidth = available < 600 ? 96 : 168;
  const width = Math.max(160, available - labelWidth - 10);
  const window = useMemo(() => ({ from, to }), [from, to]);
  const sections = useMemo(
    () => layOutLanes(story, window, width, all),
    [story, window, width, all],
  );
  const placed = useMemo(() => place(sections), [sections]);
  const height = placed.height;
  const { pointer, forget, listeners } = usePointer(labelWidth, (one, other) => {
    const chosen = dragged(window, one, other, width);
    if (chosen) onShow(chosen);
  });

  function onKeyDown(event: KeyboardEvent): void {
    const key = keyOf(event);
    if (!key) return;
    event.preventDefault();
    if (key === "live") {
      forget();
      onLive();
    } else onShow(key(window, Date.now()));
  }

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
          {...listeners}
        >
          <g transform={`translate(${labelWidth} 0)`}>
            <Unknown width={unknown} height={height} />
            <Axis from={from} to={to} width={width} height={height} />
          </g>
          <Lanes placed={placed} labelWidth={labelWidth} width={width} />
          <g transform={`translate(${labelWidth} 0)`}>
            {unknown > 90 ? (
              <text class="faint" x={8} y={axisHeight + 16}>
                not loaded
              </text>
            ) : null}
            <PointerMark pointer={pointer} width={width} height={height} />
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

/** What a key of the plot does; `undefined` where it is none of ours. */
function keyOf(event: KeyboardEvent) {
  if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
  return event.target === event.currentTarget ? keys[event.key] : undefined;
}

const keys: Record<string, "live" | ((window: Window, now: number) => Window)> = {
  "+": (window, now) => zoom(window, 0.5, now),
  "=": (window, now) => zoom(window, 0.5, now),
  "-": (window, now) => zoom(window, 2, now),
  _: (window, now) => zoom(window, 2, now),
  ArrowLeft: (window, now) => move(window, -0.25, now),
  ArrowRight: (window, now) => move(window, 0.25, now),
  Escape: "live",
};

function labelOf(sections: readonly Section[], window: Window): string {
  const now = Date.now();
  const what = sections.map(({ kind, total }) => count(total, kind));
  const when = `${instant(window.from, now)} to ${instant(window.to, now)}`;
  return `${when}: ${what.length === 0 ? "nothing" : what.join(", ")}`;
}

/** The part of the plot of which nothing is known, from the left. */
function Unknown({ width, height }: { width: number; height: number }) {
  if (width <= 1) return null;
  return <rect class="unknown" x={0} y={axisHeight} width={width} height={height - axisHeight} />;
}

/** A button for each kind that has more lanes than are drawn. */
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
        const label = isAll ? `Fewer ${kind}s` : `Show all ${count(total, kind)}`;
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
