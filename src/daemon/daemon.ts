// The daemon's life: what is started and stopped, in which order. Every timer is here.

import * as fs from "node:fs";
import { build, type Build } from "../build.ts";
import type { Config } from "../config.ts";
import { brief } from "../contract/duration.ts";
import { Fault } from "../contract/faults.ts";
import * as database from "../store/database.ts";
import { tryLock } from "../system/lock.ts";
import * as paths from "../system/paths.ts";
import { createWorld, daemonCaller, type World } from "../world.ts";
import { listenOnLoopback, listenOnSocket, type Serve } from "./address.ts";
import { createLog, type Log } from "./log.ts";
import { createProbe } from "./probe.ts";
import { makeReaper, prune, pruneEveryMs, reapEveryMs } from "./reaper.ts";
import { answerHeaders, createApp } from "./server.ts";

export type Daemon = {
  world: World;
  build: Build;
  log: Log;
  startedAt: number;
  /** The TCP port; `undefined` where another user's port-daddy has it and we serve the socket alone. */
  port: number | undefined;
  answerHeaders: Record<string, string>;
  /** Aborted when the daemon begins to stop: whoever waits is told. */
  stopping: AbortSignal;
  /** Begins to stop; returns at once. */
  stop(reason: string): void;
  /** Resolves when everything is closed. */
  stopped: Promise<void>;
};

/** How long requests under way may take to end when the daemon stops. */
const drainMs = 2_000;

/** How often the write-ahead log is emptied into the database, if there was anything and it has been quiet since. */
const checkpointEveryMs = 1_000;

/** Under load that never pauses, it is emptied all the same after this many events. */
const maxEventsInWal = 100_000;

/**
 * Starts the daemon of a state directory: lock, database, sockets, `daemon.start`, timers.
 * Throws `held` where one already runs there or the port is taken, `unavailable` where the state cannot be used.
 */
export async function start(config: Config): Promise<Daemon> {
  const { home } = config;
  paths.makeHome(home);
  const umask = process.umask(0o077);
  const log = createLog(config.logLevel, paths.logFile(home));
  const unlock = lock(home);
  const undo: (() => unknown)[] = [unlock];
  try {
    const db = database.open(paths.databaseFile(home), (text) => log.error(text));
    undo.push(() => db.close());
    const clock = { now: Date.now };
    const world = createWorld({
      config,
      db,
      clock,
      probe: createProbe(clock),
      report: log.failure,
    });

    // Nothing is served before the next turn of the event loop, when `app` stands.
    const serve: Serve = (request, env) => app.fetch(request, env);
    const loopback = await listenOnLoopback(config.port, serve);
    undo.push(() => Promise.all(loopback.map((server) => server.stop(true))));
    const socket = listenOnSocket(paths.socketFile(home), serve);
    undo.push(() => socket.stop(true));

    const port = loopback[0]?.port;
    const stopping = new AbortController();
    const { promise: stopped, resolve: setStopped } = Promise.withResolvers<void>();
    const daemon: Daemon = {
      world,
      build,
      log,
      startedAt: clock.now(),
      port,
      answerHeaders: answerHeaders(build, port ?? config.port, config.range),
      stopping: stopping.signal,
      stop,
      stopped,
    };
    const app = createApp(daemon);

    record(daemon, "daemon.start");
    const stopTimers = startTimers(world, log);
    log.info(
      `port-daddy ${build.version} (${build.codeHash}) started, pid ${process.pid}, state ${home}`,
    );
    if (port === undefined)
      log.warn(`port ${config.port} is another user's port-daddy; serving the socket alone`);

    function stop(reason: string): void {
      if (stopping.signal.aborted) return;
      stopping.abort();
      log.info(`stopping: ${reason}`);
      void close();
    }

    async function close(): Promise<void> {
      stopTimers();
      const servers = [socket, ...loopback];
      const drained = Promise.all(servers.map((server) => server.stop()));
      record(daemon, "daemon.stop");
      await Promise.race([drained, Bun.sleep(drainMs)]);
      await Promise.all(servers.map((server) => server.stop(true)));
      world.journal.flush();
      database.checkpoint(db, "truncate");
      db.close();
      fs.rmSync(paths.socketFile(home), { force: true });
      log.info(`stopped after ${brief(clock.now() - daemon.startedAt)}`);
      unlock();
      setStopped();
    }

    return daemon;
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  } finally {
    process.umask(umask);
  }
}

function lock(home: string): () => void {
  const unlock = tryLock(paths.daemonLock(home));
  if (unlock) return unlock;
  throw new Fault("held", `A daemon already runs with the state directory ${home}`, {
    hint: "see it: port-daddy status",
  });
}

function record(
  { world, build, port, startedAt }: Daemon,
  event: "daemon.start" | "daemon.stop",
): void {
  const { version } = build;
  world.journal.commit(() => {
    if (event === "daemon.start") {
      world.journal.record(event, "daemon", daemonCaller.actor, {
        version,
        pid: process.pid,
        port: port ?? null,
      });
    } else {
      world.journal.record(event, "daemon", daemonCaller.actor, {
        version,
        uptimeMs: world.clock.now() - startedAt,
      });
    }
  });
  world.journal.flush();
}

function startTimers(world: World, log: Log): () => void {
  function every(ms: number, work: () => void): Timer {
    return setInterval(() => {
      try {
        work();
      } catch (error) {
        log.failure(error); // The next round may find the disk with room again.
      }
    }, ms);
  }
  prune(world);
  const timers = [
    every(reapEveryMs, makeReaper(world)),
    every(pruneEveryMs, () => prune(world)),
    every(checkpointEveryMs, checkpointWhenQuiet(world)),
  ];
  return () => timers.forEach(clearInterval);
}

/** A checkpoint takes milliseconds, so it waits for a second without events, unless too many have gathered. */
function checkpointWhenQuiet(world: World): () => void {
  let [seen, done] = [0, 0];
  return () => {
    const last = world.journal.lastId();
    const isQuiet = last === seen;
    seen = last;
    if (last === done || (!isQuiet && last - done < maxEventsInWal)) return;
    world.journal.flush();
    database.checkpoint(world.db);
    done = last;
  };
}
