// Writes the README's tables from the tables in code: `bun test/docs/tables.ts`. A table stands between
// `<!-- table: name -->` and `<!-- end -->`.

import * as path from "node:path";
import { commands } from "../../src/cli/commands/index.ts";
import { commonFlags, flagText } from "../../src/cli/command.ts";
import { usage } from "../../src/cli/help.ts";
import { settings } from "../../src/config.ts";
import { actionsOf, events, type EventName } from "../../src/contract/events.ts";
import { faults } from "../../src/contract/faults.ts";
import type { Field } from "../../src/contract/fields.ts";
import { metrics, type Metric } from "../../src/contract/metrics.ts";
import { fillPath, operations, pathFields, type Operation } from "../../src/contract/operations.ts";

const tables: Record<string, () => string> = {
  commands: () =>
    markdown(
      ["Command", "Description"],
      commands.map((command) => [
        [`port-daddy ${usage(command)}`, ...(command.aliases ?? [])].map(code).join(" or "),
        command.summary,
      ]),
    ),
  options: () => {
    const users = new Map<string, string[]>();
    for (const [owner, flags] of [
      ["every command", commonFlags] as const,
      ...commands.map((command) => [code(command.name), command.flags] as const),
    ]) {
      for (const [name, field] of Object.entries<Field<unknown>>(flags)) {
        const row = `${code(flagText(name, field))}\n${field.summary}`;
        users.set(row, [...(users.get(row) ?? []), owner]);
      }
    }
    return markdown(
      ["Option", "Of", "Description"],
      [...users].map(([row, owners]) => {
        const [flag, summary] = row.split("\n") as [string, string];
        return [flag, owners.join(", "), summary];
      }),
    );
  },
  routes: () =>
    markdown(
      ["Route", "Input beyond the path", "Description"],
      Object.values<Operation>(operations).map(({ method, path, input, summary }) => [
        code(`${method} ${fillPath(path, (name) => `:${name}`)}`),
        Object.keys(input)
          .filter((name) => !pathFields(path).includes(name))
          .map(code)
          .join(", "),
        summary,
      ]),
    ),
  events: () =>
    markdown(
      ["Event", "In the log", "Webhooks", "Meaning"],
      Object.entries(events).map(([name, { summary, webhook }]) => [
        code(name),
        actionsOf(name as EventName)
          .map(code)
          .join(", "),
        webhook ? "yes" : "",
        summary,
      ]),
    ),
  faults: () =>
    markdown(
      ["Code", "HTTP", "Exit", "Meaning"],
      Object.entries(faults).map(([name, { status, exit, summary }]) => [
        code(name),
        String(status),
        String(exit),
        summary,
      ]),
    ),
  metrics: () =>
    markdown(
      ["Metric", "Type", "Labels", "Meaning"],
      Object.entries<Metric>(metrics).map(([name, { type, labels, help }]) => [
        code(name),
        type,
        Object.entries(labels).map(labelText).join("; "),
        help,
      ]),
    ),
  settings: () =>
    markdown(
      ["Variable", "Default", "Description"],
      Object.entries<{ byDefault?: string; defaultName?: string; summary: string }>(settings).map(
        ([name, { byDefault, defaultName, summary }]) => [
          code(name),
          byDefault ?? defaultName ?? "none",
          summary,
        ],
      ),
    ),
};

/** A label, with its values where they are few enough to be read. */
function labelText([name, values]: [string, readonly string[]]): string {
  const isShown = values.length > 0 && values.length < 10;
  return isShown ? `${code(name)}: ${values.join(", ")}` : code(name);
}

function markdown(header: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

const file = path.join(import.meta.dir, "../../README.md");
const before = await Bun.file(file).text();
const after = before.replace(/<!-- table: (\w+) -->[^]*?<!-- end -->/g, (_, name: string) => {
  const table = tables[name];
  if (!table)
    throw new Error(
      `README.md asks for a table '${name}'; there are ${Object.keys(tables).join(", ")}`,
    );
  return `<!-- table: ${name} -->\n\n${table()}\n\n<!-- end -->`;
});
await Bun.write(file, after);
// The formatter aligns the columns, so that the file stays as `bun fmt` wants it.
const { exitCode } = Bun.spawnSync([process.execPath, "fmt", "--no-script", file], {
  stdio: ["ignore", "ignore", "inherit"],
});
process.exit(exitCode);
