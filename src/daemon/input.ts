// The input of an operation, as it stands in the path, the query and the body of a request, before it is checked.

import { Fault } from "../contract/faults.ts";
import type { Field } from "../contract/fields.ts";
import { parseJson } from "../contract/json.ts";
import { pathFields, type Operation } from "../contract/operations.ts";
import { maxBodyBytes, type RequestContext } from "./request.ts";

export type ReadInput = (c: RequestContext) => Promise<Record<string, unknown>>;

/**
 * Returns what merges path, query and body; the route is taken apart once. A field given twice with two values is a
 * fault; an unknown query key is ignored.
 */
export function inputReader({ input, path }: Operation): ReadInput {
  const inPath = pathFields(path);
  return async function readInput(c) {
    const given = await readBody(c);
    for (const name of inPath) add(given, name, input[name]!.read(c.req.param(name) ?? ""));
    if (c.req.url.includes("?")) {
      for (const [name, texts] of Object.entries(c.req.queries())) {
        if (Object.hasOwn(input, name) && texts.length > 0)
          add(given, name, readQuery(input[name]!, texts, name));
      }
    }
    return given;
  };
}

function add(given: Record<string, unknown>, name: string, value: unknown): void {
  if (Object.hasOwn(given, name) && JSON.stringify(given[name]) !== JSON.stringify(value)) {
    throw new Fault("invalid_input", `${name} is given twice, and differently`, {
      details: { field: name },
    });
  }
  given[name] = value;
}

function readQuery(field: Field<unknown>, texts: string[], name: string): unknown {
  const values = texts.map((text) => field.read(text));
  if (values.every((value) => Array.isArray(value))) return values.flat();
  if (values.length === 1) return values[0];
  throw new Fault("invalid_input", `${name} is given ${values.length} times`, {
    details: { field: name },
  });
}

async function readBody(c: RequestContext): Promise<Record<string, unknown>> {
  // In this order: to ask for the body makes a stream of it, which costs as much as reading it.
  if (c.req.header("content-length") === undefined && c.req.raw.body === null) return {};
  const text = asText(await bodyBytes(c).catch(cutOff));
  if (text.trim() === "") return {};
  const body = parseBody(text);
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Fault("invalid_input", "The body must be a JSON object", {
      details: { field: "body" },
    });
  }
  return body as Record<string, unknown>;
}

/** Reads a body to its end, or to the limit where no length was announced. */
async function bodyBytes(c: RequestContext): Promise<ArrayBuffer | Uint8Array> {
  if (c.req.header("content-length") !== undefined) return c.req.arrayBuffer();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new Fault("too_large", `A body may hold ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** JSON is UTF-8 (RFC 8259, section 8.1): what is not would be stored as something else. */
function asText(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Fault("invalid_input", "The body is not UTF-8", { details: { field: "body" } });
  }
}

/** The sender has gone, or its framing was nonsense: there is nothing to tell anybody. */
function cutOff(error: unknown): never {
  if (error instanceof Fault) throw error;
  throw new Fault("invalid_input", "The body did not arrive whole", { details: { field: "body" } });
}

function parseBody(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new Fault("invalid_input", `The body is not JSON: ${(error as Error).message}`, {
      details: { field: "body" },
    });
  }
}
