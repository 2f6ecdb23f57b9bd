// Metrics as lines of StatsD, and their way to a server that may not be there.

import { afterEach, expect, mock, spyOn, test, type Mock } from "bun:test";
import type { LookupAddress } from "node:dns";
import * as dns from "node:dns/promises";
import { readConfig } from "../../../src/config.ts";
import { createMeters, observe } from "../../../src/daemon/metrics/meters.ts";
import { families } from "../../../src/daemon/metrics/readings.ts";
import { createSender, type Sender } from "../../../src/daemon/metrics/sender.ts";
import {
  createStatsdLines,
  datagrams,
  maxDatagramBytes,
} from "../../../src/daemon/metrics/statsd.ts";
import { eventually } from "../../home.ts";
import { makeSide, type Side } from "../../scenario.ts";
import { makeWorld } from "../../world.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  mock.restore();
  for (const stop of stops.splice(0)) await stop();
});

function statsdSide(target = "127.0.0.1:1"): Side {
  return makeSide(makeWorld({ PORT_DADDY_STATSD: target }));
}

const claim = (side: Side, id: string) => side.play({ method: "POST", path: `/claim/${id}` });

// Lines

test("counters are what was added, gauges what is new, under the names that Prometheus has them by", async () => {
  const side = statsdSide();
  const { lines } = createStatsdLines();
  const told = () =>
    lines(families(side.daemon)).filter((line) => !/\|ms|process_|database_/.test(line));
  await claim(side, "shop:api");
  expect(told()).toEqual(
    expect.arrayContaining([
      "port_daddy.http_requests_total.POST.claim_id.200:1|c",
      "port_daddy.claims_total.new:1|c",
      "port_daddy.services.assigned:1|g",
      "port_daddy.services.running:0|g",
      "port_daddy.events_total.service_claim:1|c",
    ]),
  );
  for (const id of ["b", "c"]) await claim(side, id);
  expect(told()).toEqual([
    "port_daddy.http_requests_total.POST.claim_id.200:2|c",
    "port_daddy.claims_total.new:2|c",
    "port_daddy.services.assigned:3|g",
    expect.stringMatching(/^port_daddy\.ports_left:\d+\|g$/),
    "port_daddy.events_total.service_claim:2|c",
  ]);
  expect(told()).toEqual([]);
});

function timings(measured: number[]): string[] {
  const meters = createMeters({ isSampled: true });
  const waits = meters.histogram("port_daddy_lock_hold_seconds", {});
  for (const seconds of measured) observe(waits, seconds);
  const name = "port_daddy_lock_hold_seconds";
  const row = { type: "histogram", help: "", labels: {}, buckets: [] } as const;
  const { lines } = createStatsdLines();
  const told = lines([{ name, row, series: [waits] }]);
  expect(lines([{ name, row, series: [waits] }])).toEqual([]);
  return told;
}

test("what is measured is told one by one, in milliseconds", () => {
  expect(timings([0.0125, 2, 0.0000004])).toEqual([
    "port_daddy.lock_hold_seconds:12.5|ms",
    "port_daddy.lock_hold_seconds:2000|ms",
    "port_daddy.lock_hold_seconds:0.0004|ms",
  ]);
});

test("where much is measured, a hundred are told, from all of it, with the part that they are", () => {
  const lines = timings(Array.from({ length: 10_000 }, (_, n) => n / 1_000));
  expect(lines).toHaveLength(100);
  const values = lines.map((line) => Number(/^[^:]+:(\d+)\|ms\|@0\.01$/.exec(line)![1]));
  // Of a hundred that are drawn from all, each half has some but for one time in 10^30.
  expect(Math.min(...values)).toBeLessThan(5_000);
  expect(Math.max(...values)).toBeGreaterThan(5_000);
});

test("lines go into as few datagrams as hold them, whole and in order", () => {
  const lines = Array.from({ length: 200 }, (_, n) => `port_daddy.${"x".repeat(n % 50)}.${n}:1|c`);
  const packed = datagrams(lines);
  expect(packed.join("\n").split("\n")).toEqual(lines);
  for (const datagram of packed) expect(datagram.length).toBeLessThanOrEqual(maxDatagramBytes);
  for (const [at, datagram] of packed.slice(0, -1).entries()) {
    const next = packed[at + 1]!.split("\n")[0]!;
    expect(`${datagram}\n${next}`.length).toBeGreaterThan(maxDatagramBytes);
  }
  expect(datagrams([])).toEqual([]);
});

test("a datagram is filled to the last byte, with what is between the lines", () => {
  const [half, less] = ["x".repeat(maxDatagramBytes / 2), "y".repeat(maxDatagramBytes / 2 - 1)];
  expect(datagrams([half, less])).toEqual([`${half}\n${less}`]);
  expect(datagrams([half, half])).toEqual([half, half]);
});

// The way

/** Somebody who listens, on a port that the kernel picks. */
async function receiver(hostname = "127.0.0.1", port = 0) {
  const received: string[] = [];
  const socket = await Bun.udpSocket({
    hostname,
    port,
    socket: { data: (_, data) => void received.push(data.toString()) },
  });
  stops.push(() => socket.close());
  return { received, port: socket.port, address: socket.address };
}

function senderOf(side: Side, target: string, warnings: string[] = []) {
  const sender = createSender(
    readConfig({ HOME: "/home/ada", PORT_DADDY_STATSD: target }).statsd!,
    side.daemon.metrics.meters,
    () => families(side.daemon),
    (message) => warnings.push(message),
  );
  stops.push(sender.stop);
  return sender;
}

/** Lets so much time pass that a name is asked for anew. */
function waitLong(): void {
  const later = performance.now() + 3_600_000;
  spyOn(performance, "now").mockImplementation(() => later);
}

/** The first time finds the way; nothing is lost by that. */
async function sendUntilHeard(sender: Sender, { received }: Awaited<ReturnType<typeof receiver>>) {
  await eventually("something arrives", () => {
    sender.send();
    return received.length > 0;
  });
}

/** What a receiver has, once a line of its own that was sent last is there. */
async function lastOf({ received, port }: Awaited<ReturnType<typeof receiver>>, mark: string) {
  const own = await Bun.udpSocket({ connect: { hostname: "127.0.0.1", port } });
  own.send(mark);
  await eventually(`${mark} arrives`, () => received.includes(mark));
  own.close();
  return received.slice(0, received.indexOf(mark));
}

test("what has changed is sent when there is a way, and nothing while nothing happens", async () => {
  const side = statsdSide();
  const server = await receiver();
  const sender = senderOf(side, `127.0.0.1:${server.port}`);
  await claim(side, "a");
  await sendUntilHeard(sender, server);
  const first = await lastOf(server, "after the first");
  expect(first.join("\n").split("\n")).toContain("port_daddy.claims_total.new:1|c");
  for (let n = 0; n < 5; n++) sender.send();
  expect(await lastOf(server, "after silence")).toEqual([...first, "after the first"]);
  await claim(side, "b");
  sender.send();
  const lines = (await lastOf(server, "after the second")).at(-1)!.split("\n");
  expect(lines).toContain("port_daddy.claims_total.new:1|c");
  expect(lines).toContain("port_daddy.services.assigned:2|g");
});

test("a stream that ends is told, though nothing was counted", async () => {
  const side = statsdSide();
  const server = await receiver();
  const sender = senderOf(side, `127.0.0.1:${server.port}`);
  const stream = await side.request({ path: "/events" });
  await sendUntilHeard(sender, server);
  await stream.body!.cancel();
  sender.send();
  const told = await lastOf(server, "end");
  expect(told.join("\n")).toContain("port_daddy.subscribers.events:1|g");
  expect(told.at(-1)).toContain("port_daddy.subscribers.events:0|g");
});

test("the end is sent too, also where it is the first, and then nothing more", async () => {
  const side = statsdSide();
  const server = await receiver();
  const sender = senderOf(side, `localhost:${server.port}`);
  await claim(side, "a");
  await sender.stop();
  await claim(side, "b");
  waitLong();
  sender.send();
  await sender.stop();
  const told = await lastOf(server, "end");
  expect(told.join("\n").match(/claims_total.*/g)).toEqual(["claims_total.new:1|c"]);
});

test("what has not changed is sent again after a while, also while nothing happens", async () => {
  const side = statsdSide();
  const server = await receiver();
  const sender = senderOf(side, `127.0.0.1:${server.port}`);
  await claim(side, "a");
  await sendUntilHeard(sender, server);
  const first = await lastOf(server, "after the first");
  waitLong();
  for (let n = 0; n < 3; n++) sender.send();
  const again = (await lastOf(server, "end"))
    .slice(first.length + 1)
    .join("\n")
    .split("\n");
  const services = again.filter((line) => line.includes("services.assigned"));
  expect(services).toEqual(["port_daddy.services.assigned:1|g"]);
  expect(again.join("\n")).not.toContain("claims_total");
});

test("who is there under a name from now on is told everything", async () => {
  const side = statsdSide();
  const before = await receiver();
  const after = await receiver("127.0.0.2", before.port);
  const asked = spyOn(dns, "lookup") as unknown as Mock<() => Promise<LookupAddress>>;
  asked.mockResolvedValue({ address: "127.0.0.1", family: 4 });
  const sender = senderOf(side, `stats.lan:${before.port}`);
  await claim(side, "a");
  await eventually("something arrives", () => {
    sender.send();
    return before.received.length > 0;
  });
  asked.mockResolvedValue({ address: "127.0.0.2", family: 4 });
  waitLong();
  await eventually("it arrives where the name leads to now", () => {
    sender.send();
    return after.received.join("\n").includes("port_daddy.services.assigned:1|g");
  });
});

test("nobody who listens is no failure, and whoever listens later is told", async () => {
  const side = statsdSide();
  const gone = await receiver();
  const sender = senderOf(side, `127.0.0.1:${gone.port}`);
  for (const stop of stops.splice(0, 1)) await stop();
  for (let n = 0; n < 20; n++) {
    await claim(side, `s${n}`);
    sender.send();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const back = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: gone.port,
    socket: { data: (_, data) => void gone.received.push(data.toString()) },
  });
  stops.push(() => back.close());
  await eventually("it is told", async () => {
    await claim(side, "again");
    sender.send();
    return gone.received.length > 0;
  });
});

test("a name that leads nowhere is named once, and asked for again after a while", async () => {
  const side = statsdSide();
  const warnings: string[] = [];
  const asked = spyOn(dns, "lookup").mockRejectedValue(new Error("nobody knows it"));
  const sender = senderOf(side, "stats.lan:8125", warnings);
  for (let n = 0; n < 3; n++) sender.send();
  await eventually("it is said", () => warnings.length > 0);
  expect(asked).toHaveBeenCalledTimes(1);
  waitLong();
  sender.send();
  await sender.stop();
  expect(asked).toHaveBeenCalledTimes(2);
  expect(warnings).toEqual(["no metrics reach PORT_DADDY_STATSD=stats.lan:8125: nobody knows it"]);
});
