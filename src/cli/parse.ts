// From words to a command with its arguments and checked flags. Flags are read by the runtime's own parser and by their
// fields; the command and its arguments by cac, which takes text for numbers where it can and so gets no flags.

import { parseArgs } from "node:util";
import { cac } from "cac";
import { Fault } from "../contract/faults.ts";
import { check, type Field, type Shape } from "../contract/fields.ts";
import { isIdentity } from "../contract/identity.ts";
import { commonFlags, flagLetter, flagWord, type Command, type Invocation } from "./command.ts";
import { nearest } from "./nearest.ts";

export type Parsed = Invocation<Shape> & {
  command: Command | undefined;
  helpFor: string | undefined;
};

type Flag = { name: string; field: Field<unknown>; isSwitch: boolean };

/**
 * Finds the command in the words and reads its flags by their fields. Throws `invalid_input` for an unknown command or
 * flag, with the nearest known one, and for a value that the field refuses.
 */
export function parse(words: string[], commands: readonly Command[]): Parsed {
  const { command, rest } = split(words, commands);
  const flags = flagsOf(command);
  const tokens = tokensOf(rest, flags);
  const isHelp = tokens.some(
    (token) => token.kind === "option" && /^(--help|-h)$/.test(token.rawName),
  );
  if (isHelp || !command) return { command, args: [], flags: {}, helpFor: command?.name ?? "" };
  const values = readFlags(tokens, flags, command);
  const args = tokens.flatMap((token) => (token.kind === "positional" ? [token.value] : []));
  checkCount(args, command);
  return { command, args, flags: values, helpFor: undefined };
}

/** Whether the words ask for JSON, also where they are otherwise wrong. */
export function wantsJson(words: string[], commands: readonly Command[]): boolean {
  const name = words.find((word) => !word.startsWith("-"));
  const flags = flagsOf(commands.find((each) => isNamed(each, name)));
  return tokensOf(words, flags).some((token) => token.kind === "option" && token.name === "json");
}

/** The command is the first word that is not a flag; flags of every command may stand before it. */
function split(words: string[], commands: readonly Command[]) {
  const index = words.findIndex((word) => !word.startsWith("-"));
  if (index < 0) return { command: undefined, rest: words };
  const command = commands.find((each) => isNamed(each, words[index]));
  if (!command) throw unknownCommand(words[index]!, commands);
  return { command, rest: words.toSpliced(index, 1) };
}

function isNamed(command: Command, name: string | undefined): boolean {
  return name !== undefined && (command.name === name || command.aliases?.includes(name) === true);
}

/** The flags of a command by the word they are written with. */
function flagsOf(command: Command | undefined): Map<string, Flag> {
  const fields: Shape = { ...command?.flags, ...commonFlags };
  return new Map(
    Object.entries(fields).map(([name, field]) => [
      flagWord(name),
      // A field without a placeholder takes no value: it is there or it is not.
      { name, field, isSwitch: field.placeholder === "" },
    ]),
  );
}

function tokensOf(words: string[], flags: Map<string, Flag>) {
  const options = Object.fromEntries(
    [...flags].map(([word, { name, isSwitch }]) => {
      const short = flagLetter(name);
      return [
        word,
        { type: isSwitch ? ("boolean" as const) : ("string" as const), ...(short && { short }) },
      ];
    }),
  );
  return parseArgs({ args: words, options, strict: false, tokens: true }).tokens;
}

type Token = ReturnType<typeof tokensOf>[number];

function readFlags(
  tokens: Token[],
  flags: Map<string, Flag>,
  command: Command,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const word = token.name.replace(/^no-/, "");
    const flag = flags.get(token.name) ?? (flags.get(word)?.isSwitch ? flags.get(word) : undefined);
    if (!flag) throw usage(unknownOption(token.rawName, flags), command);
    if (flag.isSwitch) {
      if (token.value !== undefined) throw usage(`--${word} takes no value`, command);
      values[flag.name] = token.name === word;
    } else {
      values[flag.name] = readValue(token, flag, values, tokens, command);
    }
  }
  return values;
}

function readValue(
  token: Extract<Token, { kind: "option" }>,
  { name, field }: Flag,
  values: Record<string, unknown>,
  tokens: Token[],
  command: Command,
): unknown {
  const label = `--${token.name}`;
  const { value, inlineValue } = token;
  if (Object.hasOwn(values, name)) {
    const times = tokens.filter(
      (each) => each.kind === "option" && each.name === token.name,
    ).length;
    throw usage(`${label} is given ${times} times`, command, name);
  }
  // A word with a dash in front is another flag, unless it was written so that it cannot be one.
  const isFlag = inlineValue === false && value?.startsWith("-");
  if (isFlag && value !== "-")
    throw usage(
      `${label} needs a value, and ${value} looks like a flag; write ${label}=${value}`,
      command,
      name,
    );
  // `-p=3200` is meant as `-p 3200`.
  const text = inlineValue && !token.rawName.startsWith("--") ? value?.replace(/^=/, "") : value;
  if (text === undefined)
    throw usage(`${label} needs a value: ${field.placeholder}`, command, name);
  try {
    return check(field, field.read(text), label);
  } catch (error) {
    if (error instanceof Fault) throw usage(error.message, command, name);
    throw error;
  }
}

/** cac knows how many arguments `<id> [...ids]` are; a mark keeps it from reading them as numbers or flags. */
function checkCount(args: string[], command: Command): void {
  const cli = cac("port-daddy");
  const parser = cli.command(`run ${command.args ?? ""}`);
  cli.parse(["", "", "run", ...args.map((arg) => `=${arg}`)], { run: false });
  try {
    parser.checkRequiredArgs();
  } catch {
    throw usage(`'${command.name}' needs ${command.args}`, command);
  }
  try {
    parser.checkUnusedArgs();
  } catch {
    const most = parser.args.length;
    throw usage(
      `too many arguments: ${args
        .slice(most)
        .map((arg) => `'${arg}'`)
        .join(", ")}`,
      command,
    );
  }
}

function unknownOption(typed: string, flags: Map<string, Flag>): string {
  const close = nearest(typed.replace(/^--?/, ""), flags.keys());
  return `unknown option ${typed}${close && typed.startsWith("--") ? ` (did you mean --${close}?)` : ""}`;
}

function usage(message: string, command: Command, field?: string): Fault {
  return new Fault("invalid_input", message, {
    hint: `see: port-daddy ${command.name} --help`,
    ...(field !== undefined && { details: { field } }),
  });
}

function unknownCommand(name: string, commands: readonly Command[]): Fault {
  const close = nearest(
    name,
    commands.flatMap((each) => [each.name, ...(each.aliases ?? [])]),
  );
  const isService = name.includes(":") && isIdentity(name);
  return new Fault("invalid_input", `there is no command '${name}'`, {
    hint: close
      ? `did you mean: port-daddy ${close}`
      : isService
        ? `to claim a port for it: port-daddy claim ${name}`
        : "see them all: port-daddy --help",
  });
}
