// The daemon as seen from outside: one typed call for each operation of the table.

import { Fault } from "../contract/faults.ts";
import {
  operations,
  pathFields,
  type InputOf,
  type Operation,
  type OperationName,
  type OutputOf,
} from "../contract/operations.ts";

/** Where a daemon is: its Unix socket, or a URL. */
export type Target = { unix: string } | { url: string };

export type ClientOptions = {
  target: Target;
  /** Sent with every request, such as who asks. */
  headers?: Record<string, string>;
  /** Told of every answer's headers. */
  onAnswer?: (headers: Headers) => void;
};

export type Client = {
  /** Asks for an operation. Throws the fault that the daemon answered, `unreachable` where there is none. */
  call<N extends OperationName>(name: N, input: InputOf<N>): Promise<OutputOf<N>>;
};

/** How long an answer may take, unless the operation is one that waits. */
export const deadlineMs = 30_000;

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

export function createClient({ target, headers = {}, onAnswer }: ClientOptions): Client {
  const origin = "unix" in target ? "http://localhost" : target.url;
  const way = "unix" in target ? { unix: target.unix } : {};

  async function send(path: string, init: RequestInit): Promise<Response> {
    try {
      // A proxy of the environment has no business between a command and its daemon.
      return await fetch(origin + path, { ...way, ...init, proxy: false });
    } catch (error) {
      throw asFault(error, target);
    }
  }

  return {
    async call(name, input) {
      const { path, init } = request(operations[name], input as Record<string, unknown>);
      const response = await send(path, {
        ...init,
        headers: { ...headers, ...(init.body != null && { "Content-Type": "application/json" }) },
        signal: AbortSignal.timeout(deadlineMs),
      });
      onAnswer?.(response.headers);
      const body = await readBody(response);
      if (!response.ok) throw Fault.fromBody(body, response.status);
      return body as never;
    },
  };
}

/**
 * Path, query and body of a call: path fields are percent-encoded, the others go where the method carries them. The
 * table takes only text and numbers where a query must carry them.
 */
function request({ method, path }: Operation, input: Record<string, unknown>) {
  const inPath = pathFields(path);
  const filled = path.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(String(input[name])),
  );
  const others = Object.entries(input).filter(
    ([name, value]) => !inPath.includes(name) && value !== undefined,
  );
  if (others.length === 0) return { path: filled, init: { method } };
  if (method === "GET" || method === "DELETE") {
    const query = new URLSearchParams(others.map(([name, value]) => [name, String(value)]));
    return { path: `${filled}?${query}`, init: { method } };
  }
  return { path: filled, init: { method, body: JSON.stringify(Object.fromEntries(others)) } };
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault(
      "internal",
      `What answers at ${response.url} is not port-daddy: it did not send JSON`,
    );
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
]);

function asFault(error: unknown, target: Target): Fault {
  const { code = "", name, message } = error as { code?: string; name?: string; message?: string };
  const reason = cannotConnect.get(code);
  if (reason !== undefined) return new Unreachable(target, reason);
  if (name === "TimeoutError") {
    return new Fault("timed_out", `The daemon did not answer within ${deadlineMs / 1000} s`, {
      hint: "see how it is: port-daddy status",
    });
  }
  return new Fault("unavailable", `The connection to the daemon was lost (${code || message})`, {
    hint: "see why: port-daddy logs",
  });
}
