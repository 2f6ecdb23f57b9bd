// What somebody probably meant.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { editDistance, nearest } from "../../src/cli/nearest.ts";

/** The definition of the optimal string alignment distance, word for word, in exponential time. */
function model(from: string, to: string): number {
  if (from === "" || to === "") return from.length + to.length;
  const ways = [
    model(from.slice(0, -1), to) + 1,
    model(from, to.slice(0, -1)) + 1,
    model(from.slice(0, -1), to.slice(0, -1)) + (from.at(-1) === to.at(-1) ? 0 : 1),
  ];
  if (from.length > 1 && to.length > 1 && from.at(-1) === to.at(-2) && from.at(-2) === to.at(-1))
    ways.push(model(from.slice(0, -2), to.slice(0, -2)) + 1);
  return Math.min(...ways);
}

const few = (maxLength: number) => fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength });

describe("the distance of two words", () => {
  test.each([
    ["", "", 0],
    ["", "abc", 3],
    ["claim", "claim", 0],
    ["clam", "claim", 1],
    ["cliam", "claim", 1],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3],
  ])("%j to %j is %d", (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
  });

  test("is what its definition says", () => {
    fc.assert(
      fc.property(few(5), few(5), (from, to) => editDistance(from, to) === model(from, to)),
      { numRuns: 300 },
    );
  });

  test("is the same both ways, none for equals alone, and never more than the longer word", () => {
    fc.assert(
      fc.property(few(12), few(12), (from, to) => {
        const distance = editDistance(from, to);
        expect(editDistance(to, from)).toBe(distance);
        expect(distance === 0).toBe(from === to);
        expect(distance).toBeGreaterThanOrEqual(Math.abs(from.length - to.length));
        expect(distance).toBeLessThanOrEqual(Math.max(from.length, to.length));
      }),
    );
  });
});

describe("the nearest candidate", () => {
  test("is the one with the fewest slips, the first of equals", () => {
    expect(nearest("relaese", ["restart", "release"])).toBe("release");
    expect(nearest("cat", ["bat", "rat"])).toBe("bat");
    expect(nearest("stat", ["start", "status"])).toBe("start");
  });

  test("is found whatever the case, and returned as it is written", () => {
    expect(nearest("MYAPP:API", ["myapp:Api"])).toBe("myapp:Api");
  });

  test("may differ in a third of the letters, and in one at least", () => {
    expect(nearest("abcdef", ["abcdXY"])).toBe("abcdXY");
    expect(nearest("abcdef", ["abcXYZ"])).toBeUndefined();
    expect(nearest("pz", ["ps"])).toBe("ps");
    expect(nearest("xy", ["ps"])).toBeUndefined();
  });

  test("is none where there is nothing to choose from", () => {
    expect(nearest("claim", [])).toBeUndefined();
  });
});
