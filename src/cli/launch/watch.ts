// Watches who opens the port that a command was given: the command itself, another, or the command another port.

import type { ProcessInfo } from "../../contract/entities.ts";
import { machine, type Listener } from "../../system/machine.ts";
import { ancestors, describe } from "../../system/processes.ts";

/**
 * How often is looked: a look takes a fifth of a millisecond on Linux. Where it takes long it is left time between, and
 * a command that opens no port for long is looked at less and less.
 */
const lookEveryMs = 50;
const seldomMs = 1_000;
const restPerLook = 10;
const restPerWait = 0.01;

/** How long another port may be open before ours: many open one for their own ends first. */
const elsewhereMs = 2_000;

/** What listens in the name of containers. Whose it is that they listen for cannot be seen, so it is not held against them. */
const proxies =
  /^(?:docker-proxy|com\.docker|rootlessport|slirp4netns|pasta|conmon|vpnkit|OrbStack)/;

export type Told = {
  /** The command, or somebody who cannot be seen, listens on its port. Nothing is told after that. */
  ready(): void;
  /** Somebody else does. */
  hijacked(by: ProcessInfo): void;
  /** The command listens on other ports, and has for a while. */
  elsewhere(ports: number[]): void;
};

/** Tells each thing once, until it is stopped. `root` is the process that the command is below. Returns after a last look. */
export async function watchPort(
  { port, root }: { port: number; root: number },
  told: Told,
  stop: AbortSignal,
): Promise<void> {
  const before = new Set(machine.listeners().map(({ inode }) => inode));
  const elsewhere = new Map<number, number>();
  let [isHijacked, isElsewhere] = [false, false];
  const startedAt = performance.now();
  for (let restMs = 0; ; await Bun.sleep(Math.max(lookEveryMs, restMs))) {
    const lookedAt = performance.now();
    const sockets = machine.listeners();
    const here = sockets.filter((socket) => socket.port === port);
    const stranger = strangerOf(here, root);
    if (stranger !== undefined && !isHijacked) {
      isHijacked = true;
      told.hijacked(describe(stranger));
    }
    // The last look is for one who was faster than a command that has given up.
    if (stop.aborted) return;
    if (here.length > 0 && stranger === undefined) return told.ready();
    const fresh = sockets.filter((socket) => socket.port !== port && !before.has(socket.inode));
    for (const socket of fresh) {
      before.add(socket.inode);
      if (ownersOf([socket]).some((pid) => isBelow(pid, root)))
        elsewhere.set(socket.port, lookedAt);
    }
    const isLong = [...elsewhere.values()].some((since) => lookedAt - since >= elsewhereMs);
    if (isLong && !isElsewhere) {
      isElsewhere = true;
      told.elsewhere([...elsewhere.keys()]);
    }
    const waited = Math.min(seldomMs, restPerWait * (lookedAt - startedAt));
    restMs = Math.max(waited, restPerLook * (performance.now() - lookedAt));
  }
}

/** A process that has one of the sockets open, where none below the root does; of those that can be seen. */
function strangerOf(sockets: Listener[], root: number): number | undefined {
  const owners = sockets.length === 0 ? [] : ownersOf(sockets);
  if (owners.some((pid) => isBelow(pid, root))) return undefined;
  return owners.find((pid) => !proxies.test(machine.stat(pid)?.name ?? ""));
}

function ownersOf(sockets: Listener[]): number[] {
  return [...machine.owningProcesses(sockets).values()].flat();
}

function isBelow(pid: number, root: number): boolean {
  return pid === root || [...ancestors(pid)].some((ancestor) => ancestor.pid === root);
}
