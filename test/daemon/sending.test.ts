// One delivery, sent for real to receivers of the test's own: its bytes, its signatures, and what a receiver that means
// ill can make of it.

import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Webhook } from "standardwebhooks";
import { readConfig } from "../../src/config.ts";
import { delivery as deliveryEntity } from "../../src/contract/entities.ts";
import { createSend } from "../../src/daemon/sending.ts";
import type { TargetRules } from "../../src/daemon/targets.ts";
import type { Row as DeliveryRow } from "../../src/domain/deliveries.ts";
import type { Row } from "../../src/domain/webhooks.ts";
import { eventually } from "../home.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  mock.restore();
  for (const stop of stops.splice(0)) await stop();
});

type Received = { method: string; url: string; headers: Record<string, string>; body: string };

/** A receiver that keeps what it is sent; `base` is its URL. */
function receive(answer: () => Response = () => new Response("ok"), hostname = "127.0.0.1") {
  const received: Received[] = [];
  const server = Bun.serve({
    hostname,
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { method, url, headers } = request;
      received.push({ method, url, headers: headers.toJSON(), body: await request.text() });
      return answer();
    },
  });
  stops.push(() => server.stop(true));
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return { received, port: server.port!, base: `http://${host}:${server.port}` };
}

type Socket = Bun.Socket<undefined>;

/** A receiver that answers on the bare connection. */
function answerWith(onRequest: (socket: Socket) => void, onDrain = onRequest) {
  const seen = { open: 0, closed: 0 };
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: () => void seen.open++,
      data: onRequest,
      drain: onDrain,
      close: () => void seen.closed++,
    },
  });
  stops.push(() => listener.stop(true));
  return { seen, port: listener.port, base: `http://127.0.0.1:${listener.port}` };
}

function rules(changes: Partial<TargetRules> = {}): TargetRules {
  const allow = "127.0.0.0/8,::1,hook.test,other.test";
  return {
    allow: readConfig({ HOME: "/home/ada", PORT_DADDY_WEBHOOK_ALLOW: allow }).webhookAllow,
    ownPorts: new Set(),
    resolve: async () => ["127.0.0.1"],
    ...changes,
  };
}

const body =
  '{"event":"message.publish","timestamp":1,"data":{"preview":"é💥\\u0000 \\"x\\" \u2028"}}';
const id = "5b0c3c1e-98a4-4c36-9df5-0d4a2a6b8f10";

type Way = {
  secret?: string | null;
  now?: () => number;
  changes?: Partial<TargetRules>;
  ca?: string;
};

function send(url: string, { secret = null, now = Date.now, changes, ca }: Way = {}) {
  const row = { id: "w", url, secret } as Row;
  const delivery = { id, event: "message.publish", body } as DeliveryRow;
  return createSend(() => rules(changes), now, ca)(row, delivery);
}

/** Makes limits of time short, and tells what they were. */
function shortenLimits(toMs: number): number[] {
  const asked: number[] = [];
  const original = AbortSignal.timeout.bind(AbortSignal);
  spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    asked.push(ms);
    return original(toMs);
  });
  return asked;
}

describe("a delivery", () => {
  test("is a POST of the body as stored, to the path and query, with its headers and no fragment", async () => {
    const { received, base, port } = receive();
    const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
    const outcome = await send(`${base}/a%20b?x=1&y=%2F#part`, { now: () => now });
    expect(outcome).toEqual({
      httpStatus: 200,
      durationMs: expect.any(Number),
      response: "ok",
      error: null,
    });
    expect(received).toHaveLength(1);
    const { headers, ...rest } = received[0]!;
    expect(rest).toEqual({ method: "POST", url: `${base}/a%20b?x=1&y=%2F`, body });
    expect(headers).toMatchObject({
      host: `127.0.0.1:${port}`,
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      "x-portdaddy-event": "message.publish",
      "x-portdaddy-delivery": id,
      "x-portdaddy-timestamp": String(now),
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now / 1000)),
    });
    expect(Object.keys(headers).filter((name) => name.endsWith("signature"))).toEqual([]);
  });

  test("names the host of its URL, though the connection goes to an address", async () => {
    const { received, port } = receive();
    const asked: string[] = [];
    const resolve = async (name: string) => (asked.push(name), ["127.0.0.1"]);
    await send(`http://Hook.Test:${port}/`, { changes: { resolve } });
    expect(received[0]!.headers["host"]).toBe(`hook.test:${port}`);
    expect(asked).toEqual(["hook.test"]);
  });

  test("passes by the proxies of the environment", async () => {
    const { received, base } = receive();
    const before = process.env["HTTP_PROXY"];
    process.env["HTTP_PROXY"] = "http://127.0.0.1:1";
    try {
      expect((await send(base)).error).toBeNull();
    } finally {
      if (before === undefined) delete process.env["HTTP_PROXY"];
      else process.env["HTTP_PROXY"] = before;
    }
    expect(received).toHaveLength(1);
  });

  test("reaches a name by another of its addresses where nothing listens at the first", async () => {
    const { received, port } = receive();
    const resolve = async () => ["::1", "127.0.0.1"];
    const { error } = await send(`http://hook.test:${port}/`, { changes: { resolve } });
    expect(error).toBeNull();
    expect(received).toHaveLength(1);
  });

  test("is not made where a name leads to a forbidden address today", async () => {
    const { received, port } = receive();
    const resolve = async () => ["127.0.0.1"];
    const { allow } = rules();
    const other = readConfig({ HOME: "/home/ada", PORT_DADDY_WEBHOOK_ALLOW: "hook.test" });
    const url = `http://turning.test:${port}/`;
    for (const denied of [undefined, other.webhookAllow]) {
      const outcome = await send(url, { changes: { allow: denied, resolve } });
      expect(outcome).toMatchObject({ httpStatus: null, response: null });
      expect(outcome.error).toEndWith("turning.test is 127.0.0.1: it is this machine's loopback");
    }
    expect(received).toEqual([]);
    expect((await send(url, { changes: { allow, resolve } })).error).toBeNull();
  });
});

describe("a signature", () => {
  /** The function that the product's own page tells people to use, word for word. */
  function verifySignature(payload: unknown, signature: string, secret: string) {
    const hmac = crypto.createHmac("sha256", secret);
    hmac.update(JSON.stringify(payload));
    const expected = `sha256=${hmac.digest("hex")}`;
    return signature === expected;
  }

  test("does not tell the secret", async () => {
    const { received, base } = receive();
    await send(base, { secret: "your-hmac-secret" });
    await send(base, { secret: standard });
    expect(JSON.stringify(received)).not.toMatch(/your-hmac-secret|whsec_|MDEyMzQ1/);
  });

  const standard = `whsec_${Buffer.from("0123456789abcdef01234567").toString("base64")}`;

  test.each(["your-hmac-secret", "x", "s p a c e", "é💥", standard])(
    "with the secret %p is accepted by the page's snippet, and by no other secret",
    async (secret) => {
      const { received, base } = receive();
      await send(base, { secret });
      const { headers, body } = received[0]!;
      const signature = headers["x-portdaddy-signature"]!;
      expect(verifySignature(JSON.parse(body), signature, secret)).toBeTrue();
      expect(verifySignature(JSON.parse(body), signature, `${secret}x`)).toBeFalse();
    },
  );

  const verifiers: [string, (secret: string) => Webhook][] = [
    ["your-hmac-secret", (secret) => new Webhook(Buffer.from(secret), { format: "raw" })],
    ["é💥", (secret) => new Webhook(Buffer.from(secret), { format: "raw" })],
    [standard, (secret) => new Webhook(secret)],
  ];

  test.each(verifiers)(
    "with the secret %p is accepted by the stock library, which refuses a changed body, id or instant",
    async (secret, verifierOf) => {
      const { received, base } = receive();
      await send(base, { secret });
      const { headers, body } = received[0]!;
      const verifier = verifierOf(secret);
      expect(verifier.verify(body, headers)).toEqual(JSON.parse(body));
      const refused = "No matching signature found";
      expect(() => verifier.verify(body.replace("é", "e"), headers)).toThrow(refused);
      expect(() => verifier.verify(body, { ...headers, "webhook-id": "x" })).toThrow(refused);
      const later = String(Number(headers["webhook-timestamp"]) + 1);
      expect(() => verifier.verify(body, { ...headers, "webhook-timestamp": later })).toThrow(
        refused,
      );
    },
  );

  test.each(verifiers)(
    "with the secret %p is refused by the stock library when it is replayed later",
    async (secret, verifierOf) => {
      const { received, base } = receive();
      await send(base, { secret, now: () => Date.now() - 6 * 60_000 });
      const { headers, body } = received[0]!;
      expect(() => verifierOf(secret).verify(body, headers)).toThrow("too old");
    },
  );
});

describe("an answer", () => {
  test.each([301, 302, 303, 307, 308])(
    "of %d to loopback is a failure, and is not followed",
    async (status) => {
      const inner = receive();
      const headers = { location: `${inner.base}/secret` };
      const { base, received } = receive(() => new Response("moved", { status, headers }));
      expect(await send(base)).toMatchObject({
        httpStatus: status,
        response: "moved",
        error: `it redirects to ${inner.base}/secret, which is not followed`,
      });
      expect([received.length, inner.received.length]).toEqual([1, 0]);
    },
  );

  test.each([200, 201, 202, 204, 299])("of %d is an arrival", async (status) => {
    const { base } = receive(() => new Response(null, { status }));
    expect(await send(base)).toMatchObject({ httpStatus: status, response: "", error: null });
  });

  test.each([304, 400, 401, 410, 429, 500, 503])("of %d is a failure", async (status) => {
    const { base } = receive(() => new Response(null, { status }));
    const outcome = await send(base);
    expect(outcome.httpStatus).toBe(status);
    expect(outcome.error).toBeString();
  });

  test("is kept in its first 1,000 characters, without control characters", async () => {
    const { base } = receive(() => new Response(`\u001b[2J\u0007\0${"é".repeat(5_000)}`));
    expect((await send(base)).response).toBe(` [2J  ${"é".repeat(994)}`);
  });

  test.each([
    ["many code units a character", "💥".repeat(3_000), {}],
    ["a long way to redirect to", "", { location: `http://example.com/${"y".repeat(9_000)}` }],
    ["bytes that are no text", Buffer.alloc(9_000, 0xff), {}],
  ])("with %s is told within what a delivery may hold", async (_, answer, headers) => {
    const status = "location" in headers ? 302 : 200;
    const { base } = receive(() => new Response(answer, { status, headers }));
    const { response, error } = await send(base);
    expect(deliveryEntity.accept(shown({ response, error }), "delivery")).toBeDefined();
  });

  test("that is compressed is not inflated", async () => {
    const bomb = Bun.gzipSync(Buffer.alloc(50_000_000, "A"));
    const headers = { "content-encoding": "gzip" };
    const { base } = receive(() => new Response(bomb, { headers }));
    const { response, error } = await send(base);
    expect(error).toBeNull();
    expect(response).not.toContain("AAAA");
    expect(response!.length).toBeLessThanOrEqual(1_000);
  });

  test("without end is cut off, and takes no memory", async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    const block = Buffer.alloc(64 * 1024, "x");
    let written = 0;
    const pour = (socket: Socket) => {
      for (let n = block.length; n === block.length;) written += n = socket.write(block);
    };
    const { base, seen } = answerWith((socket) => {
      socket.write(head);
      pour(socket);
    }, pour);
    expect(await send(base)).toMatchObject({ httpStatus: 200, response: "x".repeat(1_000) });
    await eventually("the connection is closed", () => seen.closed === 1);
    // What fits into the buffers between the two, and no more: a reader that went on would take gigabytes.
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  test("whose headers have no end is cut off", async () => {
    const line = Buffer.from(`X-More: ${"x".repeat(8_000)}\r\n`);
    const pour = (socket: Socket) => {
      while (socket.write(line) === line.length);
    };
    const { base } = answerWith((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      pour(socket);
    }, pour);
    const { httpStatus, error } = await send(base);
    expect([httpStatus, error]).toEqual([null, expect.any(String)]);
  });

  test.each([
    ["garbage", "garbage\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"],
    ["a status of four digits", "HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n"],
    ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
  ])("of %s is a failure that is told in words for people", async (_, answer) => {
    const { base } = answerWith((socket) => void (socket.write(answer), socket.end()));
    const outcome = await send(base);
    expect(outcome.error).toBeString();
    expect(outcome.error).not.toMatch(/fetch|verbose|second argument|Malformed_|[a-z][A-Z]/);
    expect(deliveryEntity.accept(shown(outcome), "delivery")).toBeDefined();
  });
});

/** A delivery as it is shown after an attempt. */
function shown(outcome: object) {
  return {
    ...{ id, event: "message.publish", targetId: "x", status: "failed", attempts: 1 },
    ...{ httpStatus: null, durationMs: 1, response: null, error: null },
    ...{ createdAt: 1, nextAttemptAt: null, finishedAt: 1 },
    ...outcome,
  };
}

describe("a receiver that", () => {
  test("closes at once, or is not there, is said to", async () => {
    const { base } = answerWith((socket) => void socket.end());
    const failure = { httpStatus: null, response: null };
    expect(await send(base)).toMatchObject({ ...failure, error: "it closed the connection" });
    const gone = receive();
    await stops.pop()!();
    expect(await send(gone.base)).toMatchObject({ ...failure, error: "nothing listens there" });
  });

  test.each([
    ["accepts and says nothing", ""],
    ["begins an answer and does not end its headers", "HTTP/1.1 200 OK\r\nX-A: b\r\n"],
  ])("%s has ten seconds, and is left then", async (_, beginning) => {
    const asked = shortenLimits(1_000);
    const { base, seen } = answerWith((socket) => void socket.write(beginning));
    const { error } = await send(base);
    expect(error).toBe("it did not answer within 10 s");
    expect(asked).toEqual([10_000]);
    await eventually("the connection is closed", () => seen.closed === 1);
  });

  test.each([
    ["begins a body and stops", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab"],
    ["breaks its body off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
  ])("%s has taken the event all the same, as it said", async (_, beginning) => {
    shortenLimits(1_000);
    const { base } = answerWith((socket) => void socket.write(beginning));
    expect(await send(base)).toMatchObject({ httpStatus: 200, error: null });
  });

  test("has a name that nobody answers for costs no more than the ten seconds either", async () => {
    shortenLimits(100);
    const resolve = () => new Promise<string[]>(() => {});
    const sent = send("http://hook.test/", { changes: { resolve } }).then(() => "settled");
    const deadline = Bun.sleep(3_000).then(() => "still waiting");
    expect(await Promise.race([sent, deadline])).toBe("settled");
  });
});

const hasOpenssl = Bun.which("openssl") !== null;
if (!hasOpenssl) console.warn("skipped for want of openssl: webhooks over TLS");

describe.skipIf(!hasOpenssl)("over TLS", () => {
  /** A certificate that signs itself, for a name or an address. */
  function certify(subject: string): { key: string; cert: string } {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-tls-"));
    stops.push(() => fs.rmSync(directory, { recursive: true }));
    const [key, cert] = [path.join(directory, "key.pem"), path.join(directory, "cert.pem")];
    const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test`;
    const files = ["-keyout", key, "-out", cert, "-addext", `subjectAltName=${subject}`];
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...words.split(" "), ...files]);
    if (exitCode !== 0) throw new Error(stderr.toString());
    return { key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(cert, "utf8") };
  }

  function receiveTls(tls: { key: string; cert: string }, hostname = "127.0.0.1") {
    const hosts: (string | null)[] = [];
    const server = Bun.serve({
      hostname,
      port: 0,
      tls,
      fetch: (request) => (hosts.push(request.headers.get("host")), new Response("ok")),
    });
    stops.push(() => server.stop(true));
    return { hosts, port: server.port! };
  }

  test("the name's certificate is accepted, though the connection goes to an address", async () => {
    const tls = certify("DNS:hook.test");
    const { hosts, port } = receiveTls(tls);
    const url = `https://hook.test:${port}/`;
    expect(await send(url, { ca: tls.cert })).toMatchObject({ httpStatus: 200, error: null });
    expect(await send(`https://hook.test.:${port}/`, { ca: tls.cert })).toMatchObject({
      error: null,
    });
    expect(hosts[0]).toBe(`hook.test:${port}`);
  });

  test("a certificate of another name is refused before anything is sent", async () => {
    const tls = certify("DNS:other.test");
    const { hosts, port } = receiveTls(tls);
    const { httpStatus, error } = await send(`https://hook.test:${port}/`, { ca: tls.cert });
    expect([httpStatus, error]).toEqual([null, expect.any(String)]);
    expect(hosts).toEqual([]);
    expect((await send(`https://other.test:${port}/`, { ca: tls.cert })).error).toBeNull();
  });

  test("a certificate that nobody vouches for is refused before anything is sent", async () => {
    const { hosts, port } = receiveTls(certify("DNS:hook.test"));
    for (const ca of [undefined, certify("DNS:hook.test").cert]) {
      const { httpStatus, error } = await send(`https://hook.test:${port}/`, ca ? { ca } : {});
      expect([httpStatus, error]).toEqual([null, expect.any(String)]);
    }
    expect(hosts).toEqual([]);
  });

  test.each(["127.0.0.1", "::1"])(
    "a certificate of the address %s is accepted at that address, and one of a name is not",
    async (address) => {
      const [right, wrong] = [certify(`IP:${address}`), certify("DNS:hook.test")];
      const host = address.includes(":") ? `[${address}]` : address;
      const at = (tls: { key: string; cert: string }) =>
        `https://${host}:${receiveTls(tls, address).port}/`;
      expect((await send(at(right), { ca: right.cert })).error).toBeNull();
      expect((await send(at(wrong), { ca: wrong.cert })).error).toBeString();
    },
  );

  test("a receiver that speaks no TLS is a failure in words", async () => {
    const { port } = receive();
    const { httpStatus, error } = await send(`https://127.0.0.1:${port}/`);
    expect([httpStatus, error]).toEqual([null, expect.any(String)]);
  });
});
