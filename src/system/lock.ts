// A lock that the kernel holds for as long as this process lives: flock(2) on a file. It cannot be left behind.

import { dlopen, FFIType } from "bun:ffi";
import * as fs from "node:fs";

/** Operations of flock(2). */
const exclusive = 2;
const withoutWaiting = 4;
const unlock = 8;

/** Takes the lock, or returns `undefined` at once where another process has it. The returned function frees it. */
export function tryLock(file: string): (() => void) | undefined {
  const { flock } = dlopen(libcName(), {
    flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  }).symbols;
  const descriptor = fs.openSync(file, "a", 0o600);
  if (flock(descriptor, exclusive | withoutWaiting) !== 0) {
    fs.closeSync(descriptor);
    return undefined;
  }
  return () => {
    // Closing alone is not enough: a child that is just being started may still share the descriptor.
    flock(descriptor, unlock);
    fs.closeSync(descriptor);
  };
}

function libcName(): string {
  if (process.platform === "darwin") return "libSystem.dylib";
  const musl = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
  return fs.existsSync(`/lib/${musl}`) ? musl : "libc.so.6";
}
