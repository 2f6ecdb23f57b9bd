// The check of the file system that the state lies on: whether there is room to store what happens.

import * as fs from "node:fs";
import * as path from "node:path";
import { shellWord } from "../../contract/shell.ts";
import * as paths from "../../system/paths.ts";
import { size } from "../render.ts";
import { note, ok, wrong, type Finding } from "./finding.ts";
import type { Subject } from "./subject.ts";

/** What a busy daemon's write-ahead log may take before it is emptied, with as much again for the database. */
const fewBytes = 128 * 1024 * 1024;

/** Below this hardly anything can be stored: SQLite grows its files by pages, and some of them are reserved. */
const noBytes = 1024 * 1024;

export async function disk(
  { config: { home } }: Subject,
  statfs: (place: string) => Promise<fs.StatsFs> = fs.promises.statfs,
): Promise<Finding> {
  const place = paths.nearest(home);
  const { bavail, bsize, files, ffree } = await statfs(place);
  const [left, root] = [bavail * bsize, mountPoint(place)];
  const look = `df -h ${shellWord(root)}`;
  // Some file systems count no files.
  if (files > 0 && ffree === 0)
    return wrong(`the file system ${root} can hold no more files`, `df -i ${shellWord(root)}`);
  const says = `${size(left)} are left on the file system ${root}`;
  if (left < noBytes) return wrong(`${says}: nothing can be stored; make room`, look);
  return left < fewBytes ? note(`${says}; make room`, look) : ok(says);
}

/** The highest directory on the same device. */
function mountPoint(directory: string): string {
  const device = (at: string) => fs.statSync(at).dev;
  let here = fs.realpathSync(directory);
  while (here !== path.dirname(here) && device(path.dirname(here)) === device(here))
    here = path.dirname(here);
  return here;
}
