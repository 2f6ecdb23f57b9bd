// What this machine says about its ports and processes: the real `Probe` of a world.

import { birthmark, describe, lineage } from "../system/processes.ts";
import { Fault } from "../contract/faults.ts";
import { reasonOf, repositoryOf } from "../system/paths.ts";
import { canBind } from "../system/binding.ts";
import { machine, type Listener } from "../system/machine.ts";
import { holdersOf, unseen } from "../system/sockets.ts";
import type { Clock } from "../store/journal.ts";
import type { Probe, Sighting } from "../world.ts";
import { canOpen } from "./doors.ts";

/** How old a look at who listens may be when it is read. */
const maxLookAgeMs = 1_000;

/** A port may be bound for the microseconds of another daemon's probe: that is no reason to give it up. */
const secondLooks = 3;

type Look = { at: number; sockets: ReadonlyMap<number, Listener[]>; ports: ReadonlySet<number> };

export function createProbe(clock: Clock): Probe {
  let last: Look | undefined;
  /** Who has a listening socket, by its inode: a socket keeps its inode for as long as it is open. */
  const sightings = new Map<string, Sighting[]>();
  /** When a port was last found in use. Not only listeners have one: so does each connection that goes out. */
  const refusals = new Map<number, number>();

  function look(maxAgeMs: number): Look {
    const now = clock.now();
    // A clock that was set back makes any look an old one.
    if (last && now >= last.at && now - last.at <= maxAgeMs) return last;
    const sockets = Map.groupBy(machine.listeners(), ({ port }) => port);
    last = { at: now, sockets, ports: new Set(sockets.keys()) };
    forgetClosed(last);
    return last;
  }

  function forgetClosed({ sockets }: Look): void {
    const open = new Set([...sockets.values()].flat().map(({ inode }) => inode));
    for (const inode of sightings.keys()) if (!open.has(inode)) sightings.delete(inode);
  }

  function listenersOn(port: number): Sighting[] {
    const { sockets } = look(maxLookAgeMs);
    const own = sockets.get(port) ?? [];
    if (own.some(({ inode }) => !isKnown(inode))) identify([...sockets.values()].flat());
    const found = own.flatMap(({ inode }) => sightings.get(inode) ?? []);
    return [
      ...new Map(found.map((each) => [each.process.pid ?? each.process.user, each])).values(),
    ];
  }

  /** A process may hand its socket to a child and end; then it is looked up again. */
  function isKnown(inode: string): boolean {
    return (
      sightings.get(inode)?.every(({ process: { pid } }) => pid === null || machine.exists(pid)) ===
      true
    );
  }

  /** Finds out whose the unknown sockets are, in one pass over the processes for all of them. */
  function identify(sockets: Listener[]): void {
    const unknown = sockets.filter(({ inode }) => !isKnown(inode));
    const owners = machine.owningProcesses(unknown);
    // One that no process has may be gone: it was there for a moment, to see whether its port is free.
    const areOwned = unknown.every(({ inode }) => owners.has(inode));
    const open = new Set((areOwned ? unknown : machine.listeners()).map(({ inode }) => inode));
    for (const socket of unknown) {
      const holders = open.has(socket.inode) ? holdersOf([socket], owners) : [];
      sightings.set(socket.inode, holders.map(sight));
    }
  }

  function obstacle(port: number): "in_use" | "not_permitted" | undefined {
    let found = tryBind(port);
    for (let looks = 0; found === "in_use" && looks < secondLooks; looks++) {
      if (look(0).ports.has(port)) break;
      found = tryBind(port);
    }
    if (found === "in_use") refusals.set(port, clock.now());
    return found;
  }

  function wasInUse(port: number): boolean {
    const age = clock.now() - (refusals.get(port) ?? -Infinity);
    return (age >= 0 && age <= maxLookAgeMs) || look(maxLookAgeMs).ports.has(port);
  }

  return {
    obstacle,
    wasInUse,
    listening: (maxAgeMs = maxLookAgeMs) => look(maxAgeMs).ports,
    listenersOn,
    birthmark,
    repositoryOf,
  };
}

function sight({ pid, uid }: { pid: number | null; uid: number }): Sighting {
  if (pid === null) return { process: unseen(uid), birthmark: undefined, lineage: [] };
  return { process: describe(pid), birthmark: birthmark(pid), lineage: lineage(pid) };
}

/**
 * Tries to bind a port for a moment. On Linux one bind of the IPv6 wildcard conflicts with a listener on any address;
 * where there is no IPv6, the IPv4 wildcard does.
 */
function tryBind(port: number): "in_use" | "not_permitted" | undefined {
  if (canBind(port)) return undefined;
  for (const hostname of wildcards) {
    const result = bind(hostname, port);
    if (result !== "no_such_address") return result;
  }
  return undefined;
}

const wildcards = ["::", "0.0.0.0"];

function bind(
  hostname: string,
  port: number,
): "in_use" | "not_permitted" | "no_such_address" | undefined {
  try {
    Bun.listen({ hostname, port, exclusive: true, socket: { data() {} } }).stop(true);
    return undefined;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EACCES" || code === "EPERM") return "not_permitted";
    if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return "no_such_address";
    if (code === "EADDRINUSE") return "in_use";
    // Where no file is left, Bun's error has no code that would say so.
    const reason =
      code === undefined && !canOpen(1) ? reasonOf({ code: "EMFILE" }) : reasonOf(error);
    throw new Fault("unavailable", `Ports cannot be tried: ${reason}`, {
      hint: "see what is wrong: port-daddy doctor",
    });
  }
}
