// Puts a world together.

import type { Config } from "../config.ts";
import * as lockQueue from "../domain/lockQueue.ts";
import * as channels from "../domain/channels.ts";
import { indexRemembered } from "../domain/ports.ts";
import { enqueue } from "../domain/deliveries.ts";
import { indexWebhooks } from "../domain/webhooks.ts";
import type { Database } from "../store/database.ts";
import { createJournal, type Clock } from "../store/journal.ts";
import { openSequences } from "../store/sequences.ts";
import type { Probe, World } from "../world.ts";

/** `report` is told of what fails where nobody waits for it; `sequences` is the file of their marks, if there is one. */
export function createWorld(parts: {
  config: Config;
  db: Database;
  clock: Clock;
  probe: Probe;
  report: (error: unknown) => void;
  sequences?: string;
}): World {
  const { config, db, clock, probe, report } = parts;
  const journal = createJournal(db, clock, report);
  const world: World = {
    config,
    db,
    journal,
    clock,
    probe,
    sequences: openSequences(db, parts.sequences),
    rememberedPorts: indexRemembered(db, journal),
    lockQueue: new Map(),
    webhooks: indexWebhooks(db, journal),
  };
  channels.markLoss(world);
  journal.flush();
  journal.accompany((entry) => enqueue(world, entry));
  journal.listen(({ event, targetId }) => {
    if (event === "lock.release") lockQueue.serve(world, targetId);
  });
  return world;
}
