// The one rule of patterns, against a matcher that walks the parts one by one.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  isPattern,
  literalPrefix,
  matches,
  matchesEverything,
  matcher,
} from "../../src/contract/pattern.ts";

function holds(pattern: string, name: string): boolean {
  return isPattern(pattern) ? partsHold(pattern.split(":"), name.split(":")) : pattern === name;
}

function partsHold([first, ...others]: string[], name: string[]): boolean {
  if (first === undefined) return name.length === 0;
  if (first === "*" && others.length === 0) return true;
  if (name.length === 0) return false;
  if (first === "**") return name.some((_, taken) => partsHold(others, name.slice(taken + 1)));
  return partHolds([...first], [...name[0]!]) && partsHold(others, name.slice(1));
}

/** `concat` adds a place after the last letter, where a star may end too. */
function partHolds([first, ...others]: string[], text: string[]): boolean {
  if (first === undefined) return text.length === 0;
  if (first === "*")
    return text.concat("").some((_, taken) => partHolds(others, text.slice(taken)));
  return text[0] === first && partHolds(others, text.slice(1));
}

const letter = fc.constantFrom("a", "b", "A", "_", "%", ".", "-");
const namePart = fc.string({ unit: letter, minLength: 1, maxLength: 4 });
const name = fc.array(namePart, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(":"));
const patternPart = fc.oneof(
  fc.constantFrom("*", "**"),
  fc.string({ unit: fc.oneof(letter, fc.constant("*")), minLength: 1, maxLength: 4 }),
);
const anyPattern = fc
  .array(patternPart, { minLength: 1, maxLength: 4 })
  .map((all) => all.join(":"));

/** A name and a pattern made from it by putting a star for a run of one of its parts. */
const nameAndSuperset = fc
  .tuple(name, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 })), { maxLength: 3 }))
  .map(([whole, cuts]) => {
    const parts = whole.split(":");
    for (const [seed, length] of cuts) {
      const at = seed % parts.length;
      const start = seed % parts[at]!.length;
      parts[at] = `${parts[at]!.slice(0, start)}*${parts[at]!.slice(start + length)}`;
    }
    return { name: whole, pattern: parts.join(":") };
  });

test.each([
  ["myapp:*", ["myapp", "myapp:api", "myapp:api:main"], ["myapp2", "myapp2:api", "my", "shop:api"]],
  ["*:api:*", ["shop:api", "shop:api:main"], ["api", "shop:web", "shop:x:api"]],
  [
    "myapp:*:feature-auth",
    ["myapp:api:feature-auth"],
    ["myapp:feature-auth", "myapp:a:b:feature-auth"],
  ],
  ["service:**:ready", ["service:a:ready", "service:a:b:ready"], ["service:ready", "service:a"]],
  ["**", ["a", "a:b", "a:b:c"], []],
  ["a:**", ["a:b", "a:b:c"], ["a", "ab"]],
  ["**:ready", ["a:ready", "a:b:ready"], ["ready", "a:already"]],
  ["my*:w*b", ["my:wb", "myapp:web"], ["myapp", "myapp:web:main", "myapp:we"]],
  ["*-api", ["shop-api"], ["shop:x-api", "shop-api:main"]],
  ["*", ["a", "a:b:c"], []],
  ["*:*", ["a", "a:b", "a:b:c"], []],
])("%j finds what it says and no more", (pattern, found, notFound) => {
  for (const each of found) expect(matches(pattern, each), each).toBe(true);
  for (const each of notFound) expect(matches(pattern, each), each).toBe(false);
});

test("without a star a pattern is the name itself, letter by letter", () => {
  expect(matches("myapp:api", "myapp:api")).toBe(true);
  expect(matches("myapp", "myapp:api")).toBe(false);
  expect(matches("MyApp", "myapp")).toBe(false);
});

test("'_', '%' and '.' stand for themselves, and case matters", () => {
  for (const [pattern, other] of [
    ["my_pp:*", "myapp"],
    ["my%:*", "myapp"],
    ["v1.2:*", "v1x2"],
    ["a+:*", "aa"],
    ["[a]*", "a"],
    ["MYAPP:*", "myapp"],
  ] as const) {
    expect(matches(pattern, other), `${pattern} ${other}`).toBe(false);
  }
  expect(matches("my_pp:*", "my_pp:api")).toBe(true);
  expect(matches("100%:*", "100%:x")).toBe(true);
});

test("an empty part is a part like any other", () => {
  for (const pattern of ["a:*:b", "a:**:b"]) expect(matches(pattern, "a::b"), pattern).toBe(true);
  expect(matches("a:**:b", "a:b")).toBe(false);
});

test("every pattern matches exactly the names that the walk over the parts finds", () => {
  fc.assert(
    fc.property(anyPattern, name, (pattern, each) =>
      expect(matches(pattern, each)).toBe(holds(pattern, each)),
    ),
    { numRuns: 5000 },
  );
});

test("a star in place of any run of a part finds at least what was there before", () => {
  fc.assert(
    fc.property(nameAndSuperset, ({ name: each, pattern }) =>
      expect(matches(pattern, each)).toBe(true),
    ),
  );
});

test("'**' in place of one or more parts finds what was there before, in place of none it does not", () => {
  const parts = fc.array(namePart, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(parts, parts, parts, (before, between, after) => {
      const pattern = [...before, "**", ...after].join(":");
      expect(matches(pattern, [...before, ...between, ...after].join(":"))).toBe(true);
      expect(matches(pattern, [...before, ...after].join(":"))).toBe(false);
    }),
  );
});

test("a pattern with many stars is decided at once, also where it nearly matches", () => {
  const start = performance.now();
  expect(matches("*a".repeat(7) + "b", "a".repeat(64))).toBe(false);
  expect(matches("**:".repeat(6) + "x", "a:".repeat(60) + "b")).toBe(false);
  expect(performance.now() - start).toBeLessThan(5_000);
});

test("the literal prefix is the start of every match", () => {
  const derived = nameAndSuperset.map(({ name: each, pattern }) => [pattern, each] as const);
  const trailing = name.map((each) => [`${each}:*`, each] as const);
  const pair = fc.oneof(derived, trailing, fc.tuple(anyPattern, name));
  fc.assert(
    fc.property(pair, ([pattern, each]) => {
      fc.pre(isPattern(pattern) && matches(pattern, each));
      expect(each.startsWith(literalPrefix(pattern))).toBe(true);
    }),
  );
});

test.each([
  ["myapp:*", "myapp"],
  ["myapp:a*", "myapp:a"],
  ["my*:x", "my"],
  ["*", ""],
  ["a:b:*", "a:b"],
])("the literal prefix of %j is %j, so that little is read for it", (pattern, prefix) => {
  expect(literalPrefix(pattern)).toBe(prefix);
});

test("a pattern that says nothing is known as one, and no other", () => {
  for (const each of ["*", "**", "*:*", "*:*:*", "**:*"])
    expect(matchesEverything(each), each).toBe(true);
  for (const each of ["", ":", "::", "a*", "*a", "*:a", "a:*", "_", "%"]) {
    expect(matchesEverything(each), each).toBe(false);
  }
});

test("what finds every one of many different names is known to match everything", () => {
  const different = ["a", "Z", "_", "b:c", "0:1", "d:e:f", "x.y:-:z"];
  const starry = fc.string({
    unit: fc.constantFrom("*", "*", ":", "a"),
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(fc.oneof(starry, anyPattern), (pattern) => {
      if (different.every(matcher(pattern))) expect(matchesEverything(pattern)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
