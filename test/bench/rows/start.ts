// Starting: by the first command that needs a daemon where there is none, and with much in the database.

import * as path from "node:path";
import { compile } from "../compile.ts";
import { compareTimes, inTurns, type Line, type Options } from "../measure.ts";
import { openHome, startPrinting } from "../rig.ts";
import { storeMessages } from "../stored.ts";
import type { Home } from "../../home.ts";

const starts = 40;
const messages = 100_000;

type Channels = { channels: { count: number }[] };

export async function start(options: Options): Promise<Line[]> {
  return [await cold(options), await full(options)];
}

/** A whole command in a home that has no state yet, against a compiled server that answers `ok`. */
async function cold({ binary, effort }: Options): Promise<Line> {
  await using home = openHome();
  const blank = path.join(home.directory, "blank");
  compile("blank.ts", blank);
  let count = 0;
  const rounds = await inTurns(
    Math.ceil(starts * effort.share),
    async () => {
      const env = { PORT_DADDY_HOME: path.join(home.directory, `state-${++count}`) };
      const took = await timed(async () => {
        const child = home.start([binary, "find"], { env });
        if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
      });
      await home.start([binary, "stop"], { env }).exited;
      return took;
    },
    async () => {
      let pid = 0;
      const took = await timed(async () => {
        const server = await startPrinting(home, [blank]);
        pid = server.pid;
        await (await fetch(`http://127.0.0.1:${server.port}`, { proxy: false })).text();
      });
      await home.kill(pid);
      return took;
    },
  );
  return compareTimes("cold start to the first answer, by autostart", rounds, 3, "starts of each");
}

/** The daemon alone, with what it finds. */
async function full({ binary, effort }: Options): Promise<Line> {
  await using filled = openHome();
  await using empty = openHome();
  storeMessages(filled, messages);
  storeMessages(empty, 0);
  const startOf = (home: Home, stored: number) => async () => {
    let child: ReturnType<Home["start"]> | undefined;
    const took = await timed(async () => {
      child = home.start([binary, "daemon"]);
      // It says that it serves.
      await child.stdout.getReader().read();
      const { channels } = (await (await home.fetch("/channels")).json()) as Channels;
      const found = channels.reduce((sum, { count }) => sum + count, 0);
      if (found !== stored) throw new Error(`${found} messages are there`);
    });
    child!.kill("SIGTERM");
    await child!.exited;
    return took;
  };
  const rounds = await inTurns(
    Math.ceil(starts * effort.share),
    startOf(filled, messages),
    startOf(empty, 0),
  );
  return compareTimes(
    "start with 100,000 messages, to one with none",
    rounds,
    1.5,
    "starts of each",
  );
}

/** Microseconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) * 1_000;
}
