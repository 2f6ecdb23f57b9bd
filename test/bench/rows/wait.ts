// From the moment a server listens until whoever waits for it is told.

import { connect, encode } from "../client.ts";
import { median, micros, percentile, show, type Line, type Options } from "../measure.ts";
import { Rig } from "../rig.ts";

const servers = 60;

/** What the promise allows, in microseconds. */
const allowed = 250_000;

/** The machine is looked at in turns: a server may come at any moment between two of them. */
const longestPauseMs = 150;

const socket = { data() {} };

export async function wait({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const { port } = rig.product;
  const [waiter, looker] = await connect(port, 2);
  const [told, knocked]: [number[], number[]] = [[], []];
  for (let n = 0; n < servers * effort.share; n++) {
    const id = `bench:${n}`;
    const claimed = await looker!.ask(encode("POST", `/claim/${id}`, {}));
    const waiting = waiter!.ask(encode("GET", `/wait?id=${id}`)).then(() => performance.now());
    await looker!.ask(encode("GET", "/health"));
    await Bun.sleep(Math.random() * longestPauseMs);
    const start = performance.now();
    using _ = listen(claimed.port);
    told.push(((await waiting) - start) * 1_000);
    await looker!.ask(encode("DELETE", `/release/${id}`));
    knocked.push(await knock(claimed.port));
  }
  told.sort((a, b) => a - b);
  return [50, 99].map((percent) => {
    const figure = percentile(told, percent);
    return {
      what: `wait → a server listens, p${percent}; to a knock on its open port`,
      product: micros(figure),
      ceiling: micros(median(knocked)),
      ratios: [figure / median(knocked)],
      isMost: true,
      ...(percent === 99 && { allowed }),
      note: `${told.length} servers; worst ${show(micros(told.at(-1)!))}`,
    };
  });
}

function listen(port: number) {
  const listener = Bun.listen({ hostname: "127.0.0.1", port, socket });
  return { [Symbol.dispose]: () => listener.stop(true) };
}

/** Microseconds that it takes to connect. */
async function knock(port: number): Promise<number> {
  const start = performance.now();
  (await Bun.connect({ hostname: "127.0.0.1", port, socket })).end();
  return (performance.now() - start) * 1_000;
}
