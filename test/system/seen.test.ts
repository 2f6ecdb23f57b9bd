// What is not seen for want of files to look with.

import { expect, test } from "bun:test";
import * as path from "node:path";

const program = `
  import * as fs from "node:fs";
  import { birthmark } from "./processes.ts";
  import { machine } from "./machine.ts";
  import { createProbe } from "../daemon/probe.ts";
  const looks = {
    birthmark: () => birthmark(process.pid),
    owners: () => machine.owningProcesses([{ port: 1, uid: 0, inode: "1" }]),
    obstacle: () => createProbe({ now: Date.now }).obstacle(31999),
  };
  const said = (look) => { try { return String(look()) } catch (error) { return error.message } };
  try { while (true) fs.openSync("/dev/null", "r") } catch {}
  console.log(JSON.stringify(Object.values(looks).map(said)));`;

test("a process is not taken for dead, nor a port for taken, where no file is left to look with", async () => {
  const shell = ["sh", "-c", 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, program];
  const cwd = path.join(import.meta.dir, "../../src/system");
  const child = Bun.spawn(shell, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual([
    "What runs on this machine cannot be seen: too many open files",
    "What runs on this machine cannot be seen: too many open files",
    "Ports cannot be tried: too many open files",
  ]);
});
