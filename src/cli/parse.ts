// From words to a command with its arguments and checked flags, by cac.

import { cac } from "cac";
import { Fault } from "../contract/faults.ts";
import { check, type Field, type Shape } from "../contract/fields.ts";
import { commonFlags, flagText, type Command, type Invocation } from "./command.ts";
import { nearest } from "./nearest.ts";

export type Parsed = Invocation<Shape> & {
  command: Command | undefined;
  helpFor: string | undefined;
};

/** A word that cac may not take for a number: it reads `--owner 007` as 7. No argument of a process can hold a NUL. */
const mark = "\0";

/**
 * Finds the command in the words and reads its flags by their fields. Throws `invalid_input` for an unknown command or
 * flag, with the nearest known one, and for a value that the field refuses.
 */
export function parse(words: string[], commands: readonly Command[]): Parsed {
  const name = words.find((word) => !word.startsWith("-"));
  const command = commands.find((each) => each.name === name || each.aliases?.includes(name ?? ""));
  if (name !== undefined && !command) throw unknownCommand(name, commands);
  const flags = { ...command?.flags, ...commonFlags };
  const { args, options } = read(words, command, flags);
  if (options["help"]) return { command, args: [], flags: {}, helpFor: command?.name ?? "" };
  return { command, args, flags: checked(options, flags), helpFor: undefined };
}

function read(words: string[], command: Command | undefined, flags: Shape) {
  const cli = cac("port-daddy");
  const name = command?.name ?? "";
  const parser = cli.command(`${name} ${command?.args ?? ""}`.trim());
  for (const [flag, field] of Object.entries(flags))
    parser.option(flagText(flag, field), field.summary);
  // cac knows the command by its own name alone.
  const own = words.map((word, index) => (command && index === commandIndex(words) ? name : word));
  const { args, options } = cli.parse(["", "", ...marked(own, name)], { run: false });
  const trailing = (options["--"] as string[]) ?? [];
  if (!options["help"]) {
    refuse(() => parser.checkUnknownOptions(), name, flags);
    refuse(() => parser.checkOptionValue(), name, flags);
    refuse(() => parser.checkRequiredArgs(), name, flags);
    refuse(() => parser.checkUnusedArgs(), name, flags);
  }
  return { args: [...args.map(unmarked), ...trailing], options };
}

function commandIndex(words: string[]): number {
  return words.findIndex((word) => !word.startsWith("-"));
}

function marked(words: string[], command: string): string[] {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const rest = end < 0 ? [] : words.slice(end);
  const isCommand = (index: number) => command !== "" && index === commandIndex(words);
  return [
    ...own.map((word, index) => {
      if (isCommand(index)) return word;
      if (!word.startsWith("-") || word === "-") return mark + word;
      return word.startsWith("--")
        ? word.replace("=", `=${mark}`)
        : word.replace(/^(-[a-z])=?(\d.*)$/, `$1=${mark}$2`);
    }),
    ...rest,
  ];
}

function unmarked(word: unknown): string {
  return String(word).replace(mark, "");
}

/** The flags that were given, each read and checked by its field. */
function checked(options: Record<string, unknown>, flags: Shape): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(flags)) {
    if (options[name] !== undefined) values[name] = readFlag(name, field, options[name]);
  }
  return values;
}

function readFlag(name: string, field: Field<unknown>, given: unknown): unknown {
  const label = flagText(name, field).replace(/^-., | .*$/g, "");
  if (typeof given === "boolean") return given;
  if (Array.isArray(given)) {
    if (given.every((each) => each === true)) return true;
    throw new Fault("invalid_input", `${label} is given ${given.length} times`, {
      details: { field: name },
    });
  }
  return check(field, field.read(unmarked(given)), label);
}

/** Runs one of cac's checks and tells its complaint as a fault of ours. */
function refuse(complain: () => void, command: string, flags: Shape): void {
  try {
    complain();
  } catch (error) {
    const message = unmarked((error as Error).message.replaceAll(mark, "").replaceAll("`", "'"));
    const unknown = /^Unknown option '(--?)([^']+)'$/.exec(message);
    if (!unknown) throw usageFault(message.replace(/^Unused args/, "too many arguments"), command);
    const [, dashes, given] = unknown as unknown as [string, string, string];
    const close = nearest(given, Object.keys(flags));
    throw usageFault(
      `unknown option ${dashes}${given}${close ? ` (did you mean --${close}?)` : ""}`,
      command,
    );
  }
}

function usageFault(message: string, command: string): Fault {
  return new Fault("invalid_input", message, {
    hint: `see: port-daddy ${command && `${command} `}--help`,
  });
}

function unknownCommand(name: string, commands: readonly Command[]): Fault {
  const close = nearest(
    name,
    commands.flatMap((each) => [each.name, ...(each.aliases ?? [])]),
  );
  return new Fault("invalid_input", `there is no command '${name}'`, {
    hint: close ? `did you mean: port-daddy ${close}` : "see them all: port-daddy --help",
  });
}
