// Seven minutes of nothing: past the six after which Bun's own client gives up, and far past the idle limits of its
// server. What was held or quiet for so long must then work, without anybody having connected again. `npm run long`.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Socket } from "bun";
import { eventually, Home } from "../home.ts";

const quietMs = 7 * 60_000;

/** The daemon shows that it is there every 15 s; a machine may be busy. */
const leastHeartbeats = 20;

let home: Home;
let port: number;
const servers: { stop(): unknown }[] = [];

beforeAll(async () => {
  home = new Home({ PORT_DADDY_OWNER: "keeper" });
  port = (await home.json(["start"])).port;
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await home[Symbol.asyncDispose]();
});

/** One request on one connection, and whatever comes back, as it is. */
class Exchange {
  received = "";
  isClosed = false;

  static async start(transport: Transport, line: string, body?: unknown): Promise<Exchange> {
    const exchange = new Exchange();
    const socket = {
      data: (_: Socket, bytes: Buffer) => void (exchange.received += bytes.toString()),
      close: () => void (exchange.isClosed = true),
    };
    const text = body === undefined ? "" : JSON.stringify(body);
    const connection =
      transport === "socket"
        ? await Bun.connect({ unix: home.socket, socket })
        : await Bun.connect({ hostname: "127.0.0.1", port, socket });
    connection.write(
      `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
    return exchange;
  }

  /** What came so far, without the frames of chunks. */
  get body(): string {
    const [, ...rest] = this.received.split("\r\n\r\n");
    return rest.join("\r\n\r\n").replace(/(^|\r\n)[0-9a-f]+\r\n/g, "");
  }

  get heartbeats(): number {
    return this.body.match(/^:$/gm)?.length ?? 0;
  }

  async has(text: string): Promise<void> {
    await eventually(`the connection brings ${text}`, () => this.received.includes(text));
  }
}

type Transport = "socket" | "TCP";
type Child = ReturnType<Home["spawn"]>;

async function ended(child: Child) {
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

const transports: Transport[] = ["socket", "TCP"];

function spawn(over: Transport, ...args: string[]): Child {
  const env = over === "TCP" ? { PORT_DADDY_URL: `http://127.0.0.1:${port}` } : {};
  return home.spawn(args, { env });
}

/** A name for what is asked for by a command, and one for what is by a request. */
function names(what: string, over: Transport): [cli: string, http: string] {
  return [`${what}:${over}:cli`, `${what}:${over}:http`];
}

/** A claimed port on which nothing listens yet. */
async function claim(id: string): Promise<number> {
  return (await home.json(["claim", id])).port;
}

function listen(port: number): void {
  servers.push(Bun.serve({ hostname: "127.0.0.1", port, fetch: () => new Response("ok") }));
}

describe.concurrent("after seven quiet minutes", () => {
  test.each(transports)(
    "over %s a lock is granted to whoever waits for it",
    async (over) => {
      const [cli, http] = names("lock", over);
      for (const lock of [cli, http]) await home.run(["lock", lock, "--ttl", "1h"]);
      const child = spawn(
        over,
        "lock",
        cli,
        "--wait",
        "--timeout",
        "30m",
        "--owner",
        "patient",
        "-j",
      );
      const exchange = await Exchange.start(over, `POST /locks/${http}`, {
        owner: "patient",
        wait: true,
        timeout: 30 * 60_000,
      });
      await Bun.sleep(quietMs);
      expect({ exit: child.exitCode, answer: exchange.received }).toEqual({
        exit: null,
        answer: "",
      });

      const { locks } = await home.json(["locks", `lock:${over}:*`]);
      expect(locks.map(({ waiting }: any) => waiting)).toEqual([1, 1]);
      for (const lock of [cli, http]) expect((await home.run(["unlock", lock])).code).toBe(0);
      await exchange.has('"owner":"patient"');
      const { code, out, err } = await ended(child);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(JSON.parse(out)).toMatchObject({ name: cli, owner: "patient" });
    },
    quietMs + 60_000,
  );

  test.each(transports)(
    "over %s a message reaches a subscriber on the connection that it opened",
    async (over) => {
      const [cli, http] = names("msg", over);
      const child = spawn(over, "sub", cli, "--count", "1");
      const exchange = await Exchange.start(over, `GET /subscribe/${http}`);
      await Bun.sleep(quietMs);
      expect({ exit: child.exitCode, isClosed: exchange.isClosed }).toEqual({
        exit: null,
        isClosed: false,
      });
      expect(exchange.heartbeats).toBeGreaterThan(leastHeartbeats);

      for (const channel of [cli, http]) {
        const { subscribers } = await home.json(["pub", channel, "at last"]);
        expect(subscribers).toBe(1);
      }
      await exchange.has('"payload":"at last"');
      expect(await ended(child)).toEqual({
        code: 0,
        out: expect.stringMatching(/^\[[\dT:-]+Z\] at last\n$/),
        err: "",
      });
    },
    quietMs + 60_000,
  );

  test.each(transports)(
    "over %s what happens reaches whoever follows it on the connection that it opened",
    async (over) => {
      const [target] = names("event", over);
      const child = spawn(over, "log", "--follow", "--target", target, "-j");
      const exchange = await Exchange.start(over, "GET /events?event=message.publish");
      await Bun.sleep(quietMs);
      expect({ exit: child.exitCode, isClosed: exchange.isClosed }).toEqual({
        exit: null,
        isClosed: false,
      });
      expect(exchange.heartbeats).toBeGreaterThan(leastHeartbeats);

      await home.run(["pub", target, "at last"]);
      await exchange.has(`"targetId":"${target}"`);
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      expect(JSON.parse(new TextDecoder().decode(value))).toMatchObject({ targetId: target });
      child.kill("SIGTERM");
      expect({ code: await child.exited, err: await new Response(child.stderr).text() }).toEqual({
        code: 143,
        err: "",
      });
    },
    quietMs + 60_000,
  );

  test.each(transports)(
    "over %s a service that begins to serve is told to whoever waits for it",
    async (over) => {
      const [cli, http] = names("svc", over);
      const ports = [await claim(cli), await claim(http)];
      const child = spawn(over, "wait", cli, "--timeout", "30m");
      const exchange = await Exchange.start(over, `GET /wait?id=${http}&timeout=${30 * 60_000}`);
      await Bun.sleep(quietMs);
      expect({ exit: child.exitCode, answer: exchange.received }).toEqual({
        exit: null,
        answer: "",
      });

      ports.forEach(listen);
      await exchange.has('"status":"running"');
      expect(exchange.received).toStartWith("HTTP/1.1 200 ");
      expect(await ended(child)).toEqual({
        code: 0,
        out: `${cli} is healthy → http://localhost:${ports[0]}\n`,
        err: "",
      });
    },
    quietMs + 60_000,
  );
});
