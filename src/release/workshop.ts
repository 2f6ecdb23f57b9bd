// Where a build takes place: the tree that it reads, and a directory of its own that is gone when it ends.

import * as fs from "node:fs";
import * as path from "node:path";

export type Workshop = ReturnType<typeof openWorkshop>;

/** Opens one for the tree at `root`. It lies in dist, so that a rename is all it takes to put a thing into its place. */
export function openWorkshop(root: string) {
  const dist = path.join(root, "dist");
  fs.mkdirSync(dist, { recursive: true });
  const directory = fs.mkdtempSync(path.join(dist, "build-"));
  process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

  const read = (file: string): Buffer => fs.readFileSync(path.join(root, file));
  return {
    root,
    dist,
    directory,
    /** A file of the tree. */
    read,
    readJson: (file: string): any => JSON.parse(read(file).toString()),

    /** Runs a command in the tree. Ends the build, with what the command printed above it, where that fails. */
    run(...command: string[]): void {
      const { exitCode } = Bun.spawnSync(command, {
        cwd: root,
        stdio: ["ignore", "inherit", "inherit"],
      });
      if (exitCode !== 0) process.exit(exitCode || 1);
    },
  };
}

/** By a rename within one directory: whoever runs the file meanwhile gets the old one whole or the new one whole. */
export function replace(file: string, by: string): void {
  const beside = `${file}.${process.pid}`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.copyFileSync(by, beside);
  fs.renameSync(beside, file);
}
