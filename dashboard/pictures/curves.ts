// The curves between holders and what they hold or wait for: where they run, and where a word on one stands.

import type { Holdings } from "./holders.ts";

/** Between which two places the curves run, in pixels from the left. */
type Gap = { from: number; to: number };

/** One path for all that a holder has of a kind. */
export function holdsPath(
  { left, right, holds }: Holdings,
  at: number,
  kind: "service" | "lock",
  gap: Gap,
): string {
  return holds
    .filter((curve) => curve.holder === at && curve.kind === kind)
    .map(({ node }) => curve(gap, left[at]!.y, right[node]!.y))
    .join("");
}

/** One path for all that a holder waits for. */
export function waitsPath({ left, right, waits }: Holdings, at: number, gap: Gap): string {
  return waits
    .filter(({ holder }) => holder === at)
    .map(({ node }) => curve(gap, left[at]!.y, right[node]!.y))
    .join("");
}

/** How far along its curve a waiter's place in line is written: near the waiter, where the curves are still apart. */
const placeAt = 0.3;

/** Where a waiter's place in line is written, on the curve from one height to the other. */
export function placeOn({ from, to }: Gap, y1: number, y2: number): { x: number; y: number } {
  return { x: from + (to - from) * alongX(placeAt), y: y1 + (y2 - y1) * alongY(placeAt) };
}

function curve({ from, to }: Gap, y1: number, y2: number): string {
  const middle = (from + to) / 2;
  return `M${from} ${y1}C${middle} ${y1} ${middle} ${y2} ${to} ${y2}`;
}

/** Where a point of `curve` lies between its ends: a cubic Bézier with its control points halfway. */
function alongX(t: number): number {
  return 1.5 * t * (1 - t) + t ** 3;
}
function alongY(t: number): number {
  return 3 * t ** 2 - 2 * t ** 3;
}
