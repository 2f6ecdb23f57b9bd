// Finds this user's daemon, and starts it where it is missing: once, however many need it at the same time.

import * as fs from "node:fs";
import { daemonEnvironment, type Config } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import type { OutputOf } from "../contract/operations.ts";
import { tryLock } from "../system/lock.ts";
import * as paths from "../system/paths.ts";
import { createClient, Unreachable, type Target } from "./client.ts";

export type Version = OutputOf<"version">;

/** How long a daemon may take to come up, a migration of a large state included. */
const startDeadlineMs = 20_000;

/** How long a daemon may take to end what is under way and close its state. */
const stopDeadlineMs = 10_000;

const lookEveryMs = 5;

export function targetOf(config: Config): Target {
  return config.url === undefined ? { unix: paths.socketFile(config.home) } : { url: config.url };
}

/** The daemon's version, or `undefined` where there is none. */
export async function findDaemon(config: Config): Promise<Version | undefined> {
  try {
    return await createClient({ target: targetOf(config) }).call("version", {});
  } catch (error) {
    if (error instanceof Unreachable) return undefined;
    throw error;
  }
}

/**
 * Starts the daemon of the state directory and returns when it serves. Where another command is starting it already,
 * waits for that one. Throws the fault that kept it from starting.
 */
export async function startDaemon(config: Config): Promise<Version> {
  paths.makeHome(config.home);
  for await (const _ of until(startDeadlineMs)) {
    const unlock = tryLock(paths.startLock(config.home));
    if (!unlock) continue;
    try {
      return (await findDaemon(config)) ?? (await spawnDaemon(config));
    } finally {
      unlock();
    }
  }
  throw new Fault("timed_out", `The daemon did not start within ${startDeadlineMs / 1000} s`, {
    hint: "see why: port-daddy logs",
  });
}

/** Stops the daemon and returns when its state is closed; `undefined` where there was none. */
export async function stopDaemon(config: Config): Promise<Version | undefined> {
  const version = await findDaemon(config);
  if (!version) return undefined;
  await createClient({ target: targetOf(config) }).call("shutdown", {});
  for await (const _ of until(stopDeadlineMs)) {
    if (await isGone(config)) return version;
  }
  throw new Fault(
    "timed_out",
    `The daemon (pid ${version.pid}) did not stop within ${stopDeadlineMs / 1000} s`,
    {
      hint: `see why: port-daddy logs; or end it: kill ${version.pid}`,
    },
  );
}

async function isGone(config: Config): Promise<boolean> {
  if (config.url !== undefined) return (await findDaemon(config)) === undefined;
  const unlock = tryLock(paths.daemonLock(config.home));
  unlock?.();
  return unlock !== undefined;
}

async function spawnDaemon(config: Config): Promise<Version> {
  const log = fs.openSync(paths.logFile(config.home), "a", 0o600);
  const daemon = Bun.spawn([...ownCommand(), "daemon", "--json"], {
    detached: true,
    cwd: "/",
    env: daemonEnvironment(config),
    stdin: "ignore",
    stdout: "pipe",
    stderr: log,
  });
  fs.closeSync(log);
  const first = await firstLine(daemon.stdout);
  daemon.unref();
  if (first === "") {
    throw new Fault("unavailable", "The daemon ended before it could serve", {
      hint: "see why: port-daddy logs",
    });
  }
  const said = JSON.parse(first);
  if ("error" in said) throw Fault.fromBody(said, 0);
  return said;
}

/** How this program is run again: the binary, or its sources by the same Bun. */
function ownCommand(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
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

/** Turns of a loop that looks again every few milliseconds, until the time is over. */
async function* until(ms: number): AsyncGenerator<void> {
  for (const end = Date.now() + ms; Date.now() < end; await Bun.sleep(lookEveryMs)) yield;
}
