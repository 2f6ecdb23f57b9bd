// How a page is read: its lines, and what a shown output stands for.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { patternOf, readPage } from "./page.ts";

function read(...rows: string[]) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  try {
    const file = path.join(directory, "page.md");
    fs.writeFileSync(file, rows.map((row) => `${row}\n`).join(""));
    return readPage(file, "page.md");
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

describe("a page", () => {
  test("has its lines in order, wherever they stand, with what they print", () => {
    const page = read(
      ...["Try `port-daddy ps`, or `ps`.", "", "## Locks", "", "```sh", "# Agent A"],
      ...["port-daddy lock a # exit 4, held", "curl -d '{", "  }' x # → 1", "```", ""],
      ...["```console", "$ port-daddy ps", "none", "$ true", "```", "```yaml", "a: 1", "```"],
    );
    const lines = page.sections.map(({ title, lines }) => [
      title,
      ...lines.map(({ text, at, terminal, code, shown }) => [text, at, terminal, code, shown]),
    ]);
    expect(lines).toEqual([
      ["at the top", ["port-daddy ps", "page.md:1", "", 0, undefined]],
      [
        "Locks",
        ["port-daddy lock a", "page.md:7", "Agent A", 4, undefined],
        ["curl -d '{\n  }' x", "page.md:8", "Agent A", 0, "1\n"],
        ["port-daddy ps", "page.md:13", "", 0, "none\n"],
        ["true", "page.md:15", "", 0, ""],
      ],
    ]);
    expect(page.others).toEqual([{ language: "yaml", text: "a: 1\n", at: "page.md:17" }]);
  });

  test("with a block that would be overlooked cannot be read", () => {
    expect(() => read("- one", "  ```sh", "  port-daddy ps", "  ```")).toThrow("page.md:1");
  });
});

test.each([
  ["a → 3100\n", "a → 3100\n", true],
  ["a → 3100\n", "a → 3101\n", false],
  ["a → 3100\n", "a → 3100\nb → 3101\n", false],
  ["pid …\n", "pid 12 of ada\n", true],
  ["pid …\n", "pid 12\nof ada\n", false],
  ["a\n…\n", "a\nb\nc\n", true],
  ["a\n…\nd\n", "a\nb\nc\n", false],
  ["[2026-11-22T15:48:07Z] x\n", "[2030-01-02T03:04:05Z] x\n", true],
  ["[2026-11-22T15:48:07Z] x\n", "[yesterday] x\n", false],
  ["a  just now  -\n", "a     12s ago  -\n", true],
  ["a b\n", "a  b\n", false],
])("%j shown stands for %j printed: %p", (shown, printed, isSo) => {
  expect(patternOf(shown).test(printed)).toBe(isSo);
});
