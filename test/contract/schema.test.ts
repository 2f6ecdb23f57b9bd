// The JSON Schema of a field tells what the field takes, so that OpenAPI is true.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  integer,
  nullable,
  oneOf,
  text,
  type Field,
  type Schema,
} from "../../src/contract/fields.ts";
import { port } from "../../src/contract/values.ts";
import { operations, type Operation } from "../../src/contract/operations.ts";

const summary = "A value";
const short = text({ summary, max: 5 });
const colour = oneOf({ summary, values: ["red", "blue"] });

test("the schema of a number, of words and of plain text allows exactly what the field takes", () => {
  const ascii = fc.string({ unit: "grapheme-ascii", maxLength: 8 });
  const value = fc.oneof(
    fc.integer({ min: -3, max: 14 }),
    fc.double(),
    fc.maxSafeInteger(),
    ascii,
    fc.constantFrom("red", "blue", null, true),
  );
  fc.assert(
    fc.property(value, (each) => {
      for (const field of [
        integer({ summary, min: 0, max: 10 }),
        port,
        colour,
        short,
        nullable(short),
      ]) {
        const isTaken = field.accept(each, "it") !== undefined;
        expect(allows(field.schema(), each), field.expects).toBe(isTaken);
      }
    }),
    { numRuns: 1000 },
  );
});

test("whatever a field of the operations table takes, its schema allows", () => {
  const fields = Object.values<Operation>(operations).flatMap(({ input }) => Object.entries(input));
  const choices = fields.flatMap(([, field]) => (field.schema()["enum"] ?? []) as string[]);
  const words = [
    "myapp:api",
    "a:*",
    "http://localhost:1/",
    "/up",
    "4000-4999",
    "2h",
    "tunnel",
    "lock.*",
  ];
  const others: unknown[] = [
    ["myapp", "b"],
    ["service.*"],
    { tunnel: "http://x" },
    { a: 1 },
    { pid: 1, command: "nc", cwd: null, user: null, startedAt: null },
    {},
    true,
    1,
  ];
  const value = fc.oneof<fc.Arbitrary<unknown>[]>(
    fc.integer({ min: -1, max: 70_000 }),
    fc.maxSafeInteger(),
    fc.string({ unit: "grapheme", maxLength: 250, size: "max" }),
    fc.jsonValue(),
  );
  const taken = new Set<string>();
  fc.assert(
    fc.property(value, (each) => {
      for (const [name, field] of fields) {
        if (!isTaken(field, each)) continue;
        taken.add(name);
        expect(allows(field.schema(), each), `${name} ${JSON.stringify(each)}`).toBe(true);
      }
    }),
    { numRuns: 500, examples: [...words, ...choices, ...others].map((each): [unknown] => [each]) },
  );
  expect(fields.map(([name]) => name).filter((name) => !taken.has(name))).toEqual([]);
});

function isTaken(field: Field<unknown>, value: unknown): boolean {
  try {
    return field.accept(value, "it") !== undefined;
  } catch {
    return false;
  }
}

/** The few words of JSON Schema 2020-12 that fields use; a word not known here fails the test. */
function allows(schema: Schema, value: any): boolean {
  return Object.entries(schema).every(([word, rule]) => {
    const judge = judges[word];
    if (!judge) throw new Error(`the schema says ${word}, which this test does not know`);
    return judge(rule, value);
  });
}

const isText = (value: unknown) => typeof value === "string";
const isMap = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const judges: Record<string, (rule: any, value: any) => boolean> = {
  type: (rule, value) =>
    ({
      string: isText(value),
      integer: Number.isInteger(value),
      boolean: typeof value === "boolean",
      array: Array.isArray(value),
      object: isMap(value),
      null: value === null,
    })[rule as string] ?? false,
  enum: (rule, value) => rule.includes(value),
  oneOf: (rule, value) => rule.filter((each: Schema) => allows(each, value)).length === 1,
  minimum: (rule, value) => typeof value !== "number" || value >= rule,
  maximum: (rule, value) => typeof value !== "number" || value <= rule,
  minLength: (rule, value) => !isText(value) || [...value].length >= rule,
  maxLength: (rule, value) => !isText(value) || [...value].length <= rule,
  pattern: (rule, value) => !isText(value) || new RegExp(rule, "u").test(value),
  minItems: (rule, value) => !Array.isArray(value) || value.length >= rule,
  maxItems: (rule, value) => !Array.isArray(value) || value.length <= rule,
  items: (rule, value) => !Array.isArray(value) || value.every((each) => allows(rule, each)),
  maxProperties: (rule, value) => !isMap(value) || Object.keys(value).length <= rule,
  propertyNames: (rule, value) =>
    !isMap(value) || Object.keys(value).every((key) => allows(rule, key)),
  additionalProperties: (rule, value) =>
    !isMap(value) || Object.values(value).every((each) => allows(rule, each)),
  properties: (rule, value) =>
    !isMap(value) || Object.keys(value).every((key) => !rule[key] || allows(rule[key], value[key])),
  required: (rule, value) => !isMap(value) || rule.every((key: string) => key in value),
  format: () => true,
  examples: () => true,
  description: () => true,
};
