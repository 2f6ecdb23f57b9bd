// A full disk: what cannot be stored is refused in a sentence, what is there can be read, and the same daemon goes on when
// there is room again.

import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, type Home } from "../home.ts";
import {
  ask,
  mountSmall,
  must,
  mustSay,
  openHome,
  requireRoot,
  type Answer,
  type Effort,
} from "./experiment.ts";

const changes = { short: 100, full: 1_000 };

export async function disk({ length }: Effort): Promise<string> {
  requireRoot();
  const home = openHome();
  fs.mkdirSync(home.state, { mode: 0o700 });
  await mountSmall(home.state, "3m");
  const { pid } = await home.json(["start"]);
  const before = await change(home, "before");
  must(
    before.every(({ status }) => status === 200),
    "nothing can be stored at first",
    before,
  );

  const done: number[] = [];
  let refused = 0;
  fill(home);
  fs.truncateSync(filler(home), fs.statSync(filler(home)).size - 64 * 1024);
  for (let n = 0; n < changes[length]; n++) {
    const answers = await change(home, `full${n}`);
    for (const { status, body } of answers.filter(({ status }) => status !== 200)) {
      must(status === 503 && /the disk is full/.test(body.error), "it is not said why", body);
      refused++;
    }
    if (answers[0]!.status === 200) done.push(n);
  }
  must(refused > changes[length], "the disk was not full", refused);
  const claimed = { code: 7, says: /The state cannot be stored: the disk is full/ };
  mustSay(await home.run(["claim", "by-command"]), claimed);
  must((await ask(home, "GET", "/services/before")).status === 200, "nothing can be read");
  must((await home.run(["locks"])).code === 0, "nothing can be read by a command");

  // The same daemon, without being told.
  makeRoom(home);
  const after = await eventually("it goes on", async () => {
    const answers = await change(home, `after${performance.now()}`);
    return answers.every(({ status }) => status === 200) ? answers : undefined;
  });
  must((await home.daemonPid()) === pid, "it is another daemon");
  mustGrow(before, after);
  await mustBeThere(home, done, changes[length]);

  // And one that is killed and started while there is no room.
  fill(home);
  await home.kill(pid);
  const started = await home.run(["start"]);
  if (started.code !== 0) mustSay(started, { code: 7, says: /disk is full/ });
  await home.run(["stop"]);
  makeRoom(home);
  await home.json(["start"]);
  mustGrow(after, await change(home, "at-last"));
  await mustBeThere(home, done, changes[length]);
  return `${refused} changes refused and ${done.length} stored on a full disk; the same daemon went on; a start there was ${started.code === 0 ? "possible" : "refused"}`;
}

/** A change of each kind. */
async function change(home: Home, name: string): Promise<Answer[]> {
  const claim = await ask(home, "POST", `/claim/${name}`, {});
  const lock = await ask(home, "POST", `/locks/${name}`, { owner: "ada" });
  return [claim, lock, await ask(home, "POST", "/msg/news", { payload: "~".repeat(500) })];
}

function mustGrow(before: Answer[], after: Answer[]): void {
  const numbers = (of: Answer[]) => [of[1]!.body.fence as number, of[2]!.body.id as number];
  const [was, is] = [numbers(before), numbers(after)];
  must(is[0]! > was[0]! && is[1]! > was[1]!, "a number went back", { was, is });
}

/** What was acknowledged is there and in the log once; what was refused is in neither. */
async function mustBeThere(home: Home, done: number[], count: number): Promise<void> {
  const { services } = (await ask(home, "GET", "/services?pattern=full*")).body;
  const { entries } = (await ask(home, "GET", "/activity?targetId=full*&action=claim&limit=1000"))
    .body;
  const expected = String(done.map((n) => `full${n}`).sort());
  must(count >= done.length, "more was done than was asked for");
  const shown = String(services.map(({ id }: { id: string }) => id).sort());
  must(shown === expected, "what is there is not what was acknowledged", { shown, expected });
  const logged = String(entries.map(({ targetId }: { targetId: string }) => targetId).sort());
  must(logged === expected, "what is logged is not what was acknowledged", { logged, expected });
}

const filler = (home: Home) => path.join(home.state, "filler");

/** To the last byte. */
function fill(home: Home): void {
  const file = fs.openSync(filler(home), "a");
  try {
    for (let size = 4_096; size >= 1; size /= 4) {
      try {
        while (true) fs.writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if ((error as { code?: string }).code !== "ENOSPC") throw error;
      }
    }
  } finally {
    fs.closeSync(file);
  }
}

function makeRoom(home: Home): void {
  fs.rmSync(filler(home));
}
