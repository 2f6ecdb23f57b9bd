// A keep-alive HTTP/1.1 client that costs less than the servers it measures, and does not believe them: an answer that is
// not 200, or whose body is not JSON, ends the run.

import type { Socket } from "bun";

/** A request as it goes over the wire. */
export function encode(method: string, path: string, body?: unknown): string {
  const text = body === undefined ? "" : JSON.stringify(body);
  const about =
    body === undefined
      ? ""
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${about}\r\n${text}`;
}

/** One connection with one request under way at a time. */
export class Connection {
  private socket!: Socket;
  private received = "";
  private waiting: PromiseWithResolvers<any> | undefined;

  static async open(port: number): Promise<Connection> {
    const connection = new Connection();
    connection.socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => connection.onData(bytes),
        close: () => connection.fail(new Error("the server closed the connection")),
        error: (_, error) => connection.fail(error),
      },
    });
    return connection;
  }

  /** Sends a request and returns the parsed body of its answer. */
  ask(request: string): Promise<any> {
    this.waiting = Promise.withResolvers();
    if (this.socket.write(request) !== request.length)
      this.fail(new Error("a request could not be sent whole: is the server gone?"));
    return this.waiting.promise;
  }

  close(): void {
    this.waiting = undefined;
    this.socket.end();
  }

  private onData(bytes: Buffer): void {
    const text = this.received + bytes.toString("latin1");
    const headEnd = text.indexOf("\r\n\r\n");
    const head = headEnd < 0 ? "" : text.slice(0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    const end = headEnd + 4 + length;
    if (headEnd < 0 || text.length < end) {
      this.received = text;
      return;
    }
    this.received = "";
    const body = text.slice(headEnd + 4);
    if (!head.startsWith("HTTP/1.1 200 ") || text.length !== end) {
      this.fail(new Error(`not one answer with status 200: ${text}`));
      return;
    }
    try {
      this.waiting?.resolve(JSON.parse(body));
    } catch {
      this.fail(new Error(`not JSON: ${body}`));
    }
  }

  private fail(error: Error): void {
    this.waiting?.reject(error);
  }
}

export function connect(port: number, count: number): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => Connection.open(port)));
}

/** Occurs once in each message that is published, and nowhere else in a stream: to count it is to count deliveries. */
export const mark = "~";

/** Many readers of one stream of server-sent events. */
export class Subscribers {
  delivered = 0;
  private readonly sockets: Socket[] = [];
  /** What the first of them has read: it stands for all when the content is checked. */
  private witness = "";
  private wanted = Number.POSITIVE_INFINITY;
  private reached = () => {};

  static async open(port: number, channel: string, count: number): Promise<Subscribers> {
    const subscribers = new Subscribers();
    const request = encode("GET", `/subscribe/${channel}`);
    for (let i = 0; i < count; i++) await subscribers.add(port, request, i === 0);
    return subscribers;
  }

  /** Resolves when so many deliveries have been counted. */
  until(count: number): Promise<void> {
    if (this.delivered >= count) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.reached;
    this.wanted = Math.min(this.wanted, count);
    this.reached = () => {
      before();
      void this.until(count).then(resolve);
    };
    return promise;
  }

  /** Throws unless the messages that the first reader got are these, in order. */
  check(ids: number[]): void {
    // Where it stands is no message.
    const told = this.witness.replace(/^event: position\n(?:.+\n)+/gm, "");
    const seen = [...told.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data!).id);
    if (JSON.stringify(seen) !== JSON.stringify(ids))
      throw new Error(`a subscriber got ${seen.length} messages of ${ids.length}, or disorder`);
  }

  close(): void {
    for (const socket of this.sockets) socket.end();
  }

  private async add(port: number, request: string, isWitness: boolean): Promise<void> {
    const { promise: opened, resolve } = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => {
          resolve();
          if (isWitness) this.witness += bytes.toString("latin1");
          this.count(bytes);
        },
      },
    });
    this.sockets.push(socket);
    socket.write(request);
    await opened;
  }

  private count(bytes: Buffer): void {
    const code = mark.charCodeAt(0);
    for (let at = bytes.indexOf(code); at >= 0; at = bytes.indexOf(code, at + 1)) this.delivered++;
    if (this.delivered < this.wanted) return;
    this.wanted = Number.POSITIVE_INFINITY;
    const reached = this.reached;
    this.reached = () => {};
    reached();
  }
}
