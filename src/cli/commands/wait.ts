// wait.

import { defaultWaitMs, operations } from "../../contract/operations.ts";
import { command } from "../command.ts";
import { persist } from "../patience.ts";
import { toJson } from "../render.ts";

export const wait = command({
  name: "wait",
  args: "<id> [...ids]",
  argsOf: "services",
  group: "Coordination",
  summary: operations.wait.summary,
  flags: () => ({ timeout: operations.wait.input.timeout }),
  examples: [
    "port-daddy wait myapp:api",
    "port-daddy wait myapp:api myapp:db --timeout 120000 && npm test",
  ],
  async run({ args: id, flags: { timeout = defaultWaitMs, json, quiet } }, context) {
    const answer = await persist(timeout || Infinity, context, (daemon, leftMs, deadlineMs) =>
      daemon.call("wait", { id, timeout: timeout && leftMs }, { deadlineMs }),
    );
    if (json) return context.terminal.out(toJson(answer));
    if (quiet) return;
    for (const { id, urls } of answer.services)
      context.terminal.out(`${id} is healthy → ${urls["local"]}`);
  },
});
