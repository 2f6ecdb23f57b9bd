// Puts a world together.

import type { Config } from "../config.ts";
import { indexRemembered } from "../domain/ports.ts";
import type { Database } from "../store/database.ts";
import { createJournal, type Clock } from "../store/journal.ts";
import type { Probe, World } from "../world.ts";

/** `report` is told of what fails where nobody waits for it. */
export function createWorld(parts: {
  config: Config;
  db: Database;
  clock: Clock;
  probe: Probe;
  report: (error: unknown) => void;
}): World {
  const { config, db, clock, probe, report } = parts;
  const journal = createJournal(db, clock, report);
  return { config, db, journal, clock, probe, rememberedPorts: indexRemembered(db, journal) };
}
