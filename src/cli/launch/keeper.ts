// Keeps one command: a process of its own between the launcher and what the command starts, so that whatever becomes of
// the launcher, nothing of it is left. The launcher holds the other end of a pipe for as long as it lives.

import { adoptOrphans, endAll, noteStarted, send } from "../../system/trees.ts";
import { birthmark } from "../../system/processes.ts";
import { onSignals } from "../../system/signals.ts";
import { reasonOf } from "../../system/paths.ts";
import { exitCodeOf, notExecutableCode } from "../program.ts";
import { plain } from "../render.ts";
import { treeBelow } from "./tree.ts";

/** The descriptor of the pipe that ends when the launcher does. */
export const lifeline = 3;

/** What ends the whole tree; a second one leaves it no time. */
export const endingSignals = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** What is passed on to the command and its group. */
export const passedSignals = ["SIGWINCH", "SIGUSR1", "SIGUSR2", "SIGCONT"] as const;

/** Runs a command until it has ended, or the launcher has, and returns its exit code when nothing of it is left. */
export async function keep(words: string[], warn: (text: string) => void): Promise<number> {
  adoptOrphans();
  const asked = Promise.withResolvers<NodeJS.Signals>();
  const hurry = new AbortController();
  let isAsked = false;
  function ask(signal: NodeJS.Signals): void {
    if (isAsked) hurry.abort();
    isAsked = true;
    asked.resolve(signal);
  }
  onSignals(endingSignals, ask);
  // A session of its own: its group is its own, and what the terminal sends comes through us.
  const child = spawned(words, warn);
  if (!child) return notExecutableCode;
  noteStarted(child.pid);
  onSignals(passedSignals, (signal) => send(-child.pid, signal));
  process.on("SIGTSTP", () => send(-child.pid, "SIGSTOP"));
  void launcherGone().then(() => ask("SIGTERM"));
  const ended = child.exited.then(() => exitCodeOf(child));
  const first = await Promise.race([asked.promise, ended.then(() => undefined)]);
  // What a command leaves behind when it ends has nobody to end it later; a shell's jobs hear no SIGINT.
  const signal = () => (child.exitCode === null && child.signalCode === null && first) || "SIGTERM";
  const behind = first === undefined ? treeBelow(process.pid).filter(isAlive) : [];
  if (behind.length > 0)
    warn(`the command has ended, and what it left behind with it: process ${behind.join(", ")}`);
  const left = await endAll(() => treeBelow(process.pid), signal, hurry.signal);
  if (left.length > 0) warn(`warning: could not be ended: process ${left.join(", ")}`);
  return left.includes(child.pid) ? 1 : ended;
}

/** Not one that has ended and is about to be waited for. */
function isAlive(pid: number): boolean {
  return birthmark(pid) !== undefined;
}

/** Throws nothing: what keeps the command from running is told. */
function spawned(words: string[], warn: (text: string) => void): Bun.Subprocess | undefined {
  const start = (words: string[]) =>
    Bun.spawn(words, { detached: true, stdio: ["inherit", "inherit", "inherit"] });
  try {
    return start(words);
  } catch (error) {
    // A script without an interpreter in its first line: shells run it by themselves (POSIX, execvp).
    if ((error as { code?: string }).code === "ENOEXEC") return start(["sh", ...words]);
    warn(`error: '${plain(words[0]!)}' cannot be run: ${reasonOf(error)}`);
    return undefined;
  }
}

/** Resolves when the other end of the pipe is closed: nothing is ever written to it. */
async function launcherGone(): Promise<void> {
  for await (const _ of Bun.file(lifeline).stream());
}
