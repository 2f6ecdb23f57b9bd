// How a launch is ended by somebody else than its own command line.

import { Fault } from "../../contract/faults.ts";
import type { Launch } from "../../contract/entities.ts";
import { birthmark } from "../../system/processes.ts";
import { ask, endMs } from "../../system/trees.ts";

/** How long a launch may take to be over: its commands are killed well before. */
const goneMs = 2 * endMs;

const lookEveryMs = 20;

/**
 * Ends a launch that the daemon has just called running, with all that its command has started; returns when it is over.
 * Throws `timed_out` where it is not.
 */
export async function end({ id, pid }: Launch): Promise<void> {
  const mark = birthmark(pid);
  const isOver = () => mark === undefined || birthmark(pid) !== mark;
  if (!isOver()) ask(pid, "SIGTERM");
  const until = performance.now() + goneMs;
  while (!isOver()) {
    if (performance.now() > until)
      throw new Fault("timed_out", `The launcher of ${id} (pid ${pid}) did not end`, {
        hint: `end it: kill -9 ${pid}`,
      });
    await Bun.sleep(lookEveryMs);
  }
}
