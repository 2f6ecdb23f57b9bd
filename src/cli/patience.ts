// Waiting that goes on through a restart of the daemon.

import type { Client } from "../client/client.ts";
import { ConnectionLost, isStopping, Unreachable } from "../client/failures.ts";
import type { Context } from "./command.ts";

/** How much longer than the wait itself its answer may take. */
const slackMs = 5_000;

/** How long to leave a daemon that stops or restarts alone before asking it again. */
const askAgainAfterMs = 100;

/**
 * Asks for something that the daemon holds its answer for, and within the timeout (ms; `Infinity` is no limit) asks
 * again where the wait was cut off. A daemon that was stopped by somebody is not started against their will.
 */
export async function persist<T>(
  timeoutMs: number,
  { daemon, runningDaemon }: Pick<Context, "daemon" | "runningDaemon">,
  ask: (daemon: Client, leftMs: number, deadlineMs: number) => Promise<T>,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let asked = daemon;
  while (true) {
    const leftMs = Math.max(1, Math.ceil(end - performance.now()));
    try {
      return await ask(asked, leftMs, leftMs + slackMs);
    } catch (error) {
      const wasStopped = isStopping(error);
      if (wasStopped) asked = runningDaemon();
      const mayReturn =
        wasStopped ||
        error instanceof ConnectionLost ||
        (asked !== daemon && error instanceof Unreachable);
      if (!mayReturn || leftMs <= askAgainAfterMs) throw error;
      await Bun.sleep(askAgainAfterMs);
    }
  }
}

/** Waits, but no longer than until it is told to stop. */
export async function pause(ms: number, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = () => resolve();
  stop.addEventListener("abort", wake);
  await promise;
  stop.removeEventListener("abort", wake);
  clearTimeout(timer);
}
