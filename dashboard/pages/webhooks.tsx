// The webhooks: where each goes and for what, how it stands, and what was delivered.

import { useMemo } from "hono/jsx/dom";
import { webhookState, type Webhook, type WebhookState } from "../../src/contract/entities.ts";
import { Fault } from "../../src/contract/faults.ts";
import { perform } from "../notices.ts";
import { call } from "../daemon.ts";
import { useAsked } from "../parts/asked.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { ask } from "../parts/dialog.tsx";
import { Facts } from "../parts/facts.tsx";
import { Filter, wordMatcher } from "../parts/filter.tsx";
import { counted, Page } from "../parts/page.tsx";
import { count } from "../words.ts";
import { Listing, type Column, type Shape } from "../parts/table.tsx";
import type { Params } from "../route.ts";
import type { State } from "../state.ts";
import { Ago } from "../time.tsx";
import { Deliveries } from "./webhookDeliveries.tsx";
import { askToAdd, askToEdit } from "./webhookForm.tsx";

type Row = { webhook: Webhook; attempts: number };

const tones: Record<WebhookState, Tone> = { on: "good", off: "idle", paused: "bad" };

/** What can be done about each state, and what is said when it was. */
const switches: Record<WebhookState, { does: string; did: string }> = {
  on: { does: "Switch off", did: "Switched off" },
  off: { does: "Switch on", did: "Switched on" },
  paused: { does: "Resume", did: "Resumed" },
};

const columns: Column<Row>[] = [
  { head: "Events", cell: ({ webhook }) => <code class="cut">{webhook.events.join(", ")}</code> },
  {
    head: "State",
    cell: ({ webhook }) => {
      const state = webhookState(webhook);
      return <Badge tone={tones[state]}>{state}</Badge>;
    },
  },
  { head: "Pending", isNumber: true, cell: ({ webhook }) => webhook.pending },
  { head: "Signed", cell: ({ webhook }) => (webhook.hasSecret ? "yes" : "no") },
];

const shape: Shape<Row> = {
  label: "Webhooks",
  noun: "webhook",
  keyOf: ({ webhook }) => webhook.id,
  first: { head: "Goes to", text: ({ webhook }) => webhook.url },
  columns,
  actions: ({ webhook }) => {
    const { url } = webhook;
    const { does } = switches[webhookState(webhook)];
    return (
      <>
        <button
          type="button"
          data-key="t"
          aria-label={`Test ${url}`}
          onClick={() => void test(webhook)}
        >
          Test
        </button>
        <button
          type="button"
          data-key="e"
          aria-label={`Edit ${url}`}
          onClick={() => askToEdit(webhook)}
        >
          Edit
        </button>
        <button
          type="button"
          data-key="p"
          aria-label={`${does} ${url}`}
          onClick={() => void toggle(webhook)}
        >
          {does}
        </button>
        <button
          type="button"
          data-key="x"
          aria-label={`Delete ${url}`}
          onClick={() => askToRemove(webhook)}
        >
          Delete
        </button>
      </>
    );
  },
  details: (row) => <Details {...row} />,
  empty: {
    says: "No webhook yet. One is told, signed and with retries, of what happens here:",
    command: "port-daddy webhooks add https://example.com/hook --events 'service.*'",
  },
};

export function Webhooks({ state, params }: { state: State; params: Params }) {
  const { webhooks, attempts } = state;
  const { q = "", open } = params;
  const rows = useMemo(() => {
    const isMatch = wordMatcher(q);
    return webhooks
      .filter(({ id, url, events, filter }) => isMatch(id, url, events.join(" "), filter))
      .map((webhook): Row => ({
        webhook,
        attempts: attempts.get(webhook.id) ?? 0,
      }));
  }, [webhooks, attempts, q]);
  return (
    <Page
      title="Webhooks"
      note={counted(rows.length, webhooks.length, "webhook")}
      tools={
        <>
          <Filter label="URL, event" />
          <button type="button" class="primary" onClick={askToAdd}>
            Add webhook
          </button>
        </>
      }
    >
      <Listing shape={shape} rows={rows} all={webhooks.length} open={open} />
    </Page>
  );
}

function test({ id, url }: Webhook): Promise<boolean> {
  return perform(async () => {
    const { status, error } = await call("testWebhook", { id }, { deadlineMs: 60_000 });
    if (status !== "delivered") throw new Fault("unavailable", `It did not arrive: ${error}`);
  }, `The test has arrived at ${url}`);
}

/** Switched off, nothing is put down for it; what pauses by itself is resumed by being switched on. */
function toggle(webhook: Webhook): Promise<boolean> {
  const { id, url } = webhook;
  const state = webhookState(webhook);
  const change = { id, active: state !== "on" };
  return perform(() => call("updateWebhook", change), `${switches[state].did} ${url}`);
}

/** So many deliveries are shown. */
const shownDeliveries = 20;

function Details({ webhook, attempts }: Row) {
  const { id, filter, paused, pending, dropped, createdAt } = webhook;
  // Whenever something was put down or tried, there is news.
  const { value, failure } = useAsked(
    "deliveries",
    { id, limit: shownDeliveries },
    `${pending} ${attempts}`,
  );
  return (
    <>
      <Facts
        facts={{
          Id: <code>{id}</code>,
          Events: <code>{webhook.events.join(", ")}</code>,
          "Only targets": filter && <code>{filter}</code>,
          Paused:
            webhookState(webhook) === "paused" && `${paused}; ${count(dropped, "event")} went by`,
          Added: <Ago at={createdAt} />,
        }}
      />
      <h2>Deliveries</h2>
      {failure !== undefined && <p>{failure}</p>}
      {value?.count === 0 && <p class="note">None yet.</p>}
      {value && value.count > 0 && <Deliveries deliveries={value.deliveries} />}
    </>
  );
}

function askToRemove({ id, url, pending }: Webhook): void {
  ask({
    title: `Delete the webhook to ${url}?`,
    body: (
      <p>
        Its history goes with it
        {pending > 0 && `, and ${count(pending, "event")} still to be delivered`}.
      </p>
    ),
    action: {
      label: "Delete",
      isDangerous: true,
      run: () => perform(() => call("removeWebhook", { id }), `Deleted the webhook to ${url}`),
    },
  });
}
