// Publish where nobody listens: into channels with room, and into channels that are full, where each message costs the
// oldest one its place.

import { connect, encode, type Connection } from "../client.ts";
import { compareRates, inTurns, load, type Line, type Options } from "../measure.ts";
import { Rig, type Server } from "../rig.ts";

const connections = 64;

/** Half of what a channel keeps. */
const messagesOfChannel = 500;
const keptMessages = 1_000;

export async function publish({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const windowMs = effort.windowMs;
  const inRoom = await compare(rig, effort.rounds, (server, open) => {
    let sent = 0;
    return load(server, open, { ms: windowMs }, (connection, index) =>
      send(connection, `${index}-${Math.floor(sent++ / messagesOfChannel / connections)}`),
    );
  });
  for (const server of [rig.product, rig.bare]) await fill(server);
  const full = await compare(rig, effort.rounds, (server, open) =>
    load(server, open, { ms: windowMs }, (connection, index) =>
      send(connection, `full-${index % 8}`),
    ),
  );
  return [
    compareRates("publish, no subscribers, 64 connections", inRoom, 0.8),
    compareRates("the same into full channels", full, undefined),
  ];
}

async function compare(
  { product, bare }: Rig,
  rounds: number,
  measure: (server: Server, open: Connection[]) => ReturnType<typeof load>,
) {
  const [ours, theirs] = [
    await connect(product.port, connections),
    await connect(bare.port, connections),
  ];
  const results = await inTurns(
    rounds,
    () => measure(product, ours),
    () => measure(bare, theirs),
  );
  for (const connection of [...ours, ...theirs]) connection.close();
  return results;
}

async function fill(server: Server): Promise<void> {
  const open = await connect(server.port, 8);
  await load(server, open, { count: keptMessages * 8 + 100 }, (connection, index) =>
    send(connection, `full-${index}`),
  );
  for (const connection of open) connection.close();
}

async function send(connection: Connection, channel: string): Promise<void> {
  const payload = { step: "build", ok: true, files: 118, tookMs: 541 };
  const published = await connection.ask(encode("POST", `/msg/${channel}`, { payload }));
  if (published.channel !== channel || !(published.id > 0)) throw new Error("not published");
}
