// What counts as growth, and what does not.

import { expect, test } from "bun:test";
import { judge } from "./flat.ts";

const bound = { share: 0.1, least: 1 };

const series = (value: (n: number) => number) => Array.from({ length: 100 }, (_, n) => value(n));

test.each([
  ["a level series", true, series(() => 50)],
  ["noise around a level", true, series((n) => 50 + ((n * 7_919) % 20))],
  ["what falls", true, series((n) => 100 - n / 2)],
  ["one peak", true, series((n) => (n === 40 ? 500 : 50))],
  ["a slow rise by less than is allowed", true, series((n) => 50 + n / 25)],
  ["a slow rise by more", false, series((n) => 50 + n / 12)],
  ["a rise behind noise", false, series((n) => 50 + n / 5 + ((n * 7_919) % 20))],
  ["a rise in steps", false, series((n) => 50 + Math.floor(n / 20) * 5)],
])("%s: flat is %p", (_, isFlat, samples) => {
  expect(judge(samples, bound).isFlat).toBe(isFlat);
});

test("what fills up and is emptied again is flat where half of its level may come and go", () => {
  const emptied = series((n) => (n * 3) % 64);
  expect(judge(emptied, bound).isFlat).toBe(false);
  expect(judge(emptied, { share: 0.5, least: 1 }).isFlat).toBe(true);
  expect(
    judge(
      series((n) => n * 3),
      { share: 0.5, least: 1 },
    ).isFlat,
  ).toBe(false);
});

test("what a series may rise by is a share of its level, and never less than what is measured in", () => {
  expect(
    judge(
      series(() => 500),
      bound,
    ).allowed,
  ).toBe(50);
  expect(
    judge(
      series(() => 0),
      bound,
    ).allowed,
  ).toBe(1);
});

test("a single sample above what is allowed at most is one too many", () => {
  const peak = series((n) => (n === 40 ? 500 : 50));
  expect(judge(peak, { ...bound, most: 499 }).isFlat).toBe(false);
  expect(judge(peak, { ...bound, most: 500 }).isFlat).toBe(true);
});
