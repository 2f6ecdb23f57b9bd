// How many files a process may have open, and how many it has.

import * as fs from "node:fs";
import { seen } from "./seen.ts";

/** The limit in force and the number in use; `undefined` for what cannot be seen. */
export function descriptors(pid: number): { limit: number | undefined; open: number | undefined } {
  return { limit: limitOf(pid), open: openOf(pid) };
}

/** Reads the line of /proc/PID/limits (man 5 proc_pid_limits); where there is none, asks a shell of our own. */
function limitOf(pid: number): number | undefined {
  if (process.platform === "linux") {
    const text = seen(() => fs.readFileSync(`/proc/${pid}/limits`, "utf8"));
    return toNumber(/^Max open files\s+(\d+|unlimited)/m.exec(text ?? "")?.[1]);
  }
  if (pid !== process.pid) return undefined;
  const { stdout } = Bun.spawnSync(["sh", "-c", "ulimit -n"], { stderr: "ignore", timeout: 1_000 });
  return toNumber(stdout.toString().trim());
}

function toNumber(text: string | undefined): number | undefined {
  if (text === "unlimited") return Infinity;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function openOf(pid: number): number | undefined {
  return seen(() => fs.readdirSync(`/proc/${pid}/fd`).length);
}
