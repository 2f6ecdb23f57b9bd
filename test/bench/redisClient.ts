// As small a client of Redis as the one of HTTP beside it: one request under way at a time, the answer as it comes
// (https://redis.io/docs/latest/develop/reference/protocol-spec).

import type { Socket } from "bun";

export function command(...words: string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

/** An answer that is whole: a line, or a text of a length told. All that is asked for here is short. */
const whole = /^(?:[+:-].*\r\n|\$-1\r\n|\$\d+\r\n.*\r\n)$/;

export class Client {
  private socket!: Socket;
  private received = "";
  private waiting: PromiseWithResolvers<string> | undefined;

  static async open(port: number): Promise<Client> {
    const client = new Client();
    client.socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => client.onData(bytes),
        close: () => client.waiting?.reject(new Error("Redis closed the connection")),
      },
    });
    return client;
  }

  ask(request: string): Promise<string> {
    this.waiting = Promise.withResolvers();
    if (this.socket.write(request) !== request.length)
      this.waiting.reject(new Error("a request could not be sent whole"));
    return this.waiting.promise;
  }

  /** Throws where the answer is another. */
  async expect(request: string, answer: string): Promise<void> {
    const given = await this.ask(request);
    if (given !== answer) throw new Error(`Redis answered ${given}`);
  }

  close(): void {
    this.waiting = undefined;
    this.socket.end();
  }

  private onData(bytes: Buffer): void {
    this.received += bytes.toString("latin1");
    if (!whole.test(this.received)) return;
    const answer = this.received;
    this.received = "";
    this.waiting?.resolve(answer);
  }
}

export function connectTo({ port }: { port: number }, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => Client.open(port)));
}
