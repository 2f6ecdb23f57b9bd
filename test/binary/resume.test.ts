// The stock client of server-sent events for Node resumes by id after the daemon was away: nothing lost or repeated.

import { describe, expect, test } from "bun:test";
import { EventSource } from "eventsource";
import { eventually, Home } from "../home.ts";

/** Where the daemon is after a restart too. */
function withPort(): { home: Home; origin: string } {
  const settings: Record<string, string> = {};
  const home = new Home(settings);
  settings["PORT_DADDY_PORT"] = String(home.range.end);
  return { home, origin: `http://localhost:${home.range.end}` };
}

type Seen = { id: number; data: any };

/** Opens a stream, and returns what it has told so far once the daemon has sent where it begins. */
async function open(url: string) {
  const source = new EventSource(url, {
    // No proxy of the environment, and no limit of Bun's own.
    fetch: (input, init) => fetch(input, { ...init, proxy: false, timeout: false }),
  });
  const seen = {
    messages: [] as Seen[],
    snapshots: [] as Seen[],
    gaps: 0,
    opened: 0,
    isPlaced: false,
  };
  const read = ({ lastEventId, data }: { lastEventId: string; data: string }): Seen => ({
    id: Number(lastEventId),
    data: JSON.parse(data),
  });
  source.onopen = () => void seen.opened++;
  source.onmessage = (event) => void seen.messages.push(read(event));
  source.addEventListener("snapshot", (event) => void seen.snapshots.push(read(event)));
  source.addEventListener("gap", () => void seen.gaps++);
  source.addEventListener("position", () => void (seen.isPlaced = true));
  await eventually("the stream has told where it begins", () => seen.isPlaced);
  return { seen, [Symbol.dispose]: () => source.close() };
}

/** Publishes to a channel over the socket, and returns the ids. */
async function publish(home: Home, channel: string, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < count; i++) {
    const init = { method: "POST", body: JSON.stringify({ payload: { i } }) };
    ids.push(((await (await home.fetch(`/msg/${channel}`, init)).json()) as { id: number }).id);
  }
  return ids;
}

const interruptions: [name: string, interrupt: (home: Home) => Promise<unknown>][] = [
  ["a restart", (home) => home.json(["restart"])],
  [
    "a crash",
    async (home) => {
      await home.kill((await home.daemonPid())!);
      return home.json(["start"]);
    },
  ],
];

describe.each(interruptions)("after %s", (_, interrupt) => {
  test("a subscription goes on after the last message it has seen", async () => {
    const { home, origin } = withPort();
    await using _ = home;
    await home.json(["start"]);
    await publish(home, "build:old", 2);
    using stream = await open(`${origin}/subscribe/build:*`);
    const { seen } = stream;
    const ids = await publish(home, "build:web", 3);
    for (let round = 1; round <= 2; round++) {
      await eventually("all has come", () => seen.messages.length === ids.length);
      await interrupt(home);
      // The client leaves the daemon alone for a second before it comes back.
      ids.push(...(await publish(home, "build:api", 3)));
      await publish(home, "other", 1);
      await eventually("the client is back", () => seen.opened === 1 + round);
      ids.push(...(await publish(home, "build", 3)));
    }
    await eventually("all has come", () => seen.messages.length >= ids.length);
    expect(seen.messages.map(({ id }) => id)).toEqual(ids);
    expect(seen.messages.map(({ data }) => data.id)).toEqual(ids);
    expect(seen.gaps).toBe(0);
  });

  test("a subscription that had seen no message yet misses none", async () => {
    const { home, origin } = withPort();
    await using _ = home;
    await home.json(["start"]);
    await publish(home, "quiet", 2);
    using stream = await open(`${origin}/subscribe/quiet`);
    await interrupt(home);
    const ids = await publish(home, "quiet", 3);
    await eventually("the client is back", () => stream.seen.opened === 2);
    ids.push(...(await publish(home, "quiet", 1)));
    await eventually("the last has come", () => stream.seen.messages.at(-1)?.id === ids.at(-1));
    expect(stream.seen.messages.map(({ id }) => id)).toEqual(ids);
  });

  test("a subscription whose last word was of another channel's messages misses none", async () => {
    const { home, origin } = withPort();
    await using _ = home;
    await home.json(["start"]);
    using stream = await open(`${origin}/subscribe/mine`);
    const ids = await publish(home, "mine", 1);
    await publish(home, "other", 5);
    await eventually("it has come", () => stream.seen.messages.length === 1);
    for (let round = 1; round <= 2; round++) {
      await interrupt(home);
      await publish(home, "other", 2);
      await eventually("the client is back", () => stream.seen.opened === 1 + round);
    }
    ids.push(...(await publish(home, "mine", 1)));
    await eventually("it has come", () => stream.seen.messages.length >= 2);
    expect(stream.seen.messages.map(({ id }) => id)).toEqual(ids);
  });

  test.each([
    ["that has seen some", 2],
    ["that has seen none but the snapshot", 0],
  ])("a stream of events %s goes on with the next", async (_, before) => {
    const { home, origin } = withPort();
    await using _home = home;
    await home.json(["start"]);
    await publish(home, "old", 1);
    using stream = await open(`${origin}/events`);
    const { seen } = stream;
    await publish(home, "new", before);
    await eventually("all has come", () => seen.messages.length === before);
    await interrupt(home);
    await publish(home, "new", 2);
    await eventually("the client is back", () => seen.opened === 2);
    await publish(home, "new", 1);

    const { entries } = await home.json(["log", "--limit", "1000"]);
    const [snapshot, ...others] = seen.snapshots;
    expect([others, seen.gaps]).toEqual([[], 0]);
    const since = entries.toReversed().filter(({ id }: Seen) => id > snapshot!.data.id);
    await eventually("all has come", () => seen.messages.length >= since.length);
    expect(seen.messages.map(({ data }) => data)).toEqual(since);
    expect(seen.messages.map(({ id }) => id)).toEqual(since.map(({ id }: Seen) => id));
  });
});
