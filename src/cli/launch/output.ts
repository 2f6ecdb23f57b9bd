// Where the output of a launched command goes that does not have the terminal for itself: line by line, with its name in
// front where there are several, or into a log.

import * as fs from "node:fs";
import * as path from "node:path";
import { maxLogBytes } from "../../config.ts";
import { Fault } from "../../contract/faults.ts";
import { reasonOf } from "../../system/paths.ts";
import { plain } from "../render.ts";

/** A line this long is not waited for to its end. */
const maxLineLength = 64 * 1024;

/** The lines of a stream; the last one also where it has no end. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) yield line.replace(/\r$/, "");
    if (text.length < maxLineLength) continue;
    yield text;
    text = "";
  }
  text += decoder.decode();
  if (text !== "") yield text;
}

/** Opens a log that begins anew with each start; throws `unavailable` where it cannot be. Past its size it is kept once more beside itself, and no longer. */
export function openLog(file: string): (line: string) => void {
  let descriptor = first();
  let size = 0;
  function first(): number {
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      return begin();
    } catch (error) {
      throw new Fault(
        "unavailable",
        `The log ${plain(file)} cannot be written: ${reasonOf(error)}`,
        {
          hint: "see what is wrong: port-daddy doctor",
        },
      );
    }
  }
  function begin(): number {
    if (fs.existsSync(file)) fs.renameSync(file, `${file}.1`);
    return fs.openSync(file, "w", 0o600);
  }
  return (line) => {
    const bytes = Buffer.from(`${line}\n`);
    try {
      if (size + bytes.length > maxLogBytes) {
        const next = begin();
        fs.closeSync(descriptor);
        descriptor = next;
        size = 0;
      }
      fs.appendFileSync(descriptor, bytes);
      size += bytes.length;
    } catch {
      // A full disk must not end what is launched, and there is nowhere left to say so.
    }
  };
}
