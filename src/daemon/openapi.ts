// The operations table as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1.html).

import { faults } from "../contract/faults.ts";
import { isOptional, schemaOf, type Field, type Schema } from "../contract/fields.ts";
import { fillPath, operations, pathFields, type Operation } from "../contract/operations.ts";

export function openapi(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, operation] of Object.entries<Operation>(operations)) {
    const path = fillPath(operation.path, (field) => `{${field}}`);
    (paths[path] ??= {})[operation.method.toLowerCase()] = describe(name, operation);
  }
  return {
    openapi: "3.1.1",
    info: { title: "port-daddy", version, license: { name: "MIT", identifier: "MIT" } },
    paths,
    components: { schemas: { Fault: faultSchema }, responses: { Fault: faultResponse } },
  };
}

function describe(name: string, operation: Operation) {
  const { method, path, group, summary, input, output, answersIn } = operation;
  const inPath = pathFields(path);
  const others = Object.entries(input).filter(([field]) => !inPath.includes(field));
  const takesBody = method === "POST" || method === "PUT";
  const parameters = [
    ...inPath.map((field) => parameter("path", field, input[field]!)),
    ...(takesBody ? [] : others.map(([field, row]) => parameter("query", field, row))),
  ];
  return {
    operationId: name,
    tags: [group],
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(takesBody && others.length > 0 && { requestBody: body(others) }),
    responses: {
      200: {
        description: output.summary,
        content: contentOf(output, answersIn),
      },
      default: { $ref: "#/components/responses/Fault" },
    },
  };
}

function contentOf(output: Field<unknown>, answersIn: Operation["answersIn"]) {
  switch (answersIn) {
    case "json":
      return { "application/json": { schema: output.schema() } };
    case "text":
      return { "text/plain": { schema: output.schema() } };
    case "events":
      return { "text/event-stream": { schema: { type: "string", description: dataOf(output) } } };
  }
}

/** OpenAPI 3.1 has no words for a stream of events, so its data is described by a sentence. */
function dataOf(output: Field<unknown>): string {
  return `Server-sent events; the data of each: ${JSON.stringify(output.schema())}`;
}

function parameter(place: "path" | "query", name: string, field: Field<unknown>) {
  return {
    name,
    in: place,
    required: !isOptional(field),
    description: field.summary,
    schema: field.schema(),
  };
}

function body(fields: [string, Field<unknown>][]) {
  const required = fields.filter(([, field]) => !isOptional(field)).map(([name]) => name);
  const schema: Schema = {
    type: "object",
    properties: Object.fromEntries(fields.map(([name, field]) => [name, schemaOf(field)])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
  return { required: required.length > 0, content: { "application/json": { schema } } };
}

const faultSchema: Schema = {
  type: "object",
  properties: {
    error: { type: "string", description: "The failure in one sentence" },
    code: { type: "string", enum: Object.keys(faults) },
    hint: { type: "string", description: "What to do about it; ends in a command" },
  },
  required: ["error", "code"],
};

const faultResponse = {
  description: "What went wrong",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Fault" } } },
};
