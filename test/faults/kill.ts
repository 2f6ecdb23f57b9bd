// `kill -9` of the daemon at random moments, while sixteen processes use it: what was answered is there, what is there is
// whole, and nothing was promised twice.

import { Database } from "bun:sqlite";
import * as paths from "../../src/system/paths.ts";
import { eventually, type Home } from "../home.ts";
import { ask, must, openHome, type Effort } from "./experiment.ts";
import { createPromises } from "./load/promises.ts";
import { createReplay, type Replay } from "./load/replay.ts";
import { readers, startStorm } from "./load/storm.ts";
import { createRandom, type Random } from "./random.ts";

const kills = { short: 12, full: 200 };

/** Everything stays in the log and in the channels, so that all of it can be looked at. */
const settings = {
  PORT_DADDY_MESSAGE_RETENTION: "7d,1000000",
  PORT_DADDY_ACTIVITY_RETENTION: "30d,10000000",
};

export async function kill({ length, seed }: Effort): Promise<string> {
  const home = openHome(settings);
  await home.json(["start"]);
  const random = createRandom(seed);
  const promises = createPromises();
  const replay = createReplay(paths.databaseFile(home.state));
  const storm = startStorm(home, random);
  /** The ledgers first: what they have by then must be in the log. */
  function look(): void {
    const entries = storm.read();
    promises.advance(entries, replay.advance());
  }
  function mustHold(when: string): void {
    const problems = [...promises.problems, ...replay.problems];
    must(
      problems.length === 0,
      `${problems.length} promises were broken ${when}`,
      problems.slice(0, 10),
    );
  }

  for (let n = 0; n < kills[length]; n++) {
    await killOnce(home, random);
    look();
    mustHold(`by kill ${n + 1}`);
  }
  await home.json(["start"]);
  await storm.settle();
  await storm.end(() => {
    look();
    return readers.every((name) => promises.readBy(name) >= promises.published());
  });
  look();
  promises.conclude();
  replay.conclude();
  mustHold("by the end");
  await mustShowTheSame(home, replay);
  const { done, refused, lost } = promises.totals;
  must(done > kills[length] * 5, "there was hardly any load", promises.totals);
  return (
    `${kills[length]} kills; answers checked: ${done} done, ${refused} refused, ${lost} lost; ` +
    `${promises.published()} messages seen once by ${readers.length} subscribers`
  );
}

/** At any moment: a quarter of them while it starts. Whoever comes first starts it again. */
async function killOnce(home: Home, random: Random): Promise<void> {
  const pid = await eventually("a daemon is there", () => home.daemons()[0], 30_000);
  if (random.isOnce(0.75)) {
    await eventually("it serves, or has ended", async () => {
      return (await home.daemonPid()) !== undefined || home.daemons()[0] !== pid;
    });
    await Bun.sleep(random.below(700));
  } else {
    await Bun.sleep(random.below(60));
  }
  try {
    await home.kill(pid);
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
    return killOnce(home, random); // It found another one there, and has ended by itself.
  }
  void home.run(["start"]);
}

/** What the daemon shows is what its log and its rows say, also after it was stopped and started. */
async function mustShowTheSame(home: Home, replay: Replay): Promise<void> {
  const { services, locks, agents, counts } = replay.state();
  for (const again of [false, true]) {
    if (again) await home.json(["restart"]);
    const shown = {
      services: (await ask(home, "GET", "/services")).body.services,
      locks: (await ask(home, "GET", "/locks")).body.locks,
      agents: (await ask(home, "GET", "/agents")).body.agents,
      channels: (await ask(home, "GET", "/channels")).body.channels,
    };
    mustBe(shown.locks, locks, ({ name, owner, fence }) => [name, `${owner} ${fence}`]);
    mustBe(shown.agents, agents, ({ id, status }) => [id, status]);
    mustBe(shown.channels, counts, ({ channel, count }) => [channel, count]);
    // Those that were to end by themselves may have done so since.
    const lasting = new Map([...services].filter(([id]) => !id.endsWith(":brief")));
    const found = shown.services.filter(({ id }: { id: string }) => !id.endsWith(":brief"));
    mustBe(found, lasting, ({ id, port, agent }) => [id, `${port} ${agent}`]);
    const ports = found.map(({ port }: { port: number }) => port);
    must(new Set(ports).size === ports.length, "two identities hold one port", ports);
  }
  using db = new Database(paths.databaseFile(home.state), { readonly: true });
  must(
    db.query("PRAGMA integrity_check").values().flat().join() === "ok",
    "the database is not whole at the end",
  );
}

function mustBe(
  shown: any[],
  expected: Map<string, unknown>,
  entryOf: (each: any) => [string, unknown],
): void {
  const entries = (of: Iterable<[string, unknown]>) => JSON.stringify([...of].sort());
  const [found, wanted] = [entries(shown.map(entryOf)), entries(expected)];
  must(found === wanted, "the daemon shows something else than its log", { found, wanted });
}
