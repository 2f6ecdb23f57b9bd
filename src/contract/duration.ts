// Spans of time as people write them: `2h`, `30m`, `1h30m`, `500ms`.

const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
type Unit = keyof typeof unitMs;

const grammar = /^(?:\d+(?:ms|[dhms]))+$/;
const term = /(\d+)(ms|[dhms])/g;

/** Milliseconds of a span such as `2h` or `1h30m`; `undefined` where it is not one. A bare number is not one. */
export function parse(text: string): number | undefined {
  if (!grammar.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(term))
    total += Number(amount) * unitMs[unit as Unit];
  return Number.isSafeInteger(total) ? total : undefined;
}

/** Writes a span so that `parse` reads the same number of milliseconds back: `5400000` is `1h30m`. */
export function format(ms: number): string {
  let rest = ms;
  let text = "";
  for (const [unit, size] of Object.entries(unitMs)) {
    const amount = Math.floor(rest / size);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * size;
  }
  return text || "0ms";
}

/** A span for the eye, its largest unit alone: `5400000` is `1h`, `59000` is `59s`. */
export function brief(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms >= unitMs[unit]) return `${Math.floor(ms / unitMs[unit])}${unit}`;
  }
  return `${Math.max(0, Math.floor(ms))}ms`;
}

/**
 * How long something lasted: `3m59s`, `2h5m`, `940ms`. Where `brief` says `3m` for all of a minute, this one tells it from
 * `3m1s`; but unlike `format` it leaves out what nobody looks for, from a second on milliseconds, from an hour on seconds.
 */
export function span(ms: number): string {
  const finest = ms < unitMs.s ? unitMs.ms : ms < unitMs.h ? unitMs.s : unitMs.m;
  return format(Math.max(0, Math.floor(ms / finest) * finest));
}
