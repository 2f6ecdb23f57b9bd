// Trees of processes: everything that a command has started, kept in sight and ended whole.

import { int, loadLibc, pointer, size } from "./libc.ts";
import { machine } from "./machine.ts";
import { birthmark } from "./processes.ts";

/** How long processes may take to end when they are asked to. */
export const endMs = 5_000;

/** How long what was killed may take to be gone; what is not by then cannot be ended by us. */
const killMs = 2_000;

const lookEveryMs = 20;

/** A command may lose children faster than all processes can be looked through: they are waited for together. */
const reapEveryMs = 100;

/** Of prctl(2), and of waitpid(2). */
const setChildSubreaper = 36;
const noHang = 1;

/**
 * From here on, what our descendants leave behind becomes our child, also what has forked twice or left its group and
 * session (prctl(2), PR_SET_CHILD_SUBREAPER). Only Linux has that: elsewhere it goes to the first process.
 */
export function adoptOrphans(): void {
  if (process.platform !== "linux") return;
  const libc = loadLibc({
    prctl: { args: [int, size, size, size, size], returns: int },
    waitpid: { args: [int, pointer, int], returns: int },
  });
  libc.prctl(setChildSubreaper, 1, 0, 0, 0);
  // The runtime waits for what it has started; of the others nobody would take note, and they would stay as zombies.
  let timer: Timer | undefined;
  process.on("SIGCHLD", () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const pid of adopted()) libc.waitpid(pid, null, noHang);
    }, reapEveryMs);
    timer.unref();
  });
}

const started = new Set<number>();

/** Says of a child that the runtime has started it, and waits for it. */
export function noteStarted(pid: number): void {
  started.add(pid);
}

/** The children of this process that it has not started: what its descendants left behind. */
export function adopted(): number[] {
  return [...machine.parents()].flatMap(([pid, parent]) =>
    parent === process.pid && !started.has(pid) ? [pid] : [],
  );
}

/**
 * Asks processes to end, then makes them, and returns those that could not be ended. `members` is asked again and
 * again, so that what is started meanwhile ends as well; whoever was a member once is not lost from sight. So is
 * `signal`: each is told once what it says. They have no time left where `hurry` is aborted.
 */
export async function endAll(
  members: () => number[],
  signal: () => NodeJS.Signals,
  hurry?: AbortSignal,
): Promise<number[]> {
  const marks = new Map<number, string>();
  function living(): number[] {
    for (const pid of members()) {
      const mark = birthmark(pid);
      if (mark !== undefined) marks.set(pid, mark);
    }
    return [...marks].flatMap(([pid, mark]) => (birthmark(pid) === mark ? [pid] : []));
  }
  async function tell(say: () => NodeJS.Signals, ms: number): Promise<number[]> {
    const told = new Set<string>();
    const end = performance.now() + ms;
    for (;;) {
      const left = living();
      const isOver = performance.now() >= end || (say === signal && hurry?.aborted);
      if (left.length === 0 || isOver) return left;
      for (const pid of left) {
        const word = `${say()} ${pid}`;
        if (told.has(word)) continue;
        told.add(word);
        ask(pid, say());
      }
      await Bun.sleep(lookEveryMs);
    }
  }
  return (await tell(signal, endMs)).length === 0 ? [] : tell(() => "SIGKILL", killMs);
}

/** Sends a signal that is also heard by one that is stopped. */
export function ask(pid: number, signal: NodeJS.Signals): void {
  send(pid, signal);
  send(pid, "SIGCONT");
}

/** Sends a signal; to a process that has ended, or is not ours to end, it makes no difference. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, or another user's: whoever asked looks whether it lives.
  }
}
