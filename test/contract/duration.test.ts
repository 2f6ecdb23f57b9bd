// Spans of time, against a sum made by hand.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { brief, format, parse } from "../../src/contract/duration.ts";

const sizes = { ms: 1n, s: 1000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n };
const unit = fc.constantFrom(...(Object.keys(sizes) as (keyof typeof sizes)[]));
const term = fc.record({ amount: fc.bigInt({ min: 0n, max: 10n ** 9n }), unit });
const largest = BigInt(Number.MAX_SAFE_INTEGER);

test.each([
  ["2h", 7_200_000],
  ["30m", 1_800_000],
  ["1h30m", 5_400_000],
  ["500ms", 500],
  ["1m500ms", 60_500],
  ["7d", 604_800_000],
  ["0s", 0],
  ["9007199254740991ms", Number.MAX_SAFE_INTEGER],
])("%j is %d milliseconds", (text, ms) => expect(parse(text)).toBe(ms));

test.each([
  "",
  "5",
  "h",
  "-5m",
  "+5m",
  "1.5h",
  "1e3ms",
  "5 m",
  " 5m",
  "5m ",
  "5m\n",
  "1H",
  "1M",
  "2w",
  "1h30",
  "1h-30m",
  "1h, 30m",
  "٣h",
  "Infinityms",
  "9007199254740992ms",
  "9".repeat(400) + "d",
])("%j is no span", (text) => expect(parse(text)).toBeUndefined());

test("what is written is read back as the same number", () => {
  const numbers = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.nat({ max: 100_000 }));
  fc.assert(fc.property(numbers, (ms) => expect(parse(format(ms))).toBe(ms)));
});

test("a span is the sum of its terms, or none where that cannot be told exactly", () => {
  fc.assert(
    fc.property(fc.array(term, { minLength: 1, maxLength: 4 }), (terms) => {
      const text = terms.map(({ amount, unit }) => `${amount}${unit}`).join("");
      const sum = terms.reduce((total, { amount, unit }) => total + amount * sizes[unit], 0n);
      expect(parse(text)).toBe(sum <= largest ? Number(sum) : undefined);
    }),
  );
});

test("no text of digits and other letters is taken for a span unless it is whole terms", () => {
  const text = fc.string({ unit: fc.constantFrom(..."012hmsdx. -"), maxLength: 8 });
  fc.assert(
    fc.property(text, (each) => expect(parse(each) !== undefined).toBe(isTerms(each))),
    { numRuns: 3000 },
  );
});

test("a span is written with its largest units first and without those it has none of", () => {
  expect(format(5_400_000)).toBe("1h30m");
  expect(format(86_400_001)).toBe("1d1ms");
  expect(format(0)).toBe("0ms");
});

test("for the eye the largest unit is enough, rounded down", () => {
  expect([5_400_000, 59_000, 999, 0].map(brief)).toEqual(["1h", "59s", "999ms", "0ms"]);
  fc.assert(
    fc.property(fc.maxSafeNat(), (ms) => {
      const [, amount, unit] = /^(\d+)([a-z]+)$/.exec(brief(ms))!;
      const size = sizes[unit as keyof typeof sizes];
      expect(BigInt(amount!)).toBe(BigInt(ms) / size);
      if (amount === "0") expect(ms).toBe(0);
    }),
  );
});

/** Reads digits, then a unit, again and again to the end. */
function isTerms(text: string): boolean {
  let at = 0;
  if (text === "") return false;
  while (at < text.length) {
    const start = at;
    while (at < text.length && "0123456789".includes(text.charAt(at))) at++;
    if (at === start) return false;
    if (text.startsWith("ms", at)) at += 2;
    else if ("dhms".includes(text.charAt(at) || "none")) at++;
    else return false;
  }
  return true;
}
