// Runs of ports.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { contains, format, parse } from "../../src/contract/range.ts";

test("two ports with a dash between are a range", () => {
  expect(parse("4000-4999")).toEqual({ start: 4000, end: 4999 });
  expect(parse("1-65535")).toEqual({ start: 1, end: 65535 });
  expect(parse("4000-4000")).toEqual({ start: 4000, end: 4000 });
});

test.each([
  "",
  "-",
  "4000",
  "4000-",
  "-4000",
  "4999-4000",
  "0-100",
  "1-65536",
  "4000-4999-5000",
  "4000 - 4999",
  " 4000-4999",
  "4000-4999\n",
  "4000–4999",
  "4e3-4999",
  "0x1-0x2",
  "4000.0-4999",
  "-1-5",
  "٤-٥",
  "1-999999999999",
])("%j is no range", (text) => expect(parse(text)).toBeUndefined());

const number = fc.oneof(fc.integer({ min: -5, max: 70_000 }), fc.constantFrom(0, 1, 65535, 65536));

test("a range has its first port not above its second, both from 1 to 65535", () => {
  fc.assert(
    fc.property(number, number, (start, end) => {
      const isRange = start > 0 && end < 65536 && start <= end;
      expect(parse(`${start}-${end}`)).toEqual(isRange ? { start, end } : undefined);
    }),
  );
});

test("a range is written as it is read", () => {
  const port = fc.integer({ min: 1, max: 65535 });
  fc.assert(
    fc.property(port, port, (a, b) => {
      const range = { start: Math.min(a, b), end: Math.max(a, b) };
      expect(parse(format(range))).toEqual(range);
    }),
  );
});

test("a range contains its ends and what lies between, and nothing else", () => {
  const range = { start: 4000, end: 4010 };
  const inside = Array.from({ length: 20 }, (_, index) => 3995 + index).filter((port) =>
    contains(range, port),
  );
  expect(inside).toEqual([4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008, 4009, 4010]);
});
