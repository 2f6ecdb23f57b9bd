// What each kind of field takes, what it refuses, and how it says so.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { endpointUrl, environmentName, healthTarget } from "../../src/contract/entities.ts";
import { Fault } from "../../src/contract/faults.ts";
import {
  boolean,
  check,
  checkShape,
  checkText,
  integer,
  list,
  map,
  nullable,
  object,
  oneOf,
  optional,
  record,
  span,
  text,
  url,
  type Field,
} from "../../src/contract/fields.ts";
import { identity, pattern, pid, port, portRange } from "../../src/contract/values.ts";

const summary = "A value";
const hour = 3_600_000;
const short = text({ summary, max: 5 });
const colour = oneOf({ summary, values: ["red", "blue"] });
const wait = span({ summary, min: 1, max: 24 * hour });
const urls = map(endpointUrl, { summary, key: environmentName, max: 2 });
const point = record({ x: port, label: optional(short) }, { summary });

const kinds: [string, Field<any>, taken: unknown[], refused: unknown[]][] = [
  ["text", short, ["a", "hello", "né", "日本", " "], ["", "longer", 5, null, true, [], {}, ["a"]]],
  ["empty text", text({ summary, min: 0, max: 5 }), ["", "a"], ["longer", null]],
  [
    "grammar",
    text({ summary, max: 5, pattern: "^[a-z]+$" }),
    ["abc"],
    ["ABC", "a\n", "", "abcdef"],
  ],
  [
    "integer",
    integer({ summary, min: 0, max: 10 }),
    [0, 10],
    [-1, 11, 0.5, NaN, Infinity, "5", "", null, true, [5], {}, 2 ** 53],
  ],
  ["port", port, [1, 65535], [0, 65536, -1, 3100.5, "3100", null]],
  ["pid", pid, [1, 4_194_304], [0, -1, 4_194_305, "1"]],
  ["boolean", boolean({ summary }), [true, false], ["true", "", 0, 1, null, []]],
  ["one of", colour, ["red", "blue"], ["Red", "", "green", "constructor", 0, null, ["red"]]],
  [
    "list",
    list(port, { summary, min: 1, max: 2 }),
    [[1], [1, 2]],
    [[], [1, 2, 3], 1, "1", {}, null],
  ],
  ["record", point, [{ x: 1 }, { x: 1, label: "a" }], [[], null, "{}", 1]],
  ["map", urls, [{}, { tunnel: "https://x.test" }], [[], null, "{}", { a: "x", b: "x", c: "x" }]],
  [
    "object",
    object({ summary, maxBytes: 10 }),
    [{}, { a: "x" }, { a: "é" }],
    [[], null, 1, { a: "éé" }],
  ],
  ["null too", nullable(port), [null, 1], [0, "null", "", false]],
  ["identity", identity, ["myapp:api:main"], ["my app", "a:b:c:d", "myapp:*", 5, null, ["a"]]],
  [
    "pattern",
    pattern,
    ["*", "a:*:b", "src/auth@x"],
    ["", "a b", "é", "%", "x".repeat(201), 1, null],
  ],
  ["range", portRange, ["4000-4999"], ["4999-4000", "4000", 4000, [4000, 4999], null]],
  [
    "URL",
    endpointUrl,
    ["http://localhost:4000", "https://x.test/a?b#c", "ws://x", "wss://x"],
    ["", "x.test", "/path", "ftp://x", "javascript:alert(1)", "file:///etc/passwd", 5, null],
  ],
  ["URL of one scheme", url({ summary, schemes: ["https"] }), ["https://x"], ["http://x"]],
  [
    "environment",
    environmentName,
    ["tunnel", "my-env-2"],
    ["Dev", "a b", "", "x".repeat(33), "a_b"],
  ],
];

test.each(kinds)("a field of kind %j takes what it says", (_, field, taken) => {
  for (const value of taken) expect<unknown>(check(field, value, "it")).toEqual(value);
});

test.each(kinds)("a field of kind %j refuses the rest", (_, field, _taken, refused) => {
  for (const value of refused) {
    expect(faultOf(() => check(field, value, "it")).code, JSON.stringify(value)).toBe(
      "invalid_input",
    );
  }
});

test("a span is milliseconds or text with units, never a bare number in text", () => {
  expect([5, "2h", "1h30m"].map((each) => check(wait, each, "wait"))).toEqual([
    5,
    2 * hour,
    1.5 * hour,
  ]);
  for (const each of ["5", "", "-2h", "2x", "25h", "0ms", 0, -1, 1.5, null, true, ["2h"], {}]) {
    faultOf(() => check(wait, each, "wait"));
  }
});

test("text, URLs and patterns hold no control character and no half of a surrogate pair", () => {
  const control = fc
    .oneof(fc.integer({ min: 0, max: 0x1f }), fc.integer({ min: 0x7f, max: 0x9f }))
    .map((code) => String.fromCharCode(code));
  const half = fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code));
  const long = text({ summary, max: 100 });
  fc.assert(
    fc.property(fc.oneof(control, half), (bad) => {
      faultOf(() => check(long, `a${bad}b`, "it"));
      faultOf(() => check(endpointUrl, `http://x/a${bad}b`, "it"));
      faultOf(() => check(healthTarget, `/a${bad}b`, "it"));
      faultOf(() => check(pattern, `a${bad}`, "it"));
    }),
  );
  expect(check(long, "👩‍🚀 \u{1F600}", "it")).toBe("👩‍🚀 \u{1F600}");
});

test("a URL is taken as it stands, so spaces in or around it are refused", () => {
  for (const each of [" http://x.test", "http://x.test ", "http://x.test/a b"]) {
    expect(endpointUrl.accept(each, "url"), JSON.stringify(each)).toBeUndefined();
  }
});

test("a health target is a path or an http URL on loopback, and leads nowhere else", () => {
  for (const each of [
    "/",
    "/health?x=1",
    "http://localhost:4000/up",
    "http://[::1]/",
    "http://127.0.0.1",
  ]) {
    expect(healthTarget.accept(each, "health"), each).toBe(each);
  }
  const elsewhere = [
    "//evil.test",
    "/\\evil.test",
    "http://evil.test",
    "http://localhost@evil.test",
  ];
  const others = [
    "https://localhost",
    "ftp://localhost",
    "health",
    "",
    "/a b",
    "/é",
    "file:///etc",
    5,
  ];
  for (const each of [...elsewhere, ...others]) {
    expect(healthTarget.accept(each, "health"), String(each)).toBeUndefined();
  }
  const piece = fc.constantFrom(
    "/",
    "\\",
    "@",
    ":",
    "#",
    "?",
    ".",
    "http:",
    "localhost",
    "evil.test",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const target = healthTarget.accept(pieces.join(""), "health");
      fc.pre(target !== undefined);
      const reached = new URL(target, "http://localhost:3100").hostname;
      expect(["localhost", "127.0.0.1", "[::1]"], target).toContain(reached);
    }),
  );
});

test("a fault names the field, says the rule and shows what was given", () => {
  const fault = faultOf(() => check(port, "3100", "port"));
  expect(fault.message).toBe('port must be a whole number from 1 to 65535, not "3100"');
  expect(fault.details).toEqual({ field: "port" });
});

test("a fault stays short whatever was given", () => {
  const long = "x".repeat(100_000);
  for (const value of [long, [long], { [long]: long }, Array(50_000).fill(1)]) {
    expect(faultOf(() => check(port, value, "port")).message.length).toBeLessThan(300);
  }
  expect(faultOf(() => check(short, long, "it")).message).toContain("100000");
  expect(faultOf(() => checkShape({ port }, { [long]: 1 })).message.length).toBeLessThan(300);
  expect(faultOf(() => check(urls, { [long]: "http://x" }, "urls")).message.length).toBeLessThan(
    500,
  );
});

test.each<[Field<any>, unknown, string]>([
  [list(port, { summary, max: 9 }), [1, 0], "it[1]"],
  [point, { x: 0 }, "it.x"],
  [point, {}, "it.x"],
  [point, { x: 1, y: 2 }, "it.y"],
  [
    record({ points: list(point, { summary, max: 9 }) }, { summary }),
    { points: [{ x: "1" }] },
    "it.points[0].x",
  ],
  [urls, { tunnel: "x" }, "it.tunnel"],
  [urls, { LOUD: "http://x" }, "it.LOUD"],
])("a fault inside a value names the place, case %#", (field, value, place) => {
  const fault = faultOf(() => check(field, value, "it"));
  expect(fault.message).toContain(place);
  expect(fault.details).toEqual({ field: place });
});

test("a shape takes its own fields and no other, also none of Object's", () => {
  const shape = { port, label: optional(short) };
  expect(checkShape(shape, { port: 1 })).toEqual({ port: 1 });
  expect(checkShape(shape, { port: 1, label: undefined } as any)).toEqual({ port: 1 });
  expect(faultOf(() => checkShape(shape, {})).message).toStartWith(
    "port is missing: it must be a whole",
  );
  for (const name of ["prot", "constructor", "toString", "__proto__", "hasOwnProperty"]) {
    const values = JSON.parse(`{"port": 1, "${name}": 1}`);
    const fault = faultOf(() => checkShape(shape, values));
    expect(fault.message).toBe(`${name} is not a field here; known are port, label`);
    expect(fault.details).toEqual({ field: name });
  }
});

test.each<[string, Field<any>, string, unknown]>([
  ["a number", port, "3100", 3100],
  ["a boolean", boolean({ summary }), "true", true],
  ["a boolean", boolean({ summary }), "false", false],
  ["text", short, "123", "123"],
  ["a span", wait, "30m", hour / 2],
  ["one of some words", colour, "red", "red"],
  ["a list", list(port, { summary, max: 3 }), "3100", [3100]],
  ["JSON", object({ summary, maxBytes: 99 }), '{"a":[1]}', { a: [1] }],
  ["a map", urls, '{"dev":"http://x"}', { dev: "http://x" }],
  ["an identity", identity, "123", "123"],
])("text that stands for %s is read as one", (_, field, given, value) => {
  expect<unknown>(checkText(field, given, "it")).toEqual(value);
});

test.each<[Field<any>, string[]]>([
  [port, ["", " 3100", "3100 ", "3e3", "0x10", "3100.0", "+3100", "٣", "9".repeat(30), "null"]],
  [boolean({ summary }), ["", "1", "yes", "TRUE", "null"]],
  [wait, ["", "5", "2", "null"]],
  [object({ summary, maxBytes: 99 }), ["", "{", "[]", "null", "5", "a=b"]],
])("text that does not stand for the field's kind is refused, case %#", (field, texts) => {
  for (const each of texts) faultOf(() => checkText(field, each, "it"));
});

function faultOf(work: () => unknown): Fault {
  let result: unknown;
  try {
    result = work();
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).code).toBe("invalid_input");
    return error as Fault;
  }
  throw new Error(`taken, and not refused: ${JSON.stringify(result)}`);
}
