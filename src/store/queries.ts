// Pieces of SQL that more than one table is asked with.

import type { Database } from "./database.ts";

/** How many rows there are; `from` is the table and what they must meet. */
export function countRows(db: Database, from: string, ...values: (string | number)[]): number {
  const { n } = db.query(`SELECT count(*) AS n FROM ${from}`).get(...values) as { n: number };
  return n;
}

/** What starts with a prefix, which is to be given twice; of a column that has an index it is a range of that. */
export function startsWith(column: string): string {
  // U+10FFFF sorts after every character that a name can have.
  return `${column} >= ? AND ${column} < ? || char(0x10FFFF)`;
}
