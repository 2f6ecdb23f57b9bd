// Launches services and watches over their commands until they have ended.

import { childEnvironment } from "../../config.ts";
import { ownCommand } from "../../client/connect.ts";
import type { Launched, ProcessInfo, Service } from "../../contract/entities.ts";
import { processInWords } from "../../contract/entities.ts";
import type { InputOf } from "../../contract/operations.ts";
import { descendants } from "../../system/processes.ts";
import { adopted, adoptOrphans, endAll, noteStarted, send } from "../../system/trees.ts";
import type { Context } from "../command.ts";
import { persist } from "../patience.ts";
import { exitCodeOf, warnUnlessAway } from "../program.ts";
import { plain } from "../render.ts";
import { variablesOf } from "../shells.ts";
import { scriptsOf, type Choice } from "./choice.ts";
import { injectionFor } from "./injection.ts";
import { endingSignals, passedSignals } from "./keeper.ts";
import { linesOf } from "./output.ts";
import { watchPort } from "./watch.ts";
import * as fs from "node:fs";

/** Between the end of a command and its next start: doubled each time, up to the longest. */
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/** A command that ran for so long has not failed to start: the pauses begin anew. */
const stableMs = 60_000;

/** How often a service is moved to another port because somebody else was faster. */
const maxMoves = 5;

/** How long what has happened is tried to be told through a restart of the daemon. */
const reachMs = 5_000;

export type Plan = Choice & {
  id: string;
  directory: string;
  /** What the claim is asked for with. */
  wanted: Pick<
    InputOf<"launch">,
    "port" | "range" | "expires" | "health" | "keep" | "retry" | "restart" | "detached"
  >;
  /** Whether a command is told its port in its own words. */
  injects: boolean;
  verbose: boolean;
};

export type Output = {
  /** Takes what the command writes; where there is none it has our own input and output. */
  take?: (id: string, line: string, from: "out" | "err") => void;
  /** Says what happens to a service. */
  tell: (id: string, text: string) => void;
};

export type Side = { context: Context; output: Output };

/** Claims the port of a service for a command that we are about to start. Throws `held` where it is running already. */
export function claim(plan: Plan, { config: _, daemon }: Context): Promise<Launched> {
  const { id, directory, words, isAsked, wanted } = plan;
  return daemon.call("launch", {
    ...{ id, directory, pid: process.pid },
    ...(isAsked && { command: words }),
    cmd: words.join(" ").slice(0, 4000),
    ...wanted,
  });
}

/** Runs the commands of services that are claimed, until all have ended: the exit code is that of the first that failed. */
export async function run(
  claims: readonly { plan: Plan; launched: Launched }[],
  side: Side,
): Promise<number> {
  adoptOrphans();
  const commands = watchSignals();
  const codes = await Promise.all(claims.map((claim) => watchOver(claim, commands, side)));
  return codes.find((code) => code !== 0) ?? 0;
}

/** Gives back a claim whose command was never started. */
export async function giveUp({ id }: Plan, context: Context): Promise<void> {
  await report(id, { state: "ended", code: notStarted }, context);
}

const notStarted = 125;

type Commands = { keepers: Set<number>; stopping: AbortSignal };

/** What ends us ends the commands; what only concerns them is passed on. */
function watchSignals(): Commands {
  const keepers = new Set<number>();
  const stopping = new AbortController();
  const pass = (signal: NodeJS.Signals) => keepers.forEach((pid) => send(pid, signal));
  for (const signal of endingSignals)
    process.on(signal, () => {
      stopping.abort();
      pass(signal);
    });
  for (const signal of passedSignals) process.on(signal, () => pass(signal));
  process.on("SIGTSTP", () => {
    pass("SIGTSTP");
    process.kill(process.pid, "SIGSTOP");
  });
  return { keepers, stopping: stopping.signal };
}

/** One service, through its restarts and moves. */
async function watchOver(
  { plan, launched }: { plan: Plan; launched: Launched },
  commands: Commands,
  { context, output }: Side,
): Promise<number> {
  const { id, wanted } = plan;
  let [pauseMs, moves] = [firstPauseMs, 0];
  for (let { port } = launched; ;) {
    const startedAt = performance.now();
    const { code, isHijacked } = await runOnce(plan, port, commands, { context, output });
    const isOver = () => commands.stopping.aborted;
    if (isHijacked && wanted.retry && !isOver() && moves++ < maxMoves) {
      ({ port } = await claim(plan, context));
      output.tell(id, `moved to port ${port}`);
      continue;
    }
    const isWanted = wanted.restart === "always" || (wanted.restart === "on-failure" && code !== 0);
    if (isWanted && !isOver()) {
      if (performance.now() - startedAt >= stableMs) pauseMs = firstPauseMs;
      output.tell(id, `ended with ${code}; starting it again in ${pauseMs / 1000} s`);
      await pause(pauseMs, commands.stopping);
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    }
    if (!isWanted || isOver()) {
      await report(id, { state: "ended", code }, context);
      return code;
    }
    await report(id, { state: "restarting", code }, context);
  }
}

async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  stop.addEventListener("abort", () => resolve());
  await promise;
  clearTimeout(timer);
}

/** Starts the command once, tells what becomes of its port, and returns when nothing of it is left. */
async function runOnce(
  plan: Plan,
  port: number,
  { keepers }: Commands,
  { context, output }: Side,
): Promise<{ code: number; isHijacked: boolean }> {
  const { id } = plan;
  const variables = await variablesFor(plan, port, context);
  const startedAt = performance.now();
  const keeper = startKeeper(plan, wordsFor(plan, port, output), variables, output);
  keepers.add(keeper.pid);
  const watching = new AbortController();
  let isHijacked = false;
  const watched = watchPort(
    { port, root: keeper.pid },
    {
      ready() {
        const ms = Math.round(performance.now() - startedAt);
        output.tell(id, `ready in ${ms} ms → ${urlOf(port)}`);
        void report(id, { state: "ready" }, context);
      },
      hijacked(by) {
        isHijacked = true;
        tellHijacked(plan, port, by, output);
        void report(id, { state: "hijacked" }, context);
        if (plan.wanted.retry) send(keeper.pid, "SIGTERM");
      },
      elsewhere: (ports) => tellElsewhere(plan, port, ports, output),
    },
    watching.signal,
  );
  await keeper.ended;
  keepers.delete(keeper.pid);
  // Had it been killed, what it kept is ours now.
  const strays = () => adopted().flatMap((pid) => [pid, ...descendants(pid)]);
  await endAll(strays, () => "SIGTERM");
  watching.abort();
  await watched;
  return { code: await keeper.ended, isHijacked };
}

function startKeeper(
  { id, directory }: Plan,
  words: string[],
  variables: Record<string, string>,
  { take }: Output,
) {
  const piped = take ? "pipe" : "inherit";
  const keeper = Bun.spawn([...ownCommand(), "__keep", ...words], {
    // Of a session of its own, so that a terminal's interrupt reaches it through us, once.
    detached: true,
    cwd: directory,
    env: childEnvironment(variables),
    stdio: [take ? "ignore" : "inherit", piped, piped, "pipe"],
  });
  noteStarted(keeper.pid);
  const lifeline = keeper.stdio[3] as number;
  const drained = [keeper.stdout, keeper.stderr].map(async (stream, at) => {
    if (!take || !(stream instanceof ReadableStream)) return;
    for await (const line of linesOf(stream)) take(id, line, at === 0 ? "out" : "err");
  });
  async function ended(): Promise<number> {
    await Promise.all([keeper.exited, ...drained]);
    fs.closeSync(lifeline);
    return exitCodeOf(keeper);
  }
  return { pid: keeper.pid, ended: ended() };
}

/** What the command is told by its environment: its own port, and where the rest of its project is. */
async function variablesFor(
  { id }: Plan,
  port: number,
  { daemon }: Context,
): Promise<Record<string, string>> {
  const [project] = id.split(":");
  const { services } = await daemon.call("services", { pattern: `${project}:*` });
  const others = services.filter((service: Service) => service.id !== id);
  return {
    ...variablesOf(others).variables,
    PORT: String(port),
    PORT_DADDY_ID: id,
    PORT_DADDY_LOCAL_URL: urlOf(port),
  };
}

/** The command, told its port in its own words where it would not read PORT. */
function wordsFor({ id, words, directory, injects, verbose }: Plan, port: number, output: Output) {
  const injection = injects ? injectionFor(words, port, scriptsOf(directory)) : undefined;
  const all = [...words, ...(injection?.added ?? [])];
  if (verbose) {
    const why = injection ? ` (${injection.program} does not read PORT)` : "";
    output.tell(id, `runs: ${plain(all.join(" "))}${why}`);
  }
  return all;
}

function tellHijacked({ id, wanted }: Plan, port: number, by: ProcessInfo, { tell }: Output): void {
  tell(id, `warning: port ${port} was taken first by ${plain(processInWords(by))}`);
  if (!wanted.retry) tell(id, `hint: to take another port then: port-daddy launch ${id} --retry`);
}

function tellElsewhere({ id, words }: Plan, port: number, ports: number[], { tell }: Output): void {
  const opened = ports.map((each) => `port ${each}`).join(" and ");
  tell(id, `warning: it listens on ${opened}, and not on ${port}, which is claimed for it`);
  tell(
    id,
    `hint: have it read PORT, or claim what it uses: port-daddy launch ${id} --port ${ports[0]} -- ${plain(words.join(" "))}`,
  );
}

/** Tells the daemon how a launch goes on; the command goes on whatever becomes of that. */
async function report(
  id: string,
  news: Pick<InputOf<"reportLaunch">, "state" | "code">,
  context: Context,
): Promise<void> {
  const running = context.runningDaemon();
  const { runningDaemon } = context;
  await warnUnlessAway(context, () =>
    persist(reachMs, { daemon: running, runningDaemon }, (daemon, _, deadlineMs) =>
      daemon.call("reportLaunch", { id, pid: process.pid, ...news }, { deadlineMs }),
    ),
  );
}

function urlOf(port: number): string {
  return `http://localhost:${port}`;
}
