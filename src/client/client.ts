// The daemon as seen from outside: one typed call for each operation of the table.

import { Fault } from "../contract/faults.ts";
import { checkShape } from "../contract/fields.ts";
import {
  fillPath,
  operations,
  pathFields,
  type InputOf,
  type Operation,
  type OperationName,
  type OutputOf,
} from "../contract/operations.ts";

import { exchange, type Exchange, type SocketRequest } from "./socket.ts";

/** Where a daemon is: its Unix socket, or a URL. */
export type Target = { unix: string } | { url: string };

export type ClientOptions = {
  target: Target;
  /** Sent with every request, such as who asks. */
  headers?: Record<string, string>;
  /** Told of every answer; the function it gets reads a header. */
  onAnswer?: (header: (name: string) => string | undefined) => void;
};

export type Client = {
  /** Asks for an operation. Throws the fault that the daemon answered, `unreachable` where there is none. */
  call<N extends OperationName>(
    name: N,
    input: InputOf<N>,
    options?: CallOptions,
  ): Promise<OutputOf<N>>;
};

export type CallOptions = {
  /** How long the answer may take; `Infinity` is no limit. */
  deadlineMs?: number;
};

/** How long an answer may take, unless the operation is one that waits. */
const defaultDeadlineMs = 30_000;

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

export function createClient({ target, headers = {}, onAnswer }: ClientOptions): Client {
  return {
    async call(name, input, { deadlineMs = defaultDeadlineMs } = {}) {
      const operation: Operation = operations[name];
      // What the daemon would refuse need not be sent, and could not always be: an empty name has no path.
      checkShape(operation.input, input as Record<string, unknown>);
      const request = requestOf(operation, input as Record<string, unknown>, headers);
      const answer = await send(target, request, deadlineMs);
      onAnswer?.((header) => answer.headers.get(header.toLowerCase()));
      const body = readBody(answer.body, target);
      if (answer.status !== 200) throw Fault.fromBody(body, answer.status);
      return body as never;
    },
  };
}

async function send(target: Target, request: SocketRequest, deadlineMs: number): Promise<Exchange> {
  try {
    return await ("unix" in target
      ? exchange(target.unix, request, deadlineMs)
      : fetchFrom(target.url, request, deadlineMs));
  } catch (error) {
    throw asFault(error, target, deadlineMs);
  }
}

async function fetchFrom(
  url: string,
  { method, path, headers, body }: SocketRequest,
  deadlineMs: number,
): Promise<Exchange> {
  const response = await fetch(url + path, {
    method,
    headers,
    ...(body !== undefined && { body }),
    // A proxy of the environment has no business between a command and its daemon.
    proxy: false,
    // Bun's own limit of six minutes would end a long wait.
    timeout: false,
    ...(Number.isFinite(deadlineMs) && { signal: AbortSignal.timeout(deadlineMs) }),
  });
  return {
    status: response.status,
    headers: new Map(response.headers),
    body: await response.text(),
  };
}

/**
 * Path, query and body of a call: path fields are percent-encoded, the others go where the method carries them. The
 * table takes only text and numbers where a query must carry them.
 */
function requestOf(
  { method, path }: Operation,
  input: Record<string, unknown>,
  headers: Record<string, string>,
): SocketRequest {
  const inPath = pathFields(path);
  const filled = fillPath(path, (name) => encodeURIComponent(String(input[name])));
  const others = Object.entries(input).filter(
    ([name, value]) => !inPath.includes(name) && value !== undefined,
  );
  if (others.length === 0) return { method, path: filled, headers };
  if (method === "GET" || method === "DELETE") {
    const query = new URLSearchParams(
      others.flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)])),
    );
    return { method, path: `${filled}?${query}`, headers };
  }
  const body = JSON.stringify(Object.fromEntries(others));
  return {
    method,
    path: filled,
    headers: { ...headers, "Content-Type": "application/json" },
    body,
  };
}

function readBody(text: string, target: Target): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const place = "unix" in target ? target.unix : target.url;
    throw new Fault("internal", `What answers at ${place} is not port-daddy: it did not send JSON`);
  }
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

function asFault(error: unknown, target: Target, deadlineMs: number): Fault {
  const { code = "", name, message } = error as { code?: string; name?: string; message?: string };
  const reason = cannotConnect.get(code);
  if (reason !== undefined) return new Unreachable(target, reason);
  if (name === "TimeoutError") {
    return new Fault("timed_out", `The daemon did not answer within ${deadlineMs / 1000} s`, {
      hint: "see how it is: port-daddy status",
    });
  }
  return new ConnectionLost(code || String(message));
}
