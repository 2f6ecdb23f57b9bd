// claim, release, find, who.

import { homeDirectory } from "../../config.ts";
import type { Claimed, Freed, Listener, PortReport, Service } from "../../contract/entities.ts";
import { Fault, faults } from "../../contract/faults.ts";
import { boolean, checkText } from "../../contract/fields.ts";
import { port as portField } from "../../contract/values.ts";
import { operations } from "../../contract/operations.ts";
import { isPattern, matchesEverything } from "../../contract/pattern.ts";
import { shellWord } from "../../contract/shell.ts";
import { command, type Context } from "../command.ts";
import { nearest } from "../nearest.ts";
import { warnUnlessAway } from "../program.ts";
import {
  clipped,
  dateTime,
  directory,
  plain,
  processLine,
  relative,
  table,
  toJson,
} from "../render.ts";
import { warn } from "../telling.ts";

export const claim = command({
  name: "claim",
  args: "<id> [...ids]",
  argsOf: "services",
  group: "Services",
  summary: operations.claim.summary,
  flags: () =>
    pick(operations.claim.input, [
      "port",
      "range",
      "expires",
      "pid",
      "agent",
      "cmd",
      "cwd",
      "health",
      "metadata",
    ]),
  examples: [
    "port-daddy claim myapp:api",
    'vite --port "$(port-daddy claim myapp -q)"',
    "port-daddy claim myapp:api --expires 2h",
    "port-daddy claim myapp:api myapp:web myapp:db",
  ],
  async run({ args, flags: { port, json, quiet, ...given } }, context) {
    const { daemon, terminal } = context;
    const [id = "", ...others] = args;
    const cwd = currentDirectory();
    const wanted = { ...(cwd !== undefined && { cwd }), ...given };
    if (others.length > 0 && port !== undefined) throw onePortForSeveral(id, port);
    const answer =
      others.length > 0
        ? await daemon.call("claimAll", { ids: args, ...wanted })
        : await daemon.call("claim", { id, ...wanted, ...(port !== undefined && { port }) });
    if (json) return terminal.out(toJson(answer));
    for (const claimed of "services" in answer ? answer.services : [answer])
      show(claimed, context, quiet);
  },
});

/** Where the command was typed, if it can be said: the directory may be gone, or have a name that cannot be kept. */
function currentDirectory(): string | undefined {
  try {
    return operations.claim.input.cwd.accept(process.cwd(), "cwd");
  } catch {
    return undefined;
  }
}

/** On a screen the sentence; to a program the port alone, with the sentence beside it on stderr. */
function show(claimed: Claimed, { terminal }: Context, quiet = false): void {
  const { out, err, isInteractive, paint } = terminal;
  const sentence = `${claimed.id} → port ${paint.strong(String(claimed.port))}`;
  if (quiet || !isInteractive) out(String(claimed.port));
  else out(sentence);
  if (!quiet && !isInteractive) err(sentence);
  if (!quiet && claimed.movedFrom) err(movedSentence(claimed.movedFrom));
  if (!quiet && claimed.warning !== undefined) warn(claimed.warning, terminal);
}

function movedSentence({ port, reason, holder }: NonNullable<Claimed["movedFrom"]>): string {
  const process = holder?.process?.pid
    ? ` by process ${holder.process.pid} (${plain(holder.process.command ?? "?")})`
    : "";
  const why = {
    held: `held by ${holder?.id} now`,
    in_use: `in use${process} now`,
    reserved: "reserved now",
    not_permitted: "not permitted to this user",
    out_of_range: "outside the range asked for",
    requested: "given up as asked",
  }[reason];
  return `moved from port ${port}, which is ${why}`;
}

function onePortForSeveral(id: string, port: number): Fault {
  return new Fault("invalid_input", "--port is for one service, and here are several", {
    hint: `claim it alone: port-daddy claim ${id} --port ${port}`,
  });
}

export const release = command({
  name: "release",
  args: "<id>",
  argsOf: "services",
  group: "Services",
  summary: operations.release.summary,
  flags: () => ({
    port: operations.release.input.port,
    dryRun: operations.release.input.dryRun,
    force: boolean({ summary: "Allow a pattern of stars alone, which releases everything" }),
  }),
  examples: [
    "port-daddy release myapp:api",
    "port-daddy release 'myapp:*:feature-auth'",
    "port-daddy release 'myapp:*' --dry-run",
  ],
  async run({ args: [id = ""], flags: { force, json, quiet, ...given } }, context) {
    const { daemon, terminal } = context;
    if (matchesEverything(id) && !force && !given.dryRun) {
      throw new Fault(
        "invalid_input",
        `'${id}' would release every service of everybody on this machine`,
        {
          hint: `--force means it; see what that would be: port-daddy release ${shellWord(id)} --dry-run`,
        },
      );
    }
    const answer = await daemon.call("release", { id, ...given });
    if (json) return terminal.out(toJson(answer));
    if (quiet && !given.dryRun) return;
    if (quiet) return answer.services.forEach((freed) => terminal.out(freed.id));
    const done = given.dryRun ? "Would release" : "Released";
    for (const freed of answer.services) terminal.out(`${done} ${freed.id} (port ${freed.port})`);
    if (answer.released > 0)
      return given.dryRun ? undefined : warnOfLaunches(answer.services, context);
    if (isPattern(id)) return terminal.err(`Nothing to release: no service matches ${id}`);
    const what = given.port === undefined ? "holds no port" : `does not hold port ${given.port}`;
    terminal.err(`Nothing to release: ${plain(id)} ${what}`);
    // Whoever reads hints without thinking must not release what is another's.
    const meant = given.port === undefined ? whatWasMeant(id, await identities(daemon)) : id;
    if (meant !== undefined) terminal.err(`hint: see what there is: port-daddy find ${meant}`);
  },
});

/** A command that is launched goes on without its claim. */
async function warnOfLaunches(released: Freed[], context: Context): Promise<void> {
  const { daemon, terminal } = context;
  await warnUnlessAway(context, async () => {
    const { launches } = await daemon.call("launches", {});
    for (const { id, endedAt } of launches) {
      if (endedAt !== null || !released.some((freed) => freed.id === id)) continue;
      warn(`what was launched as ${id} goes on without its claim`, terminal);
      terminal.err(`hint: end it: port-daddy launch --stop ${id}`);
    }
  });
}

/** The parts of a project that was named alone, or else the nearest identity. */
function whatWasMeant(id: string, known: string[]): string | undefined {
  return known.some((each) => each.startsWith(`${id}:`)) ? `'${id}:*'` : nearest(id, known);
}

async function identities(daemon: Context["daemon"]): Promise<string[]> {
  const { services } = await daemon.call("services", {});
  return services.map((service) => service.id);
}

export const find = command({
  name: "find",
  aliases: ["ps"],
  args: "[pattern]",
  argsOf: "services",
  group: "Services",
  summary: `${operations.services.summary} (default: all)`,
  flags: () => pick(operations.services.input, ["status", "port", "agent"]),
  examples: [
    "port-daddy find 'myapp:*'",
    "port-daddy find '*:api:*'",
    "port-daddy ps --status running",
  ],
  async run({ args: [pattern], flags: { json, quiet, ...given } }, { daemon, terminal }) {
    const answer = await daemon.call("services", {
      ...given,
      ...(pattern !== undefined && { pattern }),
    });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return answer.services.forEach(({ id }) => terminal.out(id));
    if (answer.count > 0) return terminal.out(serviceTable(answer.services, terminal));
    const filters = Object.entries(given).map(([name, value]) => `--${name} ${value}`);
    const asked = pattern === undefined ? filters : [pattern, ...filters];
    const isAll = asked.length === 0;
    terminal.err(isAll ? "No port is claimed" : `No service matches ${asked.join(" ")}`);
    terminal.err(
      isAll ? "hint: claim one: port-daddy claim myapp" : "hint: see all: port-daddy find",
    );
  },
});

function serviceTable(services: Service[], { paint, columns }: Context["terminal"]): string {
  const now = Date.now();
  const home = homeDirectory();
  return table(
    ["IDENTITY", "PORT", "STATUS", "PROCESS", "CLAIMED", "EXPIRES", "DIRECTORY"],
    services.map((service) => [
      service.id,
      service.port,
      service.status,
      service.listener && processCell(service.listener),
      relative(service.createdAt, now),
      service.expiresAt === null ? null : relative(service.expiresAt, now),
      service.cwd === null ? null : directory(service.cwd, home),
    ]),
    paint,
    columns(),
  );
}

/** How much of a command line a table shows. */
const commandColumns = 30;

function processCell({ pid, command, user, stranger }: Listener): string {
  const name =
    pid === null
      ? `of ${user ?? "another user"}`
      : `${pid} ${clipped(plain(program(command)), commandColumns)}`;
  return stranger ? `stranger: ${name}` : name;
}

/** A command line without the directories before its program. */
function program(command: string | null): string {
  return command?.replace(/^\S*\//, "") ?? "?";
}

export const who = command({
  name: "who",
  args: "<port>",
  argsOf: "ports",
  group: "Services",
  summary: operations.port.summary,
  flags: () => ({}),
  examples: ["port-daddy who 3100"],
  async run({ args: [text = ""], flags: { json, quiet } }, { daemon, terminal }) {
    const report = await daemon.call("port", { port: checkText(portField, text, "port") });
    if (json) terminal.out(toJson(report));
    else if (quiet) shortReport(report).forEach(terminal.out);
    else fullReport(report).forEach(terminal.out);
    return report.service || report.listeners.length > 0 ? 0 : faults.not_found.exit;
  },
});

/** The identity, or else the processes. */
function shortReport({ service, listeners }: PortReport): string[] {
  if (service) return [service.id];
  return listeners.map(({ pid, user }) => String(pid ?? user ?? "?"));
}

function fullReport({ port, service, listeners, refusal }: PortReport): string[] {
  const now = Date.now();
  const home = homeDirectory();
  const since = (instant: number) => `${dateTime(instant)} (${relative(instant, now)})`;
  const lines = [
    service && `port ${port} is claimed by ${service.id} since ${since(service.createdAt)}`,
    service?.cwd && `  from ${directory(service.cwd, home)}`,
    service?.agent && `  by agent ${plain(service.agent)}`,
    service?.expiresAt &&
      `  until ${dateTime(service.expiresAt)} (${relative(service.expiresAt, now)})`,
    !service && `nobody has claimed port ${port}`,
    refusal && `  it is not given out unasked: ${refusal}`,
    ...listeners.map(
      (process) =>
        `  ${process.stranger && service ? "a stranger listens" : "listening"}: ${processLine(process, home, now)}`,
    ),
    listeners.length === 0 && "  nothing listens on it",
  ];
  return lines.filter((line) => typeof line === "string" && line !== "") as string[];
}

/** Some of an operation's fields, to be flags. */
function pick<T, K extends keyof T>(fields: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, fields[name]])) as Pick<T, K>;
}
