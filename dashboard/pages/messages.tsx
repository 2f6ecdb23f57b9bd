// The channels, and the messages of one as they come.

import { useMemo, useState } from "hono/jsx/dom";
import type { EventData } from "../../src/contract/events.ts";
import { payloadOf } from "../../src/contract/payload.ts";
import { perform } from "../notices.ts";
import { call } from "../daemon.ts";
import { useAsked } from "../parts/asked.ts";
import { ask } from "../parts/dialog.tsx";
import { Json } from "../parts/facts.tsx";
import { Filter, wordMatcher } from "../parts/filter.tsx";
import { counted, Page } from "../parts/page.tsx";
import { count } from "../words.ts";
import { Listing, type Column, type Shape } from "../parts/table.tsx";
import type { Params } from "../route.ts";
import type { State } from "../state.ts";
import * as stream from "../stream.ts";
import { Ago, Time } from "../time.tsx";

type Row = { name: string; count: number; subscribers: number; lastAt: number };

const columns: Column<Row>[] = [
  { head: "Messages", isNumber: true, cell: ({ count }) => count },
  { head: "Subscribers", isNumber: true, cell: ({ subscribers }) => subscribers || "–" },
  { head: "Last", cell: ({ lastAt }) => (lastAt === 0 ? "–" : <Ago at={lastAt} />) },
];

const shape: Shape<Row> = {
  label: "Channels",
  noun: "channel",
  keyOf: ({ name }) => name,
  first: { head: "Channel", text: ({ name }) => name },
  columns,
  actions: ({ name, count }) => (
    <>
      <button
        type="button"
        data-key="p"
        aria-label={`Publish to ${name}`}
        onClick={() => askToPublish(name)}
      >
        Publish
      </button>
      <button
        type="button"
        data-key="x"
        aria-label={`Clear ${name}`}
        disabled={count === 0}
        onClick={() => askToClear(name, count)}
      >
        Clear
      </button>
    </>
  ),
  details: ({ name }) => <Newest channel={name} />,
  empty: {
    says: "No messages yet. Whoever publishes one need not know who reads it:",
    command: `port-daddy pub build:done '{"ok":true}'`,
  },
};

export function Messages({ state, params }: { state: State; params: Params }) {
  const { channels } = state;
  const { q = "", open } = params;
  const rows = useMemo(() => {
    const isMatch = wordMatcher(q);
    return channels
      .filter(({ channel }) => isMatch(channel))
      .map((channel): Row => ({
        name: channel.channel,
        count: channel.count,
        subscribers: channel.subscribers,
        lastAt: channel.lastMessageAt ?? 0,
      }));
  }, [channels, q]);
  const isKnown = open === undefined || channels.some(({ channel }) => channel === open);
  return (
    <Page
      title="Messages"
      note={counted(rows.length, channels.length, "channel")}
      tools={
        <>
          <Filter label="Channel" />
          <button type="button" class="primary" onClick={() => askToPublish(open ?? "")}>
            Publish
          </button>
        </>
      }
    >
      <Listing shape={shape} rows={rows} all={channels.length} open={open} />
      {!isKnown && <p class="note">The channel {open} has no messages at the moment.</p>}
    </Page>
  );
}

/** So many of a channel's messages are shown. */
const shownMessages = 100;

/** A message as it is listed: whole where it was asked for, with its beginning where its event has just come. */
type Listed = { id: number; at: number; sender: string | null; preview: string; payload?: unknown };

/** The newest messages of a channel: those that were there when it was opened or cleared, and those that came since. */
function Newest({ channel }: { channel: string }) {
  const { entries } = stream.state.use();
  const { since, clearedBy } = useMemo(() => cameSince(entries, channel), [entries, channel]);
  const { value, failure } = useAsked("messages", { channel, limit: shownMessages }, clearedBy);
  const listed = useMemo(() => {
    const kept = (value?.messages ?? []).map(({ id, createdAt, sender, payload }): Listed => ({
      id,
      at: createdAt,
      sender,
      preview: JSON.stringify(payload),
      payload,
    }));
    const last = kept.at(-1)?.id ?? 0;
    return [...kept, ...since.filter(({ id }) => id > last)].slice(-shownMessages).reverse();
  }, [value, since]);
  if (failure !== undefined) return <p>{failure}</p>;
  if (listed.length === 0) return <p class="note">{value ? "No messages." : "…"}</p>;
  return (
    <ol class="messages" aria-label={`Messages of ${channel}`}>
      {listed.map((message) => (
        <li key={message.id}>
          <Folded channel={channel} message={message} />
        </li>
      ))}
    </ol>
  );
}

/** The messages that events have told of since a channel was last cleared, and the event that cleared it. */
function cameSince(
  entries: State["entries"],
  channel: string,
): { since: Listed[]; clearedBy: number | undefined } {
  const own = entries.filter(({ targetId }) => targetId === channel);
  const cleared = own.findLastIndex(({ event }) => event === "channel.clear");
  const since = own
    .slice(cleared + 1)
    .filter(({ event }) => event === "message.publish")
    .map(({ timestamp, metadata }): Listed => {
      const data = metadata as EventData["message.publish"];
      return { ...data, at: timestamp };
    });
  return { since, clearedBy: own[cleared]?.id };
}

/** One line, until it is unfolded. */
function Folded({ channel, message }: { channel: string; message: Listed }) {
  const [isOpen, setOpen] = useState(false);
  const { id, at, sender, preview } = message;
  return (
    <details
      onToggle={(event: Event) => setOpen((event.target as HTMLDetailsElement).open)}
      data-message={id}
    >
      <summary>
        <Time at={at} /> <span class="sender">{sender ?? "–"}</span>{" "}
        <code class="cut">{preview}</code>
      </summary>
      {isOpen && <Payload channel={channel} message={message} />}
    </details>
  );
}

function Payload({ channel, message }: { channel: string; message: Listed }) {
  if ("payload" in message) return <Json value={message.payload} />;
  return <Fetched channel={channel} id={message.id} />;
}

/** The whole payload: an event holds its beginning alone. */
function Fetched({ channel, id }: { channel: string; id: number }) {
  const { value, failure } = useAsked("messages", { channel, after: id - 1, limit: 1 });
  if (failure !== undefined) return <p>{failure}</p>;
  if (!value) return <p class="note">…</p>;
  const message = value.messages.find((each) => each.id === id);
  return message ? <Json value={message.payload} /> : <p class="note">It is no longer kept.</p>;
}

function askToPublish(channel: string): void {
  ask({
    title: "Publish a message",
    body: (
      <>
        <label>
          Channel
          <input name="channel" required value={channel} autocomplete="off" spellcheck={false} />
        </label>
        <PayloadField />
      </>
    ),
    action: {
      label: "Publish",
      run: (form) => {
        const to = String(form.get("channel")).trim();
        const payload = payloadOf(String(form.get("payload")));
        return perform(() => call("publish", { channel: to, payload }), `Published to ${to}`);
      },
    },
  });
}

/** Says as what it will be sent: a slip in JSON makes text of it. */
function PayloadField() {
  const [text, setText] = useState("");
  const kind = typeof payloadOf(text) === "string" && !/^\s*"/.test(text) ? "text" : "JSON";
  return (
    <label>
      Payload
      <textarea
        name="payload"
        required
        rows={6}
        spellcheck={false}
        onInput={(event: Event) => setText((event.target as HTMLTextAreaElement).value)}
      />
      <small>{text === "" ? "JSON, or plain text." : `Sent as ${kind}.`}</small>
    </label>
  );
}

function askToClear(channel: string, kept: number): void {
  const what = count(kept, "message");
  ask({
    title: `Clear the channel ${channel}?`,
    body: <p>Its {what} are deleted for good. Whoever has not read them yet is told of the gap.</p>,
    action: {
      label: "Clear",
      isDangerous: true,
      run: () => perform(() => call("clearChannel", { channel }), `Cleared ${channel} of ${what}`),
    },
  });
}
