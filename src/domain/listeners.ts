// Who listens on a claim's port, and whether that is the claim's own server or a stranger.

import * as path from "node:path";
import type { Listener, ServiceStatus } from "../contract/entities.ts";
import type { Sighting, World } from "../world.ts";

/** What a claim says about the server it is for. */
export type Expected = {
  port: number;
  pid: number | null;
  /** Tells that process from a later one of the same number. */
  pidMark: string | null;
  cwd: string | null;
  /** The caller id that claimed it. */
  claimer: string | null;
  /** Since when it has been seen running; null before the first time. */
  seenAt: number | null;
};

export type View = {
  status: ServiceStatus;
  /** Its own server, else the stranger that has its port. */
  listener: Listener | null;
  /** The sighting behind `listener`, where it is its own. */
  own: Sighting | undefined;
};

/** What can be seen of a claim at this moment. */
export function view(world: World, claim: Expected): View {
  const seen = world.probe.listening().has(claim.port) ? world.probe.listenersOn(claim.port) : [];
  const own = seen.find((sighting) => !isStranger(world, claim, sighting));
  const shown = own ?? seen[0];
  return {
    status: own ? "running" : claim.seenAt === null ? "assigned" : "stopped",
    listener: shown ? { ...shown.process, stranger: shown !== own } : null,
    own,
  };
}

/** Everybody who listens on a port; for one that is not claimed, everybody is a stranger. */
export function onPort(world: World, port: number, claim: Expected | undefined): Listener[] {
  return world.probe.listenersOn(port).map((sighting) => ({
    ...sighting.process,
    stranger: claim === undefined || isStranger(world, claim, sighting),
  }));
}

/**
 * A stranger is a process that can be seen to have nothing to do with the claim: where the claim names a process, one
 * that does not come from it; else one that neither comes from the process that claimed nor runs in the claim's
 * directory, below it, above it, or elsewhere in the same repository. Of one that cannot be seen nothing is assumed.
 */
function isStranger(
  world: World,
  { pid, pidMark, cwd, claimer }: Expected,
  { process, lineage }: Sighting,
): boolean {
  if (process.pid === null) return false;
  if (pid !== null) {
    return (
      world.probe.birthmark(pid) !== pidMark || !lineage.some((each) => each.startsWith(`${pid}.`))
    );
  }
  if (claimer !== null && lineage.includes(claimer.slice(claimer.lastIndexOf("#") + 1)))
    return false;
  return cwd !== null && process.cwd !== null && !areRelated(world, cwd, process.cwd);
}

/**
 * Whether two directories belong together: one is the other or holds it, or both are in one repository. That a
 * directory which holds all of a user's things holds this one too says nothing of the process that runs there; and of
 * a claim that was made there nothing is known.
 */
function areRelated(world: World, claimed: string, other: string): boolean {
  const { userHome } = world.config;
  if (contains(claimed, userHome) || contains(claimed, other)) return true;
  if (contains(other, claimed) && !contains(other, userHome)) return true;
  const repository = world.probe.repositoryOf(claimed);
  return repository !== undefined && repository === world.probe.repositoryOf(other);
}

/** Whether one directory is or holds the other. */
export function contains(directory: string, other: string): boolean {
  const relative = path.relative(directory, other);
  return relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
