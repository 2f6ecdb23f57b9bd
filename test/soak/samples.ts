// What the daemon's process and its files take, and how much that may rise.

import * as fs from "node:fs";
import * as path from "node:path";
import type { Bound } from "./flat.ts";

const MiB = 1024 * 1024;

/** Each with what it may rise by between the end of the warm-up and the end. */
export const measures = {
  resident: { title: "resident", unit: "MiB", bound: { share: 0.1, least: 8 } },
  descriptors: { title: "descriptors", unit: "", bound: { share: 0.1, least: 5 } },
  database: { title: "database", unit: "MiB", bound: { share: 0.05, least: 1 } },
  // Emptied into the database at 64 MiB at the latest, when the daemon next looks: once a second.
  writeAhead: { title: "wal", unit: "MiB", bound: { share: 0.5, least: 4, most: 128 } },
  // Two of five megabytes, and some lines.
  log: { title: "log", unit: "MiB", bound: { share: 0, least: 0.1, most: 12 } },
} satisfies Record<string, { title: string; unit: string; bound: Bound }>;

export type Measure = keyof typeof measures;
export type Sample = Record<Measure, number>;

export function take(pid: number, state: string): Sample {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  const MiBOf = (...names: string[]) =>
    names.reduce((sum, name) => sum + sizeOf(path.join(state, name)), 0) / MiB;
  return {
    resident: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024,
    descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
    database: MiBOf("port-daddy.db"),
    writeAhead: MiBOf("port-daddy.db-wal"),
    log: MiBOf("daemon.log", "daemon.log.1"),
  };
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
