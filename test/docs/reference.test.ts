// The README's tables, whole: what neither the README nor the promises use of them is run here, and nothing is left out.

import { describe, expect, test } from "bun:test";
import * as path from "node:path";
import { flagLetter, flagWord } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { settings } from "../../src/config.ts";
import { events } from "../../src/contract/events.ts";
import { operations, pathFields, routePattern } from "../../src/contract/operations.ts";
import { furnish, instead, isEquipped } from "./house.ts";
import { readPage } from "./page.ts";
import { follow } from "./reader.ts";

const page = (name: string) => readPage(path.join(import.meta.dir, name), path.basename(name));
const reference = page("reference.md");

test
  .skipIf(!isEquipped)
  .each(reference.sections.map((section) => [section.title, section] as const))(
  "%s: each line does what is said",
  async (_, section) => {
    await using house = furnish();
    await follow(section, house);
  },
);

const texts = [page("../../README.md"), page("promised.md"), reference]
  .flatMap(({ sections }) => sections.flatMap(({ lines }) => lines))
  .map(({ text }) => text);

/** The commands of all lines, from after their name to where another begins. */
function commandsOf(program: RegExp): string[] {
  const end = String.raw`((?:'[^']*'|"[^"]*"|[^|&;)'"])*)`;
  const pattern = new RegExp(`(?<![\\w/.])(?:${program.source}) ${end}`, "g");
  return texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1]!));
}

describe("is on a page and so is run:", () => {
  const ours = commandsOf(/port-daddy/);

  test.each(commands.map((command) => [command.name, command] as const))(
    "%s with each of its options",
    (name, { aliases = [], flags }) => {
      const own = ours
        .filter((words) => [name, ...aliases].some((each) => `${words} `.startsWith(`${each} `)))
        .map((words) => words.split(" -- ")[0]!);
      expect(own).not.toBeEmpty();
      const unused = Object.keys(flags).filter((flag) => {
        const letter = flagLetter(flag);
        const words = `--${flagWord(flag)}${letter === undefined ? "" : `|-${letter}`}`;
        return !own.some((each) => new RegExp(`(?:^| )(?:${words})(?=[ =]|$)`).test(each));
      });
      expect(unused).toEqual([]);
    },
  );

  const asked = commandsOf(/curl/).map((words) => ({
    method: /-X (\w+)/.exec(words)?.[1] ?? "GET",
    // A name is as good as any other.
    route: /localhost:9876([^\s'"?]*)/.exec(words)?.[1]?.replaceAll(/\$\w+/g, "x") ?? "",
    words,
  }));

  test.each(Object.values(operations).map((row) => [`${row.method} ${row.path}`, row] as const))(
    "%s with each of its fields",
    (_, { method, path: route, input }) => {
      const own = asked.filter(
        (each) => each.method === method && routePattern(route).test(each.route),
      );
      expect(own).not.toBeEmpty();
      const unused = Object.keys(input)
        .filter((field) => !pathFields(route).includes(field))
        .filter(
          (field) => !own.some(({ words }) => new RegExp(`"${field}":|[?&]${field}=`).test(words)),
        );
      expect(unused).toEqual([]);
    },
  );

  test.each(Object.keys(events))("what makes the event %s, as the log has it", (name) => {
    const shown = reference.sections.flatMap((section) => section.lines.map((line) => line.shown));
    expect(shown.some((text) => text?.split(/\s+/).includes(name))).toBe(true);
  });

  test.each(Object.keys(settings))("%s", (name) => {
    const set = new RegExp(`\\b${name}=`);
    expect(texts.some((text) => set.test(text))).toBe(true);
  });
});

test("what is typed instead of a line is for a line that there is", () => {
  expect(Object.keys(instead).filter((line) => !texts.includes(line))).toEqual([]);
});
