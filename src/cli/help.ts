// Help, from the commands themselves.

import type { Shape } from "../contract/fields.ts";
import { commonFlags, flagText, groups, type Command } from "./command.ts";
import type { Paint } from "./terminal.ts";

export function overview(commands: readonly Command[], paint: Paint): string {
  const width = Math.max(...commands.map((command) => names(command).length));
  const sections = groups.flatMap((group) => {
    const rows = commands.filter((command) => command.group === group);
    if (rows.length === 0) return [];
    return [
      section(
        group,
        rows.map((command) => [names(command), command.summary]),
        paint,
        width,
      ),
    ];
  });
  return [
    `${paint.strong("port-daddy")}: the authority over ports on this machine`,
    section("Usage", [["port-daddy <command> [options]", ""]], paint),
    ...sections,
    section("Options of every command", flagRows(commonFlags), paint),
    "More about one: port-daddy <command> --help",
  ].join("\n\n");
}

/** The commands about one thing, such as `agent`. */
export function forFamily(family: readonly Command[], paint: Paint): string {
  const rows = family.map((command) => [`port-daddy ${usage(command)}`, command.summary]);
  return section("Usage", rows, paint);
}

export function forCommand(command: Command, paint: Paint): string {
  return [
    command.summary,
    section("Usage", [[`port-daddy ${usage(command, " [options]")}`, ""]], paint),
    section("Options", flagRows({ ...command.flags, ...commonFlags }), paint),
    ...(command.examples
      ? [
          section(
            "Examples",
            command.examples.map((example) => [example, ""]),
            paint,
          ),
        ]
      : []),
  ].join("\n\n");
}

/** `find, ps [pattern]` */
function names(command: Command): string {
  const { name, aliases = [] } = command;
  return [name, ...aliases].join(", ") + words(command);
}

/** `claim <id> [...ids]`; what is said of options stands before a program. */
export function usage(command: Command, options = ""): string {
  return command.name + words(command, options);
}

/** What follows a command's name. */
function words({ args, program }: Command, options = ""): string {
  const tail = { required: " -- <command>...", optional: " [-- <command>...]" };
  return (args ? ` ${args}` : "") + options + (program ? tail[program] : "");
}

function flagRows(flags: Shape): string[][] {
  return Object.entries(flags).map(([name, field]) => [flagText(name, field), field.summary]);
}

function section(title: string, rows: string[][], paint: Paint, atLeast = 0): string {
  const width = Math.max(atLeast, ...rows.map(([left]) => left!.length));
  const lines = rows.map(([left, right]) => `  ${right ? left!.padEnd(width + 2) : left}${right}`);
  return [`${paint.strong(`${title}:`)}`, ...lines].join("\n");
}
