// A walk over every command: its words are whole, its flags do not clash, its examples are what it reads.

import { describe, expect, test } from "bun:test";
import { commonFlags, flagText, groups } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { parse } from "../../src/cli/parse.ts";

/** The words of the `port-daddy` in a line of shell, as a shell would split them. */
function wordsOf(example: string): string[] {
  const line = example.replaceAll("$$", "4321");
  const own = /port-daddy ((?:'[^']*'|"[^"]*"|[^'")|&])*)/.exec(line)![1]!;
  return [...own.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare!,
  );
}

test("no two commands share a name or an alias", () => {
  const names = commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
});

test("no name is taken by what the command line itself understands", () => {
  for (const { name, aliases = [] } of commands) expect([name, ...aliases]).not.toContain("help");
});

describe.each(commands.map((command) => [command.name, command] as const))("%s", (_, command) => {
  const flags = { ...command.flags, ...commonFlags };

  test("its summary starts with a capital verb and is no sentence", () => {
    expect(command.summary).toMatch(/^[A-Z][a-z]+ [^.]*[^.\s]$/);
    expect(groups).toContain(command.group);
  });

  test("its name and the words of its flags are plain", () => {
    expect(command.name).toMatch(/^[a-z]+( [a-z]+)?$/);
    for (const [name, field] of Object.entries(flags))
      expect(flagText(name, field)).toMatch(/^(-[a-z], )?--[a-z]+(-[a-z]+)*( <\S+>)?$/);
  });

  test("each of its flags says what it is for", () => {
    for (const [name, field] of Object.entries(flags))
      expect(field.summary, `--${name}`).toMatch(/^\S.*[^.\s]$/);
  });

  test("none of its flags is one of every command, nor do two share a letter", () => {
    expect(Object.keys(command.flags).filter((name) => name in commonFlags)).toEqual([]);
    const letters = Object.entries(flags).flatMap(
      ([name, field]) => /^-([a-z]),/.exec(flagText(name, field))?.[1] ?? [],
    );
    expect(letters.toSorted()).toEqual([...new Set(letters)].toSorted());
  });

  test("its examples are lines that it reads", () => {
    for (const example of command.examples ?? []) {
      const parsed = parse(wordsOf(example), commands);
      expect(parsed.command?.name, example).toBe(command.name);
      expect(parsed.helpFor).toBeUndefined();
    }
  });
});
