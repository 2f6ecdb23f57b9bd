// What a shell is offered for a word, in a form that no shell and no screen can take for anything else.

import { clipped, plain } from "./render.ts";

/** A word, and what is said of it beside. */
export type Candidate = [word: string, note?: string];

/** How much is said of a word; a list on a screen has room for no more. */
const noteColumns = 60;

/** Text from elsewhere as a note. */
export function noteOf(text: string): string {
  return clipped(plain(text), noteColumns);
}

/**
 * Whether a name can be typed as it is in every shell, and is a name there. Names come from others: one that could be a
 * flag, or that a shell would act on, is not put into anybody's line.
 */
export function isTypeable([word]: Candidate): boolean {
  return /^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]*$/.test(word);
}

/** One line a candidate, its note after a tab. */
export function candidateLines(candidates: readonly Candidate[]): string[] {
  return candidates.map(([word, note]) => (note ? `${word}\t${note}` : word));
}
