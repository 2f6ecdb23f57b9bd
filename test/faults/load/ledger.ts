// What a client of the storm writes down: what it was answered, and what it asked without an answer. One file a process,
// one line of JSON an entry.

import * as fs from "node:fs";

/**
 * `done`: exactly these events must be in the log under its tag. `refused`: none. `lost`: there was no answer, so it is all
 * of these or none; their numbers are not known and left out.
 */
export type Outcome = "done" | "refused" | "lost";

/** What was asked, under a tag of its own that the log keeps as the actor. Instants are of the machine's clock, which nobody
 * sets meanwhile: whoever was later in another process has no lesser one. */
export type Asked = {
  kind: "asked";
  tag: string;
  outcome: Outcome;
  /** As `event target number`: the number is a port, a fence or a message's id. */
  events: string[];
  /** Whether the client may have asked again by itself where an answer was lost, so that it is logged again. */
  mayRepeat: boolean;
} & Span;

/** Stands before an event that need not be there with the others. */
export const maybe = "?";

/** That something was certainly had by somebody, from when the answer came until giving it back was begun. */
export type Held = { kind: "held"; what: string; by: string; fence?: number } & Span;
export type Span = { from: number; to: number };

/** What a subscriber was sent. */
export type Seen = { kind: "seen"; reader: string; id: number; tag: string };

/** Something that must not happen, whatever is killed. */
export type Problem = { kind: "problem"; text: string };

export type Entry = Asked | Held | Seen | Problem;

export function openLedger(file: string): (entry: Entry) => void {
  const descriptor = fs.openSync(file, "a");
  return (entry) => void fs.writeSync(descriptor, JSON.stringify(entry) + "\n");
}

/** Reads what has been written since it was last asked. */
export function followLedger(file: string): () => Entry[] {
  let offset = 0;
  return () => {
    if (!fs.existsSync(file)) return [];
    const text = fs.readFileSync(file).subarray(offset).toString("utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    offset += Buffer.byteLength(whole);
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Entry);
  };
}
