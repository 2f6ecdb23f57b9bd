// The daemon as a command meets it: who asks is said, a missing one is started, one that differs from us is mentioned.

import * as fs from "node:fs";
import { build } from "../build.ts";
import type { CallerOptions } from "../client/calls.ts";
import { createClient, type Client } from "../client/client.ts";
import { ConnectionLost, Unreachable } from "../client/failures.ts";
import { authorizationOf, startDaemon, targetOf } from "../client/connect.ts";
import type { Config } from "../config.ts";
import { asFault, Fault } from "../contract/faults.ts";
import { buildLabel, headers, readSettings } from "../contract/headers.ts";
import {
  operations,
  type InputOf,
  type OperationName,
  type OutputOf,
  type StreamName,
} from "../contract/operations.ts";
import * as paths from "../system/paths.ts";
import { differences, toPutInForce } from "./differences.ts";
import { warn } from "./telling.ts";
import type { Terminal } from "./terminal.ts";

/** A warning that has been shown is not shown again for this long. */
const warnEveryMs = 60 * 60_000;

type ReadHeader = Parameters<NonNullable<CallerOptions["onAnswer"]>>[0];
type Side = { config: Config; terminal: Terminal; callerId: () => string };

/** The daemon, never started by us. Whoever asks nothing of it need not know who asks, or where it is. */
export function connect(side: Side): Client {
  let client: Client | undefined;
  return {
    call: (...request) => (client ??= open(side)).call(...request),
    follow: (...request) => (client ??= open(side)).follow(...request),
  };
}

function open(side: Side): Client {
  const { config, callerId } = side;
  return createClient({
    target: targetOf(config),
    headers: {
      [headers.caller]: callerId(),
      ...(config.agent !== undefined && { [headers.agent]: config.agent }),
      ...authorizationOf(config),
    },
    onAnswer: (answer) => warnOfDifferences(side, answer),
  });
}

/** The daemon, started at the first call that finds none, unless the settings say otherwise. */
export function connectOrStart(side: Side): Client {
  const client = connect(side);
  const { autostart, url } = side.config;
  const startingClient: Client = {
    async *follow(name, input, options) {
      // Whoever listens from now on needs a daemon now.
      const health = await Promise.race([
        startingClient.call("health", {}),
        aborted(options.signal),
      ]);
      yield* client.follow(name, health ? fromNowOn(name, input, health) : input, options);
    },
    async call(name, input, options) {
      for (let tries = 1; ; tries++) {
        try {
          return await client.call(name, input, options);
        } catch (error) {
          const mayStart = error instanceof Unreachable && autostart && url === undefined;
          // Whoever sets a deadline keeps account of the time, and asks again by itself.
          const mayRepeat =
            error instanceof ConnectionLost && isRepeatable(name) && options === undefined;
          if (tries === maxTries || !(mayStart || mayRepeat)) throw error;
          if (mayRepeat) continue;
        }
        await start(side);
      }
    },
  };
  return startingClient;
}

/**
 * The input of a stream that says itself where it begins: a daemon that dies at once, counted among whose subscribers
 * we were, may not have come to tell us.
 */
function fromNowOn<N extends StreamName>(
  name: N,
  input: InputOf<N>,
  { lastMessage }: OutputOf<"health">,
): InputOf<N> {
  const isPlaced = name !== "subscribe" || "after" in input || "last" in input;
  return isPlaced ? input : { ...input, after: lastMessage };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** What may be asked again when a daemon went away before it answered: reading, and a claim, which a repeat confirms. */
function isRepeatable(name: OperationName): boolean {
  return operations[name].method === "GET" || name === "claim" || name === "claimAll";
}

/** A daemon that was there a moment ago may be one that was just ending. */
const maxTries = 5;

/** For the command at hand, whatever keeps the daemon from starting means that there is none. */
async function start({ config, terminal }: Side): Promise<void> {
  try {
    await startDaemon(config, (notice) => warn(notice, terminal));
  } catch (error) {
    const { message, hint, details } = asFault(error);
    throw new Fault("unavailable", `The daemon could not be started: ${message}`, {
      hint,
      details,
    });
  }
}

function warnOfDifferences({ config, terminal }: Side, answer: ReadHeader): void {
  const difference = differenceOf(config, answer);
  if (difference === undefined || !mayWarn(config)) return;
  warn(difference, terminal);
  terminal.err(`hint: to put this one in force: ${toPutInForce(config)}`);
}

/** In one clause, how the daemon differs from this binary and from what this shell sets. */
function differenceOf(config: Config, answer: ReadHeader): string | undefined {
  if (config.url !== undefined) return undefined; // Somebody else's daemon goes by its own settings.
  const theirs = answer(headers.build);
  if (theirs !== undefined && theirs !== buildLabel(build))
    return `the daemon is ${theirs}, this command ${buildLabel(build)}`;
  return differences(config, readSettings(answer(headers.settings) ?? ""))[0];
}

/** Once an hour at most, by the age of a file in the state directory; where there can be none, never. */
function mayWarn({ home }: Config): boolean {
  const stamp = paths.warningStamp(home);
  const shownAt = fs.statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - shownAt < warnEveryMs) return false;
  try {
    fs.writeFileSync(stamp, "");
    return true;
  } catch {
    return false; // What was asked for has been done, and a warning must not make it look as if it had not.
  }
}
