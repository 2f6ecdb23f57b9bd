// launch: claims a port and starts what serves it.

import { homeDirectory } from "../../config.ts";
import type { Launch, Launched, Service } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { boolean, check } from "../../contract/fields.ts";
import { identity } from "../../contract/values.ts";
import { operations } from "../../contract/operations.ts";
import * as paths from "../../system/paths.ts";
import { command, type Context, type FlagValues } from "../command.ts";
import { detach, stop } from "../launch/detached.ts";
import type { Output, Plan } from "../launch/attempt.ts";
import { chooseCommand } from "../launch/choice.ts";
import * as launcher from "../launch/launcher.ts";
import { logFlags, showLog } from "../logs.ts";
import { nearest } from "../nearest.ts";
import { NotStarted, requireProgram } from "../program.ts";
import { clipped, directory, plain, relative, table, toJson } from "../render.ts";
import { refuseRemote } from "./daemon.ts";

const flags = () => {
  const { port, range, expires, health, keep, retry, restart } = operations.launch.input;
  return {
    ...{ port, range, expires, health, restart, keep, retry },
    forceNew: boolean({ summary: "End the launch that is under way, and start a new one" }),
    noInject: boolean({ summary: "Leave the command as it is: PORT alone tells it its port" }),
    verbose: boolean({ summary: "Show the command that is really run" }),
    detach: boolean({ summary: "Let it run on its own, with a log" }),
    list: boolean({ summary: "List what was launched" }),
    stop: boolean({ summary: "End what is launched: an identity or a pattern" }),
    logs: boolean({ summary: "Show what a detached one writes" }),
    ...logFlags,
  };
};
type Flags = FlagValues<ReturnType<typeof flags>>;

export const launch = command({
  name: "launch",
  args: "[...ids]",
  argsOf: "services",
  program: "optional",
  group: "Services",
  summary: "Claim a port and start what serves it",
  flags,
  examples: [
    "port-daddy launch myapp:web -- npx vite",
    "port-daddy launch myapp:web",
    "port-daddy launch myapp:web myapp:api",
    "port-daddy launch myapp:web --detach --restart on-failure",
    "port-daddy launch --logs myapp:web -f",
    "port-daddy launch --stop 'myapp:*'",
    "port-daddy launch --list",
  ],
  async run({ args, program, flags: { json, quiet, help: _, ...given } }, context) {
    refuseRemote(context, "launch");
    refuseContradiction(args, program, given);
    const { list, stop, logs, lines, follow } = given;
    const say = { json, quiet };
    if (list) return showLaunches(args[0], say, context);
    if (args.length === 0)
      throw new Fault("invalid_input", "'launch' needs <id>", {
        hint: "see: port-daddy launch --help",
      });
    if (stop) return stopLaunches(args, say, context);
    for (const id of args) check(identity, id, "id");
    if (logs)
      return showLog(
        paths.launchLog(context.config.home, args[0]!),
        { lines, follow },
        context.terminal,
        { hint: `it begins with: port-daddy launch ${plain(args[0]!)} --detach` },
      );
    return start(args, program, given, say, context);
  },
});

type Say = { json?: boolean | undefined; quiet?: boolean | undefined };

/** Throws `invalid_input` for words that say two things. */
function refuseContradiction(args: string[], program: string[], given: Flags): void {
  const asked = (["list", "stop", "logs", "detach"] as const).filter((name) => given[name]);
  const isStart = asked.length === 0 || asked[0] === "detach";
  const contradictions: [boolean, string][] = [
    [asked.length > 1, `--${asked[0]} and --${asked[1]} exclude each other`],
    [!isStart && program.length > 0, `--${asked[0]} takes no command`],
    [args.length > 1 && (given.logs || given.list) === true, `--${asked[0]} is for one`],
    [
      args.length > 1 && given.port !== undefined,
      "--port is for one service, and here are several",
    ],
    [!given.logs && (given.lines ?? given.follow) !== undefined, "-n and -f go with --logs"],
  ];
  const said = contradictions.find(([isSaid]) => isSaid);
  if (said) throw new Fault("invalid_input", said[1], { hint: "see: port-daddy launch --help" });
}

/** Claims all, then starts all: each is told where the others are. */
async function start(
  ids: string[],
  program: string[],
  given: Flags,
  say: Say,
  context: Context,
): Promise<number> {
  const { detach: isDetached, forceNew } = given;
  if (say.json && !isDetached)
    throw new Fault("invalid_input", "-j goes with --detach, --list and --stop", {
      hint: `the output is the command's own; to leave it to a log: port-daddy launch ${ids[0]} --detach -j`,
    });
  const claims: { plan: Plan; launched: Launched }[] = [];
  try {
    for (const id of ids) {
      const launched = await orTellRunning({ id, insists: forceNew }, say, context, async () => {
        const plan = await planFor(id, program, given, context);
        const claim = () => (isDetached ? detach(plan, context) : launcher.claim(plan, context));
        const launched = await insist(claim, forceNew);
        claims.push({ plan, launched });
        return launched;
      });
      if (launched) tellClaimed(launched, isDetached, say, context);
    }
  } catch (error) {
    if (!isDetached) for (const { plan } of claims) await launcher.giveUp(plan, context);
    throw error;
  }
  if (isDetached || claims.length === 0) return 0;
  return launcher.run(claims, context, outputFor(claims.length, say, context));
}

async function planFor(
  id: string,
  program: string[],
  given: Flags,
  context: Context,
): Promise<Plan> {
  const { port, range, expires, health, restart, keep, retry, detach, noInject, verbose } = given;
  const here = currentDirectory();
  const choice = await chooseCommand(id, program, here, context);
  try {
    requireProgram(choice.words);
  } catch (error) {
    throw new NotStarted(error);
  }
  const wanted = { port, range, expires, health, restart, keep, retry, detached: detach };
  return {
    ...{ id, directory: here, ...choice },
    wanted: Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)),
    injects: noInject !== true,
    verbose: verbose === true,
  };
}

/** Throws `not_found` where it has been removed. */
function currentDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw new Fault("not_found", "The directory that this shell is in is gone", {
      hint: "go to one that is there: cd",
    });
  }
}

/** Where a launch of the same identity is under way, ends that first. */
async function insist(
  claim: () => Promise<Launched>,
  forceNew: boolean | undefined,
): Promise<Launched> {
  try {
    return await claim();
  } catch (error) {
    const running = forceNew ? runningIn(error)?.launch : undefined;
    if (!running) throw error;
    await stop(running);
    return claim();
  }
}

/** Starts nothing where the identity is running: says where, and whose it is. */
async function orTellRunning(
  { id, insists }: { id: string; insists: boolean | undefined },
  { json, quiet }: Say,
  { daemon, terminal }: Context,
  begin: () => Promise<Launched>,
): Promise<Launched | undefined> {
  try {
    return await begin();
  } catch (error) {
    const running = runningIn(error) ?? (await findRunning(id, daemon));
    if (!running || insists) throw error;
    if (json) terminal.out(toJson(running));
    else if (quiet || !terminal.isInteractive) terminal.out(running.url);
    if (json || quiet) return undefined;
    terminal.err(`${id} is running already: ${running.url}`);
    terminal.err(`  ${whose(running)}`);
    return undefined;
  }
}

type Running = { id: string; url: string; launch: Launch | null };

/** What stands in the way of a launch. */
function runningIn(error: unknown): Running | undefined {
  if (!(error instanceof Fault) || error.code !== "held") return undefined;
  return "launch" in error.details ? (error.details as Running) : undefined;
}

/** Whoever has nothing to launch may still have asked for what runs. */
async function findRunning(id: string, daemon: Context["daemon"]): Promise<Running | undefined> {
  const { launches } = await daemon.call("launches", { pattern: id });
  const launch = launches.find(({ endedAt }) => endedAt === null) ?? null;
  const { services } = await daemon.call("services", { pattern: id });
  const [service] = services.filter(({ status }) => launch !== null || status === "running");
  return service && { id, url: service.urls["local"]!, launch };
}

function whose({ launch }: Running): string {
  if (!launch) return "it was not launched, but is served by a process of its own";
  const { actor, directory: where, pid, startedAt } = launch;
  const since = relative(startedAt, Date.now());
  return `launched by ${plain(actor)} in ${directory(where, homeDirectory())}, process ${pid}, ${since}`;
}

function tellClaimed(
  { id, port, urls, launch, ...claimed }: Launched,
  isDetached: boolean | undefined,
  { json, quiet }: Say,
  { terminal }: Context,
): void {
  const { out, err, isInteractive, paint } = terminal;
  if (isDetached && json) out(toJson({ id, port, urls, launch, ...claimed }));
  else if (isDetached && (quiet || !isInteractive)) out(urls["local"]!);
  if (quiet || json) return;
  err(`${id} → port ${paint.strong(String(port))}`);
  if (claimed.warning !== undefined) err(`warning: ${claimed.warning}`);
  if (isDetached) err(`  runs on its own as process ${launch.pid}: port-daddy launch --logs ${id}`);
}

/** One command has the terminal for itself; of several each line says whose it is. */
function outputFor(count: number, { quiet }: Say, { terminal }: Context): Output {
  const { out, err, paint } = terminal;
  const tell = (id: string, text: string) => {
    if (!quiet) err(count > 1 ? `${id}: ${text}` : text);
  };
  if (count === 1) return { tell };
  return {
    tell,
    take: (id, line, from) => (from === "out" ? out : err)(`${paint.faint(`${id} |`)} ${line}`),
  };
}

async function showLaunches(
  pattern: string | undefined,
  { json, quiet }: Say,
  { daemon, terminal }: Context,
): Promise<void> {
  const answer = await daemon.call("launches", pattern === undefined ? {} : { pattern });
  if (json) return terminal.out(toJson(answer));
  if (quiet) return answer.launches.forEach(({ id }) => terminal.out(id));
  if (answer.count === 0) {
    terminal.err(pattern === undefined ? "Nothing was launched" : `No launch matches ${pattern}`);
    return terminal.err("hint: launch something: port-daddy launch myapp:web -- npm run dev");
  }
  const { services } = await daemon.call("services", pattern === undefined ? {} : { pattern });
  terminal.out(launchTable(answer.launches, services, terminal));
}

/** How much of a command a table shows. */
const commandColumns = 40;

function launchTable(
  launches: Launch[],
  services: Service[],
  { paint, columns }: Context["terminal"],
): string {
  const now = Date.now();
  const ports = new Map(services.map(({ id, port }) => [id, port]));
  return table(
    ["IDENTITY", "PORT", "STATUS", "PROCESS", "SINCE", "COMMAND", "DIRECTORY"],
    launches.map((launch) => [
      launch.id,
      launch.endedAt === null ? (ports.get(launch.id) ?? null) : null,
      statusOf(launch),
      launch.endedAt === null ? launch.pid : null,
      relative(launch.endedAt ?? launch.startedAt, now),
      clipped(plain(launch.cmd), commandColumns),
      directory(launch.directory, homeDirectory()),
    ]),
    paint,
    columns(),
  );
}

function statusOf({ status, code, restarts }: Launch): string {
  if (status === "ended") return code === null ? "lost" : `ended (${code})`;
  return restarts === 0 ? status : `${status} (restarted ${restarts}×)`;
}

async function stopLaunches(
  patterns: string[],
  { json, quiet }: Say,
  { daemon, terminal }: Context,
): Promise<void> {
  const stopped: string[] = [];
  for (const pattern of patterns) {
    const { launches } = await daemon.call("launches", { pattern });
    const running = launches.filter(({ endedAt }) => endedAt === null);
    await Promise.all(running.map(stop));
    stopped.push(...running.map(({ id }) => id));
    if (!json && !quiet) for (const { id } of running) terminal.out(`Stopped ${id}`);
    if (running.length === 0 && !json) await tellNothing(pattern, daemon, terminal);
  }
  if (json) terminal.out(toJson({ stopped }));
}

async function tellNothing(
  pattern: string,
  daemon: Context["daemon"],
  { err }: Context["terminal"],
): Promise<void> {
  err(`Nothing to stop: ${plain(pattern)} is not launched`);
  const { launches } = await daemon.call("launches", {});
  const running = launches.filter(({ endedAt }) => endedAt === null).map(({ id }) => id);
  const meant = nearest(pattern, running);
  if (meant !== undefined) err(`hint: did you mean: port-daddy launch --stop ${meant}`);
}
