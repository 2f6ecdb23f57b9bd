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

export function forCommand(command: Command, paint: Paint): string {
  return [
    command.summary,
    section("Usage", [[`port-daddy ${usage(command)} [options]`, ""]], paint),
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
function names({ name, aliases = [], args }: Command): string {
  return [[name, ...aliases].join(", "), args].filter(Boolean).join(" ");
}

/** `claim <id> [...ids]` */
export function usage({ name, args }: Command): string {
  return args ? `${name} ${args}` : name;
}

function flagRows(flags: Shape): string[][] {
  return Object.entries(flags).map(([name, field]) => [flagText(name, field), field.summary]);
}

function section(title: string, rows: string[][], paint: Paint, atLeast = 0): string {
  const width = Math.max(atLeast, ...rows.map(([left]) => left!.length));
  const lines = rows.map(([left, right]) => `  ${right ? left!.padEnd(width + 2) : left}${right}`);
  return [`${paint.strong(`${title}:`)}`, ...lines].join("\n");
}
