// Signals to this process.

import * as fs from "node:fs";
import { constants } from "node:os";
import { ancestors, stat } from "./processes.ts";

/** Listens for signals, but for those that whoever started us has had us ignore, as `nohup` does. */
export function onSignals<S extends NodeJS.Signals>(
  signals: readonly S[],
  listener: (signal: S) => void,
): void {
  const ignored = ignoredAtStart();
  for (const signal of signals) {
    const bit = 1n << BigInt(constants.signals[signal] - 1);
    if ((ignored & bit) === 0n) process.on(signal, () => listener(signal));
  }
}

/** A bit for each signal, by its number less one (man 5 proc_pid_status); of other systems it is not known. */
function ignoredAtStart(): bigint {
  try {
    const status = fs.readFileSync("/proc/self/status", "utf8");
    return BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  } catch {
    return 0n;
  }
}

/** Lets the terminal's stop through where somebody can have us go on; it is told before. A command without a shell goes on. */
export function onStop(listener: () => void): void {
  process.on("SIGTSTP", () => {
    if (!mayBeStopped()) return;
    listener();
    process.kill(process.pid, "SIGSTOP");
  });
}

/** Whether our group has a parent in its session, as a shell with jobs is: of an orphaned one the kernel stops none (setpgid(2)). */
function mayBeStopped(): boolean {
  const own = stat(process.pid);
  const parent = [...ancestors(process.pid)].find(({ group }) => group !== own?.group);
  return own !== undefined && parent?.session === own.session;
}
