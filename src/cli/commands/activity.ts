// log, whoami.

import { sentenceOf } from "../../contract/events.ts";
import { span } from "../../contract/fields.ts";
import { tenYearsMs } from "../../contract/values.ts";
import { operations } from "../../contract/operations.ts";
import { command } from "../command.ts";
import { dateTime, plain, toJson } from "../render.ts";

export const log = command({
  name: "log",
  group: "Coordination",
  summary: "View activity log",
  flags: () => ({
    limit: operations.activity.input.limit,
    action: operations.activity.input.action,
    target: operations.activity.input.targetId,
    actor: operations.activity.input.actor,
    since: span({
      summary: "Only the last while, such as 2h",
      min: 1,
      max: tenYearsMs,
      placeholder: "<dur>",
    }),
  }),
  examples: [
    "port-daddy log --limit 20",
    "port-daddy log --action claim",
    "port-daddy log --target 'myapp:*' --since 1h",
  ],
  async run({ flags: { json, quiet, target, since, ...given } }, { daemon, terminal }) {
    const answer = await daemon.call("activity", {
      ...given,
      ...(target !== undefined && { targetId: target }),
      ...(since !== undefined && { since: Date.now() - since }),
    });
    if (json) return terminal.out(toJson(answer));
    if (answer.count === 0 && !quiet) terminal.err("Nothing of that kind has happened");
    // The newest is last, where the eye is.
    for (const entry of answer.entries.toReversed()) {
      const sentence = plain(sentenceOf(entry.event, entry.targetId, entry.metadata));
      terminal.out(
        `${terminal.paint.faint(dateTime(entry.timestamp))}  ${plain(entry.actor)} ${sentence}`,
      );
    }
  },
});

export const whoami = command({
  name: "whoami",
  group: "Coordination",
  summary: "Show what this command line is called: the agent, or the process behind it",
  flags: () => ({}),
  run({ flags: { json, quiet } }, { config, callerId, terminal }) {
    const caller = callerId();
    const { agent } = config;
    if (json) return terminal.out(toJson({ actor: agent ?? caller, agent: agent ?? null, caller }));
    terminal.out(agent ?? caller);
    if (agent !== undefined && !quiet)
      terminal.err(`the agent of PORT_DADDY_AGENT; without it: ${caller}`);
  },
});
