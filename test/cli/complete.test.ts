// What completion offers for the words before the cursor, and in what form each shell gets it.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { candidateLines, isTypeable, noteOf, type Candidate } from "../../src/cli/candidates.ts";
import type { Noun } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { complete, offerIn } from "../../src/cli/complete.ts";
import { wordsUnderWay } from "../../src/cli/line.ts";

const known: Record<Noun, Candidate[]> = {
  services: [
    ["myapp:api", "port 3100, running"],
    ["myapp:web", "port 3101, assigned"],
  ],
  ports: [["3100", "myapp:api"]],
  environments: [["local"], ["tunnel"]],
  locks: [["db/main", "held, lapses in 5m"]],
  channels: [["build:api", "2 messages"]],
  agents: [["claude-1", "active"]],
  webhooks: [["3f0c2a9e", "to example.com"]],
};

/** What is offered at the end of a line, without notes; of what the shell completes by itself, its name in brackets. */
async function offered(line: string): Promise<string[]> {
  const offer = await offerIn(wordsUnderWay(line), commands, async (noun) => known[noun]);
  return "left" in offer ? [`<${offer.left}>`] : offer.map(([word]) => word);
}

describe("what is offered", () => {
  test("at the beginning is every command by its first word, once", async () => {
    const first = commands.flatMap(({ name, aliases = [] }) =>
      [name, ...aliases].map((each) => each.split(" ")[0]!),
    );
    expect(await offered("")).toEqual([...new Set(first), "help"]);
    expect(await offered("help ")).toEqual(await offered(""));
  });

  test("after the first word of a family are its second words, aliases among them", async () => {
    expect(await offered("agent ")).toEqual([
      "list",
      "register",
      "heartbeat",
      "unregister",
      "show",
      "run",
    ]);
    expect(await offered("webhooks ")).toContain("rm");
    expect(await offered("help agent ")).toContain("show");
  });

  test.each(commands.map(({ name }) => name))(
    "after %s and a dash is each of its flags",
    async (name) => {
      const { flags } = commands.find((each) => each.name === name)!;
      const found = await offered(`${name} --`);
      expect(found).toEqual([...new Set(found)]);
      expect(found.length).toBe(Object.keys(flags).length + 3);
      expect(found).toContain("--json");
    },
  );

  test("as an argument is the name of what the command is about", async () => {
    const services = ["myapp:api", "myapp:web"];
    for (const name of ["claim", "release", "find", "ps", "url", "env", "wait"])
      expect(await offered(`${name} `), name).toEqual(services);
    for (const name of ["lock", "unlock", "locks"])
      expect(await offered(`${name} `), name).toEqual(["db/main"]);
    for (const name of ["pub", "sub", "messages", "channels"])
      expect(await offered(`${name} `), name).toEqual(["build:api"]);
    for (const name of ["register", "heartbeat", "unregister", "show", "run"])
      expect(await offered(`agent ${name} `), name).toEqual(["claude-1"]);
    for (const name of ["show", "update", "remove", "rm", "test", "deliveries"])
      expect(await offered(`webhooks ${name} `), name).toEqual(["3f0c2a9e"]);
    expect(await offered("who ")).toEqual(["3100"]);
    expect(await offered("completions ")).toEqual(["bash", "zsh", "fish", "powershell"]);
  });

  test.each([
    ["wait myapp:api ", ["myapp:web"], "one that is named is not offered again"],
    ["release myapp:api ", [], "where one is wanted, no second"],
    ["pub build:api ", [], "a message is nobody's name"],
    ["status ", [], "a command without arguments has none"],
    ["lock db/main ", ["--"], "a command that runs a program says so"],
    ["lock db/main -- ma", ["<program>"], "a program's words are the shell's"],
    ["agent run x --type y -- make --", ["<program>"], "with its flags"],
    ["release -- ", ["myapp:api", "myapp:web"], "after -- of any other command are arguments"],
    ["release -- --", ["myapp:api", "myapp:web"], "and no flags"],
    ["agents --status ", ["active", "stale"], "one of a few"],
    ["agents --status=", ["--status=active", "--status=stale"], "as one word too"],
    ["env --format ", ["sh", "dotenv", "json", "fish", "powershell", "github"], "formats"],
    ["url myapp:api -e ", ["local", "tunnel"], "environments, by the flag's letter"],
    ["url myapp:api --env=t", ["--env=local", "--env=tunnel"], "environments"],
    ["find --agent ", ["claude-1"], "agents"],
    ["claim --cwd ", ["<directory>"], "the path of a directory"],
    ["claim --cwd=", [], "of which a part is no path"],
    ["find --port ", [], "a number is nobody's name"],
    ["find --json ", ["myapp:api", "myapp:web"], "a flag without a value takes none"],
    ["-q find ", ["myapp:api", "myapp:web"], "flags may stand before the command"],
    ["nonsense ", [], "after what is no command is nothing"],
    ["agent nonsense ", [], "nor in a family"],
    ["help find ", [], "nor after the command that help is for"],
  ])("%p: %p (%s)", async (line, words) => {
    expect(await offered(line)).toEqual(words);
  });

  test("a flag that was given is not offered again", async () => {
    expect(await offered("find --status running --")).not.toContain("--status");
    expect(await offered("find -q --")).not.toContain("--quiet");
    expect(await offered("--")).toEqual(["--json", "--quiet", "--help", "--version"]);
  });

  test("never throws, whatever stands on the line", async () => {
    const word = fc.constantFrom(
      "claim",
      "agent",
      "lock",
      "--",
      "-",
      "--=",
      "--env",
      "-e",
      "",
      "'",
      "=x",
      "é",
      "help",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (words) => {
        await offerIn(words, commands, async (noun) => known[noun]);
      }),
    );
  });
});

describe("the words of a line", () => {
  test.each([
    ["", [""]],
    ["a", ["a"]],
    ["a ", ["a", ""]],
    ["  a\tb\n c", ["a", "b", "c"]],
    ["a 'b c", ["a", "b c"]],
    ["a 'b c' ", ["a", "b c", ""]],
    [`a "b 'c"d\\ e`, ["a", "b 'cd e"]],
    [`a "b\\"c\\d\\$"`, ["a", `b"c\\d$`]],
    ["a '\\'b", ["a", "\\b"]],
    ["a ''", ["a", ""]],
    ["a myapp\\:api", ["a", "myapp:api"]],
    ["a $(id) `id`", ["a", "$(id)", "`id`"]],
    ["a \\", ["a", ""]],
  ])("%p are %p", (line, words) => expect(wordsUnderWay(line)).toEqual(words));

  test("that a shell quotes are the words that were quoted", () => {
    const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (words) =>
        expect(wordsUnderWay(words.map(quote).join(" "))).toEqual(words),
      ),
    );
  });
});

describe("what a shell gets", () => {
  test("is a note beside each word, but for bash", async () => {
    expect(await complete(["zsh", "agent", ""], commands)).toContain("list\tList all agents");
    expect(await complete(["powershell", "port-daddy agent r"], commands)).toEqual([
      "register\tRegister an agent, which lives as long as the process behind it",
      "run\tRun a command as a registered agent",
    ]);
    expect(await complete(["bash", "port-daddy agent r", "r"], commands)).toEqual([
      "register",
      "run",
    ]);
  });

  test("of a word that bash takes apart is the part that it replaces", async () => {
    const of = (line: string, part: string) =>
      complete(["bash", `port-daddy ${line}`, part], commands);
    expect(await of("agents --status=", "")).toEqual(["active", "stale"]);
    expect(await of("agents --status=a", "a")).toEqual(["active"]);
    expect(await of("agents --status=a", "--status=a")).toEqual(["--status=active"]);
    expect(await of("agents --status='a", "a")).toEqual(["active"]);
  });

  test("is no name that could be a flag, or that a shell or a screen would act on", () => {
    for (const name of ["myapp:api", "src/auth.lock", "a@b", "_x", "1"])
      expect(isTypeable([name])).toBe(true);
    for (const name of [
      "--force",
      "-x",
      "",
      "a b",
      "$(id)",
      "`id`",
      "a;b",
      "a\nb",
      "\t",
      "a\u001b[2J",
      "*",
      "~",
      "é",
      "=ls",
      "'",
    ])
      expect(isTypeable([name]), name).toBe(false);
  });

  test("is a note that stays on its line", () => {
    const [line] = candidateLines([["a", noteOf(`x\ty\nz\u001b[2J${"w".repeat(100)}`)]]);
    expect(line).toMatch(/^a\t[^\t\n\u001b]{1,60}$/);
  });
});
