// Commands that go on by themselves: when they end, and what they say of a daemon that is away.

import { isReaderGone } from "../system/pipes.ts";
import type { Context } from "./command.ts";

/** How often a quiet command looks whether its reader is still there. */
const lookEveryMs = 200;

/** Aborted when stdout has lost its reader or, where there is a timeout, when it is over. */
export function untilEnd(timeoutMs?: number): AbortSignal {
  const end = new AbortController();
  const look = setInterval(() => {
    if (!isReaderGone(1)) return;
    clearInterval(look);
    end.abort();
  }, lookEveryMs);
  look.unref();
  if (timeoutMs === undefined) return end.signal;
  return AbortSignal.any([end.signal, AbortSignal.timeout(timeoutMs)]);
}

/** Says that the daemon has gone, and that it is back. */
export function tellAway({ terminal }: Context): (isAway: boolean) => void {
  return (isAway) =>
    terminal.err(isAway ? "the daemon is away; waiting for it" : "the daemon is back");
}
