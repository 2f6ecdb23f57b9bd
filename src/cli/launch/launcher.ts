// Launches one service, and watches over its command until that has ended.

import type { Launched } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { matches } from "../../contract/pattern.ts";
import { onSignals, onStop } from "../../system/signals.ts";
import { adoptOrphans, send } from "../../system/trees.ts";
import type { Context } from "../command.ts";
import { pause, persist } from "../patience.ts";
import { notStartedCode, warnUnlessAway } from "../program.ts";
import { plain } from "../render.ts";
import { variablesOf, type Whereabouts } from "../shells.ts";
import { attempt, type News, type Output, type Plan, type Run, type Watched } from "./attempt.ts";
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

/**
 * Runs the command of a service that is claimed, through its restarts and moves, and returns its exit code. `together`
 * are those that are launched with it: their commands, and so their claims, may have ended already.
 */
export async function run(
  plan: Plan,
  port: number,
  context: Context,
  output: Output,
  together: readonly Whereabouts[] = [],
): Promise<number> {
  adoptOrphans();
  const watched = watchSignals();
  const tell = (news: News) => report(plan.id, news, context);
  try {
    const others = await othersOf(plan.id, together, context);
    const code = await watchOver({ plan, others, port }, watched, context, output);
    await tell({ state: "ended", code });
    return code;
  } catch (error) {
    await tell({ state: "ended", code: notStartedCode });
    throw error;
  }
}

/** Gives back a claim whose command was never started. */
export async function giveUp({ id }: Plan, context: Context): Promise<void> {
  await report(id, { state: "ended", code: notStartedCode }, context);
}

/** What ends us ends the command; what only concerns that is passed on. */
function watchSignals(): Watched {
  const stopping = new AbortController();
  const watched: Watched = { stopping: stopping.signal };
  const pass = (signal: NodeJS.Signals) => {
    if (watched.keeper !== undefined) send(watched.keeper, signal);
  };
  onSignals(endingSignals, (signal) => {
    stopping.abort();
    pass(signal);
  });
  onSignals(passedSignals, pass);
  onStop(() => pass("SIGTSTP"));
  return watched;
}

async function watchOver(
  run: Run,
  watched: Watched,
  context: Context,
  output: Output,
): Promise<number> {
  const { plan, others } = run;
  const { tell } = output;
  const { id, wanted } = plan;
  const { stopping } = watched;
  const inform = (news: News) => report(id, news, context);
  let [pauseMs, moves] = [firstPauseMs, 0];
  for (let { port } = run; ;) {
    const startedAt = performance.now();
    const { code, isHijacked } = await attempt({ plan, port, others }, watched, output, inform);
    const mayMove = isHijacked && wanted.retry && !stopping.aborted;
    if (mayMove && moves < maxMoves) {
      moves++;
      port = await claimElsewhere(plan, context);
      tell(`moved to port ${port}`);
      continue;
    }
    const isWanted = wanted.restart === "always" || (wanted.restart === "on-failure" && code !== 0);
    if (mayMove && !isWanted) throw outrun(id, port);
    if (!isWanted || stopping.aborted) return code;
    moves = 0;
    if (performance.now() - startedAt >= stableMs) pauseMs = firstPauseMs;
    tell(`ended with ${code}; starting it again in ${pauseMs / 1000} s`);
    await inform({ state: "restarting", code });
    await pause(pauseMs, stopping);
    if (stopping.aborted) return code;
    port = await portToGoOnWith(plan, port, context, output);
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
  }
}

/** Its port, unless its claim has ended or moved meanwhile. Without a daemon it goes on with what it has. */
async function portToGoOnWith(
  plan: Plan,
  port: number,
  context: Context,
  { tell }: Output,
): Promise<number> {
  const daemon = context.runningDaemon();
  let next = port;
  await warnUnlessAway(context, async () => {
    next =
      (await claimedPort(plan.id, daemon)) ?? (await claimElsewhere(plan, { ...context, daemon }));
  });
  if (next !== port) tell(`its claim of port ${port} is gone; it has port ${next} now`);
  return next;
}

/** The port that an identity holds at this moment. */
export async function claimedPort(
  id: string,
  daemon: Context["daemon"],
): Promise<number | undefined> {
  const { services } = await daemon.call("services", { pattern: id });
  return services[0]?.port;
}

/** A port that need not be the one that was asked for. */
async function claimElsewhere(plan: Plan, context: Context): Promise<number> {
  const { port: _, ...wanted } = plan.wanted;
  return (await claim({ ...plan, wanted }, context)).port;
}

function outrun(id: string, port: number): Fault {
  return new Fault(
    "held",
    `${id} was started ${maxMoves + 1} times, and each time its port was taken first`,
    {
      details: { id, port },
      hint: `see who has the last one: port-daddy who ${port}`,
    },
  );
}

/** Where the rest of the project is, as variables. */
async function othersOf(
  id: string,
  together: readonly Whereabouts[],
  { daemon }: Context,
): Promise<Record<string, string>> {
  const pattern = `${id.split(":")[0]}:*`;
  const { services } = await daemon.call("services", { pattern });
  const beside = together.filter((each) => matches(pattern, each.id));
  const all = new Map([...beside, ...services].map((each) => [each.id, each]));
  all.delete(id);
  return variablesOf([...all.values()]).variables;
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
