// A text as a word of a shell, read back by the shells themselves.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { shellWord } from "../../src/contract/shell.ts";

test.each(["/home/ada/.local/bin", "build:api", "v1.0+2", "a,b", "me@host"])(
  "%p is a word as it stands",
  (text) => expect(shellWord(text)).toBe(text),
);

test.each([
  ["", "''"],
  ["it's", `'it'\\''s'`],
  ["/my files", "'/my files'"],
  ["two\nlines", "'two\nlines'"],
  ["~/bin", "'~/bin'"],
  ["myapp:*", "'myapp:*'"],
  ["=ls", "'=ls'"],
])("%p is %s", (text, word) => expect(shellWord(text)).toBe(word));

const shells = ["sh", "bash", "zsh", "fish"].filter((shell) => Bun.which(shell) !== null);

test.each(shells)("%s reads whatever it is as one word that says the same", (shell) => {
  const text = fc.string({ unit: "grapheme-ascii" });
  // What a backslash does in quotes is fish's own affair.
  const texts = fc.array(shell === "fish" ? text.filter((each) => !each.includes("\\")) : text);
  const isRead = (given: string[]) => {
    const line = `printf '%s\\n' ${given.map((each) => shellWord(`/${each}`)).join(" ")}`;
    const { stdout } = Bun.spawnSync([shell, "-c", given.length > 0 ? line : ":"]);
    expect(stdout.toString()).toBe(given.map((each) => `/${each}\n`).join(""));
  };
  fc.assert(fc.property(texts, isRead), { numRuns: 20 });
});
