// Checks of the state directory and the database in it. Nothing is made, and nothing changed.

import * as fs from "node:fs";
import * as path from "node:path";
import { inner, ownCommand } from "../../system/self.ts";
import { homeDirectory } from "../../config.ts";
import { Fault } from "../../contract/faults.ts";
import { shellWord } from "../../contract/shell.ts";
import * as paths from "../../system/paths.ts";
import { directory, size } from "../render.ts";
import { note, ok, otherHome, wrong, type Finding } from "./finding.ts";
import type { Subject } from "./subject.ts";

export function state({ config: { home } }: Subject): Finding {
  const shown = directory(home, homeDirectory());
  try {
    paths.socketFile(home); // Throws for one that is too deep.
    const found = fs.statSync(home, { throwIfNoEntry: false });
    if (!found) return notYet(home, shown);
    if (!found.isDirectory()) return wrong(`${shown} is not a directory`, otherHome);
    if (found.uid !== process.getuid?.())
      return wrong(`${shown} belongs to another user (${found.uid})`, otherHome);
    if ((found.mode & 0o077) !== 0)
      return wrong(
        `${shown} is open to other users (${octal(found.mode)})`,
        `chmod 700 ${shellWord(home)}`,
      );
    fs.accessSync(home, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    return socketOf(home) ?? ok(`${shown} is this user's alone`);
  } catch (error) {
    if (error instanceof Fault) return wrong(error.message, otherHome);
    return wrong(`${shown} cannot be used: ${paths.reasonOf(error)}`, otherHome);
  }
}

/** It is made at the first start, where that is allowed. */
function notYet(home: string, shown: string): Finding {
  fs.accessSync(paths.nearest(home), fs.constants.W_OK | fs.constants.X_OK);
  return ok(`${shown} will be made when the daemon starts`);
}

/** What is wrong with the socket's rights, if anything. */
function socketOf(home: string): Finding | undefined {
  const file = paths.socketFile(home);
  const mode = fs.statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) === 0) return undefined;
  const shown = directory(file, homeDirectory());
  return wrong(
    `the socket ${shown} is open to other users (${octal(mode)})`,
    `chmod 600 ${shellWord(file)}`,
  );
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}

/** How long the database is looked through: a gigabyte takes about two seconds. */
const integrityMs = 2_500;

export async function database({ config: { home } }: Subject): Promise<Finding> {
  const file = paths.databaseFile(home);
  const shown = directory(file, homeDirectory());
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found) return ok("there is none yet");
  // To open anything else may take for ever.
  if (!found.isFile()) return wrong(`${shown} is not a file`, `ls -ld ${shellWord(file)}`);
  // What SQLite makes beside it would be ours, and in its owner's way.
  if (found.uid !== process.getuid?.() || fs.statSync(home).uid !== found.uid)
    return note(`${shown} belongs to another user, so it was not looked at`, otherHome);
  const { lines, error } = await quickCheck(file);
  if (error !== undefined) return error;
  const [first] = lines;
  if (first === undefined) return ok(`${shown} is whole (${size(found.size)})`);
  return wrong(`${shown} is damaged: ${first}`, replacement(home));
}

type Checked = { lines: string[]; error?: Finding };

/** By a process of its own: SQLite cannot be interrupted in ours, and a disk may hang. */
async function quickCheck(file: string): Promise<Checked> {
  const child = Bun.spawn([...ownCommand(), inner.quickCheck, file], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: integrityMs,
    killSignal: "SIGKILL",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (child.exitCode === 0) return { lines: JSON.parse(out) as string[] };
  const byHand = `sqlite3 -readonly ${shellWord(file)} 'PRAGMA quick_check'`;
  const error =
    child.signalCode === null
      ? wrong(`the database cannot be read: ${reasonIn(err)}`, `ls -l ${shellWord(file)}`)
      : note(`the database takes longer than ${integrityMs / 1000} s to look through`, byHand);
  return { lines: [], error };
}

function reasonIn(err: string): string {
  return /(?:SQLiteError|Error): (.+)/.exec(err)?.[1] ?? err.trim().split("\n")[0] ?? "";
}

/** Puts the database aside with all that belongs to it, and begins with an empty one. Numbers go on where they were. */
function replacement(home: string): string {
  const aside = shellWord(path.join(home, `damaged-${new Date().toISOString().slice(0, 10)}`));
  const files = `${shellWord(paths.databaseFile(home))}*`;
  return `port-daddy stop && mkdir -p ${aside} && mv ${files} ${aside} && port-daddy start`;
}
