// The same work by Redis, where Debian's redis-server is installed: side by side, 64 connections to each. Its log of
// writes is on and synced every second, as ours is kept: what was acknowledged survives the end of the process, and a
// loss of power may cost the last moments.

import { connect, encode } from "../client.ts";
import { compareRates, inTurns, load, type Line, type Load, type Options } from "../measure.ts";
import { command, connectTo, type Client } from "../redisClient.ts";
import { Rig, type Server } from "../rig.ts";
import { eventually, type Home } from "../../home.ts";
import { lockAndUnlock } from "./lock.ts";

const connections = 64;

/** What both keep of a channel. */
const keptMessages = 1_000;

/** So few that all are full after the round that does not count. */
const channels = 8;

const ttlMs = 300_000;

/** Frees a lock only for its owner (https://redis.io/docs/latest/commands/set). */
const releaseScript =
  'if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end';

const payload = { step: "build", ok: true, files: 118, tookMs: 541 };

export async function redis({ binary, effort }: Options): Promise<Line[]> {
  const program = Bun.which("redis-server");
  if (program === null) {
    console.error(
      "redis: nothing is measured against it where it is not installed: apt-get install redis-server",
    );
    return [];
  }
  await using rig = await Rig.open(binary);
  const server = await startRedis(rig.home, program);
  const { rounds, windowMs } = effort;
  const clients = await connectTo(server, connections);
  const ours = await publishing(rig.product, windowMs);
  const stored = await inTurns(rounds, ours, () =>
    load(server, clients, { ms: windowMs }, async (client, index) => {
      const id = await client.ask(requests.add[index % channels]!);
      if (!/^\$\d+\r\n\d+-\d+\r\n$/.test(id)) throw new Error(`not added: ${id}`);
    }),
  );
  const told = await inTurns(rounds, ours, () =>
    load(server, clients, { ms: windowMs }, async (client, index) => {
      await client.expect(requests.publish[index % channels]!, ":0\r\n");
    }),
  );
  const locked = await inTurns(
    rounds,
    await lockAndUnlock(rig.product, connections, windowMs),
    () => load(server, clients, { ms: windowMs }, acquireAndRelease),
  );
  const about = `${versionOf(program)}, appendonly yes, appendfsync everysec`;
  const lines = [
    compareRates("publish, to Redis XADD MAXLEN ~ 1000", stored, undefined),
    compareRates("publish, to Redis PUBLISH, which keeps nothing", told, undefined),
    compareRates("lock + unlock, to Redis SET NX PX and a script", locked, undefined),
  ];
  return lines.map((line) => ({ ...line, note: `${line.note}; ${about}` }));
}

const names = Array.from({ length: channels }, (_, n) => `bench-${n}`);
const requests = {
  add: names.map((name) =>
    command(
      "XADD",
      name,
      "MAXLEN",
      "~",
      String(keptMessages),
      "*",
      "payload",
      JSON.stringify(payload),
    ),
  ),
  publish: names.map((name) => command("PUBLISH", name, JSON.stringify(payload))),
};

async function acquireAndRelease(client: Client, index: number): Promise<void> {
  const name = `lock-${index}`;
  await client.expect(command("SET", name, "bench", "NX", "PX", String(ttlMs)), "+OK\r\n");
  await client.expect(command("EVAL", releaseScript, "1", name, "bench"), ":1\r\n");
}

async function publishing(server: Server, windowMs: number): Promise<() => Promise<Load>> {
  const open = await connect(server.port, connections);
  const requests = names.map((name) => encode("POST", `/msg/${name}`, { payload }));
  return () =>
    load(server, open, { ms: windowMs }, async (connection, index) => {
      const { channel } = await connection.ask(requests[index % channels]!);
      if (channel !== names[index % channels]) throw new Error("not published");
    });
}

/** On a socket alone nothing would be alike: both are asked over TCP on loopback. */
async function startRedis(home: Home, program: string): Promise<Server> {
  const port = freePort();
  const directory = home.makeDirectory("redis");
  const child = home.start([
    ...[program, "--bind", "127.0.0.1", "--port", String(port), "--dir", directory, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "everysec", "--logfile", `${directory}/log`],
    // It would write its title over the environment, by which a home finds what it has to end.
    ...["--set-proc-title", "no"],
  ]);
  await eventually("Redis answers", async () => {
    const clients = await connectTo({ port }, 1).catch(() => undefined);
    const answer = await clients?.[0]!.ask(command("PING"));
    clients?.[0]!.close();
    return answer === "+PONG\r\n";
  });
  return { pid: child.pid, port };
}

function versionOf(program: string): string {
  const { stdout } = Bun.spawnSync([program, "--version"]);
  return `Redis ${/v=(\S+)/.exec(stdout.toString())?.[1]}`;
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
