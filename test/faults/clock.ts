// The clock is set, forward and back, while the daemon runs and while it does not. The binary is given its clock by
// libfaketime (https://github.com/wolfcw/libfaketime), from Debian's package.

import * as fs from "node:fs";
import * as path from "node:path";
import { binary, eventually, isRoot, type Home } from "../home.ts";
import { ask, must, openHome, Skipped } from "./experiment.ts";

const hour = 3_600_000;

export async function clock(): Promise<string> {
  const library = findLibrary();
  const home = openHome();
  const set = clockOf(home);
  set(0);
  let daemon = await startWith(home, library);
  const before = await setUp(home);
  const waiting = ask(home, "POST", "/locks/deploy", { owner: "bob", wait: true, timeout: 60_000 });
  const inLine = async () => (await ask(home, "GET", "/locks/deploy")).body.lock?.waiting === 1;
  await eventually("somebody waits", inLine);

  set(hour);
  const { createdAt } = (await ask(home, "POST", "/claim/later", {})).body;
  if (Math.abs(createdAt - Date.now() - hour) > 60_000)
    throw new Skipped("the binary does not go by the clock that libfaketime shows it");
  await mustKeep(home, before);
  const gone = async () => (await ask(home, "GET", "/services/ten-minutes")).status === 404;
  must(await gone(), "a claim outlived its time");
  await rounds(home);
  await mustKeep(home, before);
  must(await inLine(), "whoever waited for a lock was sent away");
  await ask(home, "DELETE", "/locks/deploy", { owner: "ada" });
  must((await waiting).body.owner === "bob", "whoever waited was not served", await waiting);

  // Two hours back: what is held must lapse in its time, and not two hours later.
  await ask(home, "POST", "/locks/short", { owner: "ada", ttl: 2_000 });
  const next = ask(home, "POST", "/locks/short", { owner: "bob", wait: true, timeout: 15_000 });
  set(-hour);
  must(
    (await next).status === 200,
    "a lock outlived its time when the clock went back",
    await next,
  );
  await rounds(home);
  must((await ask(home, "GET", "/agents/claude")).body.status === "active", "the agent went stale");
  await mustCount(home, before);

  // And set while no daemon runs, in both directions.
  for (const at of [-24 * hour, 24 * hour]) {
    const { fence } = (await ask(home, "POST", "/locks/across", { owner: "ada", ttl: 20_000 }))
      .body;
    await home.kill(daemon);
    set(at);
    daemon = await startWith(home, library);
    const { lock } = (await ask(home, "GET", "/locks/across")).body;
    must(lock?.fence === fence, "a lock was lost with the daemon", lock);
    const leftMs = lock.expiresAt - (Date.now() + at);
    must(leftMs < 30_000, "a lock of 20 s is held far longer, as the clock was set back", leftMs);
    await ask(home, "DELETE", "/locks/across", { owner: "ada" });
    must((await ask(home, "GET", "/agents/claude")).body.status === "active", "the agent is stale");
    await mustCount(home, before);
  }
  return "1 h forward, 2 h back, a day back and two forward without a daemon: nobody lost or gained anything";
}

/** Installed where it is missing, as the tests do with what they run for real. */
function findLibrary(): string {
  const find = () =>
    [
      ...new Bun.Glob("*/faketime/libfaketime.so.1").scanSync({ cwd: "/usr/lib", absolute: true }),
    ][0];
  if (!find() && isRoot && Bun.which("apt-get"))
    Bun.spawnSync(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "libfaketime"]);
  const found = find();
  if (!found) throw new Skipped("libfaketime is missing: apt-get install libfaketime");
  return found;
}

const clockFile = (home: Home) => path.join(home.directory, "clock");

/** Sets the daemon's clock so much ahead of ours, at once and as a whole. */
function clockOf(home: Home): (aheadMs: number) => void {
  return (aheadMs) => {
    const file = clockFile(home);
    fs.writeFileSync(`${file}.new`, `${aheadMs < 0 ? "" : "+"}${aheadMs / 1_000}\n`);
    fs.renameSync(`${file}.new`, file);
  };
}

/** A daemon by that clock; how long things take goes by a clock that nobody can set. Returns its pid. */
async function startWith(home: Home, library: string): Promise<number> {
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clockFile(home),
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  home.start([binary, "daemon"], { env });
  return eventually("the daemon serves", () => home.daemonPid());
}

type Before = { fence: number; message: number; port: number };

async function setUp(home: Home): Promise<Before> {
  await ask(home, "POST", "/agents/claude", {});
  await ask(home, "POST", "/claim/ten-minutes", { expires: 600_000 });
  await ask(home, "POST", "/claim/three-hours", { expires: 3 * hour });
  const { port } = (await ask(home, "POST", "/claim/lasting", { agent: "claude" })).body;
  const { fence } = (await ask(home, "POST", "/locks/deploy", { owner: "ada" })).body;
  const { id } = (await ask(home, "POST", "/msg/news", { payload: 1 })).body;
  return { fence, message: id, port };
}

async function mustKeep(home: Home, { fence, port }: Before): Promise<void> {
  const { lock } = (await ask(home, "GET", "/locks/deploy")).body;
  must(lock?.fence === fence, "a lock lapsed by the clock being set", lock);
  must((await ask(home, "GET", "/agents/claude")).body.status === "active", "the agent went stale");
  const lasting = (await ask(home, "GET", "/services/lasting")).body;
  must(lasting.port === port, "a claim was lost", lasting);
  const long = await ask(home, "GET", "/services/three-hours");
  must(long.status === 200, "a claim ended before its time", long.body);
}

/** Fences and ids only grow. */
async function mustCount(home: Home, before: Before): Promise<void> {
  const { fence } = (await ask(home, "POST", "/locks/counted", { owner: "ada" })).body;
  await ask(home, "DELETE", "/locks/counted", { owner: "ada" });
  const { id } = (await ask(home, "POST", "/msg/news", { payload: 1 })).body;
  must(fence > before.fence && id > before.message, "a number went back", { fence, id, before });
  Object.assign(before, { fence, message: id });
}

/** Waits until the reaper has looked at everything: what it ends, it logs. */
async function rounds(home: Home): Promise<void> {
  const { body } = await ask(home, "POST", "/claim/canary", { expires: 1 });
  await eventually("the reaper has been there", async () => {
    const { entries } = (await ask(home, "GET", "/activity?targetId=canary&action=cleanup")).body;
    return entries.some(({ timestamp }: { timestamp: number }) => timestamp >= body.createdAt);
  });
}
