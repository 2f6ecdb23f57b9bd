// Bad input: whatever is sent for whatever field of whatever operation is refused in a sentence, and nothing changes.
// The tests walk the table of operations, so that one added to it is covered by itself.

import { expect, mock, spyOn, test } from "bun:test";
import { isOptional, type Field } from "../../src/contract/fields.ts";
import {
  operations,
  fillPath,
  pathFields,
  type Operation,
  type OperationName,
} from "../../src/contract/operations.ts";
import { handlers } from "../../src/daemon/handlers.ts";
import { makeSide, type Side } from "../scenario.ts";

const rows = Object.entries<Operation>(operations);
const writing = rows.filter(([, { method }]) => method !== "GET");
/** Every input that has a wrong value: a payload has none but its size. */
const everyField = rows.flatMap(([name, operation]) =>
  Object.keys(operation.input)
    .filter((field) => field !== "payload")
    .map((field) => [name, field, operation] as const),
);
const deep = "[".repeat(100_000) + "]".repeat(100_000);

const badTexts = [
  "",
  " ",
  "\0",
  "a\0b",
  "a\nb",
  "a\r\nX-Agent-Id: b",
  "\x1b[31mred",
  "\x7f",
  "a\u0085b",
  "é",
  "１２３",
  "👩‍🚀",
  "../../etc/passwd",
  "..",
  "a/../b",
  "/\\a",
  "*",
  "**",
  "a:*",
  "%",
  "%00",
  "a:b:c:d",
  ":",
  "a b",
  "'; DROP TABLE services; --",
  "<script>alert(1)</script>",
  "javascript:alert(1)",
  "-1",
  "0",
  "1.5",
  "1e3",
  "0x10",
  "99999999999999999999",
  "NaN",
  "null",
  "maybe",
  "{",
  "[]",
  "__proto__",
  "x".repeat(5000),
];
const badValues: unknown[] = [
  ...badTexts,
  "\ud800",
  "3100",
  "true",
  -1,
  0,
  1.5,
  2 ** 53,
  1e308,
  true,
  false,
  null,
  [],
  [null],
  [["a"]],
  ["*"],
  Array(200).fill("a"),
  {},
  { "": "" },
  { a: "x".repeat(5000) },
  { constructor: 1 },
];

test.each(everyField)("%s refuses every %j that is not one", async (_, field, operation) => {
  const side = await sideWithClaims();
  const row = operation.input[field]!;
  const inPath = pathFields(operation.path).includes(field);
  let refused = 0;
  async function mustRefuse(request: Sent, status: number) {
    await refuses(side, request, field, status);
    refused++;
  }
  for (const text of badTexts) {
    if (isTaken(row, row.read(text))) continue;
    if (inPath) {
      // `..` is taken away by the URL itself, and an empty segment is another path.
      const status = text === "" || text === ".." ? 404 : 400;
      const request = requestOf(operation, { path: { [field]: text } });
      const isPage = new URL(request.path, "http://localhost").pathname === "/";
      if (!isPage || operation.method !== "GET") await mustRefuse(request, status);
    } else await mustRefuse(requestOf(operation, { query: { [field]: text } }), 400);
  }
  for (const value of inPath || operation.method === "GET" ? [] : badValues) {
    if (isTaken(row, value)) continue;
    await mustRefuse(requestOf(operation, { body: { [field]: value } }), 400);
  }
  expect(refused).toBeGreaterThanOrEqual(8);
});

test.each(writing)("%s refuses a body that is not a JSON object", async (_, operation) => {
  const side = await sideWithClaims();
  const notJson = [
    "{",
    "nonsense",
    "{'port':1}",
    '{"a":1,}',
    "{}{}",
    "NaN",
    "\0",
    "x".repeat(100_000),
  ];
  for (const body of [...notJson, "[]", "null", "1", '"text"', "true", "[{}]", deep]) {
    await refuses(side, requestOf(operation, { body }), "body", 400);
  }
});

test("JSON nested a hundred thousand deep is refused at once, wherever it stands", async () => {
  const side = await sideWithClaims();
  for (const [, operation] of writing) {
    for (const field of ["nonsense", ...Object.keys(operation.input)]) {
      const start = performance.now();
      const body = `{"${field}":{"a":${deep}}}`;
      await refuses(side, requestOf(operation, { body }), "", 400);
      expect(performance.now() - start, field).toBeLessThan(5_000);
    }
  }
});

test.each(writing)(
  "%s refuses a field it does not know, also one of Object's",
  async (_, operation) => {
    const side = await sideWithClaims();
    for (const field of ["nonsense", "__proto__", "constructor", "toString", "Port", "PORT", ""]) {
      const body = `{${JSON.stringify(field)}:{"polluted":true}}`;
      await refuses(side, requestOf(operation, { body }), field, 400);
    }
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  },
);

test.each(everyField)(
  "%s refuses a %j that is given twice, and differently",
  async (_, field, operation) => {
    const side = await sideWithClaims();
    const inPath = pathFields(operation.path).includes(field);
    const values = operation.method === "GET" ? [] : ["one", 2, null, { a: 1 }];
    for (const value of values) {
      const query = inPath ? {} : { [field]: "another" };
      const request = requestOf(operation, { body: { [field]: value }, query });
      expect((await refuses(side, request, field, 400)).error).toContain("twice");
    }
    const twice = inPath ? { [field]: "another" } : { [field]: ["one\u0000,", "another\u0000;"] };
    await refuses(side, requestOf(operation, { query: twice }), field, 400);
  },
);

test("a field given twice with one value is that value", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/claim/myapp?port=4000",
    body: { id: "myapp", port: 4000 },
    answer: { id: "myapp", port: 4000 },
    events: ["service.claim myapp"],
  });
});

test("an identity is one name: a pattern in its place is refused", async () => {
  const side = await sideWithClaims();
  const requests = [
    ["POST", "/claim/probe:*"],
    ["GET", "/services/*"],
    ["POST", "/claim", { ids: ["probe", "probe:*"] }],
  ] as const;
  for (const [method, path, body] of requests) {
    await side.play({
      method,
      path,
      body,
      status: 400,
      answer: { code: "invalid_input" },
      events: [],
    });
  }
});

test.each(rows)("%s ignores a query key it does not know", async (name, operation) => {
  const { side, calls } = sideThatTells();
  const query = { nonsense: "1", ["__proto__"]: "2", constructor: "3", Port: "4" };
  expect(await calls(side, requestOf(operation, { query }))).toEqual({ answeredBy: name });
});

test.each(rows)("%s refuses headers that name nobody", async (_, operation) => {
  const side = await sideWithClaims();
  const bad = { "X-Agent-Id": "x".repeat(101), "X-Caller-Id": "x".repeat(301) };
  for (const [header, long] of Object.entries(bad)) {
    for (const value of ["", "a b", "é", "a\tb", long]) {
      await refuses(side, requestOf(operation, { headers: { [header]: value } }), header, 400);
    }
  }
  await refuses(
    side,
    requestOf(operation, { headers: { "X-Agent-Id": "a/*" } }),
    "X-Agent-Id",
    400,
  );
});

test.each(rows)(
  "the route of %s reaches it and no other, with what its path says",
  async (name, operation) => {
    const { side, calls, inputs } = sideThatTells();
    expect(await calls(side, requestOf(operation, {}))).toEqual({ answeredBy: name });
    expect(inputs).toEqual([Object.fromEntries(requiredOf(operation))]);
  },
);

test.each(rows)("another method than that of %s is 404 with a hint", async (_, operation) => {
  const side = await sideWithClaims();
  const { pathname } = new URL(requestOf(operation, {}).path, "http://localhost");
  const right = rows
    .filter(([, { path }]) => routeOf(path).test(pathname))
    .map(([, row]) => row.method);
  for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] as const) {
    if ((right as string[]).includes(method)) continue;
    const answer = await refuses(side, { method, path: pathname }, method, 404);
    expect(answer.code).toBe("not_found");
    expect(
      right.some((each) => answer.hint.includes(`curl -X ${each} `)),
      answer.hint,
    ).toBe(true);
  }
});

test("a path that is no route is 404 in JSON, with the way to all routes", async () => {
  const side = await sideWithClaims();
  const paths = [
    "/assets/",
    "/assets/nope.js",
    "/assets/../nope",
    "/assets/index.html.br",
    "/nope",
    "/health/",
    "/HEALTH",
    "/claim/a/b",
    "/claim/",
    "/services/a/b",
    "/%00",
  ];
  for (const path of [
    ...paths,
    "/../../etc/passwd",
    "/services/../../x",
    "/nope/%2e%2e/x",
    "//health",
    "/%ff",
  ]) {
    const answer = await refuses(side, { path }, "GET", 404);
    expect(answer, path).toMatchObject({
      code: "not_found",
      hint: expect.stringContaining("curl http"),
    });
  }
});

test("what is said of a path without a route holds nothing that a terminal would act on", async () => {
  const side = await sideWithClaims();
  for (const path of ["/nope%1b%5b31m%00", "/claim/a%0aB%1b%5d0;x%07", "/services/a%0d/b"]) {
    const { error, hint } = await refuses(side, { path }, "GET", 404);
    expect(`${error} ${hint}`).not.toMatch(/\p{Cc}/u);
  }
});

type Sent = Parameters<Side["request"]>[0];
type Given = {
  path?: Record<string, string>;
  query?: Record<string, string | string[]>;
  /** Fields beside the required ones; a string is the whole body. */
  body?: Record<string, unknown> | string;
  headers?: Record<string, string>;
};

/** A good request for an operation, except for what is given. */
function requestOf({ method, path, input }: Operation, given: Given): Sent {
  const others = requiredOf({ path, input }).filter(
    ([name]) => !pathFields(path).includes(name) && !Object.hasOwn(given.query ?? {}, name),
  );
  const filled = fillPath(path, (name) =>
    encodeURIComponent(given.path?.[name] ?? String(sampleOf(input[name]!))),
  );
  const query = new URLSearchParams();
  const inQuery = [...(method === "GET" ? others : []), ...Object.entries(given.query ?? {})];
  for (const [name, value] of inQuery)
    for (const each of [value].flat()) query.append(name, String(each));
  const fields = {
    ...Object.fromEntries(others),
    ...(typeof given.body === "object" && given.body),
  };
  return {
    method,
    path: query.size > 0 ? `${filled}?${query}` : filled,
    headers: given.headers ?? {},
    ...(method !== "GET" && { body: typeof given.body === "string" ? given.body : fields }),
  };
}

function requiredOf({ input }: Pick<Operation, "path" | "input">): [string, unknown][] {
  return Object.keys(input)
    .filter((name) => !isOptional(input[name]!))
    .map((name) => [name, sampleOf(input[name]!)]);
}

/** Some value that a field takes. */
function sampleOf(field: Field<unknown>): unknown {
  const words = ["probe:web", "tunnel", "http://localhost:4100", "4000-4999", "1h", "/up"];
  const candidates = [
    ...words,
    4100,
    1,
    true,
    ["probe:web"],
    {},
    ...((field.schema()["enum"] as []) ?? []),
  ];
  const sample = candidates.find((value) => isTaken(field, value));
  if (sample === undefined) throw new Error(`no sample for a field that must be ${field.expects}`);
  return sample;
}

function isTaken(field: Field<unknown>, value: unknown): boolean {
  try {
    return field.accept(value, "it") !== undefined;
  } catch {
    return false;
  }
}

/** A world in which there is something to spoil. */
async function sideWithClaims(): Promise<Side> {
  const side = makeSide();
  const urls = { tunnel: "https://probe.test" };
  await side.play({ method: "POST", path: "/claim/probe:web", body: { urls, metadata: { a: 1 } } });
  await side.play({ method: "POST", path: "/claim/a" });
  await side.play({ method: "POST", path: "/claim/gone" });
  await side.play({ method: "DELETE", path: "/release/gone" });
  return side;
}

/** Sends what must be refused: a sentence that names the culprit, no events, no row changed, no daemon stopped. */
async function refuses(side: Side, request: Sent, culprit: string, status: number): Promise<any> {
  const [rowsBefore, before] = [dump(side), side.world.journal.lastId()];
  const response = await side.request(request);
  const text = await response.text();
  const sent = JSON.stringify(request);
  const context = `${sent.slice(0, 300)} → ${response.status} ${text.slice(0, 500)}`;
  expect(response.status, context).toBe(status);
  const answer = JSON.parse(text);
  expect(answer.code, context).toBe(status === 404 ? "not_found" : "invalid_input");
  if (status === 400) expect(wordsOf(answer.error), context).toContain(culprit);
  expect(answer.error.length, context).toBeLessThan(500);
  expect(Object.keys(answer), context).not.toContain("stack");
  expect(text, context).not.toMatch(/\bat \S.*:\d+:\d+|\.ts\b/);
  expect(side.eventsSince(before), context).toEqual([]);
  expect(dump(side), context).toBe(rowsBefore);
  expect(side.stops, context).toEqual([]);
  return answer;
}

/** The names in a sentence: `ids[0]`, `urls.tunnel` and `urls` name `urls`. */
function wordsOf(sentence: string): string[] {
  return ["", ...sentence.split(/[^\w-]+/)];
}

/** All that is stored. */
function dump({ world }: Side): string {
  world.journal.flush();
  const tables = world.db
    .query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all() as { name: string }[];
  return JSON.stringify(tables.map(({ name }) => world.db.query(`SELECT * FROM "${name}"`).all()));
}

/** A side whose operations only tell their name, so that it is seen where a request ends up. */
function sideThatTells() {
  const inputs: unknown[] = [];
  async function calls(side: Side, request: Sent): Promise<unknown> {
    try {
      for (const name of Object.keys(operations) as OperationName[]) {
        spyOn(handlers, name).mockImplementation(((_: unknown, input: unknown) => {
          inputs.push(input);
          const answer = { answeredBy: name };
          return operations[name].answersIn === "text" ? JSON.stringify(answer) : answer;
        }) as never);
      }
      return await (await side.request(request)).json();
    } finally {
      mock.restore();
    }
  }
  return { side: makeSide(), calls, inputs };
}

function routeOf(path: string): RegExp {
  return new RegExp(`^${fillPath(path, (name) => (path.includes(`:${name}{`) ? ".+" : "[^/]+"))}$`);
}
