// Many processes at one lock: nothing is done twice at once and nothing is lost, also while holders are killed.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { countTogether } from "../counting.ts";
import { eventually, Home } from "../home.ts";

function read(home: Home, file: string): string {
  const found = path.join(home.directory, file);
  return fs.existsSync(found) ? fs.readFileSync(found, "utf8") : "";
}

// `npm run long` has them count to a thousand.
test("fifty processes that add one four times each make two hundred", async () => {
  await countTogether(50, 4);
}, 60_000);

/** Adds the next number to a list with its fence, in one write: a process that is killed has done it or not. */
const enter = `
  set -C
  if ! { echo "$$" >inside; } 2>/dev/null; then
    # Whoever was killed has left its mark behind; only one who still lives is met.
    other= state=X
    read -r other <inside
    [ -z "$other" ] || { read -r _ _ state _ <"/proc/$other/stat"; } 2>/dev/null
    case $state in [XZ]) ;; *) echo "$$ met $other ($state)" >>clashes; exit 1 ;; esac
    set +C; echo "$$" >inside
  fi
  n=0
  while read -r last _; do n=$last; done <list
  sleep 0.01
  echo "$((n + 1)) $PORT_DADDY_FENCE" >>list
  exec rm inside
`;

/** The process that has a lock at the moment, as the daemon shows it. */
async function holder(home: Home): Promise<number | undefined> {
  const answer: any = await home.fetch("/locks/storm").then(
    (response) => response.json(),
    () => undefined,
  );
  return answer?.lock?.pid ?? undefined;
}

/** The pid of a process's parent, where that has the lock for it. */
function commandOf(pid: number): number | undefined {
  try {
    const parent = Number(/\) \S (\d+)/.exec(fs.readFileSync(`/proc/${pid}/stat`, "utf8"))![1]);
    const words = fs.readFileSync(`/proc/${parent}/cmdline`, "utf8");
    return words.includes("port-daddy\0lock\0") ? parent : undefined;
  } catch {
    return undefined;
  }
}

const kill = {
  program: holder,
  command: async (home: Home) => {
    const pid = await holder(home);
    return pid === undefined ? undefined : commandOf(pid);
  },
  daemon: (home: Home) => home.daemonPid(),
};

test("whoever is killed meanwhile, nobody enters where somebody is, and no number is lost", async () => {
  await using home = new Home();
  await home.run(["start"]);
  for (const [name, text] of Object.entries({ enter, list: "" }))
    fs.writeFileSync(path.join(home.directory, name), text);
  const line = (owner: string) => `
    export PORT_DADDY_OWNER=${owner}
    until [ -e over ]; do
      port-daddy lock storm --timeout 0 -- sh enter
      echo $? >>codes
    done`;
  const workers = Array.from({ length: 8 }, (_, i) => home.startShell(line(`w${i}`)));
  const rows = () => read(home, "list").split("\n").slice(0, -1);

  // A command that is killed is the slowest to be noticed: its program ends, and then the daemon must see that.
  const round = ["program", "daemon", "program", "command"] as const;
  const victims = Array.from({ length: 3 }, () => round).flat();
  for (const victim of victims) {
    const seen = rows().length;
    await eventually("it goes on", () => rows().length >= seen + 3);
    await eventually(`a ${victim} is killed`, async () => {
      const pid = await kill[victim](home);
      if (pid === undefined) return false;
      try {
        return process.kill(pid, "SIGKILL");
      } catch {
        return false; // It was faster.
      }
    });
  }
  const seen = rows().length;
  await eventually("it goes on after all", () => rows().length >= seen + 8);
  fs.writeFileSync(path.join(home.directory, "over"), "");
  await Promise.all(workers.map((worker) => worker.exited));

  expect(read(home, "clashes")).toBe("");
  const entries = rows().map((row) => row.split(" ").map(Number));
  expect(entries.map(([n]) => n)).toEqual(entries.map((_, i) => i + 1));
  const fences = entries.map(([, fence]) => fence!);
  expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b));
  // Done, killed, or not started because the daemon went away: nothing else.
  const codes = read(home, "codes").trim().split("\n").map(Number);
  expect(codes.filter((code) => ![0, 125, 137].includes(code))).toEqual([]);
  const done = codes.filter((code) => code === 0).length;
  expect(entries.length).toBeGreaterThanOrEqual(done);
  expect(entries.length).toBeLessThanOrEqual(done + victims.length);
  // Nobody who is gone has it still.
  expect(await home.run(["lock", "storm", "--timeout", "5s", "-q"])).toMatchObject({ code: 0 });
}, 90_000);
