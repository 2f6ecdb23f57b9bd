// What it costs to watch: the daemon's share of a core, idle, with 500 claims and 300 processes of which one listens on
// a hundred of the claimed ports. `bun test/bench/observer.ts [seconds]`, after `bun build.ts`.

import * as fs from "node:fs";
import { eventually, Home } from "../home.ts";

const claims = 500;
const processes = 300;
const listeners = 100;

/** Ticks a second of the times in /proc: USER_HZ. */
const ticksPerSecond = 100;

const seconds = Number(process.argv[2] ?? 60);
if (!(seconds > 0))
  throw new Error(`the first argument is a number of seconds, not ${process.argv[2]}`);

/** Seconds of processor time that a process has taken, for itself and in the kernel (man 5 proc_pid_stat). */
function cpuSeconds(pid: number): { user: number; system: number } {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond };
}

function residentMiB(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function descriptorsOf(pid: string): number {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // It has ended, or is not ours to see.
  }
}

await using home = new Home();
const { pid } = await home.json(["start"]);
const bare = residentMiB(pid);

const ports: number[] = [];
for (let i = 0; i < claims; i += 50) {
  const ids = Array.from({ length: 50 }, (_, j) => `bench:${i + j}`);
  ports.push(...(await home.json(["claim", ...ids])).services.map(({ port }: any) => port));
}
for (let i = 0; i < processes; i++) home.start(["sleep", "100000"]);
const serve = `for (const port of ${JSON.stringify(ports.slice(0, listeners))})
  Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });`;
home.start([process.execPath, "-e", serve]);
await eventually("all of them are seen running", async () => {
  const { count } = await home.json(["find", "--status", "running"]);
  const { count: stored } = await home.json([
    "log",
    "--action",
    "service_start",
    "--limit",
    "1000",
  ]);
  return count === listeners && stored === listeners;
});

const machine = fs.readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
const descriptors = machine.reduce((sum, entry) => sum + descriptorsOf(entry), 0);
console.log(
  `${claims} claims, ${listeners} of them served; ${machine.length} processes with ${descriptors} open files on the machine`,
);

const before = cpuSeconds(pid);
const start = performance.now();
await Bun.sleep(seconds * 1000);
const tookSeconds = (performance.now() - start) / 1000;
const after = cpuSeconds(pid);

const user = after.user - before.user;
const system = after.system - before.system;
const share = ((user + system) / tookSeconds) * 100;
console.log(
  `idle for ${tookSeconds.toFixed(1)} s: ${share.toFixed(2)} % of a core ` +
    `(${user.toFixed(2)} s user, ${system.toFixed(2)} s system)`,
);
console.log(
  `resident ${residentMiB(pid).toFixed(1)} MiB, ${bare.toFixed(1)} MiB before the claims`,
);
