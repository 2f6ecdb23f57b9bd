// What a crowd does: each of many connections lives through small stories, one request after the other. Names come from
// fixed sets, because what is kept for days, or for good as an identity's port is, grows with the number of names.

import { encode, type Connection } from "../bench/client.ts";
import type { Pace } from "./pace.ts";

export const channels = 20;
const identitiesOfWorker = 20;
const agentsOfWorker = 4;

type Json = Record<string, unknown>;
type Ask = (method: string, path: string, body?: Json) => Promise<any>;
type Story = (ask: Ask, me: number, turn: number) => Promise<void>;

/** Each as often as it is named. */
const stories: Story[] = [
  ...Array<Story>(3).fill(service),
  ...Array<Story>(3).fill(lock),
  ...Array<Story>(4).fill(publish),
  ...Array<Story>(2).fill(read),
  agent,
];

/** Story after story until the time is over. */
export async function work(connection: Connection, me: number, pace: Pace): Promise<void> {
  const ask: Ask = (method, path, body) =>
    pace.run(() => connection.ask(encode(method, path, body)));
  for (let turn = 0; !pace.isOver; turn++)
    await stories[(turn + me) % stories.length]!(ask, me, turn);
}

/** Claims, claims again, says where it is to be found, releases. */
async function service(ask: Ask, me: number, turn: number): Promise<void> {
  const id = `crowd:w${me}:s${turn % identitiesOfWorker}`;
  const { port } = await ask("POST", `/claim/${id}`, { cwd: "/tmp", expires: "10m" });
  const again = await ask("POST", `/claim/${id}`, { cmd: "npm run dev" });
  if (again.port !== port || again.existing !== true) throw new Error(`${id} lost its port`);
  await ask("PUT", `/services/${id}/endpoints/dev`, { url: `https://w${me}.dev.test` });
  const { released } = await ask("DELETE", `/release/${id}`);
  if (released !== 1) throw new Error(`${id} was released ${released} times`);
}

/** Acquires, extends, frees. Some of the locks are what webhooks are told of. */
async function lock(ask: Ask, me: number, turn: number): Promise<void> {
  const path = `/locks/${turn % 50 === 0 ? "told" : "crowd"}/w${me}`;
  const owner = `worker-${me}`;
  const { fence } = await ask("POST", path, { owner, ttl: 60_000 });
  await ask("PUT", path, { owner, fence });
  await ask("DELETE", path, { owner, fence });
}

async function publish(ask: Ask, me: number, turn: number): Promise<void> {
  const payload = { step: "build", worker: me, turn, text: "x".repeat(turn % 200) };
  const { id } = await ask("POST", `/msg/crowd:${(me + turn) % channels}`, { payload });
  if (!(id > 0)) throw new Error("not published");
}

async function read(ask: Ask, me: number, turn: number): Promise<void> {
  const questions = [
    "/services?pattern=crowd:*",
    "/locks",
    "/activity?limit=50&action=claim",
    `/activity?limit=20&targetId=crowd:w${me}:*`,
    `/msg/crowd:${turn % channels}?limit=20`,
    "/channels",
    "/agents",
    "/health",
  ];
  await ask("GET", questions[turn % questions.length]!);
}

/** Comes, is heard, holds something, and goes: with a word, or by never being heard of again. */
async function agent(ask: Ask, me: number, turn: number): Promise<void> {
  const id = `agent-${me}-${turn % agentsOfWorker}`;
  await ask("POST", `/agents/${id}`, { type: "worker", metadata: { turn } });
  for (let beat = 0; beat < 3; beat++) await ask("PUT", `/agents/${id}/heartbeat`);
  await ask("POST", `/claim/agents:w${me}:a${turn % agentsOfWorker}`, { agent: id });
  const { registered } = await ask("POST", `/agents/${id}`, {});
  if (registered !== false) throw new Error(`${id} was forgotten`);
  if (turn % 2 === 0) await ask("DELETE", `/agents/${id}`);
}
