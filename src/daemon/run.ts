// The daemon as a process: from its start to its end.

import { takeNotifySocket, type Config } from "../config.ts";
import type { OutputOf } from "../contract/operations.ts";
import { start, type Daemon } from "./daemon.ts";
import { version } from "./handlers.ts";
import { notify } from "./notify.ts";

/**
 * Runs the daemon until a signal or a request stops it; `onReady` is told what is in force once it serves.
 * Throws the fault that keeps it from starting.
 */
export async function run(
  config: Config,
  onReady: (version: OutputOf<"version">, notices: string[]) => void,
): Promise<void> {
  const manager = takeNotifySocket();
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
  if (manager !== undefined) report(daemon, manager);
  await daemon.stopped;
  if (failure) throw failure.error;
}

/** Lets the service manager know when whoever waits for us may go on, and when we begin to end. */
function report({ port, log, stopping }: Daemon, manager: string): void {
  function tell(message: string): void {
    try {
      notify(manager, message);
    } catch (error) {
      log.warn((error as Error).message); // Its own deadline decides what becomes of that.
    }
  }
  const api = port === undefined ? "its socket alone" : `http://localhost:${port}`;
  tell(`READY=1\nSTATUS=Serving ${api}`);
  stopping.addEventListener("abort", () => tell("STOPPING=1\nSTATUS=Stopping"));
}
