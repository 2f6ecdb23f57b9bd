// The two streams: messages of channels, and everything that happens.

import { Fault } from "../contract/faults.ts";
import type * as contract from "../contract/feed.ts";
import type { InputOf } from "../contract/operations.ts";
import { matcher } from "../contract/pattern.ts";
import * as agents from "../domain/agents.ts";
import { lossesAfter } from "../domain/channels.ts";
import * as locks from "../domain/locks.ts";
import * as messages from "../domain/messages.ts";
import * as services from "../domain/services.ts";
import type { Entry } from "../store/journal.ts";
import type { World } from "../world.ts";
import type { HeldRequest } from "./request.ts";
import type { Daemon } from "./daemon.ts";
import {
  bufferBytes,
  createAudience,
  frame,
  type Audience,
  type Frame,
  type Page,
} from "./streams.ts";

/** How many events are read at a time for a stream that catches up. */
const pageSize = 100;

/** Who hears of messages, by channel, and of events, by name; and what the last snapshot was. */
export type Feeds = { messages: Audience; events: Audience; snapshot?: Snapshot };

/** The whole state, with the id after which events go on from it. */
type Snapshot = { id: number; frame: Frame; takenAt: number };

/** How long a snapshot is as good as new where nothing has happened: all who come meanwhile share one in memory. */
const snapshotMs = 1_000;

export function createFeeds(world: World): Feeds {
  const feeds: Feeds = { messages: createAudience(), events: createAudience() };
  world.journal.listen((entry) => {
    feeds.events.tell(entry.event, entry.id, () => eventFrame(entry));
    if (entry.event !== "message.publish") return;
    const id = entry.metadata["id"] as number;
    feeds.messages.tell(entry.targetId, id, () => {
      // One that was removed in the turn that published it is a gap by now.
      const message = messages.find(world, id);
      return message && frame({ id, data: message });
    });
  });
  return feeds;
}

/** The messages of a channel or pattern: from now on, after an id, or from the last few. */
export function subscribe(
  daemon: Daemon,
  { channel, after, last }: InputOf<"subscribe">,
  { lastEventId, hold }: HeldRequest,
): Response {
  const { world, streams, feeds } = daemon;
  if (after !== undefined && last !== undefined) {
    throw new Fault("invalid_input", "after and last exclude each other", {
      details: { field: "last" },
    });
  }
  world.journal.flush();
  const seen = lastEventId ?? after;
  const start =
    seen ??
    (last === undefined
      ? world.sequences.messages.last()
      : messages.idBefore(world, channel, last));
  const told = createGapTeller(world, channel);
  // Whoever says where it stood is told of what is gone since. Whoever asks for the last few knows that it is not all.
  if (seen === undefined) told.news(start);
  const letGo = hold();
  let leave = () => {};
  const stream = streams.open({
    headers: daemon.answerHeaders,
    first: [],
    after: start,
    read(after) {
      messages.removeExpired(world);
      world.journal.flush();
      const lostTo = told.news(after);
      const gap = lostTo === undefined ? [] : [gapFrame(after, lostTo)];
      const page = readMessages(world, channel, after);
      return { ...page, frames: [...gap, ...page.frames] };
    },
    onEnd() {
      leave();
      letGo();
      daemon.live.touch();
    },
  });
  leave = feeds.messages.join(channel, stream);
  daemon.live.touch();
  return stream.response;
}

/** Remembers of which losses a stream was told: while it catches up, the same one is met at each page. */
function createGapTeller(world: World, pattern: string) {
  const told = new Map<string, number>();
  return {
    /** The id up to which messages after another are gone, if that is news. */
    news(after: number): number | undefined {
      const losses = lossesAfter(world, pattern, after);
      const news = losses.filter(({ channel, id }) => id > (told.get(channel) ?? -1));
      for (const { channel, id } of news) told.set(channel, id);
      return news.length === 0 ? undefined : Math.max(...news.map(({ id }) => id));
    },
  };
}

/** It has no id of its own: what is left of the messages it tells of is still to come. */
function gapFrame(after: number, lostTo?: number): Frame {
  const data: contract.Gap = { after, ...(lostTo !== undefined && { lostTo }) };
  return frame({ event: "gap", data });
}

/** What follows an id of a channel. */
function readMessages(world: World, pattern: string, after: number): Page {
  const {
    messages: found,
    cursor,
    isEnd,
  } = messages.readAfter(world, pattern, after, {
    bytes: bufferBytes,
  });
  return {
    frames: found.map((message) => frame({ id: message.id, data: message })),
    // At the end all is sent that there is, and an id of a state that is lost is above all that follow.
    cursor: isEnd ? world.sequences.messages.last() : cursor,
    isEnd,
  };
}

/** Everything that happens: first the whole state, or what follows an id. */
export function events(
  daemon: Daemon,
  { after, event: pattern = "*" }: InputOf<"events">,
  { lastEventId, hold }: HeldRequest,
): Response {
  const { world, streams, feeds } = daemon;
  const seen = lastEventId ?? after;
  const snapshot = seen === undefined ? snapshotOf(daemon) : undefined;
  const letGo = hold();
  let leave = () => {};
  const isMatch = matcher(pattern);
  const stream = streams.open({
    headers: daemon.answerHeaders,
    first: snapshot ? [snapshot.frame] : [],
    after: snapshot?.id ?? seen!,
    read(after) {
      world.journal.flush();
      if (!isKept(world, after)) {
        const snapshot = snapshotOf(daemon);
        return { frames: [gapFrame(after), snapshot.frame], cursor: snapshot.id, isEnd: false };
      }
      const entries = world.journal.since(after, pageSize);
      const isEnd = entries.length < pageSize;
      const frames = entries.filter((entry) => isMatch(entry.event)).map(eventFrame);
      if (isEnd && pattern === "*") frames.push(daemon.live.frame());
      return { frames, cursor: entries.at(-1)?.id ?? after, isEnd };
    },
    onEnd() {
      leave();
      letGo();
    },
  });
  leave = feeds.events.join(pattern, stream);
  return stream.response;
}

/** Whether everything after an id is still there to be told, but for heartbeats among the rest: they are kept less long. */
function isKept(world: World, id: number): boolean {
  const { oldest } = world.db.query("SELECT min(id) AS oldest FROM activity").get() as {
    oldest: number | null;
  };
  return id <= world.journal.landedId() && id >= (oldest ?? 1) - 1;
}

function eventFrame(entry: Entry): Frame {
  return frame({ id: entry.id, data: entry });
}

function snapshotOf({ world, feeds }: Daemon): Snapshot {
  world.journal.flush();
  const now = world.clock.now();
  const { snapshot: last } = feeds;
  if (last?.id === world.journal.landedId() && now - last.takenAt < snapshotMs) return last;
  // Taken before the state, which may be newer by what this turn does: an event that it holds already is told again.
  const id = world.journal.landedId();
  const data: contract.Snapshot = {
    id,
    services: services.list(world, {}).services,
    locks: locks.list(world, {}).locks,
    agents: agents.list(world, {}).agents,
    channels: channels(world, feeds, {}).channels,
  };
  return (feeds.snapshot = { id, frame: frame({ id, event: "snapshot", data }), takenAt: now });
}

/** The channels with their subscriptions; one that is only waited for is listed too. */
export function channels(world: World, feeds: Feeds, { pattern = "*" }: InputOf<"channels">) {
  const kept = messages.listChannels(world, pattern);
  const isMatch = matcher(pattern);
  const awaited = feeds.messages
    .names()
    .filter((name) => isMatch(name) && !kept.some(({ channel }) => channel === name))
    .map((channel) => ({ channel, count: 0, lastMessageAt: null }));
  const all = [...kept, ...awaited]
    .sort((a, b) => (a.channel < b.channel ? -1 : 1))
    .map((channel) => ({ ...channel, subscribers: feeds.messages.count(channel.channel) }));
  return { channels: all, count: all.length };
}
