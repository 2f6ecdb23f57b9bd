// Something lies where the socket belongs, before the daemon starts and while it runs.

import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, type Home } from "../home.ts";
import { must, mustSay, openHome } from "./experiment.ts";

/** What may be replaced is, what may hold something is left and named. */
const obstacles: Record<string, { put: (home: Home) => unknown; isLeft?: boolean }> = {
  "a file": { put: ({ socket }) => fs.writeFileSync(socket, "text") },
  "a link to a file": { put: ({ socket, directory }) => fs.symlinkSync(kept(directory), socket) },
  "a link to nothing": { put: ({ socket }) => fs.symlinkSync("nowhere", socket) },
  "a pipe": { put: ({ socket }) => Bun.spawnSync(["mkfifo", socket]) },
  "a socket that nobody listens on": {
    put: ({ socket }) => {
      Bun.listen({ unix: `${socket}.old`, socket: { data() {} } }).stop(true);
      if (fs.existsSync(`${socket}.old`)) fs.renameSync(`${socket}.old`, socket);
    },
  },
  "a directory": { put: ({ socket }) => fs.mkdirSync(socket), isLeft: true },
  "a directory with something in it": {
    put: ({ socket }) => {
      fs.mkdirSync(socket);
      fs.writeFileSync(path.join(socket, "precious"), "text");
    },
    isLeft: true,
  },
};

const kept = (directory: string) => path.join(directory, "kept");

export async function socket(): Promise<string> {
  const home = openHome();
  fs.writeFileSync(kept(home.directory), "text");
  await home.run(["claim", "myapp"]);
  let [replaced, left] = [0, 0];
  for (const [what, { put, isLeft }] of Object.entries(obstacles)) {
    await home.run(["stop"]);
    fs.rmSync(home.socket, { recursive: true, force: true });
    put(home);
    const result = await home.run(["start"]);
    if (isLeft) {
      mustSay(result, { code: 7, says: /socket .* cannot be made/ });
      must(fs.statSync(home.socket).isDirectory(), `${what} was removed`);
      await home.noDaemon();
      fs.rmSync(home.socket, { recursive: true });
      must((await home.run(["start"])).code === 0, `it does not start without ${what}`);
      left++;
    } else {
      must(result.code === 0, `${what} keeps it from starting`, result.err);
      replaced++;
    }
    must((await home.run(["find", "-q"])).out === "myapp\n", `${what} cost a claim`);
  }
  must(fs.readFileSync(kept(home.directory), "utf8") === "text", "what a link led to is gone");
  await whileItRuns(home);
  return `${replaced} kinds of obstacles replaced, ${left} left and named; a file over a living socket replaced by a new one`;
}

async function whileItRuns(home: Home): Promise<void> {
  const pid = await home.daemonPid();
  fs.rmSync(home.socket);
  fs.writeFileSync(home.socket, "text");
  await eventually("the socket is made anew", async () => (await home.daemonPid()) === pid);
  must((await home.run(["find", "-q"])).out === "myapp\n", "a command does not find it again");
}
