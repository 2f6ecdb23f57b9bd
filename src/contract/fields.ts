// What a value from outside must be. A field says it once: in code (`accept`), in words (`expects`) and as JSON Schema
// (`schema`); input checks, flags, OpenAPI and the README read it from here.

import * as duration from "./duration.ts";
import { Fault } from "./faults.ts";
import { parseJson } from "./json.ts";

/** A JSON Schema (2020-12), as OpenAPI 3.1 uses it. */
export type Schema = Record<string, unknown>;

export type Field<T> = {
  /** One line about what it is for. */
  summary: string;
  /** What a value must be; completes "port must be …". */
  expects: string;
  /** How a value is shown in a usage line: `--port <n>`. */
  placeholder: string;
  /** Made when asked for: only OpenAPI needs it, and every command loads the table. */
  schema(): Schema;
  /** The value as we use it, or `undefined` where it is not acceptable. `name` is for faults about its inside. */
  accept(value: unknown, name: string): T | undefined;
  /** The JSON value that a text stands for, where a path, a query or a flag can carry only text. */
  read(text: string): unknown;
  /** Whether what was given is not to be repeated. */
  isSecret?: true;
};

export type OptionalField<T> = Field<T> & { optional: true };
export type Shape = Record<string, Field<any>>;

export type ValueOf<F> = F extends Field<infer T> ? T : never;
type OptionalKey<S extends Shape> = {
  [K in keyof S]: S[K] extends { optional: true } ? K : never;
}[keyof S];
export type ValuesOf<S extends Shape> = {
  [K in Exclude<keyof S, OptionalKey<S>>]: ValueOf<S[K]>;
} & { [K in OptionalKey<S>]?: ValueOf<S[K]> };

/** Checks one value. Throws `invalid_input` naming the field, the rule and what was given. */
export function check<T>(field: Field<T>, value: unknown, name: string): T {
  const accepted = field.accept(value, name);
  const given = field.isSecret ? "what was given" : shown(value);
  if (accepted === undefined) throw invalid(name, `must be ${field.expects}, not ${given}`);
  return accepted;
}

/** Checks a value that arrived as text. */
export function checkText<T>(field: Field<T>, text: string, name: string): T {
  return check(field, field.read(text), name);
}

/** Checks a whole object against a shape: every required field there, no unknown one, each as it must be. */
export function checkShape<S extends Shape>(
  shape: S,
  values: Record<string, unknown>,
  within = "",
): ValuesOf<S> {
  const checked: Record<string, unknown> = {};
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(shape, name)) throw unknownField(within + name, Object.keys(shape));
  }
  for (const name in shape) {
    const field = shape[name] as Field<unknown>;
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined) checked[name] = check(field, value, within + name);
    else if (!isOptional(field))
      throw invalid(within + name, `is missing: it must be ${field.expects}`);
  }
  return checked as ValuesOf<S>;
}

export function isOptional(field: Field<unknown>): boolean {
  return "optional" in field;
}

export function optional<T>(field: Field<T>): OptionalField<T> {
  return { ...field, optional: true };
}

/** The same field with words of its own for this place. */
export function described<F extends Field<any>>(field: F, summary: string): F {
  return { ...field, summary };
}

type Words = { summary: string; placeholder?: string };

/** Text of `min` to `max` characters, without control characters, optionally of a grammar of its own. */
export function text(
  words: Words & { min?: number; max: number; pattern?: string; expects?: string },
): Field<string> {
  const { min = 1, max, pattern } = words;
  let grammar: RegExp | undefined;
  return {
    summary: words.summary,
    expects: words.expects ?? `text of ${min} to ${max} characters without control characters`,
    placeholder: words.placeholder ?? "<text>",
    schema: () => ({ type: "string", minLength: min, maxLength: max, ...(pattern && { pattern }) }),
    accept(value) {
      if (typeof value !== "string" || value.length < min || value.length > max) return undefined;
      if (pattern === undefined) return isPrintable(value) ? value : undefined;
      grammar ??= new RegExp(pattern, "u");
      return grammar.test(value) ? value : undefined;
    },
    read: (raw) => raw,
  };
}

export function integer(words: Words & { min: number; max: number }): Field<number> {
  const { min, max } = words;
  return {
    summary: words.summary,
    expects: `a whole number from ${min} to ${max}`,
    placeholder: words.placeholder ?? "<n>",
    schema: () => ({ type: "integer", minimum: min, maximum: max }),
    accept: (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? (value as number)
        : undefined,
    read: (raw) => (/^-?\d{1,16}$/.test(raw) ? Number(raw) : raw),
  };
}

export function boolean(words: Words): Field<boolean> {
  return {
    summary: words.summary,
    expects: "true or false",
    placeholder: "",
    schema: () => ({ type: "boolean" }),
    accept: (value) => (typeof value === "boolean" ? value : undefined),
    read: (raw) => (raw === "true" ? true : raw === "false" ? false : raw),
  };
}

export function oneOf<const T extends string>(words: Words & { values: readonly T[] }): Field<T> {
  return {
    summary: words.summary,
    expects: `one of ${words.values.join(", ")}`,
    placeholder: words.placeholder ?? `<${words.values.join("|")}>`,
    schema: () => ({ type: "string", enum: words.values }),
    accept: (value) => words.values.find((candidate) => candidate === value),
    read: (raw) => raw,
  };
}

/** A span of time, in milliseconds: a number in JSON, or text with units (`2h`) anywhere. */
export function span(words: Words & { min: number; max: number }): Field<number> {
  const { min, max } = words;
  return {
    summary: words.summary,
    expects: `a span with its unit, such as 30m, 2h or 1d, from ${duration.format(min)} to ${duration.format(max)}`,
    placeholder: words.placeholder ?? "<span>",
    schema: () => ({
      oneOf: [
        { type: "integer", minimum: min, maximum: max, description: "milliseconds" },
        { type: "string", examples: ["30m", "2h", "1d"] },
      ],
    }),
    accept(value) {
      const ms = typeof value === "string" ? duration.parse(value) : value;
      return Number.isSafeInteger(ms) && (ms as number) >= min && (ms as number) <= max
        ? (ms as number)
        : undefined;
    },
    read: (raw) => raw,
  };
}

/** A span that people give in milliseconds: as text a bare number is one too. */
export function waitSpan(words: Words & { min: number; max: number }): Field<number> {
  return {
    ...span({ placeholder: "<ms>", ...words }),
    expects: `milliseconds or a span such as 30s or 5m, from ${duration.format(words.min)} to ${duration.format(words.max)}`,
    read: (raw) => (/^\d{1,16}$/.test(raw) ? Number(raw) : raw),
  };
}

export function list<T>(item: Field<T>, words: Words & { min?: number; max: number }): Field<T[]> {
  const { min = 0, max } = words;
  return {
    summary: words.summary,
    expects: `a list of ${min} to ${max} items`,
    placeholder: words.placeholder ?? item.placeholder,
    schema: () => ({ type: "array", items: item.schema(), minItems: min, maxItems: max }),
    accept(value, name) {
      if (!Array.isArray(value) || value.length < min || value.length > max) return undefined;
      return value.map((each, index) => check(item, each, `${name}[${index}]`));
    },
    read: (raw) => [item.read(raw)],
  };
}

/** An object with the fields of a shape, and no others. */
export function record<S extends Shape>(shape: S, words: Words): Field<ValuesOf<S>> & { shape: S } {
  return {
    shape,
    summary: words.summary,
    expects: `an object with ${Object.keys(shape).join(", ")}`,
    placeholder: words.placeholder ?? "<json>",
    schema: () => ({
      type: "object",
      properties: Object.fromEntries(
        Object.entries(shape).map(([name, field]) => [name, schemaOf(field)]),
      ),
      required: Object.keys(shape).filter((name) => !isOptional(shape[name]!)),
      additionalProperties: false,
    }),
    accept: (value, name) => (isObject(value) ? checkShape(shape, value, `${name}.`) : undefined),
    read: readJson,
  };
}

/** An object whose keys are of a grammar and whose values are all of one field. */
export function map<T>(
  item: Field<T>,
  words: Words & { key: Field<string>; max: number },
): Field<Record<string, T>> {
  return {
    summary: words.summary,
    expects: `an object of at most ${words.max} entries`,
    placeholder: words.placeholder ?? "<json>",
    schema: () => ({
      type: "object",
      additionalProperties: item.schema(),
      propertyNames: words.key.schema(),
      maxProperties: words.max,
    }),
    accept(value, name) {
      if (!isObject(value) || Object.keys(value).length > words.max) return undefined;
      const entries = Object.entries(value).map(([key, each]) => [
        check(words.key, key, `${name}.${key}`),
        check(item, each, `${name}.${key}`),
      ]);
      return Object.fromEntries(entries);
    },
    read: readJson,
  };
}

/** Any JSON object, at most `maxBytes` long when written out. */
export function object(words: Words & { maxBytes: number }): Field<Record<string, unknown>> {
  return {
    summary: words.summary,
    expects: `a JSON object of at most ${words.maxBytes} bytes`,
    placeholder: words.placeholder ?? "<json>",
    schema: () => ({ type: "object" }),
    accept: (value) =>
      isObject(value) && byteLength(JSON.stringify(value)) <= words.maxBytes ? value : undefined,
    read: readJson,
  };
}

/** Any JSON value, also `null`, at most `maxBytes` long when written out. */
export function json(words: Words & { maxBytes: number }): Field<unknown> {
  return {
    summary: words.summary,
    expects: `a JSON value of at most ${words.maxBytes} bytes`,
    placeholder: words.placeholder ?? "<json>",
    schema: () => ({}),
    accept: (value) =>
      value !== undefined && byteLength(JSON.stringify(value)) <= words.maxBytes
        ? value
        : undefined,
    read: readJson,
  };
}

export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    ...field,
    expects: `${field.expects}, or null`,
    schema: () => ({ oneOf: [field.schema(), { type: "null" }] }),
    accept: (value, name) => (value === null ? null : field.accept(value, name)),
  };
}

export function url(
  words: Words & { schemes: readonly string[]; expects?: string },
): Field<string> {
  return {
    summary: words.summary,
    expects: words.expects ?? `a URL (${words.schemes.join(", ")}) of at most 2000 characters`,
    placeholder: words.placeholder ?? "<url>",
    schema: () => ({ type: "string", format: "uri", maxLength: 2000 }),
    accept(value) {
      if (typeof value !== "string" || value.length > 2000 || !isPrintable(value)) return undefined;
      if (/\s/.test(value)) return undefined;
      const scheme = URL.parse(value)?.protocol.slice(0, -1);
      return scheme !== undefined && words.schemes.includes(scheme) ? value : undefined;
    },
    read: (raw) => raw,
  };
}

/** A field's schema with its summary as the description. */
export function schemaOf(field: Field<unknown>): Schema {
  return { ...field.schema(), description: field.summary };
}

function invalid(name: string, problem: string): Fault {
  return new Fault("invalid_input", `${clipped(name)} ${problem}`, {
    details: { field: clipped(name) },
  });
}

/** What somebody else made up, short enough to repeat. */
function clipped(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function unknownField(name: string, known: string[]): Fault {
  return invalid(
    name === "" ? "(no name)" : name,
    `is not a field here; known are ${known.join(", ")}`,
  );
}

function shown(value: unknown): string {
  if (typeof value === "string" && value.length > 60) return `a text of ${value.length} characters`;
  return clipped(JSON.stringify(value) ?? String(value));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPrintable(value: string): boolean {
  return value.isWellFormed() && !/\p{Cc}/u.test(value);
}

function byteLength(value: string): number {
  return new TextEncoder().encode(value).length;
}

function readJson(raw: string): unknown {
  try {
    return parseJson(raw);
  } catch {
    return raw;
  }
}
