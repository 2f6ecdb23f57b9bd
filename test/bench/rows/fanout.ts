// One channel with a thousand subscribers: what is published reaches all of them.

import { connect, encode, mark, Subscribers } from "../client.ts";
import {
  cpuMicros,
  inTurns,
  median,
  rate,
  type Line,
  type Load,
  type Options,
} from "../measure.ts";
import { Rig, type Server } from "../rig.ts";

const subscribers = 1_000;

/** Messages published together: enough to keep a server busy, and far from what makes a reader slow. */
const together = 8;

type Fanout = Pick<Load, "perSecond" | "serverMicros" | "clientShare">;

export async function fanout({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const rounds = await inTurns(
    effort.rounds,
    await fan(rig.product, "/msg/bench", subscribers, effort.windowMs),
    await fan(rig.bare, "/fan/bench", subscribers, effort.windowMs),
  );
  const of = (server: "product" | "ceiling", figure: keyof Fanout) =>
    median(rounds.map((round) => round[server][figure]));
  const share = (server: "product" | "ceiling") => Math.round(of(server, "clientShare") * 100);
  return [
    {
      what: "publish → 1,000 SSE subscribers, deliveries",
      product: rate(of("product", "perSecond")),
      ceiling: rate(of("ceiling", "perSecond")),
      ratios: rounds.map(({ product, ceiling }) => product.perSecond / ceiling.perSecond),
      target: 0.7,
      note: `server ${of("product", "serverMicros").toFixed(2)} against ${of("ceiling", "serverMicros").toFixed(2)} µs each; load generator ${share("product")} and ${share("ceiling")} % of a core`,
    },
  ];
}

/** Publishes for a while, and returns when all of it has arrived. The channel is the last part of the path. */
export async function fan(server: Server, path: string, subscribers: number, windowMs: number) {
  const audience = await Subscribers.open(server.port, path.split("/").at(-1)!, subscribers);
  const publishers = await connect(server.port, together);
  const request = encode("POST", path, { payload: { text: `${mark}${"x".repeat(100)}` } });
  const ids: number[] = [];

  return async (): Promise<Fanout> => {
    const start = { at: performance.now(), cpu: cpuMicros(server.pid), own: process.cpuUsage() };
    const before = audience.delivered;
    while (performance.now() < start.at + windowMs) {
      const published = await Promise.all(publishers.map((publisher) => publisher.ask(request)));
      ids.push(...published.map(({ id }) => id));
      await audience.until(ids.length * subscribers);
    }
    const tookMs = performance.now() - start.at;
    const deliveries = audience.delivered - before;
    const { user, system } = process.cpuUsage(start.own);
    audience.check(ids.sort((a, b) => a - b));
    return {
      perSecond: (deliveries / tookMs) * 1_000,
      serverMicros: (cpuMicros(server.pid) - start.cpu) / deliveries,
      clientShare: (user + system) / 1_000 / tookMs,
    };
  };
}
