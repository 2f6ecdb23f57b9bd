// Making the daemon a service of this user, and undoing that.

import * as fs from "node:fs";
import * as path from "node:path";
import { build } from "../build.ts";
import { findDaemon, ownCommand, whileStopped, type Version } from "../client/connect.ts";
import { daemonSettings, homeDirectory, isSecret, type Config } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { shellWord } from "../contract/shell.ts";
import { accountName } from "../system/accounts.ts";
import * as paths from "../system/paths.ts";
import * as service from "../system/service.ts";
import type { Installed, Manager, Order, Step } from "../system/service.ts";
import type { Context } from "./command.ts";
import { directory, plain, toJson } from "./render.ts";
import { refuseRemote, tell, warn } from "./commands/daemon.ts";

type Flags = { dryRun?: boolean; json?: boolean; quiet?: boolean };

/** Installs the service, or says what that would be. Throws what keeps it from that. */
export async function install(flags: Flags, context: Context): Promise<void> {
  refuseRemote(context, "install");
  const { config } = context;
  const manager = requireManager();
  const order = orderOf(config);
  const before = service.findInstalled(manager);
  refuseWrong(manager, order);
  refuseForeign(manager, before, config, "install");
  const obstacle = await service.obstacleTo(manager);
  if (flags.dryRun) {
    if (obstacle !== undefined) warn(unreachable(manager, obstacle).message, context);
    return showInstall(manager, order, flags, context);
  }
  if (obstacle !== undefined) throw unreachable(manager, obstacle);
  warnOfPlace(order, context);
  const text = manager.text(order);
  const running = await findDaemon(config).catch(() => undefined);
  const isDone =
    before?.text === text &&
    manager.links.every((link) => fs.existsSync(link)) &&
    running?.codeHash === build.codeHash &&
    running.pid === (await service.servicePid(manager));
  const version = isDone ? running : await takeOver(manager, text, before, context);
  const done = isDone ? "is already installed" : before ? "reinstalled" : "installed";
  if (flags.json)
    return context.terminal.out(
      toJson({ installed: true, ...facts(manager, order), daemon: version }),
    );
  tell(version, `${done} as a service of ${manager.name}`, flags, context);
  if (!flags.quiet) tellService(manager, order, context);
}

/** Removes the service; what was stored stays. */
export async function uninstall({ dryRun, json, quiet }: Flags, context: Context): Promise<void> {
  refuseRemote(context, "uninstall");
  const { config, terminal } = context;
  const manager = requireManager();
  const installed = service.findInstalled(manager);
  if (!installed) {
    if (json) return terminal.out(JSON.stringify({ uninstalled: false }));
    return quiet ? undefined : terminal.out("port-daddy is not installed as a service");
  }
  refuseForeign(manager, installed, config, "uninstall");
  if (dryRun) {
    const steps = [...manager.stop, ...manager.disable, removal(manager), ...manager.forget];
    if (json) return terminal.out(toJson({ uninstalled: false, commands: words(steps) }));
    return terminal.out(lines(steps));
  }
  const stopped = await whileStopped(
    config,
    (notice) => warn(notice, context),
    async (stopped) => {
      await asFaults(manager, () => service.remove(manager));
      fs.rmSync(paths.startReport(config.home), { force: true });
      return stopped;
    },
  );
  if (json)
    return terminal.out(
      toJson({ uninstalled: true, file: manager.file, ...(stopped && { pid: stopped.pid }) }),
    );
  if (quiet) return;
  terminal.out(
    `port-daddy is no longer a service of ${manager.name}${stopped ? `, and stopped (pid ${stopped.pid})` : ""}`,
  );
  terminal.err(
    `What it stored stays in ${directory(config.home, homeDirectory())}; the next command that needs a daemon starts one`,
  );
}

/**
 * Puts the service in the place of the daemon that runs. Where that fails, what was installed before is again, and a
 * daemon that ran is started once more.
 */
async function takeOver(
  manager: Manager,
  text: string,
  before: Installed | undefined,
  context: Context,
): Promise<Version> {
  let notice = (text: string) => warn(text, context);
  return whileStopped(
    context.config,
    (text) => notice(text),
    async (stopped, start) => {
      try {
        return await asFaults(manager, async () => {
          service.write(manager, text);
          await service.ask(manager.enable);
          return await start();
        });
      } catch (error) {
        notice = () => {}; // The first failure says more than what comes of mending it.
        await restore(manager, before).catch(notice);
        if (!before) fs.rmSync(paths.startReport(context.config.home), { force: true });
        if (stopped) await start().catch(notice);
        throw error;
      }
    },
  );
}

async function restore(manager: Manager, before: Installed | undefined): Promise<void> {
  await service.ask(manager.stop);
  if (!before) return service.remove(manager);
  service.write(manager, before.text);
  await service.ask(manager.enable);
}

function requireManager(): Manager {
  const manager = service.managerHere();
  if (manager) return manager;
  throw new Fault("unsupported", `No service manager of ${process.platform} is known`, instead);
}

/** What there is without a service. */
const instead = {
  hint: "without a service, commands start the daemon as they need it; to see to it yourself: port-daddy daemon",
};

function unreachable(manager: Manager, obstacle: string): Fault {
  const user = accountName(process.getuid?.()) ?? "";
  const isThere = Bun.which(manager.reach[0]!) !== null && manager.name === "systemd";
  return new Fault(
    "unsupported",
    `There is no ${manager.name} of this user to install it in: ${obstacle}`,
    // It may only be that nobody is logged in as this user.
    isThere && fs.existsSync("/run/systemd/system")
      ? {
          hint: `let yours run without a login, and try again: sudo loginctl enable-linger ${user}`,
        }
      : instead,
  );
}

function orderOf(config: Config): Order {
  const [program = "", ...rest] = ownCommand();
  return {
    command: [fs.realpathSync(program), ...rest, "daemon", "--json"],
    settings: daemonSettings(config),
  };
}

function refuseWrong(manager: Manager, order: Order): void {
  const texts = [...order.command, ...Object.values(order.settings)];
  const objection = texts.some((text) => /\p{Cc}/u.test(text))
    ? "a path or a setting has a control character in it"
    : manager.objection(order);
  if (objection !== undefined)
    throw new Fault("invalid_input", `port-daddy cannot be installed: ${objection}`, {
      hint: "see what would be written: port-daddy install --dry-run",
    });
  const home = homeDirectory();
  const owner = fs.statSync(home, { throwIfNoEntry: false })?.uid;
  if (owner !== undefined && owner !== process.getuid?.() && process.getuid?.() === 0)
    throw new Fault(
      "invalid_input",
      `This is root in the home of ${accountName(owner)}, and a service is its own user's`,
      { hint: "without sudo: port-daddy install" },
    );
}

/** One user has one service: for another state directory it is not ours to change. */
function refuseForeign(
  { file }: Manager,
  installed: Installed | undefined,
  { home }: Config,
  verb: string,
): void {
  const theirs = installed?.settings["PORT_DADDY_HOME"];
  if (!installed || theirs === home) return;
  if (theirs === undefined)
    throw new Fault("held", `${file} was not written by port-daddy install`, {
      hint: `move it out of the way: mv ${shellWord(file)} ${shellWord(`${file}.old`)}`,
    });
  throw new Fault("held", `The service is that of the state directory ${theirs}`, {
    hint: `${verb === "install" ? "remove that one first" : "to remove it"}: PORT_DADDY_HOME=${shellWord(theirs)} port-daddy uninstall`,
    details: { home: theirs },
  });
}

/** What a restart of the machine empties, or macOS after some days. */
const temporary = /^\/(private\/)?((var\/)?tmp|dev\/shm|run|var\/folders)\//;

/** Tells of a program that is likely to be gone at the next start. */
function warnOfPlace({ command: [program = ""] }: Order, context: Context): void {
  const folder = path.dirname(program);
  const isTemporary = temporary.test(`${folder}/`);
  const isBuilt = path.basename(folder) === "dist" && paths.repositoryOf(folder) !== undefined;
  const what = !Bun.isStandaloneExecutable
    ? "the service runs from its sources"
    : isTemporary
      ? `${program} is in a place for temporary files`
      : isBuilt
        ? `${program} is what a checkout builds, and changes with it`
        : undefined;
  if (what === undefined) return;
  warn(plain(what), context);
  if (!Bun.isStandaloneExecutable) return;
  context.terminal.err(
    `hint: install it from where it stays: mkdir -p ~/.local/bin && cp ${plain(shellWord(program))} ~/.local/bin/port-daddy && ~/.local/bin/port-daddy install`,
  );
}

function facts({ name, file }: Manager, { command: [program], settings }: Order) {
  return { manager: name, file, program, settings: Object.keys(settings) };
}

function tellService(manager: Manager, order: Order, { terminal }: Context): void {
  const home = homeDirectory();
  const names = Object.keys(order.settings).filter((name) => name !== "PORT_DADDY_HOME");
  terminal.out(`  ${manager.noun.padEnd(10)} ${directory(manager.file, home)}`);
  terminal.out(`  program    ${directory(order.command[0]!, home)}`);
  if (names.length > 0) terminal.out(`  settings   ${names.join(", ")}`);
  const user = accountName(process.getuid?.());
  if (manager.name !== "systemd")
    return terminal.err("It starts when you log in and ends when you log out");
  if (fs.existsSync(`/var/lib/systemd/linger/${user}`))
    return terminal.err("It starts when the machine does, and goes on without a login");
  terminal.err("It starts when you log in and ends with your last session");
  terminal.err("hint: to have it from boot on, also without a login: loginctl enable-linger");
}

function showInstall(
  manager: Manager,
  { command, settings }: Order,
  { json, quiet }: { json?: boolean; quiet?: boolean },
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

function removal({ file }: Manager): Step {
  return { words: ["rm", file] };
}

function words(steps: Step[]): string[] {
  return steps.map(({ words }) => words.map(shellWord).join(" "));
}

function lines(steps: Step[]): string {
  return words(steps).map(plain).join("\n");
}

/** What the manager refuses is a failure of this machine rather than of ours. */
async function asFaults<T>(manager: Manager, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(
      "unavailable",
      `${manager.name} could not be told of it: ${paths.reasonOf(error)}`,
      { hint: `see how it is: ${manager.show}` },
    );
  }
}
