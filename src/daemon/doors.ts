// Where the daemon lets callers in, and what becomes of that when it may open no more files. A listener whose callers
// cannot be let in is reported to it again and again, which takes a whole core: it is shut until there is room.

import * as fs from "node:fs";
import type { Log } from "./log.ts";

export type Door = {
  /** Lets nobody in any more; who is connected stays. */
  shut(): void;
  /** Lets callers in again. Throws where it cannot. */
  open(): void;
};

/** So many files are free again before somebody is let in: less would be gone at once. */
const roomToOpen = 16;

/** Looks after the doors; the first ones are shut first. */
export function createDoors(
  doors: readonly Door[],
  log: Log,
  hasRoom: (files: number) => boolean = canOpen,
): { look(): void } {
  let open = doors.length;
  function shutNext(): void {
    if (open === doors.length)
      log.warn(
        "no more files can be opened, so that nobody new is let in (see: port-daddy doctor)",
      );
    if (open > 0) doors[doors.length - open--]!.shut();
  }
  function openAll(): void {
    for (; open < doors.length; open++) doors[doors.length - open - 1]!.open();
    log.info("files can be opened again, and callers are let in");
  }
  return {
    look() {
      if (!hasRoom(1)) shutNext();
      else if (open < doors.length && hasRoom(roomToOpen)) openAll();
    },
  };
}

/** Whether this process may have so many files more. */
export function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(fs.openSync("/dev/null", "r"));
    return true;
  } catch {
    return false;
  } finally {
    opened.forEach((descriptor) => fs.closeSync(descriptor));
  }
}
