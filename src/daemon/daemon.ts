// The daemon's life: what is started and stopped, in which order.

import * as fs from "node:fs";
import { build, type Build } from "../build.ts";
import type { Config } from "../config.ts";
import { brief } from "../contract/duration.ts";
import type { EventData } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import * as agents from "../domain/agents.ts";
import * as database from "../store/database.ts";
import { isDamage } from "../store/trouble.ts";
import { descriptors } from "../system/limits.ts";
import { tryLock, type Lock } from "../system/lock.ts";
import * as paths from "../system/paths.ts";
import { daemonCaller, type World } from "../world.ts";
import {
  inodeOf,
  listenOnSocket,
  listenOverTcp,
  tcpDoor,
  type Serve,
  type SocketServer,
} from "./address.ts";
import { createAccess, type Access } from "./access.ts";
import { createAlarm, type Alarm } from "./alarm.ts";
import { createDoors, type Door } from "./doors.ts";
import { createCourier, type Courier } from "./courier.ts";
import { createFeeds, type Feeds } from "./feeds.ts";
import { createLive, type LiveFeed } from "./live.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics/metrics.ts";
import { families } from "./metrics/readings.ts";
import { createSender, type Sender } from "./metrics/sender.ts";
import { createPresence, type Presence } from "./presence.ts";
import { createProbe } from "./probe.ts";
import { createReaper, type Reaper } from "./reaper.ts";
import { pruneAsItGrows } from "./retention.ts";
import { createRoom, type Room } from "./room.ts";
import { createSend } from "./sending.ts";
import { answerHeaders, createApp } from "./server.ts";
import { checkTarget, resolveAll, type TargetRules } from "./targets.ts";
import { createStreams, type Streams } from "./streams.ts";
import { startTimers } from "./timers.ts";
import { createWorld } from "./world.ts";

export type Daemon = {
  world: World;
  build: Build;
  log: Log;
  startedAt: number;
  /** The TCP port; `undefined` where another user's port-daddy has it and we serve the socket alone. */
  port: number | undefined;
  /** What whoever started us should know, such as a damaged database. */
  notices: string[];
  answerHeaders: Record<string, string>;
  /** Notices time that passed without us, before anything is judged by it. */
  catchUp(): void;
  alarm: Alarm;
  presence: Presence;
  streams: Streams;
  courier: Courier;
  access: Access;
  room: Room;
  metrics: Metrics;
  /** Throws where a webhook may not go to a URL. */
  checkTarget(url: string): Promise<void>;
  feeds: Feeds;
  live: LiveFeed;
  /** Aborted when the daemon begins to stop: whoever waits is told. */
  stopping: AbortSignal;
  /** Begins to stop; returns at once. */
  stop(reason: string): void;
  /** Resolves when everything is closed. */
  stopped: Promise<void>;
};

/** How long requests under way may take to end when the daemon stops, and once more until they are cut off. */
const drainMs = 2_000;

/** How long deliveries may still be made. */
const courierMs = 2_000;

/** A command that looks whether a daemon runs holds the lock for a moment. */
const lockAttempts = 5;
const lockAgainAfterMs = 5;

/**
 * Starts the daemon of a state directory: lock, database, sockets, `daemon.start`, timers.
 * Throws `held` where one already runs there or the port is taken, `unavailable` where the state cannot be used.
 */
export async function start(config: Config): Promise<Daemon> {
  paths.makeHome(config.home);
  process.umask(0o077);
  const log = createLog(config.logLevel, paths.logFile(config.home));
  const held = lock(config.home);
  const notices: string[] = [];
  for (let isFirst = true; ; isFirst = false) {
    const undo: (() => unknown)[] = [];
    try {
      return await open(config, { log, held, notices, undo });
    } catch (error) {
      // What is read first was whole, what was read or written after that was not.
      const isDamaged = isFirst && isDamage(error);
      if (isDamaged) notices.push(database.setAside(paths.databaseFile(config.home)));
      for (const step of undo.reverse()) await step();
      if (isDamaged) continue;
      held.free();
      throw error;
    }
  }
}

type Opening = { log: Log; held: Lock; notices: string[]; undo: (() => unknown)[] };

/** What a daemon has once it serves. It is filled while the daemon opens, so that a stop ends what there is by then. */
type Serving = { servers: (Door & Pick<SocketServer, "stop">)[]; stopTimers(): void };

/** Opens everything in order; `undo` gets what closes each again. */
async function open(config: Config, opening: Opening): Promise<Daemon> {
  // Our own port is one of them once we have it.
  const reserved = new Set(config.reserved);
  const world = openWorld({ ...config, reserved }, opening);
  const serving: Serving = { servers: [], stopTimers() {} };
  const { daemon, reaper, sender } = assemble(world, opening, serving);

  opening.undo.push(() => Promise.all(serving.servers.map((server) => server.stop(true))));
  const app = createApp(daemon);
  const serve: Serve = (request, env) => app.fetch(request, env);
  const overTcp = await listenOverTcp(config, serve);
  serving.servers.push(...overTcp.map((server) => tcpDoor(server, serve)));
  daemon.port = overTcp[0]?.port;
  if (daemon.port !== undefined) reserved.add(daemon.port);
  daemon.answerHeaders = answerHeaders(build, daemon.port, config.range);
  const socket = listenOnSocket(paths.socketFile(config.home), serve);
  serving.servers.push(socket);

  reaper.resume();
  record(world, "daemon.start", {
    version: build.version,
    pid: process.pid,
    port: daemon.port ?? null,
  });
  const keepers = {
    keepPlace: placeKeeper(daemon, opening.held, socket),
    keepDoors: createDoors(serving.servers, daemon.log).look,
  };
  daemon.courier.start();
  pruneAsItGrows(world, daemon.stopping, daemon.log.failure);
  serving.stopTimers = startTimers(daemon, reaper, keepers, sender);
  tellStarted(daemon);
  return daemon;
}

function openWorld(config: Config, { log, notices, undo }: Opening): World {
  const file = paths.databaseFile(config.home);
  const isEmpty = (fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
  const isGone = isEmpty && fs.existsSync(paths.sequencesFile(config.home));
  if (isGone && notices.length === 0)
    notices.push(`the database ${file} is gone; starting with an empty one`);
  const db = database.open(file, (text) => notices.push(text));
  undo.push(() => db.close());
  for (const notice of notices) log.error(notice);
  const clock = { now: Date.now };
  return createWorld({
    config,
    db,
    clock,
    probe: createProbe(clock),
    report: log.failure,
    sequences: paths.sequencesFile(config.home),
  });
}

type Parts = { daemon: Daemon; reaper: Reaper; sender: Sender | undefined };

/** Puts a daemon together around a world; nothing runs yet. */
function assemble(world: World, { log, held, notices }: Opening, serving: Serving): Parts {
  const { config, clock } = world;
  const presence = createPresence(
    (agent) => agents.hear(world, agent),
    (agent) => agents.noteEnd(world, agent),
  );
  const reaper = createReaper(world, presence.agents);
  const stopping = new AbortController();
  const { promise: stopped, resolve: setStopped } = Promise.withResolvers<void>();
  const targetRules = (): TargetRules => ({
    allow: config.webhookAllow,
    ownPorts: new Set(daemon.port === undefined ? [] : [daemon.port]),
    resolve: resolveAll,
  });
  const metrics = createMetrics(world);
  const feeds = createFeeds(world);
  const send = createSend(targetRules, clock.now);
  const courier = createCourier(world, send, log.failure, metrics.onSettled);
  const live = createLive({ world, feeds, courier }, log.failure);
  world.journal.watch({ landed: live.touch, undone: live.touch });
  const sender =
    config.statsd && createSender(config.statsd, metrics.meters, () => families(daemon), log.warn);
  const daemon: Daemon = {
    world,
    build,
    log,
    startedAt: clock.now(),
    port: undefined,
    notices,
    answerHeaders: answerHeaders(build, undefined, config.range),
    catchUp: reaper.catchUp,
    alarm: createAlarm(world, reaper.catchUp, log.failure),
    presence,
    streams: createStreams(log.failure, metrics.streams),
    courier,
    room: createRoom(descriptors(process.pid).limit ?? Infinity),
    metrics,
    access: createAccess(config.token, clock.now),
    checkTarget: (url) => checkTarget(url, targetRules()),
    feeds,
    live,
    stopping: stopping.signal,
    stop(reason) {
      if (stopping.signal.aborted) return;
      log.info(`stopping: ${reason}`);
      stopping.abort();
      serving.stopTimers();
      daemon.alarm.clear();
      void close(daemon, serving.servers, held, sender).then(setStopped);
    },
    stopped,
  };
  return { daemon, reaper, sender };
}

function tellStarted({ world: { config }, log, port }: Daemon): void {
  log.info(
    `port-daddy ${build.version} (${build.codeHash}) started, pid ${process.pid}, state ${config.home}`,
  );
  if (port === undefined)
    log.warn(`port ${config.port} is another user's port-daddy; serving the socket alone`);
}

/** Closes everything, each step also where the one before it failed: a full disk must not keep a daemon alive. */
async function close(
  { world, build, log, startedAt, streams, courier }: Daemon,
  servers: { stop(isAbrupt?: boolean): Promise<void> }[],
  held: Lock,
  sender: Sender | undefined,
): Promise<void> {
  async function attempt(step: () => unknown): Promise<void> {
    try {
      await step();
    } catch (error) {
      log.failure(error);
    }
  }
  const uptimeMs = world.clock.now() - startedAt;
  const drained = Promise.all(servers.map((server) => server.stop()));
  await attempt(() => record(world, "daemon.stop", { version: build.version, uptimeMs }));
  await attempt(() => streams.endAll());
  await attempt(() => courier.stop(courierMs));
  await attempt(() => Promise.race([drained, Bun.sleep(drainMs)]));
  await attempt(() =>
    Promise.race([Promise.all(servers.map((server) => server.stop(true))), Bun.sleep(drainMs)]),
  );
  await attempt(() => world.journal.flush());
  await attempt(() => sender?.stop());
  // Where the directory was replaced, the marks and the socket in it are a successor's.
  if (held.isInPlace()) await attempt(() => world.sequences.settle());
  await attempt(() => database.checkpoint(world.db, "truncate"));
  await attempt(() => world.db.close());
  if (held.isInPlace())
    await attempt(() => fs.rmSync(paths.socketFile(world.config.home), { force: true }));
  log.info(`stopped after ${brief(uptimeMs)}`);
  held.free();
}

function lock(home: string): Lock {
  for (let attempt = 0; attempt < lockAttempts; attempt++) {
    const held = tryLock(paths.daemonLock(home));
    if (held) return held;
    Bun.sleepSync(lockAgainAfterMs);
  }
  throw new Fault("held", `A daemon already runs with the state directory ${home}`, {
    details: { home },
    hint: "see it: port-daddy status",
  });
}

/** Records and stores at once what the daemon itself does. */
function record<N extends "daemon.start" | "daemon.stop">(
  world: World,
  event: N,
  data: EventData[N],
): void {
  world.journal.commit(() => world.journal.record(event, "daemon", daemonCaller.actor, data));
  world.journal.flush();
}

/**
 * Whoever removes the state directory or the database has ended this daemon: what it stored would be gone. Whoever
 * removes only the socket has not. Returns what looks for that; to be called when something is stored.
 */
function placeKeeper(daemon: Daemon, held: Lock, socket: SocketServer): () => void {
  const file = paths.databaseFile(daemon.world.config.home);
  // What is in the log alone would be gone as well; it is there since something was stored.
  const stored = [file, `${file}-wal`].map((each) => ({ each, inode: inodeOf(each) }));
  return function keepPlace() {
    const isInPlace =
      held.isInPlace() && stored.every(({ each, inode }) => inodeOf(each) === inode);
    if (!isInPlace) daemon.stop("its state directory or database was removed or replaced");
    else if (socket.renewIfLost()) daemon.log.warn("the socket was gone and has been made anew");
  };
}
