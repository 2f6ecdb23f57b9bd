// What is examined: the settings of this shell, and what the daemon answers, which many checks look at and is asked once.

import type { Call } from "../../client/calls.ts";
import { clientOf, type Version } from "../../client/connect.ts";
import { ConnectionLost, Unreachable } from "../../client/failures.ts";
import type { BadSettings, Config } from "../../config.ts";
import { asFault, Fault } from "../../contract/faults.ts";

export type Subject = {
  config: Config;
  /** What of the settings cannot be read, and is left out. */
  faults: readonly BadSettings[];
  /** This user's daemon, at the socket of the state directory. */
  own(): Promise<Answer>;
  /** The daemon that commands ask: the one at PORT_DADDY_URL, or else the same. */
  asked(): Promise<Answer>;
};

export type Answer =
  | {
      is: "up";
      version: Version;
      /** The daemon's clock less ours, as far as the way there and back lets it be known. */
      aheadMs: number;
      call: Call;
    }
  | { is: "absent"; fault: Fault }
  /** Something is there, and does not answer as a daemon does. */
  | { is: "mute"; fault: Fault };

/** How long a daemon may take to answer: many times what one does that is busy. */
export const answerMs = 1_500;

export function subjectOf(config: Config, faults: readonly BadSettings[]): Subject {
  const own = once(() => ask({ ...config, url: undefined }));
  return { config, faults, own, asked: config.url === undefined ? own : once(() => ask(config)) };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

async function ask(config: Config): Promise<Answer> {
  try {
    const client = clientOf(config);
    const call: Call = (name, input) => client.call(name, input, { deadlineMs: answerMs });
    const version = await call("version", {});
    if (typeof version?.codeHash !== "string") throw notOurs();
    const askedAt = Date.now();
    const { uptimeMs } = await call("health", {});
    const now = version.startedAt + uptimeMs;
    const aheadMs = now < askedAt ? now - askedAt : Math.max(0, now - Date.now());
    return { is: "up", version, aheadMs, call };
  } catch (error) {
    const fault = asFault(error);
    const isAbsent = error instanceof Unreachable || error instanceof ConnectionLost;
    return { is: isAbsent ? "absent" : "mute", fault };
  }
}

function notOurs(): Fault {
  return new Fault("internal", "What answers there is not port-daddy");
}
