// From one holder of a lock to the next: from the moment the release is sent until the waiter has its answer.

import { connect, encode, type Connection } from "../client.ts";
import { inTurns, micros, percentile, show, type Line, type Options } from "../measure.ts";
import { Rig } from "../rig.ts";

/** Few at a time, so that what disturbs the machine for a moment disturbs both. */
const handoversOfTurn = 25;
const turns = 60;

export async function handover({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const rounds = await inTurns(
    Math.ceil(turns * effort.share),
    await ofLock(rig.product.port),
    await ofRequest(rig.bare.port),
  );
  const product = rounds.flatMap((round) => round.product).sort((a, b) => a - b);
  const ceiling = rounds.flatMap((round) => round.ceiling).sort((a, b) => a - b);
  return [50, 99].map((percent) => {
    const [ours, theirs] = [percentile(product, percent), percentile(ceiling, percent)];
    return {
      what: `lock hand-over to a waiter, p${percent}`,
      product: micros(ours),
      ceiling: micros(theirs),
      ratios: [ours / theirs],
      isMost: true,
      ...(percent === 99 && { target: 3 }),
      note: `${product.length} of each; worst ${show(micros(product.at(-1)!))} and ${show(micros(ceiling.at(-1)!))}`,
    };
  });
}

/** Two who take a lock from each other in turns; the third looks whether the other one waits. */
async function ofLock(port: number): Promise<() => Promise<number[]>> {
  const path = "/locks/bench-handover";
  let [holder, waiter, looker] = (await connect(port, 3)) as [Connection, Connection, Connection];
  let [owner, next] = ["ada", "bob"];
  await holder.ask(encode("POST", path, { owner }));
  return () =>
    repeated(async () => {
      const waiting = waiter.ask(encode("POST", path, { owner: next, wait: true }));
      const isThere = async () => (await looker.ask(encode("GET", path))).lock.waiting === 1;
      const took = await timed(isThere, holder, encode("DELETE", path, { owner }), waiting);
      if ((await waiting).owner !== next) throw new Error("the lock went to somebody else");
      [holder, waiter, owner, next] = [waiter, holder, next, owner];
      return took;
    });
}

/** A request that is held until another one comes. */
async function ofRequest(port: number): Promise<() => Promise<number[]>> {
  const [waker, waiter, looker] = (await connect(port, 3)) as [Connection, Connection, Connection];
  return () =>
    repeated(() => {
      const waiting = waiter.ask(encode("GET", "/held"));
      const isThere = async () => (await looker.ask(encode("GET", "/waiting"))).waiting === 1;
      return timed(isThere, waker, encode("POST", "/wake", { owner: "ada" }), waiting);
    });
}

async function repeated(once: () => Promise<number>): Promise<number[]> {
  const took: number[] = [];
  while (took.length < handoversOfTurn) took.push(await once());
  return took;
}

/** Microseconds from the request that wakes, sent once the other is there, to the answer of that other. */
async function timed(
  isThere: () => Promise<boolean>,
  waker: Connection,
  request: string,
  waiting: Promise<unknown>,
): Promise<number> {
  while (!(await isThere()));
  const start = performance.now();
  const woken = waiting.then(() => performance.now());
  const answered = waker.ask(request);
  const took = ((await woken) - start) * 1_000;
  await answered;
  return took;
}
