// Numbers, names and instants as the page writes them.

import { clockTime, inFull } from "./time.tsx";

/** Made once: making it takes a hundred times as long as using it. */
const withCommas = new Intl.NumberFormat("en-US");

/** `6,900` */
export function grouped(number: number): string {
  return withCommas.format(number);
}

/** `1 port`, `6,900 ports` */
export function count(number: number, noun: string): string {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** The verb that goes with so many: `verb(1, "holds", "hold")` is `holds`. */
export function verb(number: number, one: string, many: string): string {
  return number === 1 ? one : many;
}

/** `1st`, `2nd`, `11th` */
export function ordinal(number: number): string {
  const isTeen = Math.floor(number / 10) % 10 === 1;
  const ending = isTeen ? undefined : ["th", "st", "nd", "rd"][number % 10];
  return `${grouped(number)}${ending ?? "th"}`;
}

/** `a`, `a and b`, `a, b and c` */
export function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** At most so many characters. What is left out is in the middle: names of one kind begin alike and differ at the end. */
export function cut(text: string, characters: number): string {
  const most = Math.max(1, Math.floor(characters));
  if (text.length <= most) return text;
  const head = Math.floor((most - 1) * 0.4);
  return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`;
}

/** Pixels, by the size of the font: a character of the pictures' monospaced names is no wider. */
export const characterWidth = { 11: 6.8, 12: 7.4 } as const;

/** `14:03:07`, with its date where that is not the day of `now`. */
export function instant(at: number, now: number): string {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return isToday ? clockTime(at) : inFull(at);
}
