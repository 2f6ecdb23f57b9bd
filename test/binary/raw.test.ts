// What no well-behaved client sends, byte by byte: each is answered or cut off, changes nothing it must not, and costs
// nobody else anything.

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home } from "../home.ts";

let home: Home;
let port: number;
let pid: number;

beforeAll(async () => {
  home = new Home();
  ({ port, pid } = await home.json(["start"]));
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

/** Whatever was sent: others are answered, over both, by the same daemon, which has seen no failure of its own. */
afterEach(async () => {
  expect(await home.daemonPid()).toBe(pid);
  const response = await fetch(`http://127.0.0.1:${port}/health`, { proxy: false });
  expect(response.status).toBe(200);
  const log = fs.readFileSync(path.join(home.state, "daemon.log"), "utf8");
  expect(log.split("\n").filter((line) => / (error|warn) /.test(line))).toEqual([]);
});

type Transport = "TCP" | "the socket";
const transports: Transport[] = ["TCP", "the socket"];
const host = "Host: localhost\r\n";
const health = `GET /health HTTP/1.1\r\n${host}\r\n`;

/** One connection, and all that comes back on it. */
class Connection {
  received = "";
  isClosed = false;
  private socket!: Bun.Socket;

  static async open(over: Transport): Promise<Connection> {
    const connection = new Connection();
    const socket = {
      data: (_: Bun.Socket, bytes: Buffer) => void (connection.received += bytes.toString()),
      close: () => void (connection.isClosed = true),
      error: () => {},
      drain: () => connection.flush(),
    };
    connection.socket = await (over === "TCP"
      ? Bun.connect({ hostname: "127.0.0.1", port, socket })
      : Bun.connect({ unix: home.socket, socket }));
    return connection;
  }

  private unsent = Buffer.alloc(0);

  send(bytes: string): this {
    this.unsent = Buffer.concat([this.unsent, Buffer.from(bytes, "latin1")]);
    this.flush();
    return this;
  }

  private flush(): void {
    if (this.isClosed) return;
    const sent = this.socket.write(this.unsent);
    this.unsent = this.unsent.subarray(Math.max(sent, 0));
  }

  end(): void {
    this.socket.terminate();
  }

  /** The final answers that came whole, in order; an interim one (100) is none. */
  get answers(): { status: number; body: string }[] {
    const found = [];
    let rest = this.received;
    for (let end; (end = rest.indexOf("\r\n\r\n")) >= 0;) {
      const head = rest.slice(0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (rest.length < end + 4 + length) break;
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
      if (status !== 100) found.push({ status, body: rest.slice(end + 4, end + 4 + length) });
      rest = rest.slice(end + 4 + length);
    }
    return found;
  }
}

/** The answer to what is sent: its status, 0 where the connection is closed without one. */
async function exchange(over: Transport, bytes: string) {
  const connection = (await Connection.open(over)).send(bytes);
  try {
    await eventually(
      `${JSON.stringify(bytes.slice(0, 200))} is answered over ${over}`,
      () => connection.isClosed || connection.answers.length > 0,
    );
    const [{ status, body } = { status: 0, body: "" }] = connection.answers;
    expect(body).not.toMatch(/\n\s+at |\.ts:\d/);
    return { status, body };
  } finally {
    connection.end();
  }
}

async function held(): Promise<string[]> {
  const { services } = (await (await home.fetch("/services")).json()) as any;
  return services.map(({ id }: any) => id);
}

const claim = (headers: string, body = "", id = "bad") =>
  `POST /claim/${id} HTTP/1.1\r\n${host}${headers}\r\n${body}`;
const chunked = "Transfer-Encoding: chunked\r\n";

/** Refused over both, by us or by the server beneath; 0 is a connection closed without a word. */
const refused: [string, string, number][] = [
  ["no Host", "POST /claim/bad HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400],
  ["two Hosts, ours first", claim("Host: evil.test\r\nContent-Length: 0\r\n"), 400],
  ["two Hosts, ours last", `POST /claim/bad HTTP/1.1\r\nHost: evil.test\r\n${host}\r\n`, 400],
  ["an unknown version", `POST /claim/bad HTTP/3.0\r\n${host}\r\n`, 505],
  ["no version", "POST /claim/bad\r\n\r\n", 505],
  ["the greeting of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["the greeting of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
  ["lines that end in LF alone", "POST /claim/bad HTTP/1.1\nHost: localhost\n\n", 505],
  ["a space before a colon", "POST /claim/bad HTTP/1.1\r\nHost : localhost\r\n\r\n", 400],
  ["a folded header", claim("X-Agent-Id: a\r\n b\r\n"), 400],
  ["a NUL in the target", `POST /claim/bad\0 HTTP/1.1\r\n${host}\r\n`, 505],
  ["a target of *", `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 400],
  ["an unknown method", `BREW /claim/bad HTTP/1.1\r\n${host}\r\n`, 0],
  ["a method in small letters", `post /claim/bad HTTP/1.1\r\n${host}\r\n`, 0],
  ["CONNECT to another host", `CONNECT example.com:443 HTTP/1.1\r\n${host}\r\n`, 404],
  ["CONNECT to a route", `CONNECT /claim/bad HTTP/1.1\r\n${host}\r\n`, 404],
  ["a header of 20 KB", claim(`X-Large: ${"x".repeat(20_000)}\r\n`), 431],
  ["a header of 2 MB", claim(`X-Large: ${"x".repeat(2_000_000)}\r\n`), 431],
  ["250 headers", claim(Array.from({ length: 250 }, (_, n) => `X-${n}: x\r\n`).join("")), 431],
  ["a path of 20 KB", `GET /${"x".repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, 431],
  ["two agents", claim("X-Agent-Id: a\r\nX-Agent-Id: b\r\nContent-Length: 0\r\n"), 400],
  ["a length below zero", claim("Content-Length: -1\r\n"), 400],
  ["a length of 20 digits", claim("Content-Length: 99999999999999999999\r\n"), 400],
  ["a length in hexadecimal", claim("Content-Length: 0x2\r\n", "{}"), 400],
  ["two lengths", claim("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "), 400],
  ["a list of lengths", claim("Content-Length: 2, 2\r\n", "{}"), 400],
  ["a body announced over 256 KiB", claim("Content-Length: 262145\r\n"), 413],
  ["a body announced of 99 GB", claim("Content-Length: 99999999999\r\n"), 413],
  ["chunks over 256 KiB", claim(chunked, `10000\r\n${" ".repeat(65_536)}\r\n`.repeat(5)), 413],
  ["chunks and a length", claim(`Content-Length: 2\r\n${chunked}`, "0\r\n\r\n"), 400],
  ["another coding before chunks", claim("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400],
  ["a coding that is none", claim("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400],
  ["a chunk size that is no number", claim(chunked, "zz\r\n{}\r\n0\r\n\r\n"), 400],
  ["a chunk size below zero", claim(chunked, "-2\r\n{}\r\n0\r\n\r\n"), 400],
  ["a chunk size past 64 bits", claim(chunked, "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), 400],
  ["a chunk longer than its size", claim(chunked, "1\r\n{}\r\n0\r\n\r\n"), 400],
];

for (const over of transports) {
  test.each(refused)(`over ${over}, a request with %s is refused`, async (_, bytes, status) => {
    expect((await exchange(over, bytes)).status).toBe(status);
    expect(await held()).not.toContain("bad");
  });

  test(`over ${over}, what hides behind two framings is not done`, async () => {
    const hidden = claim("Content-Length: 0\r\n", "", "smuggled");
    await exchange(over, claim(`Content-Length: 5\r\n${chunked}`, `0\r\n\r\n${hidden}`));
    await exchange(over, claim("Content-Length: 2\r\nContent-Length: 0\r\n", hidden));
    expect(await held()).toEqual(expect.not.arrayContaining(["bad", "smuggled"]));
  });

  test(`over ${over}, a body in good chunks is a body`, async () => {
    const body = '5\r\n{"cmd\r\n8;x=y\r\n":"npm"}\r\n0\r\n\r\n';
    const answer = await exchange(over, claim(chunked, body, "chunked"));
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ id: "chunked", cmd: "npm" });
  });

  test(`over ${over}, an absolute target is our own route: nothing is fetched elsewhere`, async () => {
    const asked: string[] = [];
    await using other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url }) => (asked.push(url), new Response("another's")),
    });
    const { status, body } = await exchange(over, `GET ${other.url}health HTTP/1.1\r\n${host}\r\n`);
    expect({ status, pid: JSON.parse(body).pid }).toEqual({ status: 200, pid });
    expect(asked).toEqual([]);
  });

  test(`over ${over}, requests sent without waiting are answered whole and in order`, async () => {
    const connection = await Connection.open(over);
    const routes = ["/ports/1", "/ports/2", "/nope/3", "/ports/4", "/ports/x", "/ports/6"];
    for (const route of routes) connection.send(`GET ${route} HTTP/1.1\r\n${host}\r\n`);
    await eventually("all are answered", () => connection.answers.length === routes.length);
    expect(connection.answers.map(({ status }) => status)).toEqual([200, 200, 404, 200, 400, 200]);
    expect(connection.answers.map(({ body }) => JSON.parse(body).port)).toEqual([
      1,
      2,
      undefined,
      4,
      undefined,
      6,
    ]);
    connection.end();
  });

  test(`over ${over}, changes sent without waiting are answered in order, as far as they are`, async () => {
    const connection = await Connection.open(over);
    const ids = Array.from({ length: 5 }, (_, n) => `piped:${over === "TCP" ? "t" : "s"}${n}`);
    connection.send(ids.map((id) => claim("Content-Length: 2\r\n", "{}", id)).join(""));
    await eventually(
      "all are answered, or the connection ends",
      () => connection.isClosed || connection.answers.length === ids.length,
    );
    const answered = connection.answers.map(({ body }) => JSON.parse(body).id);
    expect(answered).toEqual(ids.slice(0, answered.length));
    // What was done is what the first of them asked for: none is skipped, none is half there.
    const done = (await held()).filter((id) => ids.includes(id));
    expect(done).toEqual(ids.slice(0, done.length));
    expect(done.length).toBeGreaterThanOrEqual(answered.length);
    connection.end();
  });
}

test.each([
  ["a foreign Host", "Host: evil.test\r\n"],
  ["an empty Host", "Host:\r\n"],
])("over TCP, %s is refused by the guard, also with an absolute target", async (_, hosts) => {
  for (const target of ["/claim/bad", `http://localhost:${port}/claim/bad`]) {
    const bytes = `POST ${target} HTTP/1.1\r\n${hosts}Content-Length: 0\r\n\r\n`;
    const { status, body } = await exchange("TCP", bytes);
    expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 403, header: "Host" });
  }
  expect(await held()).not.toContain("bad");
});

test("over TCP, no Host is refused by the guard in HTTP/1.0 too, which needs none", async () => {
  const { status, body } = await exchange("TCP", "GET /health HTTP/1.0\r\n\r\n");
  expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 403, header: "Host" });
});

test.each([
  ["a foreign Host", "1.1\r\nHost: evil.test\r\n"],
  ["an empty Host", "1.1\r\nHost:\r\n"],
  ["no Host, in HTTP/1.0", "1.0\r\n"],
])("over the socket, which no browser can open, %s does not matter", async (_, rest) => {
  const { status, body } = await exchange("the socket", `GET /health HTTP/${rest}\r\n`);
  expect({ ...JSON.parse(body), status }).toMatchObject({ status: 200, pid });
});

for (const over of transports) {
  test(`over ${over}, a body that comes byte by byte is waited for, and holds up nobody`, async () => {
    const body = '{"cmd":"slow"}';
    const id = over === "TCP" ? "slow:t" : "slow:s";
    const connection = (await Connection.open(over)).send(claim("Content-Length: 14\r\n", "", id));
    for (const byte of body) {
      expect((await exchange(over, health)).status).toBe(200);
      expect(await held()).not.toContain(id);
      connection.send(byte);
    }
    await eventually("it is answered", () => connection.answers.length === 1);
    expect(JSON.parse(connection.answers[0]!.body)).toMatchObject({ id, cmd: "slow" });
    connection.end();
  });

  test(`over ${over}, a request that breaks off is not done, wherever it breaks off`, async () => {
    const whole = claim("Content-Length: 14\r\n", '{"cmd":"half"}', "half");
    const inChunks = claim(chunked, '7\r\n{"cmd":\r\n7\r\n"half"}\r\n0\r\n\r\n', "half");
    // Once the last chunk is there, which is the empty one, nothing is missing but the end of its line.
    for (const bytes of [whole.slice(0, -1), inChunks.slice(0, -"0\r\n\r\n".length)]) {
      for (let length = 0; length <= bytes.length; length++)
        (await Connection.open(over)).send(bytes.slice(0, length)).end();
    }
    // Whoever is answered after them comes after them.
    expect((await exchange(over, health)).status).toBe(200);
    expect(await held()).not.toContain("half");
  });
}

test("thousands of idle and half-sent connections hold up nobody, and leave nothing behind", async () => {
  const count = Math.min(2_500, Math.floor(descriptorLimit() / 3));
  // The first few hundred requests make room that stays; it is not what is measured.
  for (let n = 0; n < 500; n++) await home.fetch("/services");
  const [descriptors, memory] = [openDescriptors(), residentBytes()];
  const connections: Connection[] = [];
  for (const over of transports) {
    for (let n = 0; n < count; n++) {
      connections.push(await Connection.open(over));
      if (n % 2 === 0) connections.at(-1)!.send(claim("Content-Length: 9\r\nX-Half"));
      if (n % 500 === 0) expect((await exchange(over, health)).status).toBe(200);
    }
  }
  await eventually("the daemon has them all", () => openDescriptors() >= descriptors + count);
  for (const over of transports) expect((await exchange(over, health)).status).toBe(200);
  const { code } = await home.run(["claim", "beside"]);
  expect(code).toBe(0);
  for (const connection of connections) connection.end();
  await eventually("the daemon has let them go", () => openDescriptors() <= descriptors + 5);
  // Of what 5,000 took, less than 5 KiB each is still there.
  await eventually("its memory returns", () => residentBytes() < memory + 25 * 1024 * 1024);
  expect(await held()).not.toContain("bad");
});

/** The most files that the daemon may have open. */
function descriptorLimit(): number {
  return Number(
    /^Max open files\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/limits`, "utf8"))![1],
  );
}

function openDescriptors(): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length;
}

function residentBytes(): number {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
}
