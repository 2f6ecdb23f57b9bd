// A line of shell as the words it stands for, as far as it has been typed.

/**
 * The words of a line that ends at the cursor, without their quotes; the last one is under way, and empty after a space.
 * What a shell would replace, such as `$HOME`, stays as it is typed (POSIX XCU 2.2).
 */
export function wordsUnderWay(line: string): string[] {
  const words: string[] = [];
  // Between words; a quoted word may be empty.
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (quote !== "'" && character === "\\") {
      const next = line[++at] ?? "";
      const isPlain = quote === '"' && !'"\\$`'.includes(next);
      word = (word ?? "") + (isPlain ? `\\${next}` : next);
    } else if (quote === "" && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === quote) {
      quote = "";
    } else if (quote === "" && (character === "'" || character === '"')) {
      quote = character;
      word ??= "";
    } else {
      word = (word ?? "") + character;
    }
  }
  return [...words, word ?? ""];
}
