// The C library, for the few system calls that the runtime has no word for.

import type { FFIFunction } from "bun:ffi";
import * as fs from "node:fs";

/** What the calls take and return, by the names of bun:ffi. */
export const int = "i32";
export const size = "u64";
export const pointer = "ptr";

/** Loads calls of the C library, and the means to do so: most commands need neither. */
export function loadLibc<F extends Record<string, FFIFunction>>(calls: F) {
  const { dlopen } = import.meta.require("bun:ffi") as typeof import("bun:ffi");
  return dlopen(libcName(), calls).symbols;
}

/** The name by which the dynamic loader finds it. */
function libcName(): string {
  if (process.platform === "darwin") return "libSystem.dylib";
  const musl = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
  return fs.existsSync(`/lib/${musl}`) ? musl : "libc.so.6";
}
