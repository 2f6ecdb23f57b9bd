// From words to a command with its arguments and checked flags. Flags are read by their fields; the arguments are bound
// by cac, which gets no flags, because it takes text for numbers where it can.

import { cac } from "cac";
import { Fault } from "../contract/faults.ts";
import { check, type Field, type Shape } from "../contract/fields.ts";
import { isIdentity } from "../contract/identity.ts";
import { commonFlags, flagLetter, flagWord, type Command, type Invocation } from "./command.ts";
import { nearest } from "./nearest.ts";
import { takeApart, type FlagForm, type Use } from "./words.ts";

export type Parsed = Invocation<Shape> & {
  command: Command | undefined;
  /** The commands that share the first word, where help for all of them is asked for. */
  family: readonly Command[];
  helpFor: string | undefined;
};

type Flag = FlagForm & { name: string; field: Field<unknown> };
export type Flags = ReadonlyMap<string, Flag>;

/**
 * Finds the command in the words and reads its flags by their fields. Throws `invalid_input` for an unknown command or
 * flag, with the nearest known one, and for a value that the field refuses.
 */
export function parse(words: string[], commands: readonly Command[]): Parsed {
  const { command, family, rest } = split(words, commands);
  const { own, program } = apart(rest, command);
  const flags = flagsOf(command);
  const { uses, args } = takeApart(own, flags);
  // A cluster such as -dash is no call for help.
  const isHelp = uses.some(
    ({ word, typed }) => word === "help" && (typed === "--help" || uses.every(isKnown)),
  );
  function isKnown({ word }: Use): boolean {
    return flags.has(word);
  }
  if (isHelp || !command) {
    if (!isHelp && family.length > 0) throw incomplete(family);
    return { command, family, args: [], program, flags: {}, helpFor: command?.name ?? "" };
  }
  const values = readFlags(uses, flags, command);
  checkCount(args, command);
  checkProgram(rest, program, command);
  return { command, family, args, program, flags: values, helpFor: undefined };
}

/** The words of a command, and those of the program that it runs. */
export function apart(
  words: string[],
  command: Command | undefined,
): { own: string[]; program: string[] } {
  const end = command?.program ? words.indexOf("--") : -1;
  return end < 0
    ? { own: words, program: [] }
    : { own: words.slice(0, end), program: words.slice(end + 1) };
}

function checkProgram(words: string[], program: string[], command: Command): void {
  const isMissing = program.length === 0;
  if (isMissing && (command.program === "required" || (command.program && words.includes("--"))))
    throw usage(`'${command.name}' needs a command after --`, command);
}

/** Whether the words ask for JSON, also where they are otherwise wrong. */
export function wantsJson(words: string[], commands: readonly Command[]): boolean {
  try {
    const { command, rest } = split(words, commands);
    const { uses } = takeApart(apart(rest, command).own, flagsOf(command));
    return uses.some(({ word }) => word === "json");
  } catch {
    return takeApart(words, flagsOf(undefined)).uses.some(({ word }) => word === "json");
  }
}

type Split = { command: Command | undefined; family: readonly Command[]; rest: string[] };

/**
 * The command is the first word that is not a flag, or the first two; flags of every command may stand before it.
 * Throws `invalid_input` for one that there is not.
 */
export function split(words: string[], commands: readonly Command[]): Split {
  const index = words.findIndex((word) => !word.startsWith("-"));
  if (index < 0) return { command: undefined, family: [], rest: words };
  const [name, rest] = [words[index]!, words.toSpliced(index, 1)];
  const command = commands.find((each) => isNamed(each, name));
  if (command) return { command, family: [], rest };
  const family = commands.filter((each) => each.name.startsWith(`${name} `));
  if (family.length === 0) throw unknownCommand(name, commands);
  const next = rest.findIndex((word) => !word.startsWith("-"));
  if (next < 0) return { command: undefined, family, rest };
  const member = commands.find((each) => isNamed(each, `${name} ${rest[next]}`));
  if (!member) throw unknownCommand(`${name} ${rest[next]}`, family);
  return { command: member, family, rest: rest.toSpliced(next, 1) };
}

function incomplete(family: readonly Command[]): Fault {
  const [name] = family[0]!.name.split(" ");
  const members = family.map((each) => each.name.split(" ")[1]).join(", ");
  return new Fault("invalid_input", `'${name}' needs one of ${members}`, {
    hint: `see: port-daddy ${name} --help`,
  });
}

function isNamed(command: Command, name: string | undefined): boolean {
  return name !== undefined && (command.name === name || command.aliases?.includes(name) === true);
}

/** The flags of a command by the word they are written with. */
export function flagsOf(command: Command | undefined): Flags {
  const fields: Shape = { ...command?.flags, ...commonFlags };
  return new Map(
    Object.entries(fields).map(([name, field]) => [
      flagWord(name),
      // A field without a placeholder takes no value: it is there or it is not.
      { name, field, letter: flagLetter(name), isSwitch: field.placeholder === "" },
    ]),
  );
}

function readFlags(uses: Use[], flags: Flags, command: Command): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const use of uses) {
    const isNo = !flags.has(use.word) && use.word.startsWith("no-");
    const flag = flags.get(isNo ? use.word.slice("no-".length) : use.word);
    if (!flag || (isNo && !flag.isSwitch)) throw unknownOption(use.typed, flags, command);
    if (flag.isSwitch) {
      if (use.value !== undefined) throw usage(`${use.typed} takes no value`, command);
      values[flag.name] = !isNo;
    } else {
      const times = uses.filter(({ word }) => word === use.word).length;
      if (times > 1) throw usage(`--${use.word} is given ${times} times`, command, flag.name);
      values[flag.name] = readValue(use, flag, command);
    }
  }
  return values;
}

function readValue(
  { word, value, isNextWord }: Use,
  { name, field }: Flag,
  command: Command,
): unknown {
  const label = `--${word}`;
  if (value === undefined)
    throw usage(`${label} needs a value: ${field.placeholder}`, command, name);
  // A word with a dash in front is a flag, unless it was written so that it cannot be one.
  if (isNextWord && /^-./.test(value)) {
    throw usage(
      `${label} needs a value, and ${value} looks like a flag; write ${label}=${value}`,
      command,
      name,
    );
  }
  try {
    return check(field, field.read(value), label);
  } catch (error) {
    throw error instanceof Fault ? usage(error.message, command, name) : error;
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

function unknownOption(typed: string, flags: Flags, command: Command): Fault {
  const isLong = typed.startsWith("--");
  const close = isLong ? nearest(typed.slice(2), flags.keys()) : undefined;
  const message = `unknown option ${typed}${close ? ` (did you mean --${close}?)` : ""}`;
  if (isLong || !command.args) return usage(message, command);
  return new Fault("invalid_input", message, {
    hint: `a word that begins with a dash goes after --; see: port-daddy ${command.name} --help`,
  });
}

function usage(message: string, command: Command, field?: string): Fault {
  return new Fault("invalid_input", message, {
    hint: `see: port-daddy ${command.name} --help`,
    ...(field !== undefined && { details: { field } }),
  });
}

function unknownCommand(name: string, commands: readonly Command[]): Fault {
  const names = commands.flatMap((each) => [each.name, ...(each.aliases ?? [])]);
  const close = nearest(name, names) ?? names.find((each) => name.startsWith(each));
  const isService = name.includes(":") && isIdentity(name);
  return new Fault("invalid_input", `there is no command '${name}'`, {
    hint: close
      ? `did you mean: port-daddy ${close}`
      : isService
        ? `to claim a port for it: port-daddy claim ${name}`
        : "see them all: port-daddy --help",
  });
}
