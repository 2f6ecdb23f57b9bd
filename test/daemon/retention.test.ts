// What is kept by number is cut as it grows, not only when everything is pruned.

import { expect, test } from "bun:test";
import { eventsBetweenLooks, pruneAsItGrows } from "../../src/daemon/retention.ts";
import * as webhooks from "../../src/domain/webhooks.ts";
import { daemonCaller } from "../../src/world.ts";
import { makeWorld, type TestWorld } from "../world.ts";

/** A world that prunes as it grows, and what can happen in it: an event of its own turn of the event loop. */
function makeGrowing(settings: Record<string, string>) {
  const world = makeWorld(settings);
  const stopping = new AbortController();
  const reported: unknown[] = [];
  pruneAsItGrows(world, stopping.signal, (error) => reported.push(error));
  async function happen(times: number): Promise<void> {
    const { journal } = world;
    for (let n = 0; n < times; n++)
      journal.commit(() => journal.record("lock.release", "build", "ada", released));
    await journal.landed();
    // What is deleted is deleted in a later turn, and lands in its own.
    await new Promise(setImmediate);
    await journal.landed();
  }
  return { world, happen, stop: () => stopping.abort(), reported };
}

const released = { owner: "ada", fence: 1, reason: "released" } as const;

function kept({ db }: TestWorld): number {
  return (db.query("SELECT count(*) AS count FROM activity").get() as { count: number }).count;
}

test("a log is cut to its number as soon as so many events have come", async () => {
  const { world, happen, reported } = makeGrowing({ PORT_DADDY_ACTIVITY_RETENTION: "30d,100" });
  await happen(eventsBetweenLooks - 1);
  expect(kept(world)).toBe(eventsBetweenLooks - 1);
  await happen(1);
  expect(kept(world)).toBe(100);
  await happen(eventsBetweenLooks);
  expect(kept(world)).toBe(100);
  expect(reported).toEqual([]);
});

test("deliveries that are over are cut with it", async () => {
  const { world, happen } = makeGrowing({});
  const input = { url: "https://ci.test/hook", events: ["lock.release"] };
  webhooks.add(world, input, daemonCaller);
  await happen(eventsBetweenLooks - 2);
  world.db.run("UPDATE deliveries SET status = 'delivered', finished_at = created_at");
  await happen(1);
  expect(
    world.db.query("SELECT status, count(*) FROM deliveries GROUP BY status").values(),
  ).toEqual([
    ["delivered", 1_000],
    ["pending", 1],
  ]);
});

test("a log with room is left as it is", async () => {
  const { world, happen } = makeGrowing({ PORT_DADDY_ACTIVITY_RETENTION: "30d,10000" });
  await happen(eventsBetweenLooks * 2);
  expect(kept(world)).toBe(eventsBetweenLooks * 2);
});

test("under a load that never pauses the indices stay close behind the log", async () => {
  const { world, happen } = makeGrowing({});
  const unknown = "SELECT count(*) FROM activity WHERE NOT indexed";
  for (let n = 1; n <= 5; n++) {
    await happen(eventsBetweenLooks * 0.6);
    expect(world.db.query(unknown).values()[0]![0]).toBeLessThan(eventsBetweenLooks);
  }
  expect(kept(world)).toBe(eventsBetweenLooks * 3);
});

test("a daemon that stops leaves the log as it is", async () => {
  const { world, happen, stop, reported } = makeGrowing({
    PORT_DADDY_ACTIVITY_RETENTION: "30d,100",
  });
  stop();
  await happen(eventsBetweenLooks);
  expect({ kept: kept(world), reported }).toEqual({ kept: eventsBetweenLooks, reported: [] });
});
