// macOS, by ps(1) and lsof(8), in the forms that their manuals promise. Written and tested on recorded output; it has
// not run on a Mac.

import { int, loadLibc } from "./libc.ts";
import type { Listener, Machine, ProcessStat } from "./machine.ts";

/** How long either program may take. */
const timeoutMs = 5_000;

export const darwin: Machine = {
  stat(pid) {
    const line = run(["ps", "-o", "pid=,ppid=,pgid=,tty=,stat=,lstart=,comm=", "-p", String(pid)]);
    return parsePs(line, sessionOf(pid));
  },
  exists(pid) {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as { code?: string }).code === "EPERM";
    }
  },
  commandWords(pid) {
    const line = run(["ps", "-ww", "-o", "command=", "-p", String(pid)]).trim();
    return line === "" ? [] : line.split(" ");
  },
  parents() {
    const lines = run(["ps", "-axo", "pid=,ppid="]).trim().split("\n");
    return new Map(lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
  },
  directoryOf: (pid) =>
    /^n(.+)$/m.exec(run(["lsof", "-a", "-p", String(pid), "-d", "cwd", "-Fn"]))?.[1],
  userOf: (pid) => run(["ps", "-o", "user=", "-p", String(pid)]).trim() || undefined,
  boot: () => "", // The start of a process is told as an instant, so that no boot need be named.
  hostName: () => process.getBuiltinModule("node:os").hostname(),
  listeners: () => parseLsof(lsof()).map(({ pid: _, ...listener }) => listener),
  owningProcesses(sockets) {
    const wanted = new Set(sockets.map(({ inode }) => inode));
    const owners = new Map<string, number[]>();
    for (const { inode, pid } of parseLsof(lsof())) {
      if (wanted.has(inode)) owners.set(inode, [...(owners.get(inode) ?? []), pid]);
    }
    return owners;
  },
};

/** Reads the line of `ps -o pid=,ppid=,pgid=,tty=,stat=,lstart=,comm=`; `??` or `?` is no terminal. */
export function parsePs(line: string, session: number): ProcessStat | undefined {
  const match =
    /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\w{3} \w{3} +\d+ [\d:]{8} \d{4})\s+(.+?)\s*$/.exec(
      line,
    );
  if (!match) return undefined;
  const [, pid, parent, group, terminal, state, started, program] = match as unknown as string[];
  const startedAt = Date.parse(started!);
  return {
    pid: Number(pid),
    name: program!.slice(program!.lastIndexOf("/") + 1),
    state: state![0]!,
    parent: Number(parent),
    group: Number(group),
    session,
    isForeground: state!.includes("+"),
    hasTerminal: !terminal!.startsWith("?"),
    start: startedAt / 1000,
    startedAt,
  };
}

/**
 * Reads `lsof -nP -iTCP -sTCP:LISTEN -F pudn`: a line a field, its first character saying which (OUTPUT FOR OTHER
 * PROGRAMS in lsof(8)). A socket is named by its device, which is its address in the kernel.
 */
export function parseLsof(text: string): (Listener & { pid: number })[] {
  const found: (Listener & { pid: number })[] = [];
  let [pid, uid, inode] = [0, 0, ""];
  for (const line of text.split("\n")) {
    const value = line.slice(1);
    if (line[0] === "p") pid = Number(value);
    else if (line[0] === "u") uid = Number(value);
    else if (line[0] === "d") inode = value;
    else if (line[0] === "n")
      found.push({ port: Number(value.slice(value.lastIndexOf(":") + 1)), uid, inode, pid });
  }
  return found.filter(({ port }) => Number.isInteger(port));
}

function lsof(): string {
  return run(["lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-F", "pudn"]);
}

function run(command: string[]): string {
  const { stdout } = Bun.spawnSync(command, {
    stdout: "pipe",
    stderr: "ignore",
    timeout: timeoutMs,
  });
  return stdout.toString();
}

let getsid: ((pid: number) => number) | undefined;

/** ps shows a session as an address in the kernel, so it is asked for by getsid(2). */
function sessionOf(pid: number): number {
  getsid ??= loadLibc({ getsid: { args: [int], returns: int } }).getsid;
  return getsid(pid);
}
