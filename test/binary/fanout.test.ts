// Many messages from several publishers to many subscribers, of whom some come and go and some never read.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as net from "node:net";
import { eventually, Home } from "../home.ts";

const publishers = 8;
const messages = 10_000;
const readersOfEach = 24;

/** Large messages that only the stalled readers have asked for: 90 MB, which the kernel does not hold for anybody. */
const largeMessages = 1_504;
const largePayload = "x".repeat(60_000);

/**
 * What the daemon may hold at most beyond what it had: its heap grows under load and is given back late. If it kept for
 * the stalled readers what they do not read, that would be 180 MB.
 */
const tolerableBytes = 64 * 1024 * 1024;

/** Nobody waits for a reader that does not read; a machine that is busy may still take its time. */
const publishWithinMs = 5_000;

let home: Home;
let pid: number;
let port: number;
let residentBefore: number;
let readers: Reader[];
let stalled: Stalled[];
/** The ids that publishers were answered, ascending. */
let published: number[];
let publishedLarge: number[];
let slowestMs = 0;

type Transport = "socket" | "TCP";
const transports: Transport[] = ["socket", "TCP"];

/** Where a transport leads, for `fetch`. */
function target(over: Transport, route: string): [url: string, init: BunFetchRequestInit] {
  if (over === "TCP") return [`http://127.0.0.1:${port}${route}`, { proxy: false }];
  return [`http://localhost${route}`, { unix: home.socket, proxy: false }];
}

/** The ids of the whole blocks in a text, and what is left of it. A block without data is no message. */
function takeIds(text: string): { ids: number[]; rest: string } {
  const end = text.lastIndexOf("\n\n") + 2;
  if (end === 1) return { ids: [], rest: text };
  const ids = text
    .slice(0, end)
    .matchAll(/^id: (\d+)\ndata: \{"id":\1,/gm)
    .map(([, id]) => Number(id));
  return { ids: [...ids], rest: text.slice(end) };
}

/** Reads a channel, across connections where it is cut: after how many messages, `cuts` says. */
class Reader {
  readonly ids: number[] = [];
  readonly cutsLeft: number[];
  private readonly closing = new AbortController();

  constructor(
    private readonly over: Transport,
    cuts: number[] = [],
  ) {
    this.cutsLeft = [...cuts];
    void this.run();
  }

  close(): void {
    this.closing.abort();
  }

  private async run(): Promise<void> {
    while (!this.closing.signal.aborted) {
      try {
        await this.connection();
      } catch (error) {
        if (!this.closing.signal.aborted) throw error;
      }
    }
  }

  /** One connection, up to the next cut. What has come after it on the same connection counts as lost. */
  private async connection(): Promise<void> {
    const last = this.ids.at(-1);
    const [url, init] = target(this.over, "/subscribe/load:small");
    const { body } = await fetch(url, {
      ...init,
      ...(last !== undefined && { headers: { "Last-Event-ID": String(last) } }),
      signal: this.closing.signal,
      timeout: false,
    });
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of body!) {
      const taken = takeIds(rest + decoder.decode(bytes, { stream: true }));
      rest = taken.rest;
      const until = this.cutsLeft[0] ?? Number.POSITIVE_INFINITY;
      this.ids.push(...taken.ids.slice(0, until - this.ids.length));
      if (this.ids.length < until) continue;
      this.cutsLeft.shift();
      return; // Which cancels the body, and with it the connection.
    }
  }
}

/** Subscribes, and reads nothing of it until it is told to. */
class Stalled {
  private readonly socket: net.Socket;
  private received = "";

  constructor(over: Transport) {
    this.socket = over === "TCP" ? net.connect(port, "127.0.0.1") : net.connect(home.socket);
    this.socket.pause();
    this.socket.on("error", () => {});
    this.socket.write("GET /subscribe/load:* HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }

  read(): void {
    this.socket.on("data", (bytes: Buffer) => void (this.received += bytes.toString("latin1")));
    this.socket.resume();
  }

  /** The ids of what it has read. Where a chunk begins is no part of the stream (RFC 9112, 7.1). */
  get ids(): number[] {
    const body = this.received.slice(this.received.indexOf("\r\n\r\n") + 2);
    return takeIds(body.replace(/\r\n[0-9a-f]+\r\n/g, "")).ids;
  }

  get bytes(): number {
    return this.received.length;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** One publisher: one request after the other. */
async function publish(over: Transport, channel: string, count: number, payload: unknown) {
  const ids: number[] = [];
  const body = JSON.stringify({ payload });
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    const [url, init] = target(over, `/msg/${channel}`);
    const response = await fetch(url, { ...init, method: "POST", body });
    ids.push(((await response.json()) as { id: number }).id);
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  }
  return ids;
}

/** As many publishers as there are, half of them over each transport. */
async function publishAll(channel: string, count: number, payload: unknown): Promise<number[]> {
  const all = Array.from({ length: publishers }, (_, i) =>
    publish(transports[i % 2]!, channel, count / publishers, payload),
  );
  return (await Promise.all(all)).flat().sort((a, b) => a - b);
}

/** Bytes of the daemon's memory that are resident. */
function resident(): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}

async function subscribers(count: number): Promise<void> {
  await eventually(`${count} streams are open`, async () => {
    const health = (await (await home.fetch("/health")).json()) as { subscribers: number };
    return health.subscribers === count;
  });
}

/** A few points at random, ascending, at which a reader is cut. */
function randomCuts(): number[] {
  const cuts = Array.from({ length: 6 }, () => 1 + Math.floor(Math.random() * (messages - 1)));
  return [...new Set(cuts)].sort((a, b) => a - b);
}

beforeAll(async () => {
  home = new Home({ PORT_DADDY_MESSAGE_RETENTION: "7d,100000" });
  ({ pid, port } = await home.json(["start"]));
  // What the daemon takes once, it takes now.
  await publishAll("warm", 1_000, largePayload);
  slowestMs = 0;
  residentBefore = resident();
  stalled = transports.map((over) => new Stalled(over));
  readers = transports.flatMap((over) =>
    Array.from({ length: readersOfEach }, (_, i) => new Reader(over, i < 2 ? randomCuts() : [])),
  );
  await subscribers(readers.length + stalled.length);
  published = await publishAll("load:small", messages, { text: "y".repeat(100) });
  publishedLarge = await publishAll("load:large", largeMessages, largePayload);
}, 60_000);

afterAll(async () => {
  for (const each of [...readers, ...stalled]) each.close();
  await home[Symbol.asyncDispose]();
});

test("every reader has every message once and in order, also those that were cut", async () => {
  await eventually(
    "all has come",
    () => readers.every(({ ids }) => ids.length >= messages),
    30_000,
  );
  expect(new Set(published).size).toBe(messages);
  for (const { ids, cutsLeft } of readers)
    expect({ ids, cutsLeft }).toEqual({ ids: published, cutsLeft: [] });
});

test("no publisher has waited for those that do not read", () => {
  expect(slowestMs).toBeLessThan(publishWithinMs);
});

test("what is not read costs a bounded amount of memory", async () => {
  expect(stalled.map(({ bytes }) => bytes)).toEqual([0, 0]);
  await eventually(
    "the daemon is as small as before",
    () => resident() < residentBefore + tolerableBytes,
  );
});

test("whoever reads at last gets everything once and in order, and nobody waits for that", async () => {
  const ids = [...published, ...publishedLarge];
  const all = ids.length * 100 + publishedLarge.length * largePayload.length;
  slowestMs = 0;
  for (const each of stalled) each.read();
  await eventually(
    "all has come",
    async () => {
      await publish("socket", "elsewhere", 1, "meanwhile");
      return stalled.every(({ bytes }) => bytes > all);
    },
    45_000,
  );
  for (const each of stalled) {
    await eventually("the last has come", () => each.ids.at(-1) === ids.at(-1));
    expect(each.ids).toEqual(ids);
  }
  expect(slowestMs).toBeLessThan(publishWithinMs);
}, 60_000);

test("when the streams have closed, their memory is given back", async () => {
  for (const each of [...readers, ...stalled]) each.close();
  await subscribers(0);
  await eventually(
    "the daemon is as small as before",
    () => resident() < residentBefore + tolerableBytes,
  );
});
