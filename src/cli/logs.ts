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
  const text = fs.readFileSync(file, "utf8");
  const last = text.trimEnd().split("\n").slice(-lines).join("\n");
  if (last !== "") terminal.out(last);
  if (follow) await followFile(file, Buffer.byteLength(text), terminal);
}

/** How often a followed log is looked at. */
const lookEveryMs = 200;

/** Prints what is written to a file past an offset in bytes. */
async function followFile(file: string, from: number, terminal: Terminal): Promise<never> {
  for (let offset = from; ; await Bun.sleep(lookEveryMs)) {
    const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < offset) offset = 0; // It was started anew.
    if (size === offset) continue;
    const added = await Bun.file(file).slice(offset, size).text();
    const whole = added.lastIndexOf("\n") + 1;
    if (whole === 0) continue;
    terminal.out(added.slice(0, whole - 1));
    offset += Buffer.byteLength(added.slice(0, whole));
  }
}
