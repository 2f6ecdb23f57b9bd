// The timeline: what was held, what ran and what was said, in a window that moves on with the clock or stands still.

import { memo, useCallback, useLayoutEffect, useMemo, useRef, useState } from "hono/jsx/dom";
import type { ActivityEntry } from "../../src/contract/entities.ts";
import { linkTo, setParams, useRoute } from "../route.ts";
import type { Hold, Seen } from "../state.ts";
import { useClock } from "../time.tsx";
import { count, instant, listed } from "../words.ts";
import { FactTable, type Row } from "./factTable.tsx";
import { Figure, Toggle } from "./figure.tsx";
import { useHistory } from "./history.ts";
import { lastingOf, overlaps } from "./lanes.ts";
import { Plot } from "./plot.tsx";
import { storyOf, type Span, type Story } from "./story.ts";
import type { Window } from "./window.ts";

type TimelineProps = {
  services: ReadonlyMap<string, Seen>;
  locks: ReadonlyMap<string, Hold>;
  entries: readonly ActivityEntry[];
  /** Since when `entries` are without a hole: the log may have been quiet before the oldest. */
  coveredSince: number;
  onNeedHistory: (since: number) => void;
};

/** live: so long, up to now. */
type View = { kind: "live"; spanMs: number } | { kind: "still"; window: Window };

const choices = [
  { label: "15 min", spanMs: 15 * 60_000 },
  { label: "1 h", spanMs: 3_600_000 },
  { label: "6 h", spanMs: 6 * 3_600_000 },
  { label: "24 h", spanMs: 24 * 3_600_000 },
];
const firstMs = choices[0]!.spanMs;

/** How long the window must rest before the URL says where it is: browsers refuse to be told too often. */
const restMs = 300;

/** In the URL: nothing for the usual window, `3600000` for so long up to now, `from-to` for one that stands still. */
function viewOf(text = ""): View {
  const [first = 0, to] = text.split("-").map(Number);
  if (to !== undefined && first < to) return { kind: "still", window: { from: first, to } };
  const { spanMs } = choices.find((choice) => choice.spanMs === first) ?? { spanMs: firstMs };
  return { kind: "live", spanMs };
}

function textOf(view: View): string {
  if (view.kind === "live") return view.spanMs === firstMs ? "" : String(view.spanMs);
  return `${Math.round(view.window.from)}-${Math.round(view.window.to)}`;
}

export const Timeline = memo<TimelineProps>((props) => {
  const { entries, services, locks, coveredSince, onNeedHistory } = props;
  const [view, setView] = useView();
  const lastLiveMs = useRef(firstMs);
  if (view.kind === "live") lastLiveMs.current = view.spanMs;
  const window = useWindow(view);
  const story = useMemo(() => storyOf(entries, { services, locks }), [entries, services, locks]);
  useHistory(window, coveredSince, onNeedHistory);

  const showLive = useCallback((spanMs: number) => setView({ kind: "live", spanMs }), []);
  const showStill = useCallback((window: Window) => setView({ kind: "still", window }), []);
  const backToLive = useCallback(() => showLive(lastLiveMs.current ?? firstMs), []);
  return (
    <Figure
      name="timeline"
      title="Timeline"
      summary={summaryOf(story, window, view)}
      controls={
        <div class="choice windows" role="group" aria-label="How much time is shown">
          {choices.map(({ label, spanMs }) => (
            <Toggle
              key={label}
              label={label}
              isChosen={view.kind === "live" && view.spanMs === spanMs}
              onChoose={() => showLive(spanMs)}
            />
          ))}
          {view.kind === "still" ? (
            <button type="button" class="back" onClick={backToLive}>
              Back to live
            </button>
          ) : null}
        </div>
      }
      picture={
        <Plot
          story={story}
          from={window.from}
          to={window.to}
          knownSince={coveredSince}
          onShow={showStill}
          onLive={backToLive}
        />
      }
      table={<TimelineTable story={story} window={window} />}
    />
  );
});

/** What is shown, and the URL's word for it: each follows the other, where somebody else has changed that. */
function useView(): [View, (view: View) => void] {
  const asked = useRoute().params["window"] ?? "";
  const [view, setView] = useState<View>(() => viewOf(asked));
  /** What the URL was last known to say. What we have written ourselves may be behind a window that is being moved. */
  const known = useRef(asked);
  useLayoutEffect(() => {
    if (asked === known.current) return;
    known.current = asked;
    setView(viewOf(asked));
  }, [asked]);
  useLayoutEffect(() => {
    const text = textOf(view);
    if (text === known.current) return;
    const timer = setTimeout(() => {
      known.current = text;
      setParams({ window: text });
    }, restMs);
    return () => clearTimeout(timer);
  }, [view]);
  return [view, setView];
}

/** No oftener than a pixel's worth of time, and no oftener than once a second. */
function stepOf(view: View): number {
  return view.kind === "live" ? Math.ceil(view.spanMs / 1_000_000) * 1_000 : 3_600_000;
}

function useWindow(view: View): Window {
  const step = stepOf(view);
  // Rounded up: what has just happened is in the window.
  const read = useCallback((now: number) => Math.ceil(now / step) * step, [step]);
  const now = useClock(read);
  return view.kind === "live" ? { from: now - view.spanMs, to: now } : view.window;
}

function summaryOf({ spans, dots }: Story, window: Window, view: View): string {
  const shown = spans.filter((span) => overlaps(span, window));
  const services = new Set(shown.flatMap(({ kind, name }) => (kind === "service" ? [name] : [])));
  const holds = shown.filter(({ kind }) => kind === "lock").length;
  const messages = dots.filter((dot) => isIn(dot.at, window)).length;
  const choice = choices.find((choice) => view.kind === "live" && choice.spanMs === view.spanMs);
  const when = choice
    ? `In the last ${choice.label}`
    : `From ${instant(window.from, Date.now())} to ${instant(window.to, Date.now())}`;
  const what = [
    count(services.size, "service"),
    count(holds, "lock hold"),
    count(messages, "message"),
  ];
  return `${when}: ${listed(what)}.`;
}

function isIn(at: number, { from, to }: Window): boolean {
  return at >= from && at <= to;
}

/** More would be a page to scroll through without an end; the activity page has them all. */
const maxRows = 200;

function TimelineTable({ story, window }: { story: Story; window: Window }) {
  const now = Date.now();
  const spans = story.spans.filter((span) => overlaps(span, window));
  const dots = story.dots.filter(({ at }) => isIn(at, window));
  const all = [
    ...spans.map((span) => ({ at: span.from ?? -Infinity, row: () => rowOfSpan(span, now) })),
    ...dots.map((dot) => ({
      at: dot.at,
      row: (): Row => ({
        key: `message ${dot.channel} ${dot.at} ${dot.preview}`,
        cells: [
          { text: `message on ${dot.channel}`, href: linkTo("messages", { open: dot.channel }) },
          dot.who,
          instant(dot.at, now),
          "–",
          "–",
        ],
      }),
    })),
  ].sort((one, other) => other.at - one.at);
  const rows = all.slice(0, maxRows).map(({ row }) => row());
  const note =
    all.length > maxRows
      ? `The newest ${maxRows} of ${count(all.length, "row")} in this window`
      : `${count(all.length, "row")} in this window, the newest first`;
  return <FactTable label="Timeline" note={note} columns={timelineColumns} rows={rows} />;
}

const timelineColumns = [
  { head: "What" },
  { head: "Who" },
  { head: "From", isNumber: true },
  { head: "To", isNumber: true },
  { head: "How long", isNumber: true },
];

function rowOfSpan(span: Span, now: number): Row {
  const { kind, name, who, from, to, ending } = span;
  const href = linkTo(kind === "service" ? "services" : "locks", { open: name });
  const mark = ending === "forced" ? " (by force)" : ending === "cleanup" ? " (cleanup)" : "";
  return {
    key: `${kind} ${name} ${from} ${to}`,
    cells: [
      { text: `${kind} ${name}`, href },
      who,
      from === undefined ? "before" : instant(from, now),
      to === undefined ? "still held" : `${instant(to, now)}${mark}`,
      lastingOf(span, now),
    ],
  };
}
