// Launches services and watches over their commands until they have ended.

import type { Launched } from "../../contract/entities.ts";
import { adoptOrphans, send } from "../../system/trees.ts";
import type { Context } from "../command.ts";
import { persist } from "../patience.ts";
import { warnUnlessAway } from "../program.ts";
import { plain } from "../render.ts";
import { variablesOf } from "../shells.ts";
import { attempt, type Commands, type News, type Output, type Plan } from "./attempt.ts";
import { endingSignals, passedSignals } from "./keeper.ts";

/** Between the end of a command and its next start: doubled each time, up to the longest. */
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/** A command that ran for so long has not failed to start: the pauses begin anew. */
const stableMs = 60_000;

/** How often a service is moved to another port because somebody else was faster. */
const maxMoves = 5;

/** Of a command line, what is kept for people to read. */
const shownLength = 4_000;

/** How long what has happened is tried to be told through a restart of the daemon. */
const reachMs = 5_000;

type Claim = { plan: Plan; launched: Launched };

/** Claims the port of a service for a command that we are about to start. Throws `held` where it is running already. */
export function claim(plan: Plan, { daemon }: Context): Promise<Launched> {
  const { id, directory, words, isAsked, wanted } = plan;
  return daemon.call("launch", {
    ...{ id, directory, pid: process.pid },
    ...(isAsked && { command: words }),
    cmd: plain(words.join(" ").replace(/\s+/g, " ")).slice(0, shownLength),
    ...wanted,
  });
}

/** Runs the commands of services that are claimed, until all have ended: the exit code is that of the first that failed. */
export async function run(
  claims: readonly Claim[],
  context: Context,
  output: Output,
): Promise<number> {
  adoptOrphans();
  const commands = watchSignals();
  const codes = await Promise.all(
    claims.map((claim) => watchOver(claim, commands, context, output)),
  );
  return codes.find((code) => code !== 0) ?? 0;
}

/** Gives back a claim whose command was never started. */
export async function giveUp({ id }: Plan, context: Context): Promise<void> {
  await report(id, { state: "ended", code: notStarted }, context);
}

const notStarted = 125;

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
  { plan, launched }: Claim,
  commands: Commands,
  context: Context,
  output: Output,
): Promise<number> {
  const { id, wanted } = plan;
  const others = await othersOf(id, context);
  const tell = (news: News) => report(id, news, context);
  let [pauseMs, moves] = [firstPauseMs, 0];
  for (let { port } = launched; ;) {
    const startedAt = performance.now();
    const { code, isHijacked } = await attempt({ plan, port, others }, commands, output, tell);
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
      await tell({ state: "ended", code });
      return code;
    }
    await tell({ state: "restarting", code });
  }
}

async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  stop.addEventListener("abort", () => resolve());
  await promise;
  clearTimeout(timer);
}

/** Where the rest of the project is, as variables. */
async function othersOf(id: string, { daemon }: Context): Promise<Record<string, string>> {
  const [project] = id.split(":");
  const { services } = await daemon.call("services", { pattern: `${project}:*` });
  return variablesOf(services.filter((service) => service.id !== id)).variables;
}

/** Tells the daemon how a launch goes on; the command goes on whatever becomes of that. */
async function report(id: string, news: News, context: Context): Promise<void> {
  const { runningDaemon } = context;
  const running = runningDaemon();
  await warnUnlessAway(context, () =>
    persist(reachMs, { daemon: running, runningDaemon }, (daemon, _, deadlineMs) =>
      daemon.call("reportLaunch", { id, pid: process.pid, ...news }, { deadlineMs }),
    ),
  );
}
