// Where each claim stands on the port map: a row is a hundred ports, and what nobody has claimed takes next to no room.

import { contains, type Range } from "../../src/contract/range.ts";
import type { Seen } from "../state.ts";
import { count, grouped, listed, verb } from "../words.ts";

export const portStates = ["running", "assigned", "stopped", "stranger"] as const;
/** The status of the claim; `stranger` where something else listens on its port. */
export type PortState = (typeof portStates)[number];

export type Mark = { id: string; port: number; state: PortState; agent: string | null };

export type PortRow =
  /** A hundred ports, of which those from `first` to `last` are given out; none of them where those are missing. */
  | { kind: "hundred"; start: number; marks: Mark[]; first?: number; last?: number }
  /** Two hundreds or more that nobody has claimed anything of; the ports are the first and last that are given out. */
  | { kind: "free"; first: number; last: number };

const perRow = 100;

/** The claims by port. */
export function marksOf(services: ReadonlyMap<string, Seen>): Mark[] {
  return [...services.values()]
    .map(({ id, port, status, listener, agent }): Mark => {
      const state = listener?.stranger ? "stranger" : status;
      return { id, port, state, agent };
    })
    .sort((one, other) => one.port - other.port);
}

/** The rows from top to bottom. Claims outside the range have theirs; what is between them and the range has none. */
export function layOutPorts(marks: readonly Mark[], range: Range): PortRow[] {
  const byRow = Map.groupBy(marks, ({ port }) => rowOf(port));
  const starts = new Set(byRow.keys());
  for (let start = rowOf(range.start); start <= range.end; start += perRow) starts.add(start);

  const rows: PortRow[] = [];
  let empty: number[] = [];
  const flush = () => {
    if (empty.length > 1) rows.push(freeRow(empty[0]!, empty.at(-1)!, range));
    else rows.push(...empty.map((start) => hundred(start, [], range)));
    empty = [];
  };
  for (const start of [...starts].sort((one, other) => one - other)) {
    const here = byRow.get(start);
    if (!here) {
      empty.push(start);
      continue;
    }
    flush();
    rows.push(hundred(start, here, range));
  }
  flush();
  return rows;
}

/** `14 of 6,900 ports are claimed, 9 are running.` */
export function summaryOfPorts(marks: readonly Mark[], range: Range): string {
  const size = grouped(range.end - range.start + 1);
  if (marks.length === 0) return `None of ${size} ports is claimed.`;
  const outside = marks.filter(({ port }) => !contains(range, port)).length;
  const running = marks.filter(({ state }) => state === "running").length;
  const strangers = marks.filter(({ state }) => state === "stranger").length;
  const inside = marks.length - outside;
  const facts = [
    `${grouped(inside)} of ${size} ports ${verb(inside, "is", "are")} claimed`,
    ...(outside > 0 ? [`${count(outside, "claim")} outside the range`] : []),
    `${grouped(running)} ${verb(running, "is", "are")} running`,
    ...(strangers > 0 ? [`a stranger listens on ${grouped(strangers)}`] : []),
  ];
  return `${facts.length > 2 ? listed(facts) : facts.join(", ")}.`;
}

function rowOf(port: number): number {
  return Math.floor(port / perRow) * perRow;
}

function hundred(start: number, marks: Mark[], range: Range): PortRow {
  const first = Math.max(start, range.start);
  const last = Math.min(start + perRow - 1, range.end);
  return { kind: "hundred", start, marks, ...(first <= last && { first, last }) };
}

function freeRow(start: number, lastStart: number, range: Range): PortRow {
  const first = Math.max(start, range.start);
  return { kind: "free", first, last: Math.min(lastStart + perRow - 1, range.end) };
}
