// When the timeline asks for more of the log: where its window begins before what is there.

import { useEffect, useRef } from "hono/jsx/dom";
import type { Window } from "./window.ts";

/** What was last asked for: everything since then, when the log was there since `coveredSince`. */
type HistoryRequest = { since: number; coveredSince: number };

export const noRequest: HistoryRequest = { since: Infinity, coveredSince: Infinity };

export function useHistory(
  window: Window,
  coveredSince: number,
  onNeedHistory: (since: number) => void,
): void {
  const last = useRef(noRequest);
  useEffect(() => {
    const { request, isAsking } = askFor(window, coveredSince, last.current ?? noRequest);
    last.current = request;
    if (isAsking) onNeedHistory(request.since);
  }, [window.from, coveredSince, onNeedHistory]);
}

/**
 * Whether the history before `coveredSince` is to be asked for, and what was asked for from then on. A start is asked for
 * once, and with it every later one, so that a window that moves on with the clock does not ask again; unless meanwhile
 * more came or some was lost, and it is still not there.
 */
export function askFor(
  { from }: Window,
  coveredSince: number,
  last: HistoryRequest,
): { request: HistoryRequest; isAsking: boolean } {
  const isAsking = from < coveredSince && (from < last.since || coveredSince !== last.coveredSince);
  return { request: isAsking ? { since: from, coveredSince } : last, isAsking };
}
