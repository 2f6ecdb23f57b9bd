// Values as a person reads them. Everything here is a pure function from values to text.

import * as duration from "../contract/duration.ts";
import type { ProcessInfo } from "../contract/entities.ts";
import type { Paint } from "./terminal.ts";

/** Text from elsewhere, safe to show: control characters could move the cursor or repaint the screen. */
export function plain(text: string): string {
  return text.replace(
    /\p{Cc}|\p{Cf}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export type Cell = string | number | null;

/** A table with a header, its columns as wide as they must be; empty cells are a dash. */
export function table(header: string[], rows: Cell[][], paint: Paint, columns?: number): string {
  const cells = rows.map((row) =>
    row.map((cell) => (cell === null || cell === "" ? "-" : plain(String(cell)))),
  );
  const widths = header.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]!.length)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd();
  const cut = (text: string) =>
    columns !== undefined && text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
  return [paint.strong(cut(line(header))), ...cells.map((row) => cut(line(row)))].join("\n");
}

/** `2026-11-22 15:48:07`, in local time. */
export function dateTime(instant: number): string {
  const date = new Date(instant - new Date(instant).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 19).replace("T", " ");
}

/** `5m ago`, `in 2h`. */
export function relative(instant: number, now: number): string {
  return instant > now
    ? `in ${duration.brief(instant - now)}`
    : `${duration.brief(now - instant)} ago`;
}

/** `process 4312 (node server.js) of erich, in ~/src/app`, as far as it can be seen. */
export function processLine(
  { pid, command, cwd, user, startedAt }: ProcessInfo,
  home: string,
  now: number,
): string {
  if (pid === null) return `a process of ${user ?? "another user"} that cannot be seen from here`;
  const parts = [
    `process ${pid}${command === null ? "" : ` (${plain(command)})`}`,
    user !== null && `of ${user}`,
    cwd !== null && `in ${directory(cwd, home)}`,
    startedAt !== null && `since ${dateTime(startedAt)} (${relative(startedAt, now)})`,
  ];
  return parts.filter(Boolean).join(", ").replace(", of ", " of ");
}

/** A directory with the home directory as `~`. */
export function directory(path: string, home: string): string {
  if (path !== home && !path.startsWith(`${home}/`)) return plain(path);
  return plain(`~${path.slice(home.length)}`);
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
