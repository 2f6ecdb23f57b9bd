// What `install` and `uninstall` say: what would be done, and what was.

import * as fs from "node:fs";
import type { Version } from "../../client/connect.ts";
import { homeDirectory, isSecret } from "../../config.ts";
import { shellWord } from "../../contract/shell.ts";
import { accountName } from "../../system/accounts.ts";
import type { Manager, Order, Step } from "../../system/service.ts";
import type { Context, Say } from "../command.ts";
import { directory, plain, toJson } from "../render.ts";
import { tell, warn } from "../telling.ts";
import { installFrom, ownFiles, passing, placesToStay } from "./place.ts";

export type Flags = Say & { dryRun?: boolean };

/** Tells of a program that is likely to be gone at the next start. */
export function warnOfPlace(order: Order, context: Context): void {
  const reason = passing(order);
  if (reason === undefined) return;
  warn(reason, context.terminal);
  if (Bun.isStandaloneExecutable)
    context.terminal.err(`hint: ${plain(installFrom(placesToStay()[0]!, order))}`);
}

/** The file that would be written and the commands that would be run; secrets aside. */
export function showInstall(
  manager: Manager,
  { command, settings }: Order,
  { json, quiet }: Flags,
  { terminal }: Context,
): void {
  const shown = Object.entries(settings).map(([name, value]) => [
    name,
    isSecret(name) ? "(not shown)" : value,
  ]);
  const text = manager.text({ command, settings: Object.fromEntries(shown) });
  const steps = [...manager.enable, ...manager.start];
  if (json)
    return terminal.out(
      toJson({ installed: false, file: manager.file, text, commands: words(steps) }),
    );
  if (!quiet) terminal.err(`This would be written to ${plain(manager.file)}, for you alone:`);
  terminal.out(text);
  if (!quiet) terminal.err("Then, the daemon that runs being stopped, this would be run:");
  terminal.out(lines(steps));
}

type Done = { manager: Manager; order: Order; version: Version; done: string };

/** The daemon as it is now, and the service that it is. */
export function tellInstalled(
  { manager, order, version, done }: Done,
  { json, quiet }: Flags,
  context: Context,
): void {
  const { name, noun, file } = manager;
  const { terminal } = context;
  const program = order.command[0]!;
  const settings = Object.keys(order.settings);
  if (json)
    return terminal.out(
      toJson({ installed: true, manager: name, file, program, settings, daemon: version }),
    );
  if (quiet) return;
  tell(version, `${done} as a service of ${name}`, {}, context);
  const home = homeDirectory();
  const others = settings.filter((name) => name !== "PORT_DADDY_HOME");
  terminal.out(`  ${noun.padEnd(10)} ${directory(file, home)}`);
  terminal.out(`  program    ${directory(program, home)}`);
  if (others.length > 0) terminal.out(`  settings   ${others.join(", ")}`);
  tellSpan(manager, context);
}

/** From when to when it runs. */
function tellSpan({ ends, linger }: Manager, { terminal }: Context): void {
  const user = accountName(process.getuid?.()) ?? "";
  if (linger && fs.existsSync(linger.mark(user)))
    return terminal.err("It starts when the machine does, and goes on without a login");
  terminal.err(`It starts when you log in and ends ${ends}`);
  if (linger)
    terminal.err(`hint: to have it from boot on, also without a login: ${linger.enable()}`);
}

export function tellNotInstalled({ json, quiet }: Flags, { terminal }: Context): void {
  if (json) return terminal.out(toJson({ uninstalled: false }));
  if (quiet) return;
  terminal.out("port-daddy is not installed as a service");
  if (!Bun.isStandaloneExecutable) return;
  const files = ownFiles().map(shellWord).join(" ");
  terminal.err(`hint: to remove the program itself: port-daddy stop && rm ${plain(files)}`);
}

/** The commands that would be run. */
export function showUninstall(manager: Manager, { json }: Flags, { terminal }: Context): void {
  const removal: Step = { words: ["rm", manager.file] };
  const steps = [...manager.stop, ...manager.disable, removal, ...manager.forget];
  if (json) return terminal.out(toJson({ uninstalled: false, commands: words(steps) }));
  terminal.out(lines(steps));
}

export function tellUninstalled(
  { name, file }: Manager,
  stopped: Version | undefined,
  { json, quiet }: Flags,
  { config, terminal }: Context,
): void {
  if (json)
    return terminal.out(toJson({ uninstalled: true, file, ...(stopped && { pid: stopped.pid }) }));
  if (quiet) return;
  const also = stopped ? `, and stopped (pid ${stopped.pid})` : "";
  terminal.out(`port-daddy is no longer a service of ${name}${also}`);
  const stored = directory(config.home, homeDirectory());
  terminal.err(
    `What it stored stays in ${stored}; the next command that needs a daemon starts one`,
  );
}

function words(steps: Step[]): string[] {
  return steps.map(({ words }) => words.map(shellWord).join(" "));
}

function lines(steps: Step[]): string {
  return words(steps).map(plain).join("\n");
}
