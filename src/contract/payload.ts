// What somebody means by a text that is to be published.

import { parseJson } from "./json.ts";

/** JSON where it is that and comes back as it was sent, else the text itself. */
export function payloadOf(text: string): unknown {
  try {
    const value = parseJson(text);
    const bare = text.replace(/"(?:[^"\\]|\\.)*"/g, '""');
    const numbers = bare.match(/-?\d[\d.eE+-]*/g) ?? [];
    const keys = bare.match(/""\s*:/g) ?? [];
    return numbers.every(isExact) && keys.length === countKeys(value) ? value : text;
  } catch {
    return text;
  }
}

/** How many keys a value has, all told: of one that was given twice, one is left. */
function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, each) => sum + countKeys(each), own);
}

/** Whether a number means the same after it was one of ours: 12345678901234567890 does not. */
function isExact(number: string): boolean {
  return decimal(number) === decimal(String(Number(number)));
}

/** A number as its digits and the power of ten, so that `1.50`, `15e-1` and `1.5` are one. */
function decimal(number: string): string {
  const [, sign, whole = "", part = "", power = "0"] =
    /^(-?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(number) ?? [];
  const digits = (whole + part).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  return `${sign}${significant}e${Number(power) - part.length + digits.length - significant.length}`;
}
