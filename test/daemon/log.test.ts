// The daemon's own log takes a bounded part of the disk, whatever is written to it.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

const log = path.join(import.meta.dir, "../../src/daemon/log.ts");

/** Writes so many lines of such a length from a process whose stderr is the log; returns what is there afterwards. */
function write(lines: number, length: number) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  try {
    const file = path.join(directory, "daemon.log");
    const stderr = fs.openSync(file, "a");
    const program = `import { createLog } from ${JSON.stringify(log)};
      const log = createLog("info", ${JSON.stringify(file)});
      for (let n = 1; n <= ${lines}; n++) log.info(n + " ".repeat(${length}));`;
    const { exitCode } = Bun.spawnSync([process.execPath, "-e", program], { stderr });
    fs.closeSync(stderr);
    return {
      exitCode,
      files: fs.readdirSync(directory).sort(),
      sizes: [file, `${file}.1`].map((each) => fs.statSync(each).size),
      lastLine: fs.readFileSync(file, "utf8").trimEnd().split("\n").at(-1)!.trim(),
    };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

test.each([
  ["short lines", 60_000, 100],
  ["lines as long as a stack", 400, 50_000],
])("of %s, five megabytes are kept and about as much of what was before", (_, lines, length) => {
  const { exitCode, files, sizes, lastLine } = write(lines, length);
  expect({ exitCode, files }).toEqual({ exitCode: 0, files: ["daemon.log", "daemon.log.1"] });
  expect(Math.max(...sizes)).toBeLessThan(5_200_000);
  expect(lastLine).toEndWith(` info  ${lines}`);
});
