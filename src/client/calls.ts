// One typed call for each operation of the table, whatever carries it: the command line's socket, or a page's fetch.

import { checkShape } from "../contract/fields.ts";
import {
  fillPath,
  operations,
  pathFields,
  type InputOf,
  type Operation,
  type OperationName,
  type OutputOf,
  type ValueName,
} from "../contract/operations.ts";
import { connectionFault, readAnswer, type Target } from "./failures.ts";

/** A request as it is sent. */
export type WireRequest = {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
};

/** The whole answer to it; the names of its headers are in lower case. */
export type WireAnswer = { status: number; headers: ReadonlyMap<string, string>; body: string };

/** Throws what the system says where there is no answer, a `TimeoutError` past the deadline. */
export type Send = (request: WireRequest, deadlineMs: number) => Promise<WireAnswer>;

export type CallOptions = {
  /** How long the answer may take; `Infinity` is no limit. */
  deadlineMs?: number;
};

/** Asks for an operation. Throws the fault that the daemon answered, `Unreachable` where there is none. */
export type Call = <N extends ValueName>(
  name: N,
  input: InputOf<N>,
  options?: CallOptions,
) => Promise<OutputOf<N>>;

export type CallerOptions = {
  target: Target;
  /** Sent with every request, such as who asks. */
  headers?: Record<string, string>;
  /** Told of every answer; the function it gets reads a header. */
  onAnswer?: (header: (name: string) => string | undefined) => void;
};

/** How long an answer may take, unless the operation is one that waits. */
const defaultDeadlineMs = 15_000;

export function createCall(send: Send, { target, headers = {}, onAnswer }: CallerOptions): Call {
  async function sent(request: WireRequest, deadlineMs: number): Promise<WireAnswer> {
    try {
      return await send(request, deadlineMs);
    } catch (error) {
      throw connectionFault(error, target, deadlineMs);
    }
  }
  return async (name, input, { deadlineMs = defaultDeadlineMs } = {}) => {
    const answer = await sent(requestFor(name, input, headers), deadlineMs);
    onAnswer?.((header) => answer.headers.get(header.toLowerCase()));
    return readAnswer(answer.status, answer.body, target) as never;
  };
}

/**
 * The request of an operation: path fields are percent-encoded, the others go where the method carries them. The table
 * takes only text and numbers where a query must carry them. Throws `invalid_input`: what the daemon would refuse is
 * refused here, and some of it could not even be sent, since an empty name makes no path.
 */
export function requestFor(
  name: OperationName,
  input: Record<string, unknown>,
  headers: Record<string, string>,
): WireRequest {
  const { method, path, input: shape }: Operation = operations[name];
  checkShape(shape, input);
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
  return {
    method,
    path: filled,
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(others)),
  };
}
