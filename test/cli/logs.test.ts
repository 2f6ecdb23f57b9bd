// A log that is followed while it is written, emptied and replaced.

import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { showLog } from "../../src/cli/logs.ts";
import { noPaint, ReaderGone, type Terminal } from "../../src/cli/terminal.ts";
import { eventually } from "../home.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-logs-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** A log that is followed from its last line on; whoever reads it goes when the line `end` has come. */
function follow(name: string, text: string) {
  const file = path.join(directory, name);
  fs.writeFileSync(file, text);
  const out: string[] = [];
  const terminal: Terminal = {
    out(text) {
      out.push(...text.split("\n"));
      if (out.includes("end")) throw new ReaderGone();
    },
    err: () => {},
    isInteractive: false,
    input: async () => "",
    columns: () => undefined,
    paint: noPaint,
  };
  const ended = showLog(file, { lines: 1, follow: true }, terminal, { hint: "" }).catch(
    (error: unknown) => expect(error).toBeInstanceOf(ReaderGone),
  );
  const shows = (line: string) => eventually(`'${line}' is shown`, () => out.includes(line));
  return { file, out, ended, shows };
}

test("a followed log shows each line once it is whole", async () => {
  const { file, out, ended, shows } = follow("whole", "one\ntwo\n");
  fs.appendFileSync(file, "thr");
  fs.appendFileSync(file, Buffer.from([0xff, 0x0a])); // Not a letter of any: it counts as the byte that it is.
  await shows("thr\ufffd");
  fs.appendFileSync(file, "four\nend\n");
  await ended;
  expect(out).toEqual(["two", "thr\ufffd", "four", "end"]);
});

test("one that is emptied is followed from its beginning", async () => {
  const { file, out, ended, shows } = follow("emptied", "long ago\nbefore\n");
  fs.appendFileSync(file, "still there\n");
  await shows("still there");
  fs.truncateSync(file);
  fs.appendFileSync(file, "anew\nend\n");
  await ended;
  expect(out).toEqual(["before", "still there", "anew", "end"]);
});

test("one that is replaced by a longer one is shown to its end, and the new one from its beginning", async () => {
  const { file, out, ended, shows } = follow("replaced", "before\n");
  fs.appendFileSync(file, "meanwhile\n");
  await shows("meanwhile");
  fs.appendFileSync(file, "the last line\nand a part of one");
  fs.renameSync(file, `${file}.1`);
  fs.writeFileSync(file, `${"anew, and more than there was\n".repeat(3)}end\n`);
  await ended;
  expect(out).toEqual([
    ...["before", "meanwhile", "the last line", "and a part of one"],
    ...Array(3).fill("anew, and more than there was"),
    "end",
  ]);
});
