// The indices of the activity log, which follow behind it. An entry that goes into all three at once dirties a page of
// each: alone in its transaction it then costs three times as much, and among hundreds they cost next to nothing.

import type { Database } from "bun:sqlite";

/** A part of the log, as a condition and the values that it takes. */
export type Part = { condition: string; values: number[] };

/** The log in two parts, the newer one first: what the indices do not know yet is read through, and is not long. */
export function logParts(db: Database): Part[] {
  return [
    { condition: "id > ?", values: [newestIndexed(db)] },
    { condition: "indexed", values: [] }, // From this SQLite sees that the indices have it all.
  ];
}

/** Columns of the newest entry that meets a condition which an index answers. */
export function findNewest<R>(
  db: Database,
  columns: string,
  condition: string,
  ...values: string[]
): R | undefined {
  for (const part of logParts(db)) {
    const row = db
      .query(
        `SELECT ${columns} FROM activity WHERE ${part.condition} AND ${condition} ORDER BY id DESC LIMIT 1`,
      )
      .get(...part.values, ...values);
    if (row !== null) return row as R;
  }
  return undefined;
}

/** Brings the indices up to date: about 3 ms for a thousand entries. Must run inside a commit. */
export function indexLog(db: Database): void {
  db.query("UPDATE activity SET indexed = 1 WHERE id > ?").run(newestIndexed(db));
}

/** Everything up to this entry is indexed, and nothing after it. */
function newestIndexed(db: Database): number {
  // From the newest entry backwards; left to itself, SQLite reads a whole index and sorts it.
  const row = db
    .query("SELECT id FROM activity NOT INDEXED WHERE indexed ORDER BY id DESC LIMIT 1")
    .get() as { id: number } | null;
  return row?.id ?? 0;
}
