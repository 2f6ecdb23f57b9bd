// Compiles what a row needs for its run, with the flags that make a binary start fast.

import * as path from "node:path";

/** `program` is a file of this folder. */
export function compile(program: string, outfile: string): void {
  const { exitCode, stderr } = Bun.spawnSync([
    ...[process.execPath, "build", "--compile", "--production", "--minify", "--bytecode"],
    ...["--format=esm", "--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    ...[path.join(import.meta.dir, program), "--outfile", outfile],
  ]);
  if (exitCode !== 0) throw new Error(stderr.toString());
}
