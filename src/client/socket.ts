// One HTTP/1.1 exchange over a Unix socket (RFC 9112). Bun's fetch starts a thread for it, which takes longer than the
// rest of a command; a single request to our own daemon, answered whole, needs no more than this.

import type { WireAnswer, WireRequest } from "./calls.ts";

/**
 * Sends a request and returns the whole answer, its header names in lower case. Throws the system's error where there
 * is nobody to connect to, an error where the answer breaks off, a `TimeoutError` past the deadline.
 */
export async function exchange(
  file: string,
  request: WireRequest,
  deadlineMs: number,
): Promise<WireAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<WireAnswer>();
  const late = () => reject(new DOMException(`no answer within ${deadlineMs} ms`, "TimeoutError"));
  const timer = Number.isFinite(deadlineMs) ? setTimeout(late, deadlineMs) : undefined;
  const received: Uint8Array[] = [];
  const unsent = Buffer.from(head(request) + (request.body ?? ""));
  let sent = 0;
  function send(to: Bun.Socket): void {
    sent += to.write(unsent.subarray(sent));
  }
  function finish(): void {
    const answer = parse(Buffer.concat(received));
    if (answer) resolve(answer);
    else reject(new Error("the connection ended before the answer was whole"));
  }
  const connection = Bun.connect({
    unix: file,
    socket: {
      open: send,
      drain: send,
      data: (_, chunk) => void received.push(chunk),
      close: finish,
      error: (_, error) => reject(error),
    },
  });
  connection.catch(reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    connection.then(
      (socket) => socket.end(),
      () => {},
    );
  }
}

function head({ method, path, headers, body }: WireRequest): string {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: localhost", "Connection: close"];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** `undefined` where it is not a whole answer with a length. */
function parse(bytes: Buffer): WireAnswer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  const [start = "", ...fields] = bytes.toString("latin1", 0, Math.max(end, 0)).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3})/.exec(start)?.[1];
  if (end < 0 || status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const field of fields) {
    const colon = field.indexOf(":");
    headers.set(field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim());
  }
  const body = bytes.subarray(end + 4);
  if (body.length !== Number(headers.get("content-length"))) return undefined;
  return { status: Number(status), headers, body: body.toString("utf8") };
}
