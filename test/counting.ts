// Processes that count together, each time with the same lock: a number that somebody else changes meanwhile is lost.

import { expect } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home } from "./home.ts";

/** Adds one to a number in a file, slowly enough for another to come between; `inside` is there meanwhile. */
const increment = `
  set -C
  : >inside || { echo "$$ met somebody" >>clashes; exit 1; }
  read -r n <counter
  yielded=$(:)
  set +C
  echo $((n + 1)) >counter
  exec rm inside
`;

/** Lets processes add one so many times each, and expects that every one of it counts. */
export async function countTogether(processes: number, times: number): Promise<void> {
  await using home = new Home();
  await home.run(["start"]);
  const files = { counter: "0\n", clashes: "", increment };
  const fileOf = (name: string) => path.join(home.directory, name);
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(fileOf(name), text);
  const line = (owner: string) => `
    export PORT_DADDY_OWNER=${owner}; i=0
    while [ $i -lt ${times} ]; do
      port-daddy lock counter --timeout 0 -- sh increment || exit
      i=$((i + 1))
    done`;
  const workers = Array.from({ length: processes }, (_, i) => home.startShell(line(`w${i}`)));
  const codes = await Promise.all(workers.map((worker) => worker.exited));
  const said = await Promise.all(workers.map(({ stderr }) => new Response(stderr).text()));
  const rounds = processes * times;
  expect(codes).toEqual(Array(processes).fill(0));
  expect(fs.readFileSync(fileOf("clashes"), "utf8")).toBe("");
  expect(fs.readFileSync(fileOf("counter"), "utf8")).toBe(`${rounds}\n`);
  expect(said.join("")).toBe("");
  const { count } = await home.json(["log", "--action", "lock_acquire", "--limit", `${rounds}`]);
  expect(count).toBe(rounds);
}
