// A log as it is shown: its last lines, and what is written from then on.

import * as fs from "node:fs";
import { Fault } from "../contract/faults.ts";
import { boolean, integer } from "../contract/fields.ts";
import { isFile } from "../system/paths.ts";
import type { Terminal } from "./terminal.ts";

/** How many lines are shown where it is not said. */
const defaultLines = 50;

export const logFlags = {
  lines: integer({ summary: `The last n lines (${defaultLines})`, min: 1, max: 100_000 }),
  follow: boolean({ summary: "Go on with what is written, until interrupted" }),
};

/** Prints a log. Throws `not_found` where there is none. */
export async function showLog(
  file: string,
  { lines = defaultLines, follow }: { lines?: number | undefined; follow?: boolean | undefined },
  terminal: Terminal,
  absence: { hint: string },
): Promise<void> {
  if (!isFile(file)) throw new Fault("not_found", `There is no log at ${file}`, absence);
  const descriptor = fs.openSync(file, "r");
  const written = fs.readFileSync(descriptor);
  const last = written.toString().trimEnd().split("\n").slice(-lines).join("\n");
  if (last !== "") terminal.out(last);
  if (follow) await followFile(file, { descriptor, offset: written.length }, terminal);
  fs.closeSync(descriptor);
}

/** How often a followed log is looked at. */
const lookEveryMs = 200;

/** An open file, and up to which byte it has been printed. */
type Position = { descriptor: number; offset: number };

/**
 * Prints what is written to a file from a position on. The file stays open: where another has taken its name, what was
 * still written to it is printed first.
 */
async function followFile(file: string, at: Position, terminal: Terminal): Promise<never> {
  for (; ; await Bun.sleep(lookEveryMs)) {
    const named = fs.statSync(file, { throwIfNoEntry: false });
    const { ino, size } = fs.fstatSync(at.descriptor);
    if (size < at.offset) at.offset = 0; // It was emptied in place.
    const isOver = named !== undefined && named.ino !== ino;
    const added = readFrom(at, size);
    // A line without an end has one where nobody writes to the file any more.
    const end = isOver ? added.length : added.lastIndexOf("\n") + 1;
    if (end > 0) terminal.out(added.toString("utf8", 0, end).replace(/\n$/, ""));
    at.offset += end;
    if (!isOver) continue;
    fs.closeSync(at.descriptor);
    at = { descriptor: fs.openSync(file, "r"), offset: 0 };
  }
}

function readFrom({ descriptor, offset }: Position, end: number): Buffer {
  const bytes = Buffer.alloc(end - offset);
  return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, bytes.length, offset));
}
