// What can go wrong on the way to the daemon, and what its answer says.

import { Fault } from "../contract/faults.ts";

/** Where a daemon is: its Unix socket, or a URL. */
export type Target = { unix: string } | { url: string };

/** There is no daemon at the target: nothing was sent, so that the same call may be tried again. */
export class Unreachable extends Fault {
  constructor(target: Target, reason: string) {
    const [place, hint] =
      "unix" in target
        ? [target.unix, "start it: port-daddy start"]
        : [target.url, "ask your own instead: env -u PORT_DADDY_URL port-daddy status"];
    super("unavailable", `No daemon answers at ${place} (${reason})`, { hint });
  }
}

/** The daemon went away before it answered, so that what was asked may have been done or not. */
export class ConnectionLost extends Fault {
  constructor(reason: string) {
    super("unavailable", `The connection to the daemon was lost (${reason})`, {
      hint: "see why: port-daddy logs",
    });
  }
}

/** Whether a daemon that is stopping has said so to somebody who waited. */
export function isStopping(error: unknown): boolean {
  return error instanceof Fault && error.details["stopping"] === true;
}

/** Failures to connect, by the names that Bun's fetch and the system give them. */
const cannotConnect = new Map([
  ["ConnectionRefused", "nothing listens there"],
  ["FailedToOpenSocket", "nothing listens there"],
  ["ECONNREFUSED", "nothing listens there"],
  ["ENOENT", "there is no socket"],
  ["ENOTDIR", "there is no socket"],
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["ENOTFOUND", "its name cannot be resolved"],
  ["EAI_AGAIN", "its name cannot be resolved"],
]);

/** What a failure to ask means. */
export function connectionFault(error: unknown, target: Target, deadlineMs: number): Fault {
  const { code = "", name, message } = error as { code?: string; name?: string; message?: string };
  const reason = cannotConnect.get(code);
  if (reason !== undefined) return new Unreachable(target, reason);
  if (name === "TimeoutError") {
    return new Fault("timed_out", `The daemon did not answer within ${deadlineMs / 1000} s`, {
      hint: "find out why: port-daddy doctor",
    });
  }
  return new ConnectionLost(code || String(message));
}

/** The value of an answer. Throws the fault that it tells of. */
export function readAnswer(status: number, text: string, target: Target): unknown {
  const body = readBody(text, target);
  if (status !== 200) throw Fault.fromBody(body, status);
  return body;
}

function readBody(text: string, target: Target): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const place = "unix" in target ? target.unix : target.url;
    throw new Fault("internal", `What answers at ${place} is not port-daddy: it did not send JSON`);
  }
}
