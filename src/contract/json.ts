// JSON from outside.

/** Deeper than anybody means, and far from where a parser or a writer runs out of stack. */
export const maxJsonDepth = 64;

/** A number that may be greater than any of ours: it has an exponent, or hundreds of digits. */
const hugeNumber = /\d[eE]\+?\d{3}|\d{309}/;

/** Parses JSON of a depth that every later step can bear, and with numbers that exist. Throws `SyntaxError`. */
export function parseJson(text: string): unknown {
  if (depthOf(text) > maxJsonDepth)
    throw new SyntaxError(`it is nested more than ${maxJsonDepth} deep`);
  return JSON.parse(text, hugeNumber.test(text) ? refuseInfinity : undefined);
}

function refuseInfinity(_: string, value: unknown): unknown {
  if (value === Infinity || value === -Infinity)
    throw new SyntaxError("a number in it is too great");
  return value;
}

/** The depth of brackets outside strings; of a text that is not JSON, something. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (isInString && character === "\\") i++;
    else if (character === '"') isInString = !isInString;
    else if (!isInString && (character === "{" || character === "["))
      deepest = Math.max(deepest, ++depth);
    else if (!isInString && (character === "}" || character === "]")) depth--;
  }
  return deepest;
}
