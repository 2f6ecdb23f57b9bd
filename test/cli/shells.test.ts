// Variables in the forms that shells and files of variables take, read back by the real thing where it is installed.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatNames, formats, variableName, type Format } from "../../src/cli/shells.ts";

type Variables = Record<string, string>;

const textOf = (format: Format, variables: Variables) =>
  formats[format](variables)
    .map((line) => `${line}\n`)
    .join("");

/** What has tripped programs that write shell. */
const hostile: Variables = {
  PLAIN_URL: "http://localhost:3100",
  EMPTY_URL: "",
  SPACES_URL: "  two  spaces  ",
  SINGLE_URL: "it's ''quoted''",
  LAST_URL: "ends with '",
  DOUBLE_URL: 'say "this"',
  DOLLAR_URL: "$HOME ${HOME} $(id) $((1+1)) $$ $1",
  BACKTICK_URL: "`id`",
  BACKSLASH_URL: "a\\b \\n \\' \\\\ \\",
  BANG_URL: "hi! !! !1 !id",
  OPERATORS_URL: "a; id & id | id && id || id > /dev/null < x # y",
  GLOB_URL: "* ? [a-z] {a,b} ~ ~root",
  PERCENT_URL: "%s %d %n %27 %%",
  EQUALS_URL: "=ls a=b <<EOF",
  DASH_URL: "-n -e",
  HASH_URL: "#x",
  QUOTES_URL: "’ ‘ ‚ ‛ “ ” '’'",
  UNICODE_URL: "żółć 日本語 🚪 e\u0301 \u202e \ufeff",
  QUERY_URL: "wss://h.example.com/p?a=1&b='2'&c=$(id)#'",
};

const anyValue = fc.oneof(
  fc.stringMatching(/^[ -~]{0,40}$/),
  fc.string({
    unit: fc.constantFrom(
      ..."'\"`$\\!;&|<>(){}[]*?~#=%^ aA0-’‘‚‛“é日".split(""),
      "🚪",
      "''",
      "\\'",
    ),
    maxLength: 40,
  }),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
);

const anyVariables = fc
  .array(anyValue, { minLength: 1, maxLength: 40 })
  .map((values) => Object.fromEntries(values.map((value, n) => [`V${n}_URL`, value])));

/** A property over many values at once, so that a run is one process. */
function holdsForAny(readBack: (variables: Variables) => Variables): void {
  fc.assert(
    fc.property(anyVariables, (variables) => expect(readBack(variables)).toEqual(variables)),
    { numRuns: 6 },
  );
}

function run(command: string[], stdin: string): string {
  const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", LC_ALL: "C.UTF-8" };
  const { stdout, stderr, exitCode } = Bun.spawnSync(command, {
    stdin: Buffer.from(stdin),
    env,
    timeout: 10_000,
  });
  expect({ stderr: stderr.toString(), exitCode }).toEqual({ stderr: "", exitCode: 0 });
  return stdout.toString();
}

const isMissing = (program: string) => Bun.which(program) === null;

/** The values that a shell's children see, in which no new line can be. */
function readEnvironment(output: string, variables: Variables): Variables {
  const values = output.split("\n").slice(0, -1);
  return Object.fromEntries(Object.keys(variables).map((name, n) => [name, values[n]!]));
}

/** Prints each of the variables named, as a child of the shell sees it. */
const printer = `printenv "$@"`;

/** `eval "$(port-daddy env)"`, and what the shell's children then have. */
function inPosixShell(command: string[]) {
  return (variables: Variables): Variables => {
    const script = `eval "$(cat)"\n${printer}`;
    const names = Object.keys(variables);
    const output = run([...command, "-c", script, "sh", ...names], textOf("sh", variables));
    return readEnvironment(output, variables);
  };
}

for (const [shell, ...options] of [
  ["sh"],
  ["dash"],
  ["bash", "--norc"],
  ["bash", "--posix", "-u"],
  ["zsh", "-f"],
  ["zsh", "-f", "-o", "extendedglob", "-o", "nounset"],
] as string[][]) {
  const command = [shell!, ...options];
  describe(command.join(" "), () => {
    test.skipIf(isMissing(shell!))("reads hostile values as they are", () =>
      expect(inPosixShell(command)(hostile)).toEqual(hostile),
    );
    test.skipIf(isMissing(shell!))("reads any value as it is", () =>
      holdsForAny(inPosixShell(command)),
    );
  });
}

describe("fish", () => {
  function inFish(variables: Variables): Variables {
    const names = Object.keys(variables);
    const script = "source; printenv $argv";
    return readEnvironment(
      run(["fish", "--no-config", "-c", script, ...names], textOf("fish", variables)),
      variables,
    );
  }
  test.skipIf(isMissing("fish"))("reads hostile values as they are", () =>
    expect(inFish(hostile)).toEqual(hostile),
  );
  test.skipIf(isMissing("fish"))("reads any value as it is", () => holdsForAny(inFish));
});

describe("json", () => {
  const parsed = (variables: Variables) => JSON.parse(textOf("json", variables)) as Variables;

  test("is one object that reads back as it was", () => {
    expect(parsed(hostile)).toEqual(hostile);
    expect(parsed({})).toEqual({});
    holdsForAny(parsed);
  });

  test.skipIf(isMissing("jq"))("is read by jq", () => {
    const byJq = (variables: Variables) =>
      JSON.parse(run(["jq", "-c", "."], textOf("json", variables))) as Variables;
    expect(byJq(hostile)).toEqual(hostile);
    expect(run(["jq", "-r", ".DOLLAR_URL"], textOf("json", hostile))).toBe(
      `${hostile["DOLLAR_URL"]}\n`,
    );
    holdsForAny(byJq);
  });
});

describe("PowerShell", () => {
  /** single-quote-character of the language specification, 2.3.5.2. */
  const isQuote = (character: string | undefined) => /^['\u2018-\u201b]$/.test(character ?? "");

  /**
   * A verbatim-string-literal: what stands between two single-quote-characters, where two of them in a row are one, the
   * second. Returns its value and what follows it.
   */
  function readVerbatim(text: string): { value: string; rest: string } {
    expect(isQuote(text[0])).toBe(true);
    let value = "";
    for (let at = 1; at < text.length; at++) {
      if (isQuote(text[at])) {
        if (!isQuote(text[at + 1])) return { value, rest: text.slice(at + 1) };
        at++;
      }
      value += text[at];
    }
    throw new Error(`no end of ${text}`);
  }

  function byGrammar(variables: Variables): Variables {
    return Object.fromEntries(
      formats.powershell(variables).map((line) => {
        const [, name, literal] = /^\$env:([A-Z0-9_]+) = (.*)$/s.exec(line)!;
        const { value, rest } = readVerbatim(literal!);
        expect(rest).toBe("");
        return [name!, value];
      }),
    );
  }

  test("reads hostile values as they are, by its grammar", () =>
    expect(byGrammar(hostile)).toEqual(hostile));
  test("reads any value as it is, by its grammar", () => holdsForAny(byGrammar));
});

describe("dotenv", () => {
  /** The readers' common ground: what stands between two single quotes is what it is. */
  const read = (variables: Variables): Variables =>
    Object.fromEntries(
      formats.dotenv(variables).map((line) => {
        const [, name, value] = /^([A-Z0-9_]+)='([^']*)'$/.exec(line)!;
        return [name!, value!];
      }),
    );
  /** In a URL `%27` is a single quote and `%24` a dollar. */
  const escaped = (variables: Variables): Variables =>
    Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [
        name,
        value.replaceAll("'", "%27").replaceAll("$", "%24"),
      ]),
    );

  test("is a line each, in quotes that no value can leave", () => {
    expect(read(hostile)).toEqual(escaped(hostile));
    fc.assert(fc.property(anyVariables, (each) => expect(read(each)).toEqual(escaped(each))));
  });

  test.skipIf(isMissing("node"))("is read by node", () => {
    const script = `process.stdout.write(JSON.stringify(require("node:util").parseEnv(require("node:fs").readFileSync(0, "utf8"))))`;
    const byNode = (variables: Variables) =>
      JSON.parse(run(["node", "-e", script], textOf("dotenv", variables))) as Variables;
    expect(byNode(hostile)).toEqual(escaped(hostile));
  });

  test.skipIf(isMissing("sh"))("is read by a shell as well", () => {
    const names = Object.keys(hostile);
    const script = `set -a; eval "$(cat)"; ${printer}`;
    const output = run(["sh", "-c", script, "sh", ...names], textOf("dotenv", hostile));
    expect(readEnvironment(output, hostile)).toEqual(escaped(hostile));
  });
});

describe("github", () => {
  /** As the runner reads the file at $GITHUB_ENV: `NAME=value`, unless `<<` stands before the first `=`. */
  function read(variables: Variables): Variables {
    return Object.fromEntries(
      textOf("github", variables)
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          const equals = line.indexOf("=");
          const heredoc = line.indexOf("<<");
          expect(equals > 0 && (heredoc < 0 || equals < heredoc), line).toBe(true);
          return [line.slice(0, equals), line.slice(equals + 1)];
        }),
    );
  }

  test("is a line each that the runner takes as it is", () => {
    expect(read(hostile)).toEqual(hostile);
    holdsForAny(read);
  });
});

test("no format writes more lines than it has variables, but for JSON", () => {
  for (const format of formatNames.filter((name) => name !== "json"))
    expect(textOf(format, hostile).trimEnd().split("\n")).toHaveLength(Object.keys(hostile).length);
});

test("nothing to tell is no text, and in JSON an empty object", () => {
  for (const format of formatNames)
    expect(textOf(format, {})).toBe(format === "json" ? "{}\n" : "");
});

test.each([
  ["myapp:api:feature-auth", "MYAPP_API_FEATURE_AUTH"],
  ["myapp", "MYAPP"],
  ["my.app:web_ui", "MY_APP_WEB_UI"],
  ["3d:api", "_3D_API"],
  ["_3d:api", "_3D_API"],
  ["a1:2b", "A1_2B"],
  ["MyApp", "MYAPP"],
])("%s is called %s", (id, name) => expect(variableName(id)).toBe(name));

test("the name of any identity is one that every shell takes", () => {
  const part = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/);
  const identity = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(":"));
  fc.assert(fc.property(identity, (id) => expect(variableName(id)).toMatch(/^[A-Z_][A-Z0-9_]*$/)));
});
