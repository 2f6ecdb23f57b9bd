// Every timer of the daemon: what is done again and again, and how often.

import * as fs from "node:fs";
import * as database from "../store/database.ts";
import { indexLog } from "../store/logIndex.ts";
import * as paths from "../system/paths.ts";
import type { World } from "../world.ts";
import type { Daemon } from "./daemon.ts";
import { sendEveryMs, type Sender } from "./metrics/sender.ts";
import { pruneEveryMs, reapEveryMs, type Reaper } from "./reaper.ts";
import { prune } from "./retention.ts";
import { heartbeatEveryMs } from "./streams.ts";

/** For so long at most a core is lost to callers who cannot be let in. */
const lookAtDoorsEveryMs = 500;

/** How often the write-ahead log is emptied into the database, if there was anything and it has been quiet since. */
const tidyEveryMs = 1_000;

/** Under load that never pauses, it is emptied all the same at this size. */
const maxWalBytes = 64 * 1024 * 1024;

/** Does everything once, and from then on at its time; returns how that ends. */
export function startTimers(
  { world, log, streams, live }: Daemon,
  reaper: Reaper,
  { keepPlace, keepDoors }: Record<"keepPlace" | "keepDoors", () => void>,
  sender: Sender | undefined,
): () => void {
  function every(ms: number, work: () => void): Timer {
    function attempt(): void {
      try {
        work();
      } catch (error) {
        log.failure(error); // The next round may find the disk with room again.
      }
    }
    attempt();
    return setInterval(attempt, ms);
  }
  const timers = [
    every(reapEveryMs, reaper.round),
    every(reapEveryMs, live.look),
    every(reapEveryMs, keepPlace),
    every(lookAtDoorsEveryMs, keepDoors),
    every(heartbeatEveryMs, streams.beat),
    every(pruneEveryMs, () => prune(world)),
    every(tidyEveryMs, tidyWhenQuiet(world)),
    ...(sender ? [every(sendEveryMs, sender.send)] : []),
  ];
  return () => timers.forEach(clearInterval);
}

/**
 * What takes milliseconds, to index the activity log and a checkpoint, waits for a second without changes, unless the
 * write-ahead log has grown too large.
 */
function tidyWhenQuiet(world: World): () => void {
  const wal = `${paths.databaseFile(world.config.home)}-wal`;
  // Not every write is an event: what is noted of those who live is none.
  let landed = 0;
  world.journal.watch({ landed: () => void landed++, undone: () => {} });
  let [seen, done] = [0, 0];
  return () => {
    const last = landed;
    const isQuiet = last === seen;
    seen = last;
    if (last === done) return;
    if (!isQuiet && (fs.statSync(wal, { throwIfNoEntry: false })?.size ?? 0) < maxWalBytes) return;
    world.journal.commit(() => indexLog(world.db));
    world.journal.flush();
    database.checkpoint(world.db);
    done = landed;
  };
}
