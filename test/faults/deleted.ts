// The database is taken away from under the daemon: it ends, the next command begins with an empty one and says so, and no
// number comes again.

import * as fs from "node:fs";
import * as paths from "../../src/system/paths.ts";
import { isGone, type Home } from "../home.ts";
import { ask, must, openHome, type Effort } from "./experiment.ts";

const ways: Record<string, (file: string) => void> = {
  "the database": (file) => fs.rmSync(file),
  "the database and its write-ahead log": (file) => {
    for (const suffix of ["", "-wal", "-shm"]) fs.rmSync(file + suffix, { force: true });
  },
  "the write-ahead log": (file) => {
    for (const suffix of ["-wal", "-shm"]) fs.rmSync(file + suffix, { force: true });
  },
  "what was in the database": (file) => {
    for (const suffix of ["", "-wal", "-shm"]) fs.rmSync(file + suffix, { force: true });
    fs.writeFileSync(file, "");
  },
};

/** Each takes the daemon two seconds to notice. */
const many = { short: 1, full: Infinity };

export async function deleted({ length }: Effort): Promise<string> {
  const home = openHome();
  const file = paths.databaseFile(home.state);
  const chosen = Object.entries(ways).slice(0, many[length]);
  let [fence, id, told] = [0, 0, 0];
  for (const [what, remove] of chosen) {
    for (let n = 0; n < 20; n++) ({ fence, id } = await count(home, fence, id));
    await ask(home, "POST", "/claim/kept", {});
    const pid = (await home.daemonPid())!;
    remove(file);
    await isGone(pid);
    const { code, err } = await home.run(["claim", "anew", "-q"]);
    must(code === 0, `nothing can be claimed once ${what} is gone`, err);
    const { status } = await ask(home, "GET", "/services/kept");
    const isTold = /the database \S+ is gone; starting with an empty one/.test(err);
    must(isTold === (status === 404), `${what} is gone, and it is not said what that cost`, err);
    if (isTold) told++;
    must(home.daemons().length === 1, "there are several daemons", home.daemons());
    ({ fence, id } = await count(home, fence, id));
  }
  return `${chosen.length} ways: it ended each time, and where it began with an empty one (${told}) it said so; fence ${fence}, message ${id}, none twice`;
}

async function count(home: Home, fence: number, id: number) {
  if ((await home.daemonPid()) === undefined) await home.json(["start"]);
  const lock = (await ask(home, "POST", "/locks/counted", { owner: "ada" })).body;
  await ask(home, "DELETE", "/locks/counted", { owner: "ada" });
  const message = (await ask(home, "POST", "/msg/news", { payload: 1 })).body;
  must(lock.fence > fence && message.id > id, "a number came again", { lock, message, fence, id });
  return { fence: lock.fence as number, id: message.id as number };
}
