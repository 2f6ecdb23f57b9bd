// webhooks add, list, show, update, remove, test, deliveries, events.

import { webhookState, type Delivery, type Webhook } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { boolean, described, text } from "../../contract/fields.ts";
import { operations } from "../../contract/operations.ts";
import { command, type Context } from "../command.ts";
import { clipped, dateTime, plain, relative, table, toJson } from "../render.ts";

/** What may be said of a webhook beside its URL. */
function webhookFlags() {
  const { events, filter, secret } = operations.updateWebhook.input;
  return {
    events: described(
      text({ summary: "", max: 4000, placeholder: "<events>" }),
      `${events.summary}; several with commas between them`,
    ),
    filter: described(filter, "Only of targets that match; none for all"),
    secret: described(secret, "Sign with it, or with what stdin holds (-); none for not"),
  };
}

type Given = { events?: string; filter?: string | null; secret?: string | null };

/** The flags as the input of an operation: `none` takes away what was there. */
async function inputOf({ events, filter, secret }: Given, { terminal }: Context) {
  const said = secret === "-" ? await terminal.input() : secret === "none" ? null : secret;
  return {
    ...(events !== undefined && { events: events.split(",").map((each) => each.trim()) }),
    ...(filter !== undefined && { filter: filter === "none" ? null : filter }),
    ...(said !== undefined && { secret: said }),
  };
}

export const add = command({
  name: "webhooks add",
  args: "<url>",
  group: "Webhooks",
  summary: "Send events to a URL",
  flags: webhookFlags,
  examples: [
    "port-daddy webhooks add https://example.com/hook --events 'service.*,lock.release'",
    "pass show hook | port-daddy webhooks add https://example.com/hook --secret -",
  ],
  async run({ args: [url = ""], flags: { json, quiet, ...given } }, context) {
    const { daemon, terminal } = context;
    const input = await inputOf(given, context);
    const webhook = await daemon.call("addWebhook", { url, ...input });
    if (json) return terminal.out(toJson(webhook));
    if (quiet) return terminal.out(webhook.id);
    terminal.out(`Added the webhook ${webhook.id} to ${plain(webhook.url)}`);
    terminal.err(`try it: port-daddy webhooks test ${webhook.id}`);
  },
});

export const list = command({
  name: "webhooks list",
  aliases: ["webhooks ls"],
  group: "Webhooks",
  summary: operations.webhooks.summary,
  flags: () => ({}),
  examples: ["port-daddy webhooks list", "port-daddy webhooks ls --json"],
  async run({ flags: { json, quiet } }, { daemon, terminal }) {
    const answer = await daemon.call("webhooks", {});
    if (json) return terminal.out(toJson(answer));
    if (quiet) return answer.webhooks.forEach(({ id }) => terminal.out(id));
    if (answer.count === 0) return terminal.err("There are no webhooks");
    terminal.out(
      table(
        ["WEBHOOK", "URL", "EVENTS", "FILTER", "STATE", "PENDING"],
        answer.webhooks.map((webhook) => [
          webhook.id,
          webhook.url,
          webhook.events.join(","),
          webhook.filter,
          webhookState(webhook),
          webhook.pending || null,
        ]),
        terminal.paint,
        terminal.columns(),
      ),
    );
  },
});

export const show = command({
  name: "webhooks show",
  args: "<id>",
  argsOf: "webhooks",
  group: "Webhooks",
  summary: operations.webhook.summary,
  flags: () => ({}),
  async run({ args: [id = ""], flags: { json, quiet } }, { daemon, terminal }) {
    const webhook = await daemon.call("webhook", { id });
    if (json) return terminal.out(toJson(webhook));
    if (quiet) return terminal.out(webhookState(webhook));
    for (const [label, value] of details(webhook)) terminal.out(`${label.padEnd(9)}${value}`);
  },
});

function details(webhook: Webhook): [string, string][] {
  const { id, url, events, filter, hasSecret, paused, pending, dropped, createdAt } = webhook;
  const state = webhookState(webhook);
  const words: [string, string | null][] = [
    ["webhook", id],
    ["url", url],
    ["events", events.join(", ")],
    ["filter", filter],
    ["signed", hasSecret ? "yes" : "no"],
    ["state", state === "paused" ? `paused: ${paused}; ${dropped} events went by` : state],
    ["pending", String(pending)],
    ["added", dateTime(createdAt)],
  ];
  return words.flatMap(([label, value]) => (value === null ? [] : [[label, plain(value)]]));
}

export const update = command({
  name: "webhooks update",
  args: "<id>",
  argsOf: "webhooks",
  group: "Webhooks",
  summary: operations.updateWebhook.summary,
  flags: () => ({
    url: operations.updateWebhook.input.url,
    ...webhookFlags(),
    on: boolean({ summary: "Switch it on" }),
    off: boolean({ summary: "Switch it off" }),
  }),
  examples: [
    "port-daddy webhooks update 3f0c2a9e-1b7d-4c55-9c1e-0a6f7e1d2b34 --off",
    "port-daddy webhooks update 3f0c2a9e-1b7d-4c55-9c1e-0a6f7e1d2b34 --events 'agent.*' --filter none",
  ],
  async run({ args: [id = ""], flags: { json, quiet, url, on, off, ...given } }, context) {
    if (on && off) throw new Fault("invalid_input", "--on and --off exclude each other");
    const { daemon, terminal } = context;
    const webhook = await daemon.call("updateWebhook", {
      id,
      ...(url !== undefined && { url }),
      ...(await inputOf(given, context)),
      ...((on || off) && { active: on === true }),
    });
    if (json) return terminal.out(toJson(webhook));
    if (!quiet) terminal.out(`Updated the webhook ${id}, which is ${webhookState(webhook)}`);
  },
});

export const remove = command({
  name: "webhooks remove",
  aliases: ["webhooks rm"],
  args: "<id>",
  argsOf: "webhooks",
  group: "Webhooks",
  summary: operations.removeWebhook.summary,
  flags: () => ({}),
  examples: ["port-daddy webhooks rm 3f0c2a9e-1b7d-4c55-9c1e-0a6f7e1d2b34"],
  async run({ args: [id = ""], flags: { json, quiet } }, { daemon, terminal }) {
    const answer = await daemon.call("removeWebhook", { id });
    if (json) return terminal.out(toJson(answer));
    if (!quiet) terminal.out(`Removed the webhook ${id}`);
  },
});

export const test = command({
  name: "webhooks test",
  args: "<id>",
  argsOf: "webhooks",
  group: "Webhooks",
  summary: "Send a test at once; where it arrives, a paused webhook goes on",
  flags: () => ({}),
  async run({ args: [id = ""], flags: { json, quiet } }, { daemon, terminal }) {
    const delivery = await daemon.call("testWebhook", { id });
    if (json) terminal.out(toJson(delivery));
    else if (!quiet) terminal.out(outcomeOf(delivery));
    return delivery.status === "delivered" ? 0 : 1;
  },
});

function outcomeOf({ httpStatus, durationMs, error, response }: Delivery): string {
  const span = durationMs === null ? "" : ` after ${durationMs} ms`;
  if (error === null) return `Arrived${span}: it answered ${httpStatus}`;
  const said = response ? `: ${clipped(plain(response), 200)}` : "";
  return `Did not arrive${span}: ${plain(error)}${said}`;
}

export const deliveries = command({
  name: "webhooks deliveries",
  args: "<id>",
  argsOf: "webhooks",
  group: "Webhooks",
  summary: operations.deliveries.summary,
  flags: () => ({
    status: operations.deliveries.input.status,
    limit: operations.deliveries.input.limit,
  }),
  async run({ args: [id = ""], flags: { json, quiet, ...given } }, { daemon, terminal }) {
    const answer = await daemon.call("deliveries", { id, ...given });
    if (json) return terminal.out(toJson(answer));
    if (answer.count === 0) {
      if (!quiet)
        terminal.err(`No delivery ${given.status === undefined ? "yet" : `is ${given.status}`}`);
      return;
    }
    const now = Date.now();
    terminal.out(
      table(
        ["WHEN", "EVENT", "TARGET", "STATUS", "ATTEMPTS", "HTTP", "MS", "ERROR"],
        // The newest is last, where the eye is.
        answer.deliveries
          .toReversed()
          .map((each) => [
            relative(each.createdAt, now),
            each.event,
            each.targetId,
            each.status,
            each.attempts,
            each.httpStatus,
            each.durationMs,
            each.error,
          ]),
        terminal.paint,
        terminal.columns(),
      ),
    );
  },
});

export const events = command({
  name: "webhooks events",
  group: "Webhooks",
  summary: operations.webhookEvents.summary,
  flags: () => ({}),
  async run({ flags: { json, quiet } }, { daemon, terminal }) {
    const answer = await daemon.call("webhookEvents", {});
    if (json) return terminal.out(toJson(answer));
    for (const { event, summary } of answer.events)
      terminal.out(quiet ? event : `${event.padEnd(18)}${summary}`);
  },
});
