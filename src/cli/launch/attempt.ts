// One run of a launched command: it is told its port, watched until it is ready, and over when nothing of it is left.

import * as fs from "node:fs";
import { inner, ownCommand } from "../../system/self.ts";
import { childEnvironment } from "../../config.ts";
import { processInWords, type ProcessInfo } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { localUrl } from "../../contract/loopback.ts";
import type { InputOf } from "../../contract/operations.ts";
import { shellWord } from "../../contract/shell.ts";
import { stat } from "../../system/processes.ts";
import { endAll, noteStarted, send } from "../../system/trees.ts";
import { exitCodeOf } from "../program.ts";
import { plain } from "../render.ts";
import { scriptsOf, type Choice } from "./choice.ts";
import { injectionFor } from "./injection.ts";
import { linesOf } from "./output.ts";
import { orphans } from "./tree.ts";
import { watchPort } from "./watch.ts";

/** What is to be launched, and how. */
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
  take?: (line: string, from: "out" | "err") => void;
  /** Says what happens to the service. */
  tell: (text: string) => void;
};

/** The keeper of the command while that runs, and whether it is all to end. */
export type Watched = { keeper?: number; stopping: AbortSignal };

export type News = Omit<InputOf<"reportLaunch">, "id" | "pid">;

export type Run = { plan: Plan; port: number; others: Record<string, string> };

/** Starts the command, tells what becomes of its port, and returns its exit code when nothing of it is left. */
export async function attempt(
  run: Run,
  watched: Watched,
  output: Output,
  tell: (news: News) => Promise<void>,
): Promise<{ code: number; isHijacked: boolean }> {
  const { plan, port } = run;
  const startedAt = performance.now();
  const keeper = startKeeper(run, output);
  watched.keeper = keeper.pid;
  if (watched.stopping.aborted) send(keeper.pid, "SIGTERM"); // The signal came before there was anybody to hear it.
  const over = new AbortController();
  const told: Promise<void>[] = [];
  let isHijacked = false;
  const watching = watchPort(
    { port, root: keeper.pid },
    {
      ready() {
        const ms = Math.round(performance.now() - startedAt);
        output.tell(`ready in ${ms} ms → ${localUrl(port)}`);
        told.push(tell({ state: "ready" }));
      },
      hijacked(by) {
        isHijacked = true;
        tellHijacked(plan, port, by, output);
        told.push(tell({ state: "hijacked", by }));
        if (plan.wanted.retry) send(keeper.pid, "SIGTERM");
      },
      elsewhere: (ports) => tellElsewhere(plan, port, ports, output),
    },
    over.signal,
  );
  const code = await keeper.ended;
  delete watched.keeper;
  over.abort();
  await watching;
  await Promise.all(told);
  return { code, isHijacked };
}

/** Starts the command with a process of ours between: it ends the whole tree when we are gone. */
function startKeeper(run: Run, output: Output): { pid: number; ended: Promise<number> } {
  const { directory } = run.plan;
  const { take } = output;
  const piped = take ? "pipe" : "inherit";
  requireDirectory(directory);
  const keeper = Bun.spawn([...ownCommand(), inner.keep, ...wordsOf(run, output)], {
    // Of a session of its own, so that a terminal's interrupt reaches it through us, once.
    detached: true,
    cwd: directory,
    env: childEnvironment(variablesOf(run)),
    stdio: [take || isInBackground() ? "ignore" : "inherit", piped, piped, "pipe"],
  });
  noteStarted(keeper.pid);
  const lifeline = keeper.stdio[3] as number;
  const drained = [keeper.stdout, keeper.stderr].map(async (stream, at) => {
    if (!take || !(stream instanceof ReadableStream)) return;
    try {
      for await (const line of linesOf(stream)) take(line, at === 0 ? "out" : "err");
    } catch {
      send(keeper.pid, "SIGTERM"); // Nobody reads it any more.
    }
  });
  async function ended(): Promise<number> {
    await keeper.exited;
    // Had it been killed, what it kept is ours now.
    await endAll(orphans, () => "SIGTERM");
    await Promise.all(drained);
    fs.closeSync(lifeline);
    return exitCodeOf(keeper);
  }
  return { pid: keeper.pid, ended: ended() };
}

/** Throws `not_found` where it was removed since. */
function requireDirectory(directory: string): void {
  if (fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new Fault("not_found", `The directory ${plain(directory)} of the command is gone`);
}

/** Whether the terminal listens to others: what the command read from it would be taken from them. */
function isInBackground(): boolean {
  const own = stat(process.pid);
  return own?.hasTerminal === true && !own.isForeground;
}

/** What the command is told by its environment: its own port, and where the rest of its project is. */
function variablesOf({ plan, port, others }: Run): Record<string, string> {
  return {
    ...others,
    PORT: String(port),
    PORT_DADDY_ID: plan.id,
    PORT_DADDY_LOCAL_URL: localUrl(port),
  };
}

/** The command, told its port in its own words where it would not read PORT. */
function wordsOf({ plan, port }: Run, { tell }: Output): string[] {
  const { words, directory, injects, verbose } = plan;
  const injection = injects ? injectionFor(words, port, scriptsOf(directory)) : undefined;
  const all = [...words, ...(injection?.added ?? [])];
  const why = injection ? ` (${injection.program} does not read PORT)` : "";
  if (verbose) tell(`runs: ${plain(all.map(shellWord).join(" "))}${why}`);
  return all;
}

function tellHijacked({ id, wanted }: Plan, port: number, by: ProcessInfo, { tell }: Output): void {
  tell(`warning: port ${port} was taken first by ${plain(processInWords(by))}`);
  if (!wanted.retry) tell(`hint: to take another port then: port-daddy launch ${id} --retry`);
}

function tellElsewhere(
  { id, words, wanted }: Plan,
  port: number,
  ports: number[],
  { tell }: Output,
): void {
  const opened = ports.map((each) => `port ${each}`).join(" and ");
  tell(`warning: it listens on ${opened}, and not on ${port}, which is claimed for it`);
  const flags = `${wanted.detached ? "--detach " : ""}--force-new --port ${ports[0]}`;
  const command = plain(words.map(shellWord).join(" "));
  tell(
    `hint: have it read PORT, or claim what it uses: port-daddy launch ${id} ${flags} -- ${command}`,
  );
}
