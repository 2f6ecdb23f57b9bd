// What the daemon does at regular times, and how often.

import * as fs from "node:fs";
import * as database from "../store/database.ts";
import { indexLog } from "../store/logIndex.ts";
import * as paths from "../system/paths.ts";
import type { Daemon } from "./daemon.ts";
import { sendEveryMs, type Sender } from "./metrics/sender.ts";
import { pruneEveryMs, reapEveryMs, type Reaper } from "./reaper.ts";
import { prune } from "./retention.ts";
import { heartbeatEveryMs } from "./streams.ts";

/** For so long at most a core is lost to callers who cannot be let in. */
const lookAtDoorsEveryMs = 500;

/** How often the write-ahead log is emptied into the database, if there was anything and it has been quiet since. */
const tidyEveryMs = 1_000;

/** Under load that never pauses, it is emptied all the same at this size, which is looked at every so many transactions. */
const maxWalBytes = 16 * 1024 * 1024;
const landingsPerLook = 64;

/** Does everything once, and from then on at its time; returns how that ends. */
export function startTimers(
  daemon: Daemon,
  reaper: Reaper,
  { keepPlace, keepDoors }: Record<"keepPlace" | "keepDoors", () => void>,
  sender: Sender | undefined,
): () => void {
  const { world, log, streams, live } = daemon;
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
    every(tidyEveryMs, tidyWhenQuiet(daemon)),
    ...(sender ? [every(sendEveryMs, sender.send)] : []),
  ];
  return () => timers.forEach(clearInterval);
}

/**
 * What takes milliseconds, to index the activity log and a checkpoint, waits for a second without changes, unless the
 * write-ahead log has grown too large. Nobody is answered meanwhile, and what must reach the disk then is all of it:
 * 64 MiB take a tenth of a second, 16 MiB a quarter of that.
 */
function tidyWhenQuiet({ world, log, stopping }: Daemon): () => void {
  const wal = `${paths.databaseFile(world.config.home)}-wal`;
  let [landed, seen, done] = [0, 0, 0];
  // Where it does not become smaller, on a full disk or while somebody else reads, it is tried once a second.
  let hasTried = false;
  function tidy(): void {
    world.journal.commit(() => indexLog(world.db));
    world.journal.flush();
    database.checkpoint(world.db);
    done = landed;
  }
  function tidyIfLarge(): void {
    const { size = 0 } = fs.statSync(wal, { throwIfNoEntry: false }) ?? {};
    if (size < maxWalBytes) hasTried = false;
    if (size < maxWalBytes || hasTried || stopping.aborted) return;
    hasTried = true;
    try {
      tidy();
    } catch (error) {
      log.failure(error);
    }
  }
  // Not every write is an event: what is noted of those who live is none.
  world.journal.watch({
    landed() {
      if (++landed % landingsPerLook === 0) setImmediate(tidyIfLarge);
    },
    undone: () => {},
  });
  return () => {
    const isQuiet = landed === seen;
    seen = landed;
    hasTried = false;
    if (isQuiet && landed !== done) tidy();
  };
}
