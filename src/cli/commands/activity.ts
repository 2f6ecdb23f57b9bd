// log, whoami.

import type { ActivityEntry } from "../../contract/entities.ts";
import { entryMatcher } from "../../contract/entryFilter.ts";
import { sentenceOf } from "../../contract/events.ts";
import { boolean, span } from "../../contract/fields.ts";
import { operations, type InputOf } from "../../contract/operations.ts";
import { tenYearsMs } from "../../contract/values.ts";
import { command, type Context } from "../command.ts";
import { tellAway, untilEnd } from "../following.ts";
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
    follow: boolean({ summary: "Go on with what happens, until interrupted" }),
  }),
  examples: [
    "port-daddy log --limit 20",
    "port-daddy log --action claim",
    "port-daddy log --target 'myapp:*' --since 1h",
    "port-daddy log --follow",
  ],
  async run({ flags: { json, quiet, target, since, follow, ...given } }, context) {
    const { daemon, terminal } = context;
    const wanted = {
      ...given,
      ...(target !== undefined && { targetId: target }),
      ...(since !== undefined && { since: Date.now() - since }),
    };
    if (follow) return followLog(wanted, { json, quiet }, context);
    const answer = await daemon.call("activity", wanted);
    if (json) return terminal.out(toJson(answer));
    if (answer.count === 0 && !quiet) terminal.err("Nothing of that kind has happened");
    // The newest is last, where the eye is.
    for (const entry of answer.entries.toReversed()) terminal.out(entryLine(entry, context));
  },
});

function entryLine({ timestamp, actor, event, targetId, metadata }: ActivityEntry, side: Context) {
  const sentence = plain(sentenceOf(event, targetId, metadata));
  return `${side.terminal.paint.faint(dateTime(timestamp))}  ${plain(actor)} ${sentence}`;
}

/** Prints what there is, then what happens, a line each, until nobody reads it. */
async function followLog(
  wanted: InputOf<"activity">,
  { json, quiet }: { json?: boolean | undefined; quiet?: boolean | undefined },
  context: Context,
): Promise<void> {
  const { daemon, terminal } = context;
  const isWanted = entryMatcher(wanted);
  function print(entry: ActivityEntry): void {
    terminal.out(json ? toJson(entry) : entryLine(entry, context));
  }
  const onAway = quiet ? () => {} : tellAway(context);
  let isFirst = true;
  for await (const { event, data } of daemon.follow("events", {}, { signal: untilEnd(), onAway })) {
    if (event === "gap") terminal.err("gap: some of what happened is no longer in the log");
    if (event === "message" && isWanted(data as ActivityEntry)) print(data as ActivityEntry);
    if (event !== "snapshot" || !isFirst) continue;
    isFirst = false;
    // The stream goes on right after what the log holds up to here.
    const { id } = data as { id: number };
    const { entries } = await daemon.call("activity", { ...wanted, before: id + 1 });
    entries.toReversed().forEach(print);
  }
}

export const whoami = command({
  name: "whoami",
  group: "Coordination",
  summary: "Show what this command line is called",
  flags: () => ({}),
  run({ flags: { json, quiet } }, { config, callerId, terminal }) {
    const caller = callerId();
    const { agent, owner } = config;
    if (json)
      return terminal.out(
        toJson({ actor: agent ?? caller, agent: agent ?? null, owner: owner ?? null, caller }),
      );
    terminal.out(agent ?? caller);
    if (quiet) return;
    if (agent !== undefined) terminal.err(`the agent of PORT_DADDY_AGENT; without it: ${caller}`);
    if (owner !== undefined) terminal.err(`its locks are owned by ${owner} (PORT_DADDY_OWNER)`);
  },
});
