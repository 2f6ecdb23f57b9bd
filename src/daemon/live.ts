// How things stand at this moment that no event tells of: who waits and who listens, when agents were heard from, how
// channels and webhooks stand. It is looked at only while somebody watches, and told as it changes.

import type { Live } from "../contract/feed.ts";
import * as agents from "../domain/agents.ts";
import * as lockQueue from "../domain/lockQueue.ts";
import * as locks from "../domain/locks.ts";
import * as services from "../domain/services.ts";
import * as webhooks from "../domain/webhooks.ts";
import type { Daemon } from "./daemon.ts";
import { channels } from "./feeds.ts";
import { frame, type Frame } from "./streams.ts";

/** Changes that come thick and fast are told together. */
const tellEveryMs = 100;

export type LiveFeed = {
  /** Says that something may have changed. */
  touch(): void;
  /** Looks at everything, also at what changes without telling us. */
  look(): void;
  /** All of it, for somebody who has just come. */
  frame(): Frame;
};

type Sources = Pick<Daemon, "world" | "feeds" | "courier">;

/** `report` is told of what fails where nobody waits for it. */
export function createLive(sources: Sources, report: (error: unknown) => void): LiveFeed {
  /** Each part as it was last told, as JSON. */
  const told = new Map<string, string>();
  let timer: Timer | undefined;
  /** The last whole frame: those who come at the same time, as after a restart, share it. */
  let whole: { frame: Frame; madeAt: number } | undefined;

  function tellChanges(parts: Partial<Live>): void {
    const changed = Object.entries(parts).filter(([name, part]) => {
      const text = JSON.stringify(part);
      if (told.get(name) === text) return false;
      told.set(name, text);
      return true;
    });
    if (changed.length === 0) return;
    whole = undefined;
    sources.feeds.events.show(liveFrame(Object.fromEntries(changed)));
  }

  function attempt(work: () => void): void {
    try {
      if (sources.feeds.events.isWatched()) work();
    } catch (error) {
      report(error); // The next change looks again.
    }
  }

  return {
    touch() {
      if (!sources.feeds.events.isWatched()) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        attempt(() => tellChanges(whatIsTold(sources)));
      }, tellEveryMs);
    },
    look: () => attempt(() => tellChanges(everything(sources))),
    frame() {
      const now = sources.world.clock.now();
      if (whole && Math.abs(now - whole.madeAt) < tellEveryMs) return whole.frame;
      const all = everything(sources);
      // From here on, whoever has just come is told the changes like everybody else.
      tellChanges(all);
      whole = { frame: liveFrame(all), madeAt: now };
      return whole.frame;
    },
  };
}

function liveFrame(data: Partial<Live>): Frame {
  return frame({ event: "live", data });
}

function everything(sources: Sources): Live {
  return { ...whatIsTold(sources), ...whatIsSeen(sources) };
}

/** What changes because somebody asks us, or we do something. */
function whatIsTold({ world, feeds, courier }: Sources) {
  const held = locks.list(world, {}).locks;
  return {
    waiting: lockQueue.list(world),
    channels: channels(world, feeds, {}).channels,
    webhooks: webhooks.list(world).webhooks,
    attempts: courier.attempts(),
    expiries: Object.fromEntries(held.map(({ name, expiresAt }) => [name, expiresAt])),
  };
}

/** What changes by itself, and takes longer to see. */
function whatIsSeen({ world }: Sources) {
  return {
    servers: Object.fromEntries(
      services
        .list(world, {})
        .services.filter(({ status, listener }) => status !== "assigned" || listener !== null)
        .map(({ id, status, listener }) => [id, { status, listener }]),
    ),
    heard: Object.fromEntries(
      agents.list(world, {}).agents.map(({ id, lastHeartbeatAt }) => [id, lastHeartbeatAt]),
    ),
  };
}
