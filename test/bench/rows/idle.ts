// What a daemon takes that nobody asks anything of, beside the least that a compiled server takes in the same minute.

import * as fs from "node:fs";
import * as path from "node:path";
import { connect, encode } from "../client.ts";
import { compile } from "../compile.ts";
import { cpuMicros, type Figure, type Line, type Options } from "../measure.ts";
import { openHome, startPrinting, startProduct, type Server } from "../rig.ts";

const claims = 100;
const agents = 2;

const fullIdleMs = 60_000;

/** What the promises allow: of a bare server's memory, and of a core in percent. */
const memoryTarget = 1.35;
const allowedShare = 0.2;

export async function idle({ binary, effort }: Options): Promise<Line[]> {
  await using home = openHome();
  const product = await startProduct(home, binary);
  await hold(product);
  const blank = await startCompiled(home, "blank.ts");
  const bare = await startCompiled(home, "bare.ts", path.join(home.directory, "bare.db"));
  const servers = [product, blank, bare];
  const before = servers.map(({ pid }) => cpuMicros(pid));
  const start = performance.now();
  await Bun.sleep(fullIdleMs * effort.share);
  const tookMs = performance.now() - start;
  const [ours, theirs] = servers.map(({ pid }, n) => percentOfCore(pid, before[n]!, tookMs));
  const [resident, least, withDatabase] = servers.map(({ pid }) => residentMiB(pid));
  return [
    {
      what: "idle with 100 claims and 2 agents, resident memory",
      product: { value: resident!, unit: "MiB" },
      ceiling: { value: least!, unit: "MiB" },
      ratios: [resident! / least!],
      isMost: true,
      target: memoryTarget,
      note: `a compiled server with hono and a database of the same tables has ${withDatabase!.toFixed(1)} MiB: ${(resident! / withDatabase!).toFixed(2)} ×`,
    },
    {
      what: "the same, share of a core",
      product: ours!,
      ceiling: theirs!,
      // A bare server may take less than can be counted.
      ratios: [ours!.value / Math.max(theirs!.value, 1 / (tookMs / 1_000))],
      isMost: true,
      allowed: allowedShare,
      note: `over ${Math.round(tookMs / 1_000)} s, counted in steps of 10 ms`,
    },
  ];
}

async function hold({ port }: Server): Promise<void> {
  const [connection] = await connect(port, 1);
  for (let n = 0; n < agents; n++) await connection!.ask(encode("POST", `/agents/agent-${n}`, {}));
  for (let n = 0; n < claims; n++)
    await connection!.ask(encode("POST", `/claim/project:service:${n}`, { cwd: "/tmp" }));
  connection!.close();
}

/** Compiles a server, starts it and has it answer once. */
async function startCompiled(
  home: ReturnType<typeof openHome>,
  program: string,
  ...args: string[]
): Promise<Server> {
  const outfile = path.join(home.directory, path.basename(program, ".ts"));
  compile(program, outfile);
  const server = await startPrinting(home, [outfile, ...args]);
  await (await fetch(`http://127.0.0.1:${server.port}/waiting`, { proxy: false })).text();
  return server;
}

function percentOfCore(pid: number, before: number, tookMs: number): Figure {
  return { value: ((cpuMicros(pid) - before) / (tookMs * 1_000)) * 100, unit: "% of a core" };
}

/** man 5 proc_pid_status. */
function residentMiB(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}
