// A lock that the kernel holds for as long as this process lives: flock(2) on a file. It cannot be left behind.

import { dlopen, FFIType } from "bun:ffi";
import * as fs from "node:fs";

const exclusive = 2; // LOCK_EX
const withoutWaiting = 4; // LOCK_NB

/** Takes the lock, or returns `undefined` at once where another process has it. The returned function frees it. */
export function tryLock(file: string): (() => void) | undefined {
  const descriptor = fs.openSync(file, "a", 0o600);
  const libc = dlopen(libcName(), {
    flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  const isTaken = libc.symbols.flock(descriptor, exclusive | withoutWaiting) === 0;
  libc.close();
  if (!isTaken) fs.closeSync(descriptor);
  return isTaken ? () => fs.closeSync(descriptor) : undefined;
}

function libcName(): string {
  if (process.platform === "darwin") return "libSystem.dylib";
  const musl = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
  return fs.existsSync(`/lib/${musl}`) ? musl : "libc.so.6";
}
