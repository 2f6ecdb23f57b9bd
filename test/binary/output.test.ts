// What somebody types in the first five minutes, through the compiled binary and a real shell.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home, eventually } from "../home.ts";

let home: Home;
beforeAll(() => void (home = new Home()));
afterAll(() => home[Symbol.asyncDispose]());

const isOurs = (port: number) => port >= home.range.start && port <= home.range.end;

test("the quick start works as printed", async () => {
  const { code, out, err } = await home.shell(`
    set -e
    port-daddy start
    port-daddy claim quick
    port-daddy ps
    port-daddy release quick
  `);
  expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/^quick → port \d+\n$/) });
  const port = Number(/→ port (\d+)/.exec(err)![1]);
  expect(isOurs(port)).toBe(true);
  expect(out).toMatch(/^port-daddy [\d.]+ started, pid \d+\n/);
  expect(out).toContain(`\n${port}\nIDENTITY  PORT`);
  expect(out).toMatch(new RegExp(`\\nquick +${port} +assigned `));
  expect(out).toEndWith(`\nReleased quick (port ${port})\n`);
});

test("semantic identities are found and released by their parts, as printed", async () => {
  const { code, out } = await home.shell(
    `set -e
    port-daddy claim myapp myapp:api myapp:api:feature-auth myapp:web:feature-auth shop:api:main -q
    for pattern in 'myapp:*' '*:api:*'; do echo "$pattern"; port-daddy find "$pattern" -q; done
    port-daddy find myapp:* | wc -l
    port-daddy release myapp:*:feature-auth | sed 's/ (.*//'
    port-daddy find -q`,
    "bash",
  );
  expect(code).toBe(0);
  expect(out.split("\n").slice(5, -1)).toEqual([
    ...["myapp:*", "myapp", "myapp:api", "myapp:api:feature-auth", "myapp:web:feature-auth"],
    ...["*:api:*", "myapp:api", "myapp:api:feature-auth", "shop:api:main"],
    "5",
    ...["Released myapp:api:feature-auth", "Released myapp:web:feature-auth"],
    ...["myapp", "myapp:api", "shop:api:main"],
  ]);
});

const expressLike = `
  const app = require("node:http").createServer((request, response) => response.end("hello"));
  const flag = process.argv.indexOf("--port");
  app.listen(flag < 0 ? process.env.PORT : process.argv[flag + 1]);
`;

test.each([
  ["next", 'npm run dev -- --port "$(port-daddy claim next -q)"'],
  ["vite", 'vite --port "$(port-daddy claim vite -q)"'],
  ["express:api", "PORT=$(port-daddy claim express:api -q) node server.js"],
])("the server of %s answers on the port it claimed", async (id, line) => {
  const bin = path.join(home.directory, "bin");
  fs.mkdirSync(bin, { recursive: true });
  fs.writeFileSync(path.join(bin, "vite"), `#!/usr/bin/env node\n${expressLike}`, { mode: 0o755 });
  fs.writeFileSync(path.join(home.directory, "server.js"), expressLike);
  fs.writeFileSync(path.join(home.directory, "package.json"), '{"scripts":{"dev":"vite"}}');

  home.startShell(line);
  const { services } = await eventually(`${id} runs`, async () => {
    const answer = await home.json(["find", id, "--status", "running"]);
    return answer.count === 1 ? answer : undefined;
  });
  const hello = await fetch(services[0].urls.local, { proxy: false });
  expect(await hello.text()).toBe("hello");
  expect((await home.run(["who", String(services[0].port)])).out).toContain("node");
});

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
