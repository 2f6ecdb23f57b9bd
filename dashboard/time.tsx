// Instants and spans as people read them, kept up to date by one clock for the whole page.

import { useLayoutEffect, useState } from "hono/jsx/dom";
import { brief } from "../src/contract/duration.ts";

const listeners = new Set<() => void>();

/** Starts the one clock, whatever the number of those who look at it. */
export function startClock(): void {
  setInterval(() => {
    for (const listener of listeners) listener();
  }, 1_000);
}

/** What a function of the present instant gives, looked at once a second. Renders only where that has changed. */
export function useClock<T extends string | number>(read: (now: number) => T): T {
  const [, setShown] = useState(() => read(Date.now()));
  useLayoutEffect(() => {
    const look = () => setShown(read(Date.now()));
    listeners.add(look);
    return () => void listeners.delete(look);
  }, [read]);
  return read(Date.now());
}

/** An instant, in whatever words; the instant itself on hover. */
export function Time({ at, children = clockTime(at) }: { at: number; children?: string }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={inFull(at)}>
      {children}
    </time>
  );
}

/** `12s ago` */
export function Ago({ at }: { at: number }) {
  const text = useClock((now) => (now - at < 1_000 ? "now" : `${brief(now - at)} ago`));
  return <Time at={at}>{text}</Time>;
}

/** `4m left` */
export function Left({ until }: { until: number }) {
  const text = useClock((now) => (until <= now ? "over" : `${brief(until - now)} left`));
  return <Time at={until}>{text}</Time>;
}

/** `14:03:07` */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** With its date, in the reader's own time zone. */
export function inFull(at: number): string {
  return new Date(at).toLocaleString("en-GB");
}
