// The README, followed from its first line to its last against the compiled binary.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { version } from "../../package.json";
import { flagWord } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { settings } from "../../src/config.ts";
import { events } from "../../src/contract/events.ts";
import { operations, routePattern } from "../../src/contract/operations.ts";
import { Releases, script } from "../binary/releases.ts";
import { binary } from "../home.ts";
import { furnish, isEquipped, type House } from "./house.ts";
import { readPage } from "./page.ts";
import { follow } from "./reader.ts";

const page = readPage(path.join(import.meta.dir, "../../README.md"), "README.md");

let releases: Releases;
let house: House;
beforeAll(async () => {
  // What is installed is this binary, though it is not built here: npm run compat does that.
  releases = await Releases.of(version, `#!/bin/sh\nexec ${binary} "$@"\n`);
  releases.files.set("install.sh", fs.readFileSync(script, "utf8"));
  house = furnish();
  fs.copyFileSync(script, path.join(house.cwd, "install.sh"));
  const url = "https://github.com/erichowens/port-daddy/releases/latest/download";
  house.rewritten = [...house.rewritten, [url, releases.url]];
  house.env["PORT_DADDY_RELEASES"] = releases.url;
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await releases[Symbol.asyncDispose]();
});

test.skipIf(!isEquipped).each(page.sections.map((section) => [section.title, section] as const))(
  "what it says of '%s' is so",
  (_, section) => follow(section, house),
);

/** Blocks of anything but shell, by how each is read. */
const readers: Record<string, (text: string) => unknown> = {
  yaml: Bun.YAML.parse,
  json: JSON.parse,
};

test("every block is run, or at least read", () => {
  for (const { language, text, at } of page.others) {
    expect(Object.keys(readers), at).toContain(language);
    readers[language]!(text);
  }
});

/** What is told to those that port-daddy starts, and to what installs it. */
const told = ["LOCK", "FENCE", "ID", "LOCAL_URL", "RELEASES"].map((name) => `PORT_DADDY_${name}`);

test("what the prose names is there: options, settings, routes and events", () => {
  const all = commands.flatMap(({ flags }) => Object.keys(flags));
  for (const { text, at } of page.inline) {
    const own = commands.find(({ name }) => text.startsWith(`${name} `));
    const flags = (own ? Object.keys(own.flags) : all).map(flagWord);
    for (const [, flag] of text.split(" -- ")[0]!.matchAll(/(?:^| )--([a-z-]+)/g))
      expect(["help", ...flags], `${at}: ${text}`).toContain(flag!);
    for (const [name] of text.matchAll(/PORT_DADDY_\w+/g))
      expect([...Object.keys(settings), ...told], at).toContain(name);
    const [, method, route] = /^(GET|POST|PUT|DELETE) (\/\S+)$/.exec(text) ?? [];
    if (method && route) {
      const rows = Object.values(operations).filter((row) => row.method === method);
      expect(
        rows.some((row) => routePattern(row.path).test(route)),
        `${at}: ${text}`,
      ).toBe(true);
    }
    if (/^(?:service|lock|agent|message|channel|webhook)\.[a-z]+$/.test(text))
      expect(Object.keys(events), at).toContain(text);
  }
});
