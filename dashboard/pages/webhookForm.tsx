// The dialogs in which a webhook is added and changed.

import type { Webhook } from "../../src/contract/entities.ts";
import { webhookEvents } from "../../src/contract/events.ts";
import type { InputOf } from "../../src/contract/operations.ts";
import { call } from "../daemon.ts";
import { perform } from "../notices.ts";
import { ask } from "../parts/dialog.tsx";

export function askToAdd(): void {
  ask({
    title: "Add a webhook",
    body: <Fields />,
    action: {
      label: "Add",
      run: (form) => {
        const input = inputOf(form);
        return perform(() => call("addWebhook", input), `Added ${input.url}`);
      },
    },
  });
}

export function askToEdit(webhook: Webhook): void {
  const { id, url, hasSecret } = webhook;
  ask({
    title: `Edit ${url}`,
    body: <Fields webhook={webhook} />,
    action: {
      label: "Save",
      run: (form) => {
        const { secret, ...input } = inputOf(form);
        // A secret is not shown, so an empty field is none that was taken away.
        const change = form.has("unsigned") ? null : secret;
        return perform(
          () =>
            call("updateWebhook", {
              id,
              filter: null,
              ...input,
              ...(change !== undefined && { secret: change }),
            }),
          `Saved ${input.url}${hasSecret && change === null ? ", no longer signed" : ""}`,
        );
      },
    },
  });
}

function Fields({ webhook }: { webhook?: Webhook }) {
  return (
    <>
      <label>
        URL
        <input name="url" type="url" required value={webhook?.url ?? ""} spellcheck={false} />
      </label>
      <label>
        Events
        <input
          name="events"
          value={webhook?.events.join(", ") ?? "*"}
          spellcheck={false}
          autocomplete="off"
        />
        <small>
          Names or patterns such as <code>lock.*</code>, with commas: {webhookEvents.join(", ")}
        </small>
      </label>
      <label>
        Only targets
        <input name="filter" value={webhook?.filter ?? ""} placeholder="all, or myapp:*" />
      </label>
      <label>
        Secret
        <input name="secret" type="password" autocomplete="new-password" />
        <small>
          {webhook?.hasSecret
            ? "It has one, which is not shown. Left empty, that stays."
            : "What is sent is signed with it. It is not shown again."}
        </small>
      </label>
      {webhook?.hasSecret && (
        <label class="check">
          <input name="unsigned" type="checkbox" /> Sign no longer
        </label>
      )}
    </>
  );
}

function inputOf(form: FormData): InputOf<"addWebhook"> & { secret?: string } {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  const events = text("events")
    .split(/[\s,]+/)
    .filter((each) => each !== "");
  return {
    url: text("url"),
    events: events.length > 0 ? events : ["*"],
    ...(text("filter") !== "" && { filter: text("filter") }),
    ...(text("secret") !== "" && { secret: text("secret") }),
  };
}
