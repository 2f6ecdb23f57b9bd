// A state directory that cannot be written: as a file system mounted so, by its mode, and by its mode while the daemon runs.

import * as fs from "node:fs";
import * as path from "node:path";
import * as paths from "../../src/system/paths.ts";
import { eventually, isRoot, nobody, type Home } from "../home.ts";
import { ask, mountSmall, must, mustSay, openHome, type Effort } from "./experiment.ts";

/** More than the numbers that are reserved at a time: then the file of their marks must be written. */
const numbers = 1_020;

export async function readonly(_: Effort): Promise<string> {
  const seen = [...(isRoot ? await asFileSystem() : []), ...(await byMode())];
  if (!isRoot) seen.push("a read-only file system was left out: it takes root");
  return seen.join("; ");
}

async function asFileSystem(): Promise<string[]> {
  const home = openHome();
  fs.mkdirSync(home.state, { mode: 0o700 });
  await mountSmall(home.state, "8m");
  const { port } = await home.json(["claim", "kept"]);
  await stop(home);
  await remount(home, "ro");
  for (const words of [["start"], ["claim", "more"], ["find"], ["lock", "deploy"]])
    mustSay(await home.run(words), { code: 7, says: /cannot be used: .*read-only/ });
  await home.noDaemon();
  await remount(home, "rw");
  must((await home.json(["claim", "kept"])).port === port, "the claim is lost");
  return ["on a read-only file system 4 commands said so, and afterwards all was there"];
}

/** Until nothing of it is open any more. */
async function stop(home: Home): Promise<void> {
  await home.run(["stop"]);
  await home.noDaemon();
}

/** A process that is just ending may have files open for a moment still. */
async function remount(home: Home, how: "ro" | "rw"): Promise<void> {
  await eventually(`it is mounted ${how}`, () => {
    return Bun.spawnSync(["mount", "-o", `remount,${how}`, home.state]).exitCode === 0;
  });
}

/** Root may write everywhere, so that it is somebody else then. */
async function byMode(): Promise<string[]> {
  const home = openHome({}, isRoot ? { uid: nobody } : {});
  const { port } = await home.json(["claim", "kept"]);
  await home.json(["pub", "news", "first"]);
  fs.chmodSync(home.state, 0o500);
  const { served, refused } = await count(home);
  must(served > 0 && refused > 0, "it is served or refused as a whole", { served, refused });
  fs.chmodSync(home.state, 0o700);
  const again = await count(home);
  must(again.refused === 0, "it does not recover", again);
  must(again.first > served, "a number went back", { again, served });
  await stop(home);

  fs.chmodSync(home.state, 0o500);
  mustSay(await home.run(["start"]), { code: 7, says: /cannot be used: permission denied/ });
  fs.chmodSync(home.state, 0o700);
  const file = paths.databaseFile(home.state);
  fs.chmodSync(file, 0o400);
  mustSay(await home.run(["start"]), { code: 7, says: /read-only/ });
  await home.noDaemon();
  // SQLite gives what it makes beside the database the same mode.
  for (const name of fs.readdirSync(home.state)) fs.chmodSync(path.join(home.state, name), 0o600);
  must((await home.json(["claim", "kept"])).port === port, "the claim is lost");
  return [
    `a directory closed under a daemon: ${served} messages published, ${refused} refused, none afterwards`,
    "a start in it and one with a read-only database were refused",
  ];
}

/** Publishes more than the numbers that are reserved; each is stored, or refused with the reason. */
async function count(home: Home): Promise<{ served: number; refused: number; first: number }> {
  let [served, refused, first] = [0, 0, 0];
  for (let n = 0; n < numbers; n++) {
    const { status, body } = await ask(home, "POST", "/msg/news", { payload: n });
    if (status === 200) {
      first ||= body.id;
      served++;
      continue;
    }
    must(status === 503 && /read-only/.test(body.error), "it is not said why", body);
    refused++;
  }
  return { served, refused, first };
}
