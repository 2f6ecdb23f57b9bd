// What a service is called: `project[:stack[:context]]`.

const part = "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}";

/** The grammar of an identity, as a JSON Schema `pattern`. */
export const identityPattern = `^${part}(?::${part}){0,2}$`;

const grammar = new RegExp(identityPattern);

/** The rule in words; completes the sentence "id must be …". */
export const identityRule =
  "project[:stack[:context]], each part 1 to 64 letters, digits, '.', '_' or '-', starting with a letter, digit or '_'";

export function isIdentity(text: string): boolean {
  return grammar.test(text);
}
