// The daemon as a process: from its start to its end.

import type { Config } from "../config.ts";
import type { OutputOf } from "../contract/operations.ts";
import { start } from "./daemon.ts";
import { version } from "./handlers.ts";

/**
 * Runs the daemon until a signal or a request stops it; `onReady` is told what is in force once it serves.
 * Throws the fault that keeps it from starting.
 */
export async function run(
  config: Config,
  onReady: (version: OutputOf<"version">, notices: string[]) => void,
): Promise<void> {
  const daemon = await start(config);
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => daemon.stop(signal));
  process.on("SIGHUP", () => {}); // The terminal it was started from may close; the daemon stays.
  // After a failure that nobody foresaw, nothing can be relied on but the disk; the next command starts a new one.
  let failure: { error: unknown } | undefined;
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error) => {
      daemon.log.failure(error);
      failure ??= { error };
      daemon.stop("an unexpected failure");
    });
  }
  try {
    onReady(version(daemon), daemon.notices);
  } catch (error) {
    daemon.log.info(`whoever started this has gone: ${String(error)}`);
  }
  await daemon.stopped;
  if (failure) throw failure.error;
}
