// What a launched command has started, as far as it ends with it.

import { commandOf, descendants } from "../../system/processes.ts";
import { inner, ownCommand } from "../../system/self.ts";
import { adopted } from "../../system/trees.ts";

/** What came from a process. */
export function treeBelow(pid: number): number[] {
  return descendants(pid, isOnItsOwn);
}

/** What came from a keeper that is no more. */
export function orphans(): number[] {
  return adopted().flatMap((pid) => (isOnItsOwn(pid) ? [] : [pid, ...treeBelow(pid)]));
}

/**
 * A daemon is everybody's, whoever was the first to need it, and a detached launch was asked to go on. Both may have
 * been started by a command in the tree, or by us.
 */
function isOnItsOwn(pid: number): boolean {
  const own = ownCommand();
  const words = commandOf(pid);
  if (!own.every((word, at) => word === words[at])) return false;
  return ["daemon", inner.launch].includes(words[own.length]!);
}
