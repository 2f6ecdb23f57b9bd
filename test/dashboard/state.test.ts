// The dashboard's state: whatever happens, whoever replays the log from any snapshot comes to what the daemon says.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  firstId,
  maxEntries,
  nothing,
  reduce as reduceAny,
  seen,
  type Received,
  type State,
} from "../../dashboard/state.ts";
import type { ActivityEntry, Webhook } from "../../src/contract/entities.ts";
import { events } from "../../src/contract/events.ts";
import type { Live, Server, Snapshot } from "../../src/contract/feed.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { makeSide, type Side } from "../scenario.ts";
import type { TestWorld } from "../world.ts";

const refuse = () => expect.unreachable("a value that somebody else has was changed");

/** Makes that nobody can change a value: every state and every message of these tests is kept like that. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const each of value.values()) freeze(each);
    Object.assign(value, { set: refuse, delete: refuse, clear: refuse });
  }
  for (const each of Object.values(value)) freeze(each);
  return Object.freeze(value);
}

const reduce = (state: State, received: Received) =>
  freeze(reduceAny(freeze(state), freeze(received)));
const fromSnapshot = (snapshot: Snapshot, state = nothing) =>
  reduce(state, { kind: "snapshot", snapshot });
const withEvents = (state: State, entries: ActivityEntry[]) =>
  entries.reduce((before, entry) => reduce(before, { kind: "event", entry }), state);
const withLive = (state: State, live: Partial<Live>) => reduce(state, { kind: "live", live });
/** What the log answers when it is asked for what goes before a state, newest first. */
const withHistory = (state: State, entries: ActivityEntry[], since: number) =>
  reduce(state, { kind: "history", before: firstId(state), since, entries });

/** What the stream sends to whoever opens it, up to where nothing more is there. */
async function sent({ request }: Side, query = "") {
  const { body } = await request({ path: `/events${query}` });
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("event: position\n")) text += (await reader.read()).value;
  await reader.cancel();
  const dataOf = (frames: RegExp) =>
    [...text.matchAll(frames)].map(([, data]) => JSON.parse(data!));
  return {
    snapshot: dataOf(/^event: snapshot\nid: \d+\ndata: (.*)$/gm)[0] as Snapshot,
    live: dataOf(/^event: live\ndata: (.*)$/gm)[0] as Live,
    entries: dataOf(/^id: \d+\ndata: (.*)$/gm).filter(({ event }) => event) as ActivityEntry[],
  };
}

const maybe = <T>(...values: T[]) => fc.constantFrom(undefined, ...values);
const wish = fc.record({
  id: fc.constantFrom("shop:api", "__proto__", "constructor"),
  lock: fc.constantFrom("src/auth", "__proto__"),
  owner: fc.constantFrom("ada", "ada", "cyd"),
  agent: fc.constantFrom("ada", "bob", "__proto__"),
  as: maybe("ada", "bob", "__proto__"),
  pid: maybe(71, 72),
  environment: fc.constant("constructor"),
  url: fc.constantFrom("http://a.example.com/", "https://b.example.com/x"),
  claim: fc.record({
    expires: maybe(1_000, 60_000),
    port: maybe(3_150, 3_151),
    cwd: maybe("/srv/app", "/elsewhere"),
    urls: maybe({ dev: "http://c.example.com/" }),
    metadata: maybe({}, { a: null, b: [1] }),
  }),
  state: fc.constantFrom("ready", "hijacked", "restarting", "ended"),
  ttl: fc.constantFrom(1_000, 60_000),
  which: fc.nat({ max: 3 }),
  ms: fc.constantFrom(999, 1_000, 60_000, 121_000),
});
type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;

/** What a test does to a daemon: asks it, or changes the machine it is on. */
const deeds: ((wish: Wish, world: TestWorld) => [string, string, unknown?] | undefined)[] = [
  ({ id, claim, pid }) => ["POST", `/claim/${id}`, { ...claim, pid, health: "/health" }],
  ({ id }) => ["POST", `/claim/${id}`],
  ({ owner: cmd }) => ["POST", "/claim", { ids: ["shop:api", "shop:web"], cmd }],
  () => ["POST", "/launches/shop:web", { directory: "/srv/app", cmd: "vite", pid: 73 }],
  ({ state }) => ["PUT", "/launches/shop:web", { pid: 73, state }],
  ({ id }) => ["DELETE", `/release/${id}`],
  () => ["DELETE", "/release/shop:*"],
  ({ id, environment, url }) => ["PUT", `/services/${id}/endpoints/${environment}`, { url }],
  ({ id, environment }) => ["DELETE", `/services/${id}/endpoints/${environment}`],
  ({ lock, owner, pid, ttl }) => ["POST", `/locks/${lock}`, { owner, pid, ttl }],
  ({ lock, owner, pid, ttl }) => ["PUT", `/locks/${lock}`, { owner, pid, ttl }],
  ({ lock, owner }) => ["DELETE", `/locks/${lock}`, { owner }],
  ({ lock }) => ["DELETE", `/locks/${lock}`, { force: true }],
  ({ agent, owner: name }) => ["POST", `/agents/${agent}`, { name, maxServices: 1 }],
  ({ agent }) => ["PUT", `/agents/${agent}/heartbeat`],
  ({ agent }) => ["DELETE", `/agents/${agent}`],
  () => ["POST", "/msg/news", { payload: 1 }],
  () => ["DELETE", "/msg/news"],
  ({ url }) => ["POST", "/webhooks", { url }],
  (_, world) => ["DELETE", `/webhooks/${world.webhooks.all()[0]?.id ?? 0}`],
  ({ which }, world) => {
    const rows = world.db.query("SELECT port FROM services").all() as { port: number }[];
    const { port } = rows[which % rows.length] ?? { port: 3_150 };
    if (!world.machine.bound.delete(port)) world.machine.listen(port);
    reap(world);
  },
  ({ pid = 71 }, { machine }) => {
    if (!machine.processes.delete(pid)) machine.processes.set(pid, "again");
  },
  ({ ms }, world) => {
    world.advance(ms);
    reap(world);
  },
];
const acts = fc.array(fc.tuple(fc.constantFrom(...deeds), wish), { maxLength: 40, size: "max" });
type Acts = typeof acts extends fc.Arbitrary<infer T> ? T : never;

/** Does it all, and looks at how things stand after each. */
async function live(acts: Acts) {
  const side = makeSide();
  for (const pid of [71, 72, 73]) side.world.machine.processes.set(pid, "first");
  const snapshots = [(await sent(side)).snapshot];
  for (const [deed, wish] of acts) {
    const [method, path, body] = deed(wish, side.world) ?? [];
    const headers: Record<string, string> = wish.as ? { "X-Agent-Id": wish.as } : {};
    // Some are refused, which is as good.
    if (path && method)
      expect((await side.request({ method, path, body, headers })).status).toBeLessThan(500);
    snapshots.push((await sent(side)).snapshot);
  }
  // The daemon's next round finds what no event has told yet.
  side.world.advance(2_000);
  reap(side.world);
  snapshots.push((await sent(side)).snapshot);
  const { entries } = await sent(side, "?after=0");
  side.world.db.close();
  return { snapshots, entries };
}

/** What is known by events; two maps with the same in them are equal, whatever its order. */
const known = ({ id, services, locks, agents }: State) => ({ id, services, locks, agents });

test("from any snapshot, also one that is newer than its id says, the log leads to what the daemon says later", async () => {
  const happened = new Set<string>();
  await fc.assert(
    fc.asyncProperty(acts, async (acts) => {
      const { snapshots, entries } = await live(acts);
      for (const { event } of entries) happened.add(event);
      const last = snapshots.at(-1)!;
      for (const [n, { id }] of snapshots.entries()) {
        for (const end of [snapshots[n + 1] ?? last, last]) {
          const after = entries.filter((entry) => entry.id > id && entry.id <= end.id);
          for (const newer of [n, n + 1, Math.floor((n + snapshots.length) / 2)]) {
            if (newer > snapshots.indexOf(end)) continue;
            const replayed = withEvents(fromSnapshot({ ...snapshots[newer]!, id }), after);
            expect(known(replayed)).toEqual(known(fromSnapshot(end)));
            expect(replayed.entries).toEqual(after);
            expect(withEvents(replayed, after)).toBe(replayed);
          }
        }
      }
    }),
    { numRuns: 50, seed: 1, includeErrorInReport: true },
  );
  // A log in which little happens proves little.
  const names = Object.keys(events).filter((name) => !/^daemon|^webhook.(up|pa|res)/.test(name));
  expect([...happened].sort()).toEqual(names.sort());
}, 60_000);

test("of a server that was back, or gone again, by the daemon's next round is shown what a look finds", async () => {
  const side = makeSide();
  const { machine } = side.world;
  const { port } = await side.play({ method: "POST", path: "/claim/shop" });
  const turns: [() => unknown, () => unknown][] = [
    [() => machine.listen(port), () => machine.bound.delete(port)],
    [() => machine.listen(port), () => reap(side.world)],
    [() => machine.bound.delete(port), () => machine.listen(port, 72)],
    [() => machine.bound.delete(port), () => reap(side.world)],
  ];
  for (const [before, after] of turns) {
    before();
    const { snapshot, live } = await sent(side);
    after();
    // Those who come at the same moment are told the same.
    side.world.advance(1_000);
    reap(side.world);
    const later = await sent(side, `?after=${snapshot.id}`);
    const start = withLive(fromSnapshot(snapshot), live);
    const { status, listener } = seen(withLive(withEvents(start, later.entries), later.live)).get(
      "shop",
    )!;
    expect(await side.play({ path: "/services/shop" })).toMatchObject({ status, listener });
    side.world.advance(1_000);
  }
});

/** An entry of the log that changes nothing but it. */
const entry = (id: number, timestamp = id): ActivityEntry => ({
  id,
  timestamp,
  event: "message.publish",
  action: "publish",
  targetId: "news",
  actor: "ada",
  metadata: { id, sender: null, preview: "" },
});
const from = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, n) => entry(first + n));
const empty = { id: 10, services: [], locks: [], agents: [], channels: [] };
const start = fromSnapshot(empty);

test("an event that was seen before changes nothing, also where it says something else", () => {
  const state = withEvents(start, from(11, 13));
  expect(withEvents(state, [...from(9, 13), { ...entry(12), event: "lock.acquire" }])).toBe(state);
});

test.each(["lock.teleport", "constructor", "toString", "__proto__", ""])(
  "of the event '%s', which a later version may know, there is only its place in the log",
  (event) => {
    const unknown = { ...entry(11), event, metadata: { lock: "build" } };
    expect(withEvents(start, [unknown])).toEqual({ ...start, id: 11, entries: [unknown] });
  },
);

test("names that objects have of themselves are names like others in what is heard", () => {
  const server: Server = { status: "running", listener: null };
  for (const name of ["__proto__", "constructor", "toString"]) {
    const heard = JSON.parse(`{"servers":{"${name}":${JSON.stringify(server)}},
      "heard":{"${name}":1},"expiries":{"${name}":2},"attempts":{"${name}":3}}`);
    const { servers, heard: at, expiries, attempts } = withLive(start, heard);
    const told = [servers, at, expiries, attempts].flatMap((of): [string, unknown][] => [...of]);
    expect(told).toEqual([server, 1, 2, 3].map((value) => [name, value]));
  }
});

test("how things stand replaces the parts it carries, each as a whole, and no other", () => {
  const whole: Live = {
    waiting: [{ lock: "build", owner: "ada", agent: null, since: 1 }],
    channels: [{ channel: "news", count: 1, lastMessageAt: 1, subscribers: 0 }],
    webhooks: [{ id: "1" } as Webhook],
    servers: { shop: { status: "stopped", listener: null } },
    heard: { ada: 1, bob: 2 },
    expiries: { build: 1 },
    attempts: { 1: 1 },
  };
  const state = withLive(withEvents(start, [entry(11)]), whole);
  expect(withLive(state, {})).toEqual(state);
  for (const [part, value] of Object.entries(whole)) {
    const none = Array.isArray(value) ? [] : new Map();
    const without = withLive(state, { [part]: Array.isArray(value) ? [] : {} });
    expect(without).toEqual({ ...state, [part]: none });
    expect(withLive(without, { [part]: value })).toEqual(state);
  }
  expect(withLive(state, { heard: { cyd: 3 } }).heard).toEqual(new Map([["cyd", 3]]));
});

test("a snapshot keeps the log where it goes on from it, and throws it away after a gap, also one that goes back", () => {
  const state = withHistory(withEvents(start, from(11, 12)), from(1, 10).reverse(), 0);
  expect(fromSnapshot({ ...empty, id: 12 }, state)).toEqual(state);
  for (const id of [11, 13, 1]) {
    const after = fromSnapshot({ ...empty, id }, state);
    expect(after).toEqual({ ...state, id, entries: [], coveredSince: Infinity });
    expect(withEvents(after, [entry(id + 1)]).entries).toEqual([entry(id + 1)]);
  }
});

test("history goes before what is there, page by page", () => {
  const state = withEvents(start, from(11, 12));
  const one = withHistory(state, from(6, 10).reverse(), 6);
  expect([one.entries, one.coveredSince]).toEqual([from(6, 12), 6]);
  const two = withHistory(one, from(1, 5).reverse(), 0);
  expect([two.entries, two.id, two.coveredSince]).toEqual([from(1, 12), 12, 0]);
  expect(withHistory(two, [], 0)).toEqual(two);
});

test("history that was asked for before a gap, or twice, is not put where it does not belong", () => {
  const state = withEvents(start, from(11, 12));
  const page = { kind: "history", since: 0, entries: from(6, 10).reverse() } as const;
  const known = reduce(state, { ...page, before: 11 });
  expect(reduce(known, { ...page, before: 11 })).toEqual(known);
  const after = fromSnapshot({ ...empty, id: 500 }, known);
  expect(reduce(after, { ...page, before: 6 })).toEqual(after);
  expect([after.entries, after.coveredSince]).toEqual([[], Infinity]);
});

test("the log is kept to its newest entries, and then says from which instant on it is whole", () => {
  // Several at one instant: of those that are cut, none may be within what is said to be whole.
  const log = Array.from({ length: maxEntries + 5 }, (_, n) => entry(n + 1, Math.ceil(n / 3)));
  const full = withHistory(
    fromSnapshot({ ...empty, id: maxEntries }),
    log.slice(0, maxEntries).reverse(),
    0,
  );
  expect([full.entries.length, full.coveredSince]).toEqual([maxEntries, 0]);
  for (const state of [
    withEvents(full, log.slice(maxEntries)),
    withHistory(fromSnapshot({ ...empty, id: log.length }), log.toReversed(), 0),
  ]) {
    expect(state.entries).toEqual(log.slice(-maxEntries));
    expect(state.coveredSince).toBe(log[4]!.timestamp + 1);
    expect(withHistory(state, log.slice(0, 5).reverse(), 0)).toEqual(state);
  }
});
