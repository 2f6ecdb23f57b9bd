// Messages below HTTP: what is published and read back, how long it is kept, and when a reader is told of a gap.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createWorld } from "../../src/daemon/world.ts";
import * as messages from "../../src/domain/messages.ts";
import * as database from "../../src/store/database.ts";
import type { World } from "../../src/world.ts";
import { makeWorld, startOfTime } from "../world.ts";

const caller = { actor: "tester" };
const dayMs = 86_400_000;

/** Publishes a message and returns its id. */
function publish(world: World, channel: string, payload: unknown = "text", expires?: number) {
  const input = { channel, payload, ...(expires !== undefined && { expires }) };
  return messages.publish(world, input, caller).id;
}

function publishMany(world: World, channel: string, count: number): number[] {
  return Array.from({ length: count }, (_, n) => publish(world, channel, n));
}

function ids(world: World, channel: string, rest: { after?: number; limit?: number } = {}) {
  const { messages: found, count } = messages.read(world, { channel, ...rest });
  expect(count).toBe(found.length);
  return found.map(({ id }) => id);
}

const isGap = (world: World, channel: string, after: number) =>
  messages.read(world, { channel, after }).gap;

test("what is published is read back as it was", () => {
  const world = makeWorld();
  messages.publish(
    world,
    { channel: "build/web:api", payload: { text: "né\n\0🎈" }, sender: "ada", expires: 1_000 },
    caller,
  );
  expect(messages.read(world, { channel: "build/web:api" })).toEqual({
    messages: [
      {
        id: 1,
        channel: "build/web:api",
        payload: { text: "né\n\0🎈" },
        sender: "ada",
        createdAt: startOfTime,
        expiresAt: startOfTime + 1_000,
      },
    ],
    count: 1,
    gap: false,
  });
});

test("any JSON value is a payload, also those that count as nothing", () => {
  const world = makeWorld();
  const payloads = [0, false, "", null, [], {}, -1.5, "null", JSON.parse('{"__proto__":0}')];
  for (const payload of payloads) publish(world, "a", payload);
  const read = messages.read(world, { channel: "a" }).messages.map(({ payload }) => payload);
  expect(JSON.stringify(read)).toBe(JSON.stringify(payloads));
});

test("the sender is who is named, else the agent, else the caller, else nobody", () => {
  const world = makeWorld();
  const full = { agent: "ada", id: "ada@host#1", actor: "ada" };
  messages.publish(world, { channel: "a", payload: 1, sender: "bob" }, full);
  messages.publish(world, { channel: "a", payload: 2 }, full);
  messages.publish(world, { channel: "a", payload: 3 }, { id: "ada@host#1", actor: "ada@host#1" });
  messages.publish(world, { channel: "a", payload: 4 }, caller);
  const senders = messages.read(world, { channel: "a" }).messages.map(({ sender }) => sender);
  expect(senders).toEqual(["bob", "ada", "ada@host#1", null]);
});

test("ids are one sequence over all channels, and a publish that is undone leaves no message", () => {
  const world = makeWorld();
  expect([publish(world, "a"), publish(world, "b"), publish(world, "a")]).toEqual([1, 2, 3]);
  expect(() =>
    world.journal.commit(() => {
      publish(world, "a");
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(publish(world, "b")).toBeGreaterThan(3);
  expect(ids(world, "a")).toEqual([1, 3]);
  expect(messages.listChannels(world).map(({ count }) => count)).toEqual([2, 2]);
});

test("the log holds the beginning of a payload, whole characters only", () => {
  const world = makeWorld();
  publish(world, "a", "x".repeat(198) + "🎈🎈");
  publish(world, "a", 7);
  const previews = world.journal.since(0).map(({ metadata }) => metadata["preview"]);
  expect(previews).toEqual([`"${"x".repeat(198)}`, "7"]);
});

test("a read gives the newest without an id, and the next after one, oldest first", () => {
  const world = makeWorld();
  publishMany(world, "a", 105); // 1 to 105
  publishMany(world, "b", 2);
  expect(ids(world, "a")).toEqual(Array.from({ length: 100 }, (_, n) => n + 6));
  expect(ids(world, "a", { limit: 2 })).toEqual([104, 105]);
  expect(ids(world, "a", { after: 0, limit: 2 })).toEqual([1, 2]);
  expect(ids(world, "a", { after: 0 })).toHaveLength(100);
  expect(ids(world, "a", { after: 103 })).toEqual([104, 105]);
  expect(ids(world, "a", { after: 105 })).toEqual([]);
  expect(ids(world, "nobody")).toEqual([]);
});

test("a pattern reads all channels that match, in the order of ids, however many lie between", () => {
  const world = makeWorld();
  publish(world, "build:web"); // 1
  publish(world, "build"); // 2
  publish(world, "building"); // 3
  publish(world, "Build:web"); // 4
  publishMany(world, "build_noise", 1_000); // 5 to 1004
  publish(world, "build:api:main"); // 1005
  expect(ids(world, "build:*")).toEqual([1, 2, 1005]);
  expect(ids(world, "build:*", { after: 0, limit: 2 })).toEqual([1, 2]);
  expect(ids(world, "build:*", { after: 2 })).toEqual([1005]);
  expect(ids(world, "build:*", { limit: 1 })).toEqual([1005]);
  expect(ids(world, "build:**")).toEqual([1, 1005]);
  expect(ids(world, "b*:web", { after: 0 })).toEqual([1]);
  expect(ids(world, "*", { after: 1002, limit: 2 })).toEqual([1003, 1004]);
  expect(ids(world, "build%")).toEqual([]);
});

test("a message with a time of its own is there to its last moment, and then is a gap", () => {
  const world = makeWorld();
  publish(world, "a", "brief", 1_000);
  publish(world, "a");
  world.advance(999);
  expect(ids(world, "a", { after: 0 })).toEqual([1, 2]);
  expect(isGap(world, "a", 0)).toBe(false);
  world.advance(1);
  expect(messages.read(world, { channel: "a", after: 0 })).toMatchObject({ count: 1, gap: true });
  expect(ids(world, "a")).toEqual([2]);
  expect(isGap(world, "a", 1)).toBe(false);
  expect(messages.listChannels(world)).toMatchObject([{ channel: "a", count: 1 }]);
});

test("no more than the configured number is kept of a channel, the newest, and of others all", () => {
  const world = makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,3" });
  publish(world, "b"); // 1
  publishMany(world, "a", 3); // 2 to 4
  expect([ids(world, "a"), isGap(world, "a", 0)]).toEqual([[2, 3, 4], false]);
  publish(world, "a");
  expect(ids(world, "a")).toEqual([3, 4, 5]);
  expect(ids(world, "b")).toEqual([1]);
  expect([isGap(world, "a", 1), isGap(world, "a", 2), isGap(world, "b", 0)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a thousand of a channel are kept by default", () => {
  const world = makeWorld();
  publishMany(world, "a", 1_001);
  expect(messages.listChannels(world)).toMatchObject([{ channel: "a", count: 1_000 }]);
  expect(ids(world, "a", { after: 0, limit: 1 })).toEqual([2]);
});

test("one whose own time is over takes no place of one that is kept", () => {
  const world = makeWorld({ PORT_DADDY_MESSAGE_RETENTION: "7d,2" });
  publish(world, "a");
  publish(world, "a", "brief", 1_000);
  world.advance(1_000);
  publish(world, "a");
  expect(ids(world, "a")).toEqual([1, 3]);
});

test("what is older than the configured age is pruned, to the millisecond, and is a gap", () => {
  const world = makeWorld();
  publish(world, "a"); // 1
  world.advance(1);
  publish(world, "a"); // 2
  publish(world, "b"); // 3
  world.advance(7 * dayMs);
  messages.prune(world);
  expect(ids(world, "*")).toEqual([2, 3]);
  expect([isGap(world, "a", 0), isGap(world, "a", 1), isGap(world, "b", 0)]).toEqual([
    true,
    false,
    false,
  ]);
  world.advance(1);
  messages.prune(world);
  expect(ids(world, "*")).toEqual([]);
  expect([isGap(world, "a", 1), isGap(world, "*", 2), isGap(world, "*", 3)]).toEqual([
    true,
    true,
    false,
  ]);
});

test("a channel that was empty for so long is forgotten, and what was lost of it is not", () => {
  const world = makeWorld();
  publishMany(world, "a", 3);
  messages.clear(world, { channel: "a" }, caller);
  world.advance(8 * dayMs);
  publish(world, "b"); // 4
  messages.prune(world);
  messages.prune(world);
  const rows = world.db.query("SELECT channel FROM channels WHERE channel <> ''").values();
  expect(rows).toEqual([["b"]]);
  expect([isGap(world, "a", 2), isGap(world, "*", 0), isGap(world, "a", 3)]).toEqual([
    true,
    true,
    false,
  ]);
  expect([isGap(world, "b", 3), isGap(world, "b", 4)]).toEqual([false, false]);
});

test("clearing takes the messages of one channel, is logged once, and is a gap", () => {
  const world = makeWorld();
  publishMany(world, "a", 2);
  publish(world, "a:b");
  const before = world.journal.lastId();
  expect(messages.clear(world, { channel: "a" }, caller)).toEqual({ deleted: 2 });
  expect(messages.clear(world, { channel: "a" }, caller)).toEqual({ deleted: 0 });
  expect(world.journal.since(before)).toMatchObject([
    { event: "channel.clear", targetId: "a", actor: "tester", metadata: { deleted: 2 } },
  ]);
  expect([ids(world, "a"), ids(world, "a:*")]).toEqual([[], [3]]);
  expect([isGap(world, "a", 1), isGap(world, "a", 2), isGap(world, "a:*", 1)]).toEqual([
    true,
    false,
    true,
  ]);
  expect(isGap(world, "a:b", 0)).toBe(false);
  expect(publish(world, "a")).toBe(4);
});

test("clearing does not count what nobody could read any more", () => {
  const world = makeWorld();
  publish(world, "a", "brief", 1_000);
  publish(world, "a");
  world.advance(1_000);
  expect(messages.clear(world, { channel: "a" }, caller)).toEqual({ deleted: 1 });
});

test("an id that was never given out is a gap, and the newest is none", () => {
  const world = makeWorld();
  expect([isGap(world, "a", 0), isGap(world, "a", 1)]).toEqual([false, true]);
  publish(world, "a");
  expect([isGap(world, "a", 1), isGap(world, "*", 1), isGap(world, "a", 2)]).toEqual([
    false,
    false,
    true,
  ]);
});

test("channels are those that have messages, by name, with the number and the latest instant", () => {
  const world = makeWorld();
  publish(world, "b:x");
  publish(world, "c");
  world.advance(5);
  publishMany(world, "a", 2);
  messages.clear(world, { channel: "c" }, caller);
  const a = { channel: "a", count: 2, lastMessageAt: startOfTime + 5 };
  const b = { channel: "b:x", count: 1, lastMessageAt: startOfTime };
  expect(messages.listChannels(world)).toEqual([a, b]);
  expect(messages.listChannels(world, "b:*")).toEqual([b]);
  expect(messages.listChannels(world, "nobody")).toEqual([]);
});

/** The world over a state directory, as a start of the daemon makes it. */
function openState(directory: string): World {
  const { config, clock, probe } = makeWorld();
  const db = database.open(path.join(directory, "state.db"));
  const sequences = path.join(directory, "sequences");
  const report = (error: unknown) => {
    throw error;
  };
  return createWorld({ config, clock, probe, db, report, sequences });
}

/** Ends it as a kill would: what has landed is there, nothing is settled. */
function kill(world: World): void {
  world.journal.flush();
  world.db.close();
}

function inDirectory(work: (directory: string) => void): void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "messages-"));
  try {
    work(directory);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

test("a restart keeps messages, ids and gaps, whether the end was orderly or not", () => {
  inDirectory((directory) => {
    let world = openState(directory);
    publishMany(world, "a", 3);
    messages.clear(world, { channel: "a" }, caller);
    publish(world, "a"); // 4
    world.sequences.settle();
    kill(world);
    world = openState(directory);
    expect([ids(world, "a"), isGap(world, "a", 2), isGap(world, "a", 3)]).toEqual([
      [4],
      true,
      false,
    ]);
    expect(publish(world, "a")).toBe(5);
    kill(world);
    world = openState(directory);
    expect([ids(world, "a", { after: 3 }), isGap(world, "a", 5)]).toEqual([[4, 5], false]);
    expect(publish(world, "a")).toBeGreaterThan(5);
    kill(world);
  });
});

test("where the database is lost no id comes again, and whoever saw less than its last has a gap", () => {
  inDirectory((directory) => {
    let world = openState(directory);
    publishMany(world, "a", 3);
    world.sequences.settle();
    kill(world);
    for (const file of ["state.db", "state.db-wal", "state.db-shm"])
      fs.rmSync(path.join(directory, file), { force: true });
    world = openState(directory);
    expect([isGap(world, "a", 2), isGap(world, "never:seen", 0), isGap(world, "a", 3)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(publish(world, "a")).toBe(4);
    kill(world);
    world = openState(directory);
    expect([isGap(world, "a", 2), isGap(world, "a", 3), ids(world, "a")]).toEqual([
      true,
      false,
      [4],
    ]);
    kill(world);
  });
});
