// wait.

import { ConnectionLost, isStopping, Unreachable } from "../../client/client.ts";
import { defaultWaitMs, operations } from "../../contract/operations.ts";
import { toJson } from "../render.ts";
import { command, type Context } from "../command.ts";

/** How much longer than the wait itself its answer may take. */
const slackMs = 5_000;

/** How long to leave a daemon that stops or restarts alone before asking it again. */
const askAgainAfterMs = 100;

export const wait = command({
  name: "wait",
  args: "<id> [...ids]",
  group: "Coordination",
  summary: operations.wait.summary,
  flags: () => ({ timeout: operations.wait.input.timeout }),
  examples: [
    "port-daddy wait myapp:api",
    "port-daddy wait myapp:api myapp:db --timeout 120000 && npm test",
  ],
  async run({ args, flags: { timeout = defaultWaitMs, json, quiet } }, context) {
    const answer = await waitFor(args, timeout, context);
    if (json) return context.terminal.out(toJson(answer));
    if (quiet) return;
    for (const { id, urls } of answer.services)
      context.terminal.out(`${id} is healthy → ${urls["local"]}`);
  },
});

/**
 * Waits through a restart of the daemon: within the timeout, a wait that was cut off goes on. One that was stopped by
 * somebody is not started against their will.
 */
async function waitFor(ids: string[], timeout: number, { daemon, runningDaemon }: Context) {
  const end = timeout === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout;
  let asked = daemon;
  while (true) {
    const leftMs = Math.max(1, Math.ceil(end - performance.now()));
    const input = { id: ids, timeout: timeout === 0 ? 0 : leftMs };
    try {
      return await asked.call("wait", input, { deadlineMs: leftMs + slackMs });
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
