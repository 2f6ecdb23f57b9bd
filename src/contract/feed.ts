// What streams send beside events and messages themselves, by the name that server-sent events give it.

import type { Agent, Channel, Lock, Service, Webhook } from "./entities.ts";

/** `snapshot`: the whole state after the event of this id. An event that follows may be in it already. */
export type Snapshot = {
  id: number;
  services: Service[];
  locks: Lock[];
  agents: Agent[];
  channels: Channel[];
};

/** Somebody who stands in line for a lock. */
export type Waiting = { lock: string; owner: string | null; agent: string | null; since: number };

/** What is seen of a service on its port. */
export type Server = Pick<Service, "status" | "listener">;

/** `live`: how things stand at this moment that no event tells of. First all of it, then each part that has changed. */
export type Live = {
  /** Who waits for locks, in the order in which they are served. */
  waiting: Waiting[];
  channels: Channel[];
  webhooks: Webhook[];
  /** How services stand, by identity; one that is left out is assigned, and nothing listens on its port. */
  servers: Record<string, Server>;
  /** When each agent was last heard from. */
  heard: Record<string, number>;
  /** When each lock frees itself: some are extended for as long as their process lives. */
  expiries: Record<string, number>;
  /** How many attempts were made to deliver to each webhook, since the daemon started. */
  attempts: Record<string, number>;
};

/** `position`: everything up to this id was sent. */
export type Position = { id: number };

/** `gap`: what followed this id is gone; of `/events` a snapshot comes next, of messages what came after `lostTo`. */
export type Gap = { after: number; lostTo?: number };
