// Which entries of the log somebody wants to see.

import type { ActivityEntry } from "./entities.ts";
import { matcher } from "./pattern.ts";

export type EntryFilter = {
  action?: string;
  /** A target, or a pattern of targets. */
  targetId?: string;
  actor?: string;
};

/** Compiles a filter once; what is left out of it is met by every entry. */
export function entryMatcher({
  action,
  targetId,
  actor,
}: EntryFilter): (entry: Pick<ActivityEntry, "action" | "targetId" | "actor">) => boolean {
  const isTarget = targetId === undefined ? () => true : matcher(targetId);
  return (entry) =>
    (action === undefined || entry.action === action) &&
    (actor === undefined || entry.actor === actor) &&
    isTarget(entry.targetId);
}
