// Who stands where in the picture of who holds what.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Waiting } from "../../src/contract/feed.ts";
import {
  holdersOf,
  layOutHoldings,
  maxNodes,
  nodePitch,
  spread,
  summaryOfHoldings,
} from "../../dashboard/pictures/holders.ts";
import type { Hold, Member } from "../../dashboard/state.ts";
import { cut, ordinal } from "../../dashboard/words.ts";
import { claimOf } from "./made.ts";

test("registered agents stand before owners that are none", () => {
  const holders = holdersOf(
    given({
      agents: ["zoe"],
      services: [
        ["shop:api", "zoe"],
        ["shop:web", "label"],
      ],
      locks: [["build", "anna@host"]],
    }),
  );
  expect(holders.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
    "agent zoe",
    "owner anna@host",
    "owner label",
  ]);
});

test("an agent has the locks that it took under another owner's name", () => {
  const [ada, ...others] = holdersOf(
    given({ agents: ["ada"], locks: [["build", "ada-1", "ada"]] }),
  );
  expect(ada).toMatchObject({ name: "ada", holds: [{ kind: "lock", name: "build" }] });
  expect(others).toEqual([]);
});

test("services of nobody and agents with nothing are not drawn but counted", () => {
  const all = given({
    agents: ["ada", "idle"],
    services: [
      ["a", null],
      ["b", null],
      ["c", "ada"],
    ],
  });
  const holders = holdersOf(all);
  expect(holders.map(({ name }) => name)).toEqual(["ada"]);
  expect(summaryOfHoldings(holders, all)).toBe(
    "1 agent holds 1 service; 1 more agent holds nothing; 2 services belong to no agent.",
  );
});

test("where nothing is held and nobody waits there is nobody to draw", () => {
  const all = given({ agents: ["ada"], services: [["a", null]] });
  expect(holdersOf(all)).toEqual([]);
  expect(summaryOfHoldings([], all)).toBe(
    "No agent holds anything; 1 service belongs to no agent.",
  );
});

test("a stale agent is marked and counted", () => {
  const all = given({ agents: ["ada"], stale: ["ada"], locks: [["build", "ada"]] });
  expect(holdersOf(all)).toMatchObject([{ name: "ada", isStale: true }]);
  expect(summaryOfHoldings(holdersOf(all), all)).toBe("1 agent holds 1 lock; 1 is stale.");
});

test("a waiter is joined to its lock, with its place where several wait", () => {
  const { left, right, waits } = laidOut({
    agents: ["ada"],
    locks: [
      ["build", "ada"],
      ["deploy", "ada"],
    ],
    waiting: [
      ["build", "bea"],
      ["build", "cy"],
      ["deploy", "dan"],
    ],
  });
  const told = waits.map(({ holder, node, place }) =>
    [left[holder]!.holder.name, right[node]!.label, place].join(" "),
  );
  expect(told.sort()).toEqual(["bea build 1st", "cy build 2nd", "dan deploy "]);
});

test("those who wait without a name are one each", () => {
  const holders = holdersOf(
    given({
      locks: [["build", "ada"]],
      waiting: [
        ["build", null],
        ["build", null],
      ],
    }),
  );
  expect(holders.map(({ name }) => name)).toEqual(["ada", "unnamed", "unnamed"]);
});

test("a lock that is waited for is drawn even while nobody has it", () => {
  const { right, holds, waits } = laidOut({ waiting: [["build", "ada"]] });
  expect(right).toMatchObject([{ kind: "lock", name: "build" }]);
  expect(holds).toEqual([]);
  expect(waits).toEqual([{ holder: 0, node: 0 }]);
});

test("what is held is in the order of the holders, so that its curves do not cross", () => {
  const { left, right, holds } = laidOut({
    agents: ["ada", "bea"],
    services: [
      ["a", "bea"],
      ["b", "ada"],
      ["c", "bea"],
      ["d", "ada"],
    ],
    locks: [
      ["l", "ada"],
      ["m", "bea"],
    ],
  });
  expect(right.map(({ label }) => label)).toEqual(["b", "d", "l", "a", "c", "m"]);
  for (const one of holds)
    for (const other of holds)
      if (left[one.holder]!.y < left[other.holder]!.y)
        expect(right[one.node]!.y).toBeLessThan(right[other.node]!.y);
});

test("sixty nodes each stand for themselves; one more, and an agent's services go by project", () => {
  const services = (number: number) =>
    Array.from(
      { length: number },
      (_, at) => [`${at % 2 ? "shop" : "blog"}:s${at}`, "ada"] as const,
    );
  expect(laidOut({ agents: ["ada"], services: services(maxNodes) }).right).toHaveLength(maxNodes);
  const { right } = laidOut({
    agents: ["ada"],
    services: [...services(maxNodes), ["docs:api", "ada"]],
    locks: [["build", "ada"]],
  });
  expect(right.map(({ label }) => label)).toEqual([
    "blog · 30 services",
    "docs:api",
    "shop · 30 services",
    "build",
  ]);
});

test("names stand in the order people expect, those who only wait behind whom they wait for", () => {
  const holders = holdersOf(
    given({
      agents: ["a10", "a9", "b"],
      locks: [
        ["build", "a9"],
        ["deploy", "a10"],
      ],
      waiting: [
        ["build", "b"],
        ["build", "x"],
      ],
    }),
  );
  expect(holders.map(({ name }) => name)).toEqual(["a9", "b", "a10", "x"]);
});

test("services of one project stay apart where their agents differ", () => {
  const services = Array.from({ length: 70 }, (_, at) => [`shop:s${at}`, `a${at % 2}`] as const);
  const { right, holds } = laidOut({ agents: ["a0", "a1"], services });
  expect(right.map(({ label }) => label)).toEqual(["shop · 35 services", "shop · 35 services"]);
  expect(holds.map(({ holder, node }) => [holder, node])).toEqual([
    [0, 0],
    [1, 1],
  ]);
});

test("with too many projects an agent's services are one node, and a lock that is waited for is not hidden", () => {
  const services = Array.from({ length: 100 }, (_, at) => [`p${at}:api`, "ada"] as const);
  const locks = Array.from({ length: 5 }, (_, at) => [`lock${at}`, "ada"] as const);
  const { right, waits } = laidOut({
    agents: ["ada"],
    services,
    locks,
    waiting: [["lock3", "bea"]],
  });
  expect(right.map(({ label }) => label)).toEqual([
    "100 services · 100 projects",
    "4 locks",
    "lock3",
  ]);
  expect(waits).toEqual([{ holder: 1, node: 2 }]);
});

test("whatever is held, nodes on either side never overlap and never leave the picture", () => {
  const place = fc.double({ min: 0, max: 2_000, noNaN: true });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 40 }), fc.nat(30), (wanted, more) => {
      const height = (wanted.length + more) * nodePitch;
      const places = spread(wanted, nodePitch, height);
      for (const [at, y] of places.entries()) {
        expect(y).toBeGreaterThanOrEqual(nodePitch / 2 - 1e-6);
        expect(y).toBeLessThanOrEqual(height - nodePitch / 2 + 1e-6);
        if (at > 0) expect(y - places[at - 1]!).toBeGreaterThanOrEqual(nodePitch - 1e-6);
      }
    }),
  );
});

test("a holder stands in the middle of what it holds where there is room", () => {
  const { left, right } = laidOut({
    agents: ["ada", "bea"],
    services: [
      ["a", "ada"],
      ["b", "ada"],
      ["c", "ada"],
      ["d", "bea"],
    ],
  });
  expect(left[0]!.y).toBe(right[1]!.y);
  expect(left[1]!.y).toBe(right[3]!.y);
});

test("a long name keeps its beginning and its end", () => {
  expect(cut("shop:api:main", 20)).toBe("shop:api:main");
  expect(cut("a-rather-long-project:api", 12)).toBe("a-ra…ect:api");
  expect(cut("abc", 0)).toBe("…");
});

test.each([
  [1, "1st"],
  [2, "2nd"],
  [3, "3rd"],
  [4, "4th"],
  [11, "11th"],
  [12, "12th"],
  [21, "21st"],
  [113, "113th"],
])("place %d is %s", (place, words) => expect(ordinal(place)).toBe(words));

type Given = {
  agents?: readonly string[];
  stale?: readonly string[];
  services?: readonly (readonly [id: string, agent: string | null])[];
  locks?: readonly (readonly [name: string, owner: string, agent?: string])[];
  waiting?: readonly (readonly [lock: string, owner: string | null])[];
};

function given({ agents = [], stale = [], services = [], locks = [], waiting = [] }: Given) {
  return {
    agents: new Map(
      agents.map((id): [string, Member] => [
        id,
        {
          id,
          name: null,
          type: null,
          status: stale.includes(id) ? "stale" : "active",
          maxServices: 50,
          maxLocks: 20,
          registeredAt: 0,
        },
      ]),
    ),
    services: new Map(
      services.map(([id, agent], at) => [id, claimOf({ id, agent, port: 3100 + at })]),
    ),
    locks: new Map(
      locks.map(([name, owner, agent = null]): [string, Hold] => [
        name,
        { name, owner, agent, pid: null, fence: 1, acquiredAt: 0, expiresAt: 1 },
      ]),
    ),
    waiting: waiting.map(([lock, owner]): Waiting => ({ lock, owner, agent: null, since: 0 })),
  };
}

function laidOut(all: Given) {
  return layOutHoldings(holdersOf(given(all)));
}
