// Where an answer goes: a terminal, a pipe, with -q and -j, and when there is none.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { Home } from "../home.ts";

let home: Home;
beforeAll(() => void (home = new Home()));
afterAll(() => home[Symbol.asyncDispose]());

test("into a pipe a claim is the port alone, and its sentence goes to stderr", async () => {
  const { code, out, err } = await home.run(["claim", "piped"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^\d+\n$/);
  expect(err).toBe(`piped → port ${out}`);
});

test("on a terminal a claim is a sentence on stdout", async () => {
  const { code, out } = await home.onTerminal("port-daddy claim screen 2>/dev/null");
  expect(code).toBe(0);
  expect(out).toMatch(/^screen → port \d+\n$/);
});

test("-q is the value without narration, on a terminal too", async () => {
  const piped = await home.run(["claim", "quiet", "-q"]);
  expect(piped).toEqual({ code: 0, out: expect.stringMatching(/^\d+\n$/), err: "" });
  expect((await home.onTerminal("port-daddy claim quiet -q")).out).toBe(piped.out);
});

test("-j is exactly what the API answers", async () => {
  await home.run(["claim", "exact", "--metadata", '{"a":[1,null]}']);
  const { out } = await home.run(["find", "exact", "-j"]);
  expect(out).toBe(await (await home.fetch("/services?pattern=exact")).text());
  const { existing, ...claimed } = await home.json(["claim", "exact"]);
  expect(existing).toBe(true);
  expect(claimed).toEqual(await (await home.fetch("/services/exact")).json());
});

test("a failed command leaves nothing on stdout, and with -j the error's body on stderr", async () => {
  const port = String((await home.json(["claim", "taken"])).port);
  const plain = await home.run(["claim", "late", "-p", port]);
  expect({ code: plain.code, out: plain.out }).toEqual({ code: 4, out: "" });
  expect(plain.err).toBe(
    `error: Port ${port} is held by taken\nhint: see who that is: port-daddy who ${port}\n`,
  );
  const json = await home.run(["claim", "late", "-p", port, "-j"]);
  expect({ code: json.code, out: json.out }).toEqual({ code: 4, out: "" });
  expect(JSON.parse(json.err)).toMatchObject({
    code: "held",
    error: `Port ${port} is held by taken`,
    holder: { id: "taken" },
  });
});

test("one letter for a flag works with, without and beside its value", async () => {
  const port = home.range.end - 1;
  for (const flag of [["-p", `${port}`], [`-p${port}`], [`-p=${port}`], ["--port", `${port}`]])
    expect(await home.run(["claim", "letters", "-q", ...flag])).toMatchObject({ out: `${port}\n` });
});
