// The daemon as seen from outside: one typed call for each operation of the table.

import { checkShape } from "../contract/fields.ts";
import {
  fillPath,
  operations,
  pathFields,
  type InputOf,
  type Operation,
  type OperationName,
  type OutputOf,
  type StreamName,
} from "../contract/operations.ts";
import { follow, type FollowOptions, type StreamEvent } from "./events.ts";
import { connectionFault, readAnswer, type Target } from "./failures.ts";
import { exchange, type Exchange, type SocketRequest } from "./socket.ts";

export type ClientOptions = {
  target: Target;
  /** Sent with every request, such as who asks. */
  headers?: Record<string, string>;
  /** Told of every answer; the function it gets reads a header. */
  onAnswer?: (header: (name: string) => string | undefined) => void;
};

export type Client = {
  /** Asks for an operation. Throws the fault that the daemon answered, `Unreachable` where there is none. */
  call<N extends Exclude<OperationName, StreamName>>(
    name: N,
    input: InputOf<N>,
    options?: CallOptions,
  ): Promise<OutputOf<N>>;
  /** Opens a stream. It goes on through losses of the connection until its signal is aborted. */
  follow<N extends StreamName>(
    name: N,
    input: InputOf<N>,
    options: FollowOptions,
  ): AsyncGenerator<StreamEvent>;
};

export type CallOptions = {
  /** How long the answer may take; `Infinity` is no limit. */
  deadlineMs?: number;
};

/** How long an answer may take, unless the operation is one that waits. */
const defaultDeadlineMs = 15_000;

export function createClient({ target, headers = {}, onAnswer }: ClientOptions): Client {
  function requestFor(name: OperationName, input: Record<string, unknown>): SocketRequest {
    const operation: Operation = operations[name];
    // What the daemon would refuse need not be sent, and could not always be: an empty name has no path.
    checkShape(operation.input, input);
    return requestOf(operation, input, headers);
  }
  return {
    follow: (name, input, options) => follow(target, requestFor(name, input), options),
    async call(name, input, { deadlineMs = defaultDeadlineMs } = {}) {
      const request = requestFor(name, input as Record<string, unknown>);
      const answer = await send(target, request, deadlineMs);
      onAnswer?.((header) => answer.headers.get(header.toLowerCase()));
      return readAnswer(answer.status, answer.body, target) as never;
    },
  };
}

async function send(target: Target, request: SocketRequest, deadlineMs: number): Promise<Exchange> {
  try {
    return await ("unix" in target
      ? exchange(target.unix, request, deadlineMs)
      : fetchFrom(target.url, request, deadlineMs));
  } catch (error) {
    throw connectionFault(error, target, deadlineMs);
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
    // No daemon of ours sends us elsewhere.
    redirect: "manual",
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
