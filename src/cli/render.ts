// Values as a person reads them. Everything here is a pure function from values to text.

import * as duration from "../contract/duration.ts";
import type { ProcessInfo } from "../contract/entities.ts";
import type { Paint } from "./terminal.ts";

/**
 * Text from elsewhere, safe to show: control, format and line-separating characters could move the cursor, repaint the
 * screen or reverse what is read.
 */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]|\p{Cs}/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** JSON as it was answered, with what a screen would act on written as escapes. */
export function toJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

export type Cell = string | number | null;

/** A table with a header, its columns as wide as they must be and the screen allows; empty cells are a dash. */
export function table(header: string[], rows: Cell[][], paint: Paint, columns?: number): string {
  const cells = rows.map((row) =>
    row.map((cell) => (cell === null || cell === "" ? "-" : plain(String(cell)))),
  );
  const natural = header.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => Bun.stringWidth(row[i]!))),
  );
  const widths = fit(
    natural,
    (columns ?? Number.POSITIVE_INFINITY) - gap.length * (header.length - 1),
  );
  const line = (row: string[]) =>
    row
      .map((cell, i) => clipped(cell, widths[i]))
      .map((cell, i) => cell + " ".repeat(Math.max(0, widths[i]! - Bun.stringWidth(cell))))
      .join(gap)
      .trimEnd();
  return [paint.strong(line(header)), ...cells.map(line)].join("\n");
}

const gap = "  ";

/** Takes the room that is missing from the columns on the right, before those on the left, which say more. */
function fit(widths: number[], room: number): number[] {
  const fitted = [...widths];
  let over = fitted.reduce((a, b) => a + b, 0) - room;
  for (let i = fitted.length - 1; i >= 0 && over > 0; i--) {
    const cut = Math.min(over, Math.max(0, fitted[i]! - leastColumns));
    fitted[i]! -= cut;
    over -= cut;
  }
  return fitted;
}

/** Narrower than this, a column says nothing. */
const leastColumns = 6;

/** Text cut to the columns there are; whole characters only. */
export function clipped(text: string, columns = Number.POSITIVE_INFINITY): string {
  const characters = [...text];
  return characters.length > columns ? `${characters.slice(0, columns - 1).join("")}…` : text;
}

/** `2026-11-22 15:48:07`, in local time. */
export function dateTime(instant: number): string {
  const date = new Date(instant - new Date(instant).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 19).replace("T", " ");
}

/** `5m ago`, `in 2h`, `just now`. */
export function relative(instant: number, now: number): string {
  if (instant > now) return `in ${duration.brief(instant - now + 999)}`; // What is left of a second counts.
  return now - instant < 1_000 ? "just now" : `${duration.brief(now - instant)} ago`;
}

/** How much of a command line is shown; the rest seldom says more. */
const commandColumns = 120;

/** `process 4312 (node server.js) of erich, in ~/src/app`, as far as it can be seen. */
export function processLine(process: ProcessInfo, home: string, now: number): string {
  const { pid, command, cwd, user, startedAt } = process;
  if (pid === null)
    return `a process of ${plain(user ?? "another user")} that cannot be seen from here`;
  const name = command === null ? "" : ` (${clipped(plain(command), commandColumns)})`;
  const parts = [
    `process ${pid}${name}${user === null ? "" : ` of ${plain(user)}`}`,
    cwd !== null && `in ${directory(cwd, home)}`,
    startedAt !== null && `since ${dateTime(startedAt)} (${relative(startedAt, now)})`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** A directory with the home directory as `~`. */
export function directory(path: string, home: string): string {
  if (path !== home && !path.startsWith(`${home}/`)) return plain(path);
  return plain(`~${path.slice(home.length)}`);
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `4.2 GB` */
export function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
