// Where claims stand on the port map.

import { expect, test } from "bun:test";
import type { Listener } from "../../src/contract/entities.ts";
import { layOutPorts, marksOf, summaryOfPorts } from "../../dashboard/pictures/ports.ts";
import { stepOf } from "../../dashboard/pictures/roving.ts";
import type { Seen } from "../../dashboard/state.ts";
import { claimOf } from "./made.ts";

const range = { start: 3100, end: 9999 };

test("a port lies in the row of its hundred", () => {
  const rows = layOutPorts(marks([3101], [3199], [3200]), range);
  expect(rows.slice(0, 2)).toMatchObject([
    { kind: "hundred", start: 3100, marks: [{ port: 3101 }, { port: 3199 }] },
    { kind: "hundred", start: 3200, marks: [{ port: 3200 }] },
  ]);
});

test("marks go by port, whatever the order of the claims", () => {
  expect(marks([3300], [80], [3101]).map(({ port }) => port)).toEqual([80, 3101, 3300]);
});

test("rows without a claim are one line", () => {
  expect(layOutPorts(marks([3101], [8000]), range).map(brief)).toEqual([
    "3100",
    "3200–7999 free",
    "8000",
    "8100–9999 free",
  ]);
});

test("a single row without a claim stays a row", () => {
  expect(layOutPorts(marks([3101], [3300]), { start: 3100, end: 3399 }).map(brief)).toEqual([
    "3100",
    "3200",
    "3300",
  ]);
});

test("where nothing is claimed the whole range is one line", () => {
  expect(layOutPorts([], range).map(brief)).toEqual(["3100–9999 free"]);
});

test("a free line names only ports that are given out", () => {
  expect(layOutPorts([], { start: 3150, end: 3420 }).map(brief)).toEqual(["3150–3420 free"]);
});

test("a row says which of its ports are given out", () => {
  const rows = layOutPorts(marks([3160], [3205]), { start: 3150, end: 3210 });
  expect(rows).toMatchObject([
    { start: 3100, first: 3150, last: 3199 },
    { start: 3200, first: 3200, last: 3210 },
  ]);
});

test("claims outside the range have rows, and what lies between has none", () => {
  const rows = layOutPorts(marks([80], [3101], [20_000]), { start: 3100, end: 3199 });
  expect(rows.map(brief)).toEqual(["0", "3100", "20000"]);
  expect(rows[0]).not.toHaveProperty("first");
  expect(rows[2]).not.toHaveProperty("last");
});

test("a stranger on the port goes before the status of the claim", () => {
  const services = claims(
    [3101, "assigned", listener(true)],
    [3102, "running", listener(false)],
    [3103, "stopped"],
    [3104],
  );
  expect(marksOf(services).map(({ state }) => state)).toEqual([
    "stranger",
    "running",
    "stopped",
    "assigned",
  ]);
});

test("the summary counts what is claimed and what runs", () => {
  expect(summaryOfPorts(marks([3101, "running"], [3102]), range)).toBe(
    "2 of 6,900 ports are claimed, 1 is running.",
  );
  expect(summaryOfPorts([], range)).toBe("None of 6,900 ports is claimed.");
});

test("the summary tells claims outside the range from those inside, and names strangers", () => {
  const all = marks([80], [3101, "assigned", listener(true)]);
  expect(summaryOfPorts(all, range)).toBe(
    "1 of 6,900 ports is claimed, 1 claim outside the range, 0 are running and a stranger listens on 1.",
  );
});

test("arrow keys lead from mark to mark and stop at the ends; other keys are left alone", () => {
  expect([stepOf("ArrowRight", 3, 9), stepOf("ArrowUp", 3, 9)]).toEqual([4, 2]);
  expect([stepOf("ArrowDown", 9, 9), stepOf("ArrowLeft", 0, 9)]).toEqual([9, 0]);
  expect([stepOf("Home", 3, 9), stepOf("End", 3, 9)]).toEqual([0, 9]);
  expect([stepOf("Enter", 3, 9), stepOf("toString", 3, 9)]).toEqual([undefined, undefined]);
});

type Given = [port: number, status?: Seen["status"], listener?: Seen["listener"]];

function claims(...given: Given[]): Map<string, Seen> {
  return new Map(
    given.map(([port, status = "assigned", listener = null]) => {
      const id = `s:${port}`;
      return [id, { ...claimOf({ id, port }), status, listener }];
    }),
  );
}

function marks(...given: Given[]) {
  return marksOf(claims(...given));
}

function listener(stranger: boolean): Listener {
  return { pid: 1, command: "node", cwd: null, user: null, startedAt: null, stranger };
}

function brief(row: ReturnType<typeof layOutPorts>[number]): string {
  return row.kind === "free" ? `${row.first}–${row.last} free` : String(row.start);
}
