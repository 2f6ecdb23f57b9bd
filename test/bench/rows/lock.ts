// Acquire and release a lock.

import { connect, encode, type Connection } from "../client.ts";
import { compareRates, inTurns, load, type Line, type Options } from "../measure.ts";
import { Rig, type Server } from "../rig.ts";

const connections = 64;

export async function lock({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const rounds = await inTurns(
    effort.rounds,
    await lockAndUnlock(rig.product, connections, effort.windowMs),
    await lockAndUnlock(rig.bare, connections, effort.windowMs),
  );
  return [compareRates("lock + unlock, 64 connections", rounds, 0.8)];
}

/** Each connection takes a lock of its own and gives it back, over and over. */
export async function lockAndUnlock(server: Server, connections: number, windowMs: number) {
  const names = Array.from({ length: connections }, (_, i) => `bench-${i}`);
  const acquisitions = names.map((name) => encode("POST", `/locks/${name}`, { owner: "bench" }));
  const releases = names.map((name) => encode("DELETE", `/locks/${name}`, { owner: "bench" }));

  async function acquireAndRelease(connection: Connection, index: number): Promise<void> {
    const lock = await connection.ask(acquisitions[index]!);
    const { released } = await connection.ask(releases[index]!);
    if (lock.name !== names[index] || released !== true) throw new Error("not the lock asked for");
  }
  const open = await connect(server.port, connections);
  return () => load(server, open, { ms: windowMs }, acquireAndRelease);
}
