// A lock that the kernel holds for as long as this process lives: flock(2) on a file. It cannot be left behind.

import * as fs from "node:fs";
import { int, loadLibc } from "./libc.ts";
import { openToAppend } from "./paths.ts";

/** Operations of flock(2). */
const exclusive = 2;
const withoutWaiting = 4;
const unlock = 8;

export type Lock = {
  free(): void;
  /** Whether the file that is locked is still the one under its name. */
  isInPlace(): boolean;
};

/** Takes the lock, or returns `undefined` at once where another process has it. */
export function tryLock(file: string): Lock | undefined {
  const descriptor = openToAppend(file);
  if (flock(descriptor, exclusive | withoutWaiting) !== 0) {
    fs.closeSync(descriptor);
    return undefined;
  }
  return {
    free() {
      // Closing alone is not enough: a child that is just being started may still share the descriptor.
      flock(descriptor, unlock);
      fs.closeSync(descriptor);
    },
    isInPlace: () =>
      fs.statSync(file, { throwIfNoEntry: false })?.ino === fs.fstatSync(descriptor).ino,
  };
}

/** Whether another process has the lock at this moment. */
export function isLocked(file: string): boolean {
  const lock = tryLock(file);
  lock?.free();
  return lock === undefined;
}

let loaded: ((descriptor: number, operation: number) => number) | undefined;

function flock(descriptor: number, operation: number): number {
  loaded ??= loadLibc({ flock: { args: [int, int], returns: int } }).flock;
  return loaded(descriptor, operation);
}
