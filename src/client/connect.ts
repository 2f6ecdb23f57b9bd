// Finds this user's daemon, and starts it where it is missing: once, however many need it at the same time.

import * as fs from "node:fs";
import { daemonEnvironment, type Config } from "../config.ts";
import { Fault, type FaultBody } from "../contract/faults.ts";
import type { OutputOf } from "../contract/operations.ts";
import { shellWord } from "../contract/shell.ts";
import { isLocked, tryLock } from "../system/lock.ts";
import * as paths from "../system/paths.ts";
import { ownCommand } from "../system/self.ts";
import { createClient, type Client } from "./client.ts";
import { ConnectionLost, Unreachable, type Target } from "./failures.ts";
import { until } from "./until.ts";

export type Version = OutputOf<"version">;

/** How long a daemon may take to say who it is. */
const introductionMs = 5_000;

/** How long a daemon may take to come up, a migration of a large state included. */
const startDeadlineMs = 20_000;

/** How long a daemon may take to end what is under way and close its state. */
const stopDeadlineMs = 10_000;

export function targetOf(config: Config): Target {
  return config.url === undefined ? { unix: paths.socketFile(config.home) } : { url: config.url };
}

/** What proves to a daemon at a URL that we may ask; the socket asks for nothing. */
export function authorizationOf({ url, token }: Config): Record<string, string> {
  return url === undefined || token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** Speaks to the daemon without saying who asks. */
export function clientOf(config: Config): Client {
  return createClient({ target: targetOf(config), headers: authorizationOf(config) });
}

/** The daemon's version, or `undefined` where none answers. */
export async function findDaemon(config: Config): Promise<Version | undefined> {
  try {
    return await clientOf(config).call("version", {}, { deadlineMs: introductionMs });
  } catch (error) {
    // One that went away while it was asked is none either.
    if (error instanceof Unreachable || error instanceof ConnectionLost) return undefined;
    throw error;
  }
}

/**
 * Starts the daemon of the state directory and returns when it serves. Where another command is starting it, or one is
 * just ending, waits for that; `notice` is told what there is to say of its start. Throws what kept it from it.
 */
export async function startDaemon(config: Config, notice: Notice): Promise<Version> {
  return underStartLock(config, () => startAlone(config, notice));
}

type Notice = (text: string) => void;

/**
 * Stops the daemon and does some work, `start` perhaps a part of it: whoever waits for a daemon meanwhile gets the one
 * that is there afterwards.
 */
export async function whileStopped<T>(
  config: Config,
  notice: Notice,
  work: (stopped: Version | undefined, start: () => Promise<Version>) => Promise<T>,
): Promise<T> {
  return underStartLock(config, async () =>
    work(await stopDaemon(config), () => startAlone(config, notice)),
  );
}

/** Does what nobody else may do at the same time: start the daemon, or settle how it is started. */
async function underStartLock<T>(config: Config, work: () => Promise<T>): Promise<T> {
  paths.makeHome(config.home);
  for await (const _ of until(startDeadlineMs)) {
    const lock = tryLock(paths.startLock(config.home));
    if (!lock) continue;
    try {
      return await work();
    } finally {
      lock.free();
    }
  }
  throw new Fault(
    "timed_out",
    `Another command is starting, stopping or installing the daemon of ${config.home}`,
    { hint: `see who it is: fuser -v ${shellWord(paths.startLock(config.home))}` },
  );
}

async function startAlone(config: Config, notice: Notice): Promise<Version> {
  for await (const leftMs of until(startDeadlineMs)) {
    try {
      const found = await findDaemon(config);
      if (found) return found;
      if (isLocked(paths.daemonLock(config.home))) continue;
      const version = await launch(config, leftMs, notice);
      if (version) return version;
    } catch (error) {
      // One whose starter was killed has come first, and will serve in a moment.
      if (
        !(error instanceof Fault) ||
        error.code !== "held" ||
        error.details["home"] !== config.home
      )
        throw error;
    }
  }
  throw silentDaemon(config);
}

/**
 * By the service manager, where the daemon is installed there and it can be asked; else by ourselves. `undefined` where
 * the manager has it started and it has not said a word yet.
 */
async function launch(
  config: Config,
  withinMs: number,
  notice: Notice,
): Promise<Version | undefined> {
  const service = await import("./service.ts");
  const manager = await service.reach(config, notice);
  const first = manager
    ? await service.start(manager, config, withinMs, notice)
    : await spawnDaemon(config, withinMs);
  if (first === undefined) {
    if (manager) return undefined;
    throw silentDaemon(config);
  }
  const said = JSON.parse(first) as FaultBody | { version: Version; notices: string[] };
  if ("error" in said) throw manager ? service.faultOf(said) : Fault.fromBody(said, 0);
  said.notices.forEach(notice);
  return said.version;
}

/**
 * Stops the daemon and returns when its state is closed, or served by a successor; `undefined` where there was none.
 * Throws `timed_out` where it does not end, or does not even answer.
 */
export async function stopDaemon(config: Config): Promise<Version | undefined> {
  const service = await import("./service.ts");
  // Before a look whether there is one: it may be about to start one that failed again.
  const stopped = await service.stop(config, () => findDaemon(config));
  const version = await findOrMiss(config);
  if (!version) return stopped;
  try {
    await clientOf(config).call("shutdown", {});
  } catch (error) {
    // Somebody else was faster.
    if (!(error instanceof Unreachable || error instanceof ConnectionLost)) throw error;
  }
  for await (const _ of until(stopDeadlineMs)) {
    if (await isGone(config, version)) return version;
  }
  throw new Fault(
    "timed_out",
    `The daemon (pid ${version.pid}) did not stop within ${stopDeadlineMs / 1000} s`,
    {
      hint: `end it: kill -9 ${version.pid}`,
    },
  );
}

/** Gone is a daemon whose state is free, or answered for by another. */
async function isGone(config: Config, { pid }: Version): Promise<boolean> {
  const isFree = config.url === undefined && !isLocked(paths.daemonLock(config.home));
  if (isFree) return true;
  const successor = await findDaemon(config);
  return successor === undefined ? config.url !== undefined : successor.pid !== pid;
}

/** The daemon, also one that is just coming, going, or making its lost socket anew; `undefined` where there is none. */
async function findOrMiss(config: Config): Promise<Version | undefined> {
  for await (const _ of until(stopDeadlineMs)) {
    const version = await findDaemon(config);
    if (version || config.url !== undefined) return version;
    const lock = paths.daemonLock(config.home);
    if (!fs.existsSync(lock) || !isLocked(lock)) return undefined;
  }
  throw silentDaemon(config);
}

/** A process has the state directory, but nothing answers on its socket. */
function silentDaemon({ home }: Config): Fault {
  return new Fault("timed_out", `A daemon has the state directory ${home} but does not answer`, {
    hint: "find out why: port-daddy doctor",
  });
}

/** Starts a daemon that outlives us. Returns what it says of its start; nothing where it does not say it in time. */
async function spawnDaemon(config: Config, withinMs: number): Promise<string | undefined> {
  const log = paths.openToAppend(paths.logFile(config.home));
  const daemon = Bun.spawn([...ownCommand(), "daemon", "--json"], {
    detached: true,
    cwd: "/",
    env: daemonEnvironment(config),
    stdin: "ignore",
    stdout: "pipe",
    stderr: log,
  });
  fs.closeSync(log);
  const first = await Promise.race([firstLine(daemon.stdout), Bun.sleep(withinMs)]);
  daemon.unref();
  if (first === undefined) {
    daemon.kill("SIGKILL");
    return undefined;
  }
  if (first === "") {
    throw new Fault("unavailable", "The daemon ended before it could serve", {
      hint: "see why: port-daddy logs",
    });
  }
  return first;
}

/** What a daemon says of itself once, when it serves or knows that it cannot: one line of JSON. */
async function firstLine(output: ReadableStream<Uint8Array>): Promise<string> {
  const reader = output.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) return "";
    text += decoder.decode(value, { stream: true });
  }
  return text.slice(0, text.indexOf("\n"));
}
