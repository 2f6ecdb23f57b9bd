// Watches who opens the port that a command was given: the command itself, another, or the command another port.

import type { ProcessInfo } from "../../contract/entities.ts";
import { machine, type Listener } from "../../system/machine.ts";
import { ancestors, describe, descendants } from "../../system/processes.ts";
import { tryingMs, unseen } from "../../system/sockets.ts";
import { pause } from "../patience.ts";

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

/** What runs containers: whoever listens in their name is not below the command, or cannot be seen at all. */
const containers = /^(?:docker|podman|nerdctl|buildah|lima|colima|container|finch)/;

export type Told = {
  /** The command listens on its port. Nothing is told after that. */
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
  const firstSeen = new Map<string, number>();
  const examined = new Set<string>();
  let [isHijacked, isElsewhere] = [false, false];
  const startedAt = performance.now();
  for (let restMs = 0; ; await pause(restMs, stop)) {
    const lookedAt = performance.now();
    const sockets = machine.listeners();
    for (const { inode } of sockets) if (!firstSeen.has(inode)) firstSeen.set(inode, lookedAt);
    const ageOf = ({ inode }: Listener) => lookedAt - firstSeen.get(inode)!;
    const here = sockets.filter((socket) => socket.port === port);
    const staying = stop.aborted ? here : here.filter((socket) => ageOf(socket) > 0);
    const stranger = strangerOf(staying, root);
    if (stranger !== undefined && !isHijacked) {
      isHijacked = true;
      told.hijacked(stranger);
    }
    // The last look is for one who was faster than a command that has given up.
    if (stop.aborted) return;
    if (staying.length > 0 && stranger === undefined) return told.ready();
    const others = sockets.filter((socket) => socket.port !== port);
    // Whose a port is takes a look at every process, so only those are asked about that stay.
    const lasting = others.filter(
      (socket) => ageOf(socket) >= elsewhereMs && !examined.has(socket.inode),
    );
    for (const { inode } of lasting) examined.add(inode);
    if (!isElsewhere && portsBelow(root, lasting).length > 0) {
      isElsewhere = true;
      told.elsewhere(portsBelow(root, others));
    }
    const waited = Math.min(seldomMs, restPerWait * (lookedAt - startedAt));
    const leastMs = here.length > staying.length ? tryingMs : Math.max(lookEveryMs, waited);
    restMs = Math.max(leastMs, restPerLook * (performance.now() - lookedAt));
  }
}

/** The ports of those sockets that a process has which came from the root. */
function portsBelow(root: number, sockets: Listener[]): number[] {
  if (sockets.length === 0) return [];
  const owners = machine.owningProcesses(sockets);
  const ours = sockets.filter(({ inode }) => owners.get(inode)?.some((pid) => isBelow(pid, root)));
  return [...new Set(ours.map(({ port }) => port))];
}

/** Who has the port, where that is nobody below the root: a process, or somebody who cannot be seen. */
function strangerOf(sockets: Listener[], root: number): ProcessInfo | undefined {
  const [socket] = sockets;
  if (socket === undefined) return undefined;
  const owners = ownersOf(sockets);
  if (owners.some((pid) => isBelow(pid, root))) return undefined;
  const stranger = owners[0] === undefined ? unseen(socket.uid) : describe(owners[0]);
  return descendants(root).some((pid) => mayHide(pid, stranger)) ? undefined : stranger;
}

/** Whether a process of the command may stand behind it: it runs containers, or as the user who cannot be seen. */
function mayHide(pid: number, { pid: seen, user }: ProcessInfo): boolean {
  if (containers.test(machine.stat(pid)?.name ?? "")) return true;
  return seen === null && user !== null && machine.userOf(pid) === user;
}

function ownersOf(sockets: Listener[]): number[] {
  return [...machine.owningProcesses(sockets).values()].flat();
}

function isBelow(pid: number, root: number): boolean {
  return pid === root || [...ancestors(pid)].some((ancestor) => ancestor.pid === root);
}
