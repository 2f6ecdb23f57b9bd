// Sixteen processes that use one daemon for as long as they are let: fourteen that change things, two that read.

import * as fs from "node:fs";
import * as path from "node:path";
import { binary, eventually, type Home } from "../../home.ts";
import { must } from "../experiment.ts";
import type { Random } from "../random.ts";
import type { ClientSettings } from "./client.ts";
import { followLedger, type Entry } from "./ledger.ts";

const writers = { http: 11, cli: 3 };
const lanes = { http: 2, cli: 1 };

/** What the two readers are called in what they have seen. */
export const readers = ["eventsource", "sub"];

export type Storm = {
  /** Everything that the ledgers say and did not say when they were last read. */
  read(): Entry[];
  /** Lets those who change things finish what they are at. */
  settle(): Promise<void>;
  /** Ends the readers, when they have seen all there is. */
  end(hasAll: () => boolean): Promise<void>;
};

export function startStorm(home: Home, random: Random): Storm {
  const [writersOver, readersOver] = ["writers", "readers"].map((who) =>
    path.join(home.directory, `${who}-over`),
  ) as [string, string];
  const ledgers: (() => Entry[])[] = [];
  function ledgerOf(name: string): string {
    const file = path.join(home.directory, `${name}.ledger`);
    ledgers.push(followLedger(file));
    return file;
  }
  function start(words: string[], out: "inherit" | Bun.BunFile = "inherit"): Bun.Subprocess {
    const [cwd, env] = [home.directory, home.environment()];
    return Bun.spawn(words, { cwd, env, stdio: ["ignore", out, "inherit"] });
  }
  const program = (name: string) => [process.execPath, path.join(import.meta.dir, name)];
  function startWriter(by: "http" | "cli", name: string): Bun.Subprocess {
    const settings: ClientSettings = {
      ...{ name, by, binary, socket: home.socket, over: writersOver, ledger: ledgerOf(name) },
      ...{ seed: random.below(2 ** 31), lanes: lanes[by], lastPort: home.range.end },
    };
    return start([...program("client.ts"), JSON.stringify(settings)]);
  }
  const writing = (["http", "cli"] as const).flatMap((by) =>
    Array.from({ length: writers[by] }, (_, n) => startWriter(by, `${by}${n}`)),
  );
  const ledger = ledgerOf("reader");
  const words = ["sub", "load:*", "--after", "0", "--quiet", "--json", "--envelope"];
  const printed = path.join(home.directory, "sub.out");
  ledgers.push(followLedger(printed));
  const reading = [
    start([...program("reader.ts"), home.socket, ledger, readersOver]),
    start([binary, ...words], Bun.file(printed)),
  ];
  return {
    read: () => ledgers.flatMap((read) => read()).map(fromCommand),
    async settle() {
      fs.writeFileSync(writersOver, "");
      const codes = await Promise.all(writing.map((each) => each.exited));
      must(
        codes.every((code) => code === 0),
        "a client of the storm has failed",
        codes,
      );
    },
    async end(hasAll) {
      const isThere = reading.every(({ exitCode }) => exitCode === null);
      must(
        isThere,
        "a subscriber has ended by itself",
        fs.readFileSync(printed, "utf8").slice(-500),
      );
      await eventually("both subscribers have seen all there is", hasAll, 30_000);
      fs.writeFileSync(readersOver, "");
      reading[1]!.kill();
      await Promise.all(reading.map((each) => each.exited));
    },
  };
}

/** What `sub` prints is the message as it is; the others write entries. */
function fromCommand(
  entry: Entry | { kind?: undefined; id: number; payload: { tag: string } },
): Entry {
  if (entry.kind !== undefined) return entry;
  return { kind: "seen", reader: "sub", id: entry.id, tag: entry.payload.tag };
}
