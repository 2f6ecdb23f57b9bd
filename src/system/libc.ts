// The C library, for the few system calls that the runtime has no word for.

import * as fs from "node:fs";

/** The name by which the dynamic loader finds it. */
export function libcName(): string {
  if (process.platform === "darwin") return "libSystem.dylib";
  const musl = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
  return fs.existsSync(`/lib/${musl}`) ? musl : "libc.so.6";
}
