// Numbers that only ever grow: fences, and the ids of messages. Their high-water marks lie in a small synced file of
// their own, so that none is given out twice, not even when the database or the last moments before a power cut are lost.

import * as fs from "node:fs";
import * as path from "node:path";
import { parseJson } from "../contract/json.ts";
import type { Database } from "./database.ts";
import { findNewest } from "./logIndex.ts";
import { storageFault } from "./trouble.ts";

export type Sequence = {
  /** Takes the next number. Throws `unavailable` where the mark cannot be raised. */
  next(): number;
  /** No number above this one has been given out. */
  last(): number;
};

const names = ["fences", "messages"] as const;
type Name = (typeof names)[number];
type Marks = Record<Name, number>;

export type Sequences = Record<Name, Sequence> & {
  /** Lowers the marks to what was really given out: an orderly end leaves no hole. */
  settle(): void;
};

/** So many numbers are reserved by one write of the file. After a crash, what is left of them is skipped. */
const block = 1_000;

/** Opens the sequences in `file`; without one they live in memory alone. What the database knows of counts as well. */
export function openSequences(db: Database, file?: string): Sequences {
  const [stored, used] = [file === undefined ? {} : read(file), marksOf(db)];
  const marks: Marks = { ...used };
  for (const name of names) marks[name] = Math.max(used[name], stored[name] ?? 0);
  const last = { ...marks };

  function sequence(name: Name): Sequence {
    return {
      next() {
        if (last[name] >= marks[name]) {
          const raised = { ...marks, [name]: last[name] + block };
          if (file !== undefined) write(file, raised);
          marks[name] = raised[name];
        }
        return ++last[name];
      },
      last: () => last[name],
    };
  }
  return {
    fences: sequence("fences"),
    messages: sequence("messages"),
    settle() {
      if (file !== undefined) write(file, last);
      Object.assign(marks, last);
    },
  };
}

/**
 * The marks that a file holds: of one that is lost or damaged, those that can be read. Throws `unavailable` where the
 * disk does not give it.
 */
function read(file: string): Partial<Marks> {
  try {
    const found = Object(parseJson(fs.readFileSync(file, "utf8"))) as Record<string, unknown>;
    const entries = names.map((name) => [name, found[name]] as const);
    return Object.fromEntries(entries.filter(([, mark]) => isMark(mark)));
  } catch (error) {
    const isLost = error instanceof SyntaxError || (error as { code?: string }).code === "ENOENT";
    if (isLost) return {};
    throw storageFault(error);
  }
}

/** A number that can have been reached, and from which there is a way on. */
function isMark(mark: unknown): boolean {
  return Number.isSafeInteger(mark) && (mark as number) >= 0 && (mark as number) < 2 ** 52;
}

/** Replaces the file as a whole, and returns when it is on the disk. */
function write(file: string, marks: Marks): void {
  const next = `${file}.new`;
  try {
    const descriptor = fs.openSync(next, "w", 0o600);
    try {
      fs.writeFileSync(descriptor, JSON.stringify(marks));
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(next, file);
    sync(path.dirname(file));
  } catch (error) {
    throw storageFault(error);
  }
}

function sync(directory: string): void {
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function marksOf(db: Database): Marks {
  const logged = findNewest<{ fence: number }>(
    db,
    "metadata ->> 'fence' AS fence",
    "action = 'lock_acquire'",
  );
  return db
    .query(
      `SELECT max((SELECT coalesce(max(fence), 0) FROM locks), ?) AS fences,
              max((SELECT coalesce(max(id), 0) FROM messages),
                  (SELECT coalesce(max(trimmed_to), 0) FROM channels)) AS messages`,
    )
    .get(logged?.fence ?? 0) as Marks;
}
