// Text as a POSIX shell reads it. Hints end in commands that people copy.

/** A text as a word, in quotes where it needs them (POSIX XCU 2.2). */
export function shellWord(text: string): string {
  return /^[\w./:@+,-]+$/.test(text) ? text : quoted(text);
}

/** A text in single quotes, within which only the single quote itself is special (2.2.2). */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
