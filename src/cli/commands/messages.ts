// pub, sub, messages, channels.

import type { Message } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import type { Gap } from "../../contract/feed.ts";
import { boolean, described, integer, waitSpan } from "../../contract/fields.ts";
import { payloadOf } from "../../contract/payload.ts";
import { operations } from "../../contract/operations.ts";
import { shellWord } from "../../contract/shell.ts";
import { tenYearsMs } from "../../contract/values.ts";
import { command, type Context, type Say } from "../command.ts";
import { tellAway, untilEnd } from "../following.ts";
import { plain, plural, relative, table, toJson } from "../render.ts";

export const pub = command({
  name: "pub",
  args: "<channel> <msg>",
  argsOf: "channels",
  group: "Coordination",
  summary: operations.publish.summary,
  flags: () => ({
    sender: operations.publish.input.sender,
    expires: operations.publish.input.expires,
  }),
  examples: [
    `port-daddy pub build:api '{"status":"ready","port":3100}'`,
    "port-daddy pub errors 'the build is broken'",
    "git diff | port-daddy pub review -",
  ],
  async run({ args: [channel = "", text = ""], flags: { json, quiet, ...given } }, context) {
    const { daemon, terminal } = context;
    const said = text === "-" ? await terminal.input() : text;
    const payload = payloadOf(said);
    if (typeof payload === "string" && /^\s*[{[]/.test(payload) && !quiet)
      terminal.err("note: this is not JSON that comes back as it is, so it was sent as text");
    const answer = await daemon.call("publish", { channel, payload, ...given });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return terminal.out(String(answer.id));
    const { id, subscribers } = answer;
    terminal.out(`Published message ${id} to ${channel} (${plural(subscribers, "subscriber")})`);
  },
});

export const sub = command({
  name: "sub",
  args: "<channel>",
  argsOf: "channels",
  group: "Coordination",
  summary: "Subscribe to a channel or pattern (real-time)",
  flags: () => ({
    after: described(operations.subscribe.input.after, "Begin after the message of this id"),
    last: operations.subscribe.input.last,
    count: integer({ summary: "End after n messages", min: 1, max: Number.MAX_SAFE_INTEGER }),
    timeout: waitSpan({
      summary: "End after this long; with --count, that is a failure",
      min: 1,
      max: tenYearsMs,
    }),
    envelope: boolean({ summary: "As JSON with id, channel, sender and instants" }),
  }),
  examples: [
    "port-daddy sub 'build:*'",
    "port-daddy sub bugs --last 1 --count 1",
    "port-daddy sub 'build:*' --json --count 2 | jq .status",
  ],
  async run({ args: [channel = ""], flags }, context) {
    const { after, last, count = Infinity, timeout, quiet } = flags;
    const { daemon, terminal } = context;
    if (after !== undefined && last !== undefined)
      throw new Fault("invalid_input", "--after and --last exclude each other");
    const signal = untilEnd(timeout);
    const input = {
      channel,
      ...(after !== undefined && { after }),
      ...(last !== undefined && { last }),
    };
    const onOpen = () => {
      if (terminal.isInteractive && !quiet)
        terminal.err(`subscribed to ${channel}; Ctrl-C ends it`);
    };
    const onAway = quiet ? () => {} : tellAway(context);
    const following = daemon.follow("subscribe", input, { signal, onOpen, onAway });
    let seen = 0;
    for await (const { event, data } of following) {
      if (event === "gap") tellGap(data as Gap, context);
      if (event !== "message") continue;
      terminal.out(messageLine(data as Message, flags));
      if (++seen >= count) return;
    }
    // Ended by its time, and not because nobody reads it any more.
    const isLate = signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";
    if (isLate && count < Infinity) throw tooFew(channel, seen, count);
  },
});

function tellGap({ after, lostTo }: Gap, { terminal }: Context): void {
  if (lostTo !== undefined && lostTo < after)
    return terminal.err(`gap: no message has had the id ${after} yet; the newest is ${lostTo}`);
  const end = lostTo === undefined ? "" : `, up to ${lostTo},`;
  terminal.err(`gap: some messages after ${after}${end} are no longer there`);
}

function tooFew(channel: string, seen: number, count: number): Fault {
  return new Fault(
    "timed_out",
    `${seen} of ${plural(count, "message")} came to ${channel} in time`,
    {
      details: { channel, seen, count },
      hint: `see what is there: port-daddy messages ${shellWord(channel)}`,
    },
  );
}

type Form = Say & { envelope?: boolean | undefined };

/** `[2026-11-22T15:48:07Z] {"status":"ready"}`; the payload alone where that is wanted. */
function messageLine(message: Message, { json, quiet, envelope }: Form): string {
  if (envelope) return toJson(message);
  if (json) return toJson(message.payload);
  const { payload, createdAt } = message;
  const text = typeof payload === "string" ? plain(payload) : toJson(payload);
  return quiet ? text : `[${new Date(createdAt).toISOString().slice(0, 19)}Z] ${text}`;
}

export const messages = command({
  name: "messages",
  args: "<channel>",
  argsOf: "channels",
  group: "Coordination",
  summary: operations.messages.summary,
  flags: () => ({
    after: operations.messages.input.after,
    limit: operations.messages.input.limit,
    clear: boolean({ summary: "Delete them instead" }),
  }),
  examples: ["port-daddy messages build:api", "port-daddy messages 'build:*' --limit 5"],
  async run({ args: [channel = ""], flags }, context) {
    const { daemon, terminal } = context;
    const { json, quiet, clear, ...given } = flags;
    if (clear) return clearChannel(channel, flags, context);
    const answer = await daemon.call("messages", { channel, ...given });
    if (json) return terminal.out(toJson(answer));
    if (answer.gap) tellGap({ after: flags.after ?? 0 }, context);
    for (const message of answer.messages) terminal.out(messageLine(message, { quiet }));
    if (answer.count === 0 && !quiet) terminal.err(`No messages in ${channel}`);
  },
});

async function clearChannel(channel: string, { json, quiet }: Form, { daemon, terminal }: Context) {
  const answer = await daemon.call("clearChannel", { channel });
  if (json) return terminal.out(toJson(answer));
  if (!quiet) terminal.out(`Deleted ${plural(answer.deleted, "message")} of ${channel}`);
}

export const channels = command({
  name: "channels",
  args: "[pattern]",
  argsOf: "channels",
  group: "Coordination",
  summary: operations.channels.summary,
  flags: () => ({}),
  async run({ args: [pattern], flags: { json, quiet } }, { daemon, terminal }) {
    const answer = await daemon.call("channels", pattern === undefined ? {} : { pattern });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return answer.channels.forEach(({ channel }) => terminal.out(channel));
    if (answer.count === 0)
      return terminal.err(
        pattern === undefined ? "No channel has messages" : `No channel matches ${pattern}`,
      );
    const now = Date.now();
    terminal.out(
      table(
        ["CHANNEL", "MESSAGES", "LAST", "SUBSCRIBERS"],
        answer.channels.map(({ channel, count, lastMessageAt, subscribers }) => [
          channel,
          count,
          lastMessageAt === null ? null : relative(lastMessageAt, now),
          subscribers,
        ]),
        terminal.paint,
        terminal.columns(),
      ),
    );
  },
});
