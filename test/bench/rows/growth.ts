// What it costs as there is more of it: claims held, entries of the log, subscribers, connections.

import { connect, encode, type Connection } from "../client.ts";
import { atEachSize, median, micros, rate, slope, type Line, type Options } from "../measure.ts";
import { openHome, Rig, startProduct } from "../rig.ts";
import { storeActivity } from "../stored.ts";
import type { Home } from "../../home.ts";
import { fan } from "./fanout.ts";
import { lockAndUnlock } from "./lock.ts";

const sizes = {
  claims: [10, 1_000, 6_000],
  entries: [1_000, 10_000, 100_000],
  subscribers: [1, 100, 1_000],
  connections: [1, 16, 64],
} as const;

/** More would be released than are held where few are. */
const claimsOfRound = 200;

const questionsOfRound = 100;

/** As many as an answer holds where nobody asks for more: every log has them, spread over all of it. */
const wantedEntries = 100;

/** By action, target, a pattern of targets, actor. */
const filters = ["action=lock_acquire", "targetId=wanted:7", "targetId=wanted:*", "actor=ada"];

export async function growth(options: Options): Promise<Line[]> {
  return [
    await claims(options),
    ...(await entries(options)),
    await subscribers(options),
    await connections(options),
  ];
}

/** A fresh claim while so many are held; what a round adds is released before the next. */
async function claims({ binary, effort }: Options): Promise<Line> {
  const open = new Map<number, Connection>();
  await using homes = new AsyncDisposableStack();
  for (const size of sizes.claims) {
    const [connection] = await connect((await startProduct(homes.use(openHome()), binary)).port, 1);
    for (let n = 0; n < size; n++) await connection!.ask(encode("POST", `/claim/held:${n}`, {}));
    open.set(size, connection!);
  }
  let claimed = 0;
  const figures = await atEachSize(sizes.claims, effort.rounds, async (size) => {
    const connection = open.get(size)!;
    const took: number[] = [];
    for (let n = 0; n < claimsOfRound; n++) {
      const request = encode("POST", `/claim/fresh:${++claimed}`, { cwd: "/tmp" });
      const start = performance.now();
      const { existing } = await connection.ask(request);
      took.push((performance.now() - start) * 1_000);
      if (existing !== false) throw new Error("not a fresh claim");
    }
    const { released } = await connection.ask(encode("DELETE", "/release/fresh:*"));
    if (released !== claimsOfRound) throw new Error(`${released} claims were released`);
    return median(took);
  });
  const what = "a fresh claim, 6,000 held to 10";
  return slope(what, figures, micros, { isMost: true, target: 1.5 });
}

/** A filtered look into the log: the answer is the same however long it is. */
async function entries({ binary, effort }: Options): Promise<Line[]> {
  const open = new Map<number, Connection>();
  await using homes = new AsyncDisposableStack();
  for (const size of sizes.entries) {
    const home: Home = homes.use(openHome());
    storeActivity(home, size, wantedEntries);
    open.set(size, (await connect((await startProduct(home, binary)).port, 1))[0]!);
  }
  const lines: Line[] = [];
  for (const filter of filters) {
    const request = encode("GET", `/activity?${filter}`);
    const figures = await atEachSize(sizes.entries, effort.rounds, async (size) => {
      const took: number[] = [];
      for (let n = 0; n < questionsOfRound * effort.share; n++) {
        const start = performance.now();
        const { count } = await open.get(size)!.ask(request);
        took.push((performance.now() - start) * 1_000);
        if (count !== (filter.endsWith(":7") ? 1 : wantedEntries))
          throw new Error(`${filter} found ${count}`);
      }
      return median(took);
    });
    const what = `GET /activity?${filter}, 100,000 rows to 1,000`;
    lines.push(slope(what, figures, micros, { isMost: true, target: 1.5 }));
  }
  return lines;
}

async function subscribers({ binary, effort }: Options): Promise<Line> {
  await using rig = await Rig.open(binary);
  const windowMs = effort.windowMs / 2;
  const fans = new Map(
    await Promise.all(
      sizes.subscribers.map(
        async (size) =>
          [size, await fan(rig.product, `/msg/bench-${size}`, size, windowMs)] as const,
      ),
    ),
  );
  const figures = await atEachSize(
    sizes.subscribers,
    effort.rounds,
    async (size) => (await fans.get(size as 1)!()).perSecond,
  );
  return slope("deliveries, 1,000 subscribers to 1", figures, rate, {});
}

async function connections({ binary, effort }: Options): Promise<Line> {
  await using rig = await Rig.open(binary);
  const figures = await atEachSize(sizes.connections, effort.rounds, async (size) => {
    const measure = await lockAndUnlock(rig.product, size, effort.windowMs / 2);
    return (await measure()).perSecond;
  });
  return slope("lock + unlock, 64 connections to 1", figures, rate, {});
}
