// The world that the rules work in. Every domain function takes it first; a test hands in one with a clock that stands
// still and ports that are free by decree.

import type { Config } from "./config.ts";
import type { ProcessInfo } from "./contract/entities.ts";
import type { LockQueue } from "./domain/lockQueue.ts";
import type { RememberedPorts } from "./domain/ports.ts";
import type { WebhookIndex } from "./domain/webhooks.ts";
import type { Database } from "./store/database.ts";
import type { Clock, Journal } from "./store/journal.ts";
import type { Sequences } from "./store/sequences.ts";

export type World = {
  config: Config;
  db: Database;
  journal: Journal;
  clock: Clock;
  probe: Probe;
  sequences: Sequences;
  rememberedPorts: RememberedPorts;
  lockQueue: LockQueue;
  webhooks: WebhookIndex;
};

/** What the machine says about ports and processes at this moment. All of it is synchronous. */
export type Probe = {
  /** Why a port cannot be bound at this moment; `undefined` where it can. */
  obstacle(port: number): "in_use" | "not_permitted" | undefined;
  /** Whether a port was in use when it was last looked at, at most a second ago: much cheaper than to try it. */
  wasInUse(port: number): boolean;
  /** The ports something listens on, at most a second old, or as old as said. */
  listening(maxAgeMs?: number): ReadonlySet<number>;
  /** Who listens on a port, as far as it can be seen from here. */
  listenersOn(port: number): Sighting[];
  /** What tells a process from any other of the same number; `undefined` where there is none. */
  birthmark(pid: number): string | undefined;
  /** The directory of the repository that a directory is in; `undefined` where it is in none. */
  repositoryOf(directory: string): string | undefined;
};

/** A process that was seen to listen. */
export type Sighting = {
  process: ProcessInfo;
  birthmark: string | undefined;
  /** Itself and the processes behind it as `pid.start`, the form that a caller id ends in. */
  lineage: readonly string[];
};

/** On whose behalf something is done. */
export type Caller = {
  /** The registered or merely named agent, if there is one. */
  agent?: string | undefined;
  /** What its command line is called: the process behind it is the last part. */
  id?: string | undefined;
  /** Who goes into the log: the agent, else the caller id, else the remote address, else `local`. */
  actor: string;
};

/** What the daemon does by itself is logged under this name. */
export const daemonCaller: Caller = { actor: "port-daddy" };
