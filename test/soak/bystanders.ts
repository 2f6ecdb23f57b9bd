// Who is there while the crowd works: subscribers that stay, come and go, or never read; requests that are held, answered,
// overdue or abandoned; agents whose process dies; a receiver of webhooks.

import type { Socket } from "bun";
import { connect, encode } from "../bench/client.ts";
import { eventually, type Home } from "../home.ts";
import { channels } from "./work.ts";

/** What has happened to them, so that nobody believes a soak in which nothing did. */
export type Tally = {
  bytesStreamed: number;
  webhooksReceived: number;
  locksHandedOver: number;
  waitsTimedOut: number;
  waitsAbandoned: number;
  serversAwaited: number;
  agentsDied: number;
};

type Scene = { home: Home; port: number; tally: Tally; isOver: () => boolean };

const staying = 20;

/** Stands in line until its own connection ends, or for as long. */
const patienceMs = 200;

/** All of them until it is over. Throws what went wrong for one. */
export async function gather(
  home: Home,
  port: number,
  isOver: () => boolean,
): Promise<{ tally: Tally; ended: Promise<void> }> {
  const tally: Tally = {
    bytesStreamed: 0,
    webhooksReceived: 0,
    locksHandedOver: 0,
    waitsTimedOut: 0,
    waitsAbandoned: 0,
    serversAwaited: 0,
    agentsDied: 0,
  };
  const scene: Scene = { home, port, tally, isOver };
  for (let n = 0; n < staying; n++) await listen(scene, `/subscribe/crowd:${n % channels}`);
  await listen(scene, "/subscribe/crowd:*");
  await listen(scene, "/events");
  await receiveWebhooks(scene);
  const everySecond = [comeAndGo, comeAndGo, neverRead, handOver, overdue, abandon, awaitServer];
  const all = [...everySecond, followEvents, dieAsAgent].map((story, n) => repeat(scene, story, n));
  return { tally, ended: Promise.all(all).then(() => {}) };
}

type Story = (scene: Scene, me: string, turn: number) => Promise<void>;

async function repeat(scene: Scene, story: Story, me: number): Promise<void> {
  for (let turn = 0; !scene.isOver(); turn++) {
    const start = performance.now();
    await story(scene, String(me), turn);
    await Bun.sleep(Math.max(0, start + 1_000 - performance.now()));
  }
}

/** Opens a stream that is read, unless it is paused. */
async function listen({ port, tally }: Scene, path: string): Promise<Socket> {
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data: (_, bytes) => void (tally.bytesStreamed += bytes.length) },
  });
  socket.write(encode("GET", path));
  return socket;
}

/** Resumes from the first message that there is, so that all of a channel is read again. */
async function comeAndGo(scene: Scene, _: string, turn: number): Promise<void> {
  const socket = await listen(scene, `/subscribe/crowd:${turn % channels}?after=0`);
  await Bun.sleep(500);
  socket.end();
}

async function followEvents(scene: Scene): Promise<void> {
  const socket = await listen(scene, "/events");
  await Bun.sleep(3_000);
  socket.end();
}

async function neverRead(scene: Scene): Promise<void> {
  const socket = await listen(scene, "/subscribe/crowd:*?after=0");
  socket.pause();
  await Bun.sleep(5_000);
  socket.terminate();
}

async function handOver({ port, tally }: Scene, me: string): Promise<void> {
  const [holder, waiter] = await connect(port, 2);
  const path = `/locks/handed-over-${me}`;
  await holder!.ask(encode("POST", path, { owner: "first" }));
  const waiting = waiter!.ask(encode("POST", path, { owner: "second", wait: true }));
  await Bun.sleep(patienceMs);
  await holder!.ask(encode("DELETE", path, { owner: "first" }));
  if ((await waiting).owner !== "second") throw new Error("the lock went to somebody else");
  await waiter!.ask(encode("DELETE", path, { owner: "second" }));
  tally.locksHandedOver++;
  for (const connection of [holder, waiter]) connection!.close();
}

async function overdue({ home, tally }: Scene, me: string): Promise<void> {
  const { status } = await home.fetch(`/wait?id=never:${me}&timeout=${patienceMs}`);
  if (status !== 408) throw new Error(`a wait for nothing ended with ${status}`);
  tally.waitsTimedOut++;
}

/** Leaves the line by closing its connection. */
async function abandon({ home, port, tally }: Scene, me: string): Promise<void> {
  const [holder] = await connect(port, 1);
  const path = `/locks/abandoned-${me}`;
  await holder!.ask(encode("POST", path, { owner: "holder" }));
  const body = JSON.stringify({ owner: "waiter", wait: true });
  const end = AbortSignal.timeout(patienceMs);
  const answer = home.fetch(path, { method: "POST", body, signal: end });
  await answer.then(
    () => Promise.reject(new Error("a lock that is held was given away")),
    () => {},
  );
  await holder!.ask(encode("DELETE", path, { owner: "holder" }));
  tally.waitsAbandoned++;
  holder!.close();
}

async function awaitServer({ home, tally }: Scene, me: string): Promise<void> {
  const id = `awaited:${me}`;
  const { port } = (await ok(home, "POST", `/claim/${id}`, {})) as { port: number };
  const waiting = ok(home, "GET", `/wait?id=${id}`);
  await Bun.sleep(patienceMs);
  const server = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  await waiting;
  server.stop(true);
  await ok(home, "DELETE", `/release/${id}`);
  tally.serversAwaited++;
}

/** Holds a claim and a lock, and its process is killed: both are free soon after. */
async function dieAsAgent({ home, tally }: Scene, me: string, turn: number): Promise<void> {
  const id = `mortal-${me}-${turn % 10}`;
  const child = home.start(["sleep", "60"]);
  await ok(home, "POST", `/agents/${id}`, { pid: child.pid });
  await ok(home, "POST", `/claim/mortals:${id}`, { agent: id });
  await ok(home, "POST", `/locks/${id}`, {}, { "X-Agent-Id": id });
  child.kill("SIGKILL");
  await child.exited;
  await eventually(`${id} is stale`, async () => {
    await Bun.sleep(100);
    return ((await ok(home, "GET", `/agents/${id}`)) as { status: string }).status === "stale";
  });
  const { held } = (await ok(home, "GET", `/locks/${id}`)) as { held: boolean };
  if (held) throw new Error(`the lock of ${id}, which is dead, is held`);
  tally.agentsDied++;
}

async function receiveWebhooks({ home, tally }: Scene): Promise<void> {
  const receiver = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      tally.webhooksReceived++;
      return new Response("ok");
    },
  });
  const url = `http://127.0.0.1:${receiver.port}/`;
  await ok(home, "POST", "/webhooks", {
    url,
    events: ["lock.*"],
    filter: "told/*",
    secret: "quiet",
  });
}

/** The body of an answer. Throws where it is a fault. */
async function ok(
  home: Home,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<unknown> {
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const response = await home.fetch(path, init);
  if (!response.ok)
    throw new Error(`${method} ${path} → ${response.status}: ${await response.text()}`);
  return response.json();
}
