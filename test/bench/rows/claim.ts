// Claims of fresh identities. Every round has servers of its own: there are only so many ports. As on most machines, some
// port of the range is somebody else's: at least the one by which a home marks its block.

import { Database } from "bun:sqlite";
import * as path from "node:path";
import { connect, encode, type Connection } from "../client.ts";
import {
  compareRates,
  load,
  median,
  micros,
  percentile,
  rate,
  type Line,
  type Load,
  type Options,
} from "../measure.ts";
import { Rig, type Server } from "../rig.ts";

/** Claims of one round: before anything counts, over many connections, over one. */
const fullCounts = { warm: 6_000, many: 12_000, one: 4_000 };
const connections = 64;

type Round = { many: Load; one: Load };

export async function claim({ binary, effort }: Options): Promise<Line[]> {
  const rounds: { product: Round; ceiling: Round; commits: number }[] = [];
  const counts = {
    warm: fullCounts.warm * effort.share,
    many: fullCounts.many * effort.share,
    one: fullCounts.one * effort.share,
  };
  for (let i = 0; i < effort.rounds; i++) {
    await using rig = await Rig.open(binary);
    const [first, second] = i % 2 === 0 ? [rig.product, rig.bare] : [rig.bare, rig.product];
    await measure(first, connections, counts.warm);
    await measure(second, connections, counts.warm);
    const many = [
      await measure(first, connections, counts.many),
      await measure(second, connections, counts.many),
    ];
    const commits = oneRowCommits(rig.home.directory, effort.windowMs / 2);
    const one = [await measure(first, 1, counts.one), await measure(second, 1, counts.one)];
    const roundOf = (server: Server) => {
      const place = server === first ? 0 : 1;
      return { many: many[place]!, one: one[place]! };
    };
    rounds.push({ product: roundOf(rig.product), ceiling: roundOf(rig.bare), commits });
  }
  const of = (which: keyof Round) =>
    rounds.map(({ product, ceiling }) => ({ product: product[which], ceiling: ceiling[which] }));
  return [
    {
      what: "fresh claims, 64 connections, to one-row commits",
      product: rate(median(rounds.map(({ product }) => product.many.perSecond))),
      ceiling: rate(median(rounds.map(({ commits }) => commits))),
      ratios: rounds.map(({ product, commits }) => product.many.perSecond / commits),
      target: 0.5,
    },
    compareRates("fresh claims, 64 connections, to the bare server", of("many"), undefined),
    compareRates("fresh claims, 1 connection", of("one"), 0.8),
    ownTail(rounds.map(({ product }) => product.one)),
  ];
}

/** The tail of the product against its own middle. */
function ownTail(loads: Load[]): Line {
  const p = (percent: number) => loads.map(({ latencies }) => percentile(latencies, percent));
  return {
    what: "fresh claims, 1 connection, p99 to own p50",
    product: micros(median(p(99))),
    ceiling: micros(median(p(50))),
    ratios: p(99).map((each, i) => each / p(50)[i]!),
    isMost: true,
    target: 3,
  };
}

let claimed = 0;

async function measure({ pid, port }: Server, width: number, count: number): Promise<Load> {
  const open = await connect(port, width);
  const result = await load({ pid, port }, open, { count }, claimOne);
  for (const connection of open) connection.close();
  return result;
}

async function claimOne(connection: Connection): Promise<void> {
  const id = `bench:${++claimed}`;
  const answer = await connection.ask(encode("POST", `/claim/${id}`, { cwd: "/tmp" }));
  if (answer.id !== id || answer.existing !== false || !(answer.port > 0))
    throw new Error(`not a fresh claim: ${JSON.stringify(answer)}`);
}

/** How many one-row transactions SQLite lands in a second, in this process. */
function oneRowCommits(directory: string, windowMs: number): number {
  using db = new Database(path.join(directory, "commits.db"), { create: true, strict: true });
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = NORMAL");
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run("CREATE TABLE claims (id TEXT PRIMARY KEY, port INTEGER NOT NULL) STRICT, WITHOUT ROWID");
  const insert = db.prepare("INSERT INTO claims (id, port) VALUES (?, ?)");
  let count = 0;
  for (; count < 1_000; count++) insert.run(`bench:${count}`, count);
  const start = performance.now();
  while (performance.now() < start + windowMs) {
    insert.run(`bench:${count}`, count);
    count++;
  }
  return ((count - 1_000) / (performance.now() - start)) * 1_000;
}
