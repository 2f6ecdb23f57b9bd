// The database, its write-ahead log and what lies beside them are damaged in every manner, while no daemon runs and under
// one: it serves or says why not, sets aside and never deletes, invents nothing, and no number comes again.

import * as fs from "node:fs";
import * as path from "node:path";
import * as paths from "../../src/system/paths.ts";
import type { Home } from "../home.ts";
import { ask, must, openHome, type Effort } from "./experiment.ts";
import { createRandom, type Random } from "./random.ts";

const rounds = { short: 8, full: 80 };
const claims = 40;

type Damage = (file: string, random: Random) => void;

/** Of any of the files. */
const damages: Record<string, Damage> = {
  "bytes changed": (file, random) => {
    const bytes = fs.readFileSync(file);
    for (let n = 0; n < 200; n++) bytes[random.below(bytes.length)]! ^= 1 + random.below(255);
    fs.writeFileSync(file, bytes);
  },
  "a page zeroed": (file, random) => {
    const bytes = fs.readFileSync(file);
    const page = random.below(Math.ceil(bytes.length / 4096)) * 4096;
    fs.writeFileSync(file, bytes.fill(0, page, Math.min(page + 4096, bytes.length)));
  },
  "cut off": (file, random) => fs.truncateSync(file, random.below(fs.statSync(file).size)),
  emptied: (file) => fs.truncateSync(file, 0),
  "replaced by noise": (file, random) =>
    fs.writeFileSync(file, Buffer.from(Array.from({ length: 9_000 }, () => random.below(256)))),
};

export async function corrupted({ length, seed }: Effort): Promise<string> {
  const home = openHome();
  const random = createRandom(seed);
  const last = await setUp(home);
  const pristine = path.join(home.directory, "pristine");
  fs.renameSync(home.state, pristine);
  const seen = { whole: 0, "set aside": 0, partly: 0, refused: 0 };
  for (let round = 0; round < rounds[length]; round++) {
    fs.cpSync(pristine, home.state, { recursive: true });
    const names = ["port-daddy.db", "port-daddy.db", "port-daddy.db-wal", "sequences.json"];
    const [name, how] = [random.pick(names), random.pick(Object.keys(damages))];
    const what = `round ${round}: ${name} ${how}`;
    const file = path.join(home.state, name);
    // A third of them under a daemon that has it open, and only notices when it reads it again.
    const isRunning = name === "port-daddy.db" && random.isOnce(0.33);
    if (isRunning) await home.json(["start"]);
    damages[how]!(file, random);
    const damaged = fs.readFileSync(file);
    if (isRunning) await mustBear(home, `${what} under a daemon`);
    await home.run(["stop"]);
    const { code, err } = await home.run(["start"]);
    must(code === 0, `${what}: it does not start`, err);
    const aside = /set aside as (\S+);/.exec(err)?.[1];
    if (aside !== undefined) {
      const kept = name.startsWith("port-daddy.db") && !isRunning;
      const copy = aside + name.replace("port-daddy.db", "");
      must(!kept || fs.readFileSync(copy).equals(damaged), `${what}: it is not kept as it was`);
      seen["set aside"]++;
    } else {
      seen[await mustBear(home, what)]++;
    }
    if (name !== "sequences.json" && aside === undefined) await mustCount(home, last, what);
    if (aside !== undefined) await mustBeginAnew(home, last, what);
    await home.run(["stop"]);
    await home.noDaemon();
    fs.rmSync(home.state, { recursive: true });
  }
  return `${rounds[length]} damages: ${Object.entries(seen)
    .map(([how, count]) => `${count} ${how}`)
    .join(", ")}`;
}

type Last = { fence: number; id: number };

/** A state that lies partly in the write-ahead log, as after a crash. */
async function setUp(home: Home): Promise<Last> {
  await home.json(["start"]);
  await home.json(["claim", ...Array.from({ length: claims }, (_, n) => `early:${n}`)]);
  await home.run(["restart"]);
  await home.json(["claim", ...Array.from({ length: claims }, (_, n) => `late:${n}`)]);
  const { fence } = (await ask(home, "POST", "/locks/held", { owner: "ada" })).body;
  const { id } = (await ask(home, "POST", "/msg/news", { payload: 1 })).body;
  await home.kill((await home.daemonPid())!);
  fs.rmSync(home.socket);
  return { fence, id };
}

/** Each request is answered, or refused in a sentence that says that the database is damaged. */
async function mustBear(home: Home, what: string): Promise<"whole" | "partly" | "refused"> {
  const lock = `/locks/new-${crypto.randomUUID()}`;
  const asked = [
    ["GET", "/services"],
    ["GET", "/locks"],
    ["GET", "/activity?limit=1000"],
    ["GET", "/msg/news"],
    ["POST", "/claim/new"],
    ["POST", lock],
    ["POST", "/msg/news"],
    ["DELETE", "/release/early:*"],
  ] as const;
  let refused = 0;
  for (const [method, route] of asked) {
    const body = { [lock]: { owner: "ada" }, "/msg/news": { payload: 1 } }[route as string];
    const answer = await ask(
      ...([home, method, route, method === "POST" ? (body ?? {}) : undefined] as const),
    ).catch((error) => {
      throw new Error(`${what}: nobody answers ${method} ${route}`, { cause: error });
    });
    if (answer.status === 200) continue;
    const isSaid =
      answer.status === 503 && /damaged|cannot be (read|written)/.test(answer.body.error);
    must(isSaid, `${what}: ${method} ${route} is not refused in a sentence`, answer);
    refused++;
  }
  return refused === 0 ? "whole" : refused === asked.length ? "refused" : "partly";
}

async function mustCount(home: Home, last: Last, what: string): Promise<void> {
  const lock = await ask(home, "POST", "/locks/counted", { owner: "ada" });
  const message = await ask(home, "POST", "/msg/news", { payload: 1 });
  const grows = (now: { status: number }, number: number, before: number) =>
    now.status !== 200 || number > before;
  must(grows(lock, lock.body.fence, last.fence), `${what}: a fence came again`, lock.body);
  must(grows(message, message.body.id, last.id), `${what}: an id came again`, message.body);
}

async function mustBeginAnew(home: Home, last: Last, what: string): Promise<void> {
  must((await mustBear(home, what)) === "whole", `${what}: the new one does not serve`);
  await mustCount(home, last, what);
  must(fs.existsSync(paths.databaseFile(home.state)), `${what}: there is no new one`);
}
