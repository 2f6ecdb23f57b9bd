// Starts launches: in this process where it is one and has the terminal for itself, else in launchers of their own.

import { homeDirectory } from "../../config.ts";
import type { Launch, Launched } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { localUrl } from "../../contract/loopback.ts";
import { onSignals, onStop } from "../../system/signals.ts";
import type { Context, Say } from "../command.ts";
import { NotStarted, requireProgram } from "../program.ts";
import { directory, plain, relative, toJson } from "../render.ts";
import { warn } from "../telling.ts";
import type { Output, Plan } from "./attempt.ts";
import { chooseCommand } from "./choice.ts";
import { end } from "./ending.ts";
import { startLauncher, type Launcher } from "./errand.ts";
import { endingSignals, passedSignals } from "./keeper.ts";
import * as launcher from "./launcher.ts";

/** How launches are asked for. */
export type Wishes = Plan["wanted"] & {
  program: string[];
  forceNew?: boolean | undefined;
  noInject?: boolean | undefined;
  verbose?: boolean | undefined;
};

/** Starts one or several; each is told where the others are. Returns the exit code of the first that fails. */
export async function start(
  ids: string[],
  wishes: Wishes,
  say: Say,
  context: Context,
): Promise<number> {
  const wanted: string[] = [];
  for (const id of new Set(ids)) {
    const running = wishes.forceNew ? undefined : await findRunning(id, context);
    if (!running) {
      wanted.push(id);
      continue;
    }
    tellRunning(running, say, context);
    await warnOfLostClaim(running, context);
  }
  const [id, ...others] = wanted;
  if (id === undefined) return 0;
  if (others.length === 0 && !wishes.detached) return alone(id, wishes, say, context);
  return beside(wanted, wishes, say, context);
}

/** One that has the terminal for itself. */
async function alone(id: string, wishes: Wishes, say: Say, context: Context): Promise<number> {
  const plan = await planFor(id, wishes, context);
  const launched = await orRunning(() => launcher.claim(plan, context), wishes, say, context);
  if (!launched) return 0;
  tellClaimed(launched, say, context);
  const { err } = context.terminal;
  return launcher.run(plan, launched.port, context, {
    tell: (text) => void (say.quiet || err(text)),
  });
}

/** Several beside each other, or such as go on without us. All have their ports before the first begins. */
async function beside(ids: string[], wishes: Wishes, say: Say, context: Context): Promise<number> {
  const plans: Plan[] = [];
  for (const id of ids) plans.push(await planFor(id, wishes, context));
  const launchers: Launcher[] = [];
  try {
    for (const plan of plans) {
      const take = wishes.detached ? undefined : takeFor(plan.id, context);
      const begin = () => startLauncher(plan, context, say.quiet === true, take);
      const started = await orRunning(begin, wishes, say, context);
      if (started) launchers.push(started);
      if (started) tellClaimed(started.launched, say, context);
    }
  } catch (error) {
    for (const { dismiss } of launchers) dismiss();
    await Promise.all(launchers.map(({ ended }) => ended));
    throw error;
  }
  const together = launchers.map(({ launched }) => launched);
  for (const { begin } of launchers) begin(together);
  if (wishes.detached) return 0;
  onSignals([...endingSignals, ...passedSignals], (signal) =>
    launchers.forEach(({ pass }) => pass(signal)),
  );
  onStop(() => launchers.forEach(({ pass }) => pass("SIGTSTP")));
  const codes = await Promise.all(launchers.map(({ ended }) => ended));
  return codes.find((code) => code !== 0) ?? 0;
}

/** Of several, each line says whose it is. */
function takeFor(id: string, { terminal }: Context): NonNullable<Output["take"]> {
  const { out, err, paint } = terminal;
  return (line, from) => (from === "out" ? out : err)(`${paint.faint(`${id} |`)} ${line}`);
}

async function planFor(id: string, wishes: Wishes, context: Context): Promise<Plan> {
  const { program, forceNew: _, noInject, verbose, ...wanted } = wishes;
  const here = currentDirectory();
  const choice = await chooseCommand(id, program, here, context);
  try {
    requireProgram(choice.words);
  } catch (error) {
    throw new NotStarted(error);
  }
  return {
    ...{ id, directory: here, ...choice, wanted },
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

type Running = { id: string; url: string; launch: Launch | null };

/** What is launched as this identity, or serves it without that. */
async function findRunning(id: string, { daemon }: Context): Promise<Running | undefined> {
  const { launches } = await daemon.call("launches", { pattern: id });
  const launch = launches.find(({ endedAt }) => endedAt === null);
  if (launch) return { id, url: localUrl(launch.port), launch };
  const { services } = await daemon.call("services", { pattern: id, status: "running" });
  const [service] = services.filter(({ listener }) => listener?.stranger !== true);
  return service && { id, url: localUrl(service.port), launch: null };
}

/** A claim may have ended while its command went on, and its port be another's one day. */
async function warnOfLostClaim({ id, launch }: Running, context: Context): Promise<void> {
  const { daemon, terminal } = context;
  if (!launch || (await launcher.claimedPort(id, daemon)) === launch.port) return;
  warn(`${id} goes on without its claim`, terminal);
  terminal.err(`hint: put a new one in its place: port-daddy launch ${id} --force-new`);
}

/** Where the identity is launched meanwhile: ends that, if it is to make room, and otherwise says so and starts nothing. */
async function orRunning<T>(
  begin: () => Promise<T>,
  { forceNew }: Pick<Wishes, "forceNew">,
  say: Say,
  context: Context,
  triesLeft = 5,
): Promise<T | undefined> {
  try {
    return await begin();
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "held" || !("launch" in error.details))
      throw error;
    const { launch } = error.details as Running;
    if (!forceNew) return tellRunning(error.details as Running, say, context);
    if (!launch || triesLeft === 0) throw error;
    await end(launch);
    // Somebody else may have been faster to take its place.
    return orRunning(begin, { forceNew }, say, context, triesLeft - 1);
  }
}

function tellRunning(running: Running, { json, quiet }: Say, { terminal }: Context): undefined {
  const { id, url } = running;
  if (json) terminal.out(toJson(running));
  else if (quiet || !terminal.isInteractive) terminal.out(url);
  if (json || quiet) return;
  terminal.err(`${id} is running already: ${url}`);
  terminal.err(`  ${whose(running)}`);
}

function whose({ launch }: Running): string {
  if (!launch) return "it was not launched, but is served by a process of its own";
  const { actor, directory: where, pid, startedAt } = launch;
  const since = relative(startedAt, Date.now());
  return `launched by ${plain(actor)} in ${directory(where, homeDirectory())}, process ${pid}, ${since}`;
}

function tellClaimed(
  { id, port, urls, launch, ...claimed }: Launched,
  { json, quiet }: Say,
  { terminal }: Context,
): void {
  const { out, err, isInteractive, paint } = terminal;
  const isDetached = launch.detached;
  if (isDetached && json) out(toJson({ id, port, urls, launch, ...claimed }));
  else if (isDetached && (quiet || !isInteractive)) out(urls["local"]!);
  if (quiet || json) return;
  err(`${id} → port ${paint.strong(String(port))}`);
  if (claimed.warning !== undefined) warn(claimed.warning, { err });
  if (isDetached) err(`  runs on its own as process ${launch.pid}: port-daddy launch --logs ${id}`);
}
