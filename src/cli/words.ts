// Words apart: which are flags, with what value, and which are arguments. The POSIX Utility Syntax Guidelines with GNU's
// long options. (The runtime's parser does the same, but loading it takes a tenth of a whole command.)

/** What is known of a flag before it is read: its letter, and whether it takes a value. */
export type FlagForm = { letter: string | undefined; isSwitch: boolean };

/** A flag as it was given. */
export type Use = {
  /** Its word without dashes, as in `dry-run`; of an unknown one what was typed. */
  word: string;
  /** What was typed, without the value: `--port`, `-p`. */
  typed: string;
  value: string | undefined;
  /** Whether the value was the next word rather than a part of this one. */
  isNextWord: boolean;
};

/** Takes words apart, knowing the flags by their word. Nothing is refused here. */
export function takeApart(
  words: readonly string[],
  flags: ReadonlyMap<string, FlagForm>,
): { uses: Use[]; args: string[] } {
  const byLetter = new Map(
    [...flags].flatMap(([word, { letter }]) => (letter ? [[letter, word] as const] : [])),
  );
  const uses: Use[] = [];
  const args: string[] = [];
  const rest = [...words];

  function use(word: string, typed: string, inline: string | undefined): void {
    const takesNext =
      flags.get(word)?.isSwitch === false &&
      inline === undefined &&
      rest.length > 0 &&
      rest[0] !== "--";
    const value = takesNext ? rest.shift() : inline;
    uses.push({ word, typed, value, isNextWord: takesNext });
  }

  /** `-q`, `-qj`, `-p3200`, `-p=3200`: letters, until one takes the rest as its value. */
  function useLetters(letters: string): void {
    for (let at = 0; at < letters.length; at++) {
      const letter = letters[at]!;
      const word = byLetter.get(letter) ?? letter;
      const after = letters.slice(at + 1);
      const takesRest = after.startsWith("=") || flags.get(word)?.isSwitch === false;
      use(word, `-${letter}`, takesRest && after !== "" ? after.replace(/^=/, "") : undefined);
      if (takesRest) return;
    }
  }

  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") return { uses, args: [...args, ...rest] };
    const long = /^--([^=]+)(?:=([^]*))?$/.exec(word);
    if (long) use(long[1]!, `--${long[1]}`, long[2]);
    else if (/^-[^\d]/.test(word))
      useLetters(word.slice(1)); // `-1` is a number.
    else args.push(word);
  }
  return { uses, args };
}
