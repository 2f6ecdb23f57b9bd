// The span of time that the timeline shows: where an instant lies in it, how it is zoomed and moved, where its axis has
// ticks.

/** Instants in epoch milliseconds, the first below the second. */
export type Window = { from: number; to: number };

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Zoomed in further nothing more is told apart: instants are milliseconds. */
const shortest = 100;
/** The log is kept for so long, unless it is set up otherwise. */
const longest = 30 * day;

export function xOf(at: number, { from, to }: Window, width: number): number {
  return ((at - from) / (to - from)) * width;
}

export function instantAt(x: number, { from, to }: Window, width: number): number {
  return from + (x / width) * (to - from);
}

/** Longer by `factor` (below 1: shorter) around its middle, no later than `now`. */
export function zoom({ from, to }: Window, factor: number, now: number): Window {
  const spanMs = Math.min(longest, Math.max(shortest, (to - from) * factor));
  return upTo(now, { from: (from + to - spanMs) / 2, to: (from + to + spanMs) / 2 });
}

/** Moved by a part of its own length, to what was before where that is negative; no later than `now`. */
export function move({ from, to }: Window, part: number, now: number): Window {
  const byMs = (to - from) * part;
  return upTo(now, { from: from + byMs, to: to + byMs });
}

/** Fewer pixels than this were meant as a click. */
const leastDrag = 6;

/** What lies between two places of the plot, in whichever order; `undefined` where they are too near for a drag. */
export function dragged(
  window: Window,
  one: number,
  other: number,
  width: number,
): Window | undefined {
  if (Math.abs(one - other) < leastDrag) return undefined;
  const [left, right] = [Math.min(one, other), Math.max(one, other)];
  const from = instantAt(Math.max(0, left), window, width);
  const to = instantAt(Math.min(width, right), window, width);
  return to - from < shortest ? undefined : { from, to };
}

function upTo(now: number, { from, to }: Window): Window {
  const late = Math.max(0, to - now);
  return { from: from - late, to: to - late };
}

const tickSteps = [
  ...[100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * second),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minute),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hour),
  ...[1, 2, 5, 10, 15, 30].map((days) => days * day),
];

/** Pixels: what the longest label of a tick takes, and some air. */
const tickRoom = 78;

type Tick = { at: number; label: string };

/** Round instants of the reader's own clock, as many as there is room for. */
export function ticks({ from, to }: Window, width: number): Tick[] {
  const leastMs = ((to - from) * tickRoom) / width;
  const step = tickSteps.find((step) => step >= leastMs) ?? tickSteps.at(-1)!;
  const zoneMs = new Date(from).getTimezoneOffset() * minute;
  const first = Math.ceil((from - zoneMs) / step) * step + zoneMs;
  const found: Tick[] = [];
  for (let at = first; at <= to; at += step) found.push({ at, label: labelOf(at, step) });
  return found;
}

function labelOf(at: number, step: number): string {
  const date = new Date(at);
  const isMidnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
  if (step >= day || (isMidnight && step >= minute))
    return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  const time = date.toLocaleTimeString("en-GB");
  if (step < second) return `${time}.${Math.floor((at % second) / 100)}`;
  return step < minute ? time : time.slice(0, -3);
}
