// A world for tests: real SQLite in memory, a clock that stands still until it is moved, and a machine whose ports and
// processes are what the test says.

import { readConfig } from "../src/config.ts";
import type { ProcessInfo } from "../src/contract/entities.ts";
import * as database from "../src/store/database.ts";
import { createWorld } from "../src/daemon/world.ts";
import type { Probe, Sighting, World } from "../src/world.ts";

/** 2026-01-02 03:04:05 UTC. */
export const startOfTime = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A machine that is what a test makes of it. */
export class FakeMachine implements Probe {
  /** Port → who listens there. */
  readonly bound = new Map<number, ProcessInfo>();
  readonly forbidden = new Set<number>();
  /** Process → its birthmark. */
  readonly processes = new Map<number, string>();
  /** Process → the processes behind it, as `pid.start`. */
  readonly lineages = new Map<number, string[]>();
  readonly repositories = new Set<string>();
  /** How often a port was tried. */
  probes = 0;

  obstacle(port: number) {
    this.probes++;
    if (this.forbidden.has(port)) return "not_permitted";
    return this.bound.has(port) ? "in_use" : undefined;
  }
  wasInUse(port: number) {
    return this.bound.has(port);
  }
  listening() {
    return new Set(this.bound.keys());
  }
  listenersOn(port: number): Sighting[] {
    const process = this.bound.get(port);
    if (!process) return [];
    const { pid } = process;
    const lineage = pid === null ? [] : [`${pid}.1`, ...(this.lineages.get(pid) ?? [])];
    return [{ process, birthmark: pid === null ? undefined : this.birthmark(pid), lineage }];
  }
  repositoryOf(directory: string) {
    return [...this.repositories].find((root) => `${directory}/`.startsWith(`${root}/`));
  }
  birthmark(pid: number) {
    return this.processes.get(pid);
  }

  listen(port: number, pid = 4321, command = "node server.js"): void {
    this.bound.set(port, { pid, command, cwd: "/srv/app", user: "ada", startedAt: startOfTime });
  }
}

export type TestWorld = World & {
  machine: FakeMachine;
  /** Moves the clock. */
  advance(ms: number): void;
  /** Failures that nobody waited for. */
  reported: unknown[];
};

/** Makes a world; `env` holds PORT_DADDY_* settings, `file` a database that outlives the world. */
export function makeWorld(env: Record<string, string> = {}, file = ":memory:"): TestWorld {
  let now = startOfTime;
  const machine = new FakeMachine();
  const reported: unknown[] = [];
  const world = createWorld({
    config: readConfig({ HOME: "/home/ada", PORT_DADDY_HOME: "/nonexistent", ...env }),
    db: database.open(file),
    clock: { now: () => now },
    probe: machine,
    report: (error) => reported.push(error),
  });
  return { ...world, machine, reported, advance: (ms) => void (now += ms) };
}
