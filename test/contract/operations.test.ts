// The table of operations and the OpenAPI document that is made from it.

import { expect, test } from "bun:test";
import { isOptional } from "../../src/contract/fields.ts";
import { fillPath, operations, pathFields, type Operation } from "../../src/contract/operations.ts";
import { makeSide } from "../scenario.ts";

const rows = Object.entries<Operation>(operations);
const document = await makeSide().play({ path: "/openapi.json", events: [] });
const described = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
  Object.entries<any>(methods).map(([method, words]) => ({ path, method, words })),
);

test.each(rows)("what %s has in its path is an input it must have", (_, { path, input }) => {
  for (const name of pathFields(path)) {
    expect(Object.keys(input)).toContain(name);
    expect(isOptional(input[name]!), name).toBe(false);
  }
});

test("no two operations share method and path", () => {
  const routes = rows.map(([, { method, path }]) => `${method} ${fillPath(path, () => ":")}`);
  expect(new Set(routes).size).toBe(routes.length);
});

test("OpenAPI has every operation of the table, and no other", () => {
  const inTable = rows.map(
    ([name, { method, path }]) => `${name}: ${method} ${fillPath(path, (field) => `{${field}}`)}`,
  );
  const inDocument = described.map(({ path, method, words }) => {
    const route = path;
    return `${words.operationId}: ${method.toUpperCase()} ${route}`;
  });
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(inDocument.sort()).toEqual(inTable.sort());
});

test("every $ref of the OpenAPI document leads somewhere in it", () => {
  const refs: string[] = [];
  JSON.stringify(document, (key, value) => (key === "$ref" && refs.push(value), value));
  expect(refs.length).toBeGreaterThan(described.length);
  for (const ref of new Set(refs)) {
    expect(ref).toStartWith("#/");
    const target = ref
      .slice(2)
      .split("/")
      .reduce((place, step) => place?.[step], document);
    expect(target, ref).toBeObject();
  }
});

test.each(rows)("OpenAPI describes every input of %s once, and where it goes", (name, row) => {
  const { words } = described.find((each) => each.words.operationId === name)!;
  const parameters: any[] = words.parameters ?? [];
  const body = words.requestBody?.content["application/json"].schema ?? {};
  const named = [...parameters.map((each) => each.name), ...Object.keys(body.properties ?? {})];
  expect(named.sort()).toEqual(Object.keys(row.input).sort());

  const inPath = parameters.filter((each) => each.in === "path");
  expect(inPath.map((each) => each.name)).toEqual(pathFields(row.path));
  const required = [
    ...parameters.filter((each) => each.required).map((each) => each.name),
    ...(body.required ?? []),
  ];
  const mustBeThere = Object.keys(row.input).filter((field) => !isOptional(row.input[field]!));
  expect(required.sort()).toEqual(mustBeThere.sort());
  if (row.method === "GET") expect(words.requestBody).toBeUndefined();
});
