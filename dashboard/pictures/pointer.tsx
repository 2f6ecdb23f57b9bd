// The pointer on the plot of the timeline: where it is, what it marks, and what it is on, in words.

import { useState } from "hono/jsx/dom";
import { instant } from "../words.ts";
import { nearest, sentenceOfDots, sentenceOfSpan } from "./lanes.ts";
import { axisHeight, laneHeight, type PlacedLane } from "./plotMarks.tsx";
import { instantAt, type Window } from "./window.ts";

/** `x` from the left of the plot, beside its labels; `start` is where it went down, if it is dragging. */
type Pointer = { x: number; y: number; start?: number };

/** `listeners` go on the element of which `x` 0 is `left` pixels from its edge; `onDrag` gets both ends of a drag. */
export function usePointer(left: number, onDrag: (one: number, other: number) => void) {
  const [pointer, setPointer] = useState<Pointer | undefined>(undefined);
  const forget = () => setPointer(undefined);

  function at({ currentTarget, clientX, clientY }: PointerEvent): Pointer | undefined {
    if (!(currentTarget instanceof Element)) return undefined;
    const edge = currentTarget.getBoundingClientRect();
    return { x: clientX - edge.left - left, y: clientY - edge.top };
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
    setPointer(here);
    if (here && pointer?.start !== undefined) onDrag(pointer.start, here.x);
  }

  const listeners = {
    ...{ onPointerDown, onPointerMove, onPointerUp },
    ...{ onPointerCancel: forget, onPointerLeave: forget },
  };
  return { pointer, forget, listeners };
}

type PointerMarkProps = { pointer: Pointer | undefined; width: number; height: number };

/** What is being chosen by a drag, else a line at the pointer. */
export function PointerMark({ pointer, width, height }: PointerMarkProps) {
  if (!pointer) return null;
  const { x, start } = pointer;
  if (start !== undefined) {
    const [left, right] = [Math.max(0, Math.min(start, x)), Math.min(width, Math.max(start, x))];
    return (
      <rect
        class="selection"
        x={left}
        y={axisHeight}
        width={right - left}
        height={height - axisHeight}
      />
    );
  }
  if (x < 0 || x > width) return null;
  return <path class="cursor" d={`M${Math.round(x) + 0.5} ${axisHeight}V${height}`} />;
}

/** What the pointer is on, in a line; else the instant that it is at. */
export function readoutOf(
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
