// Chromium's own EventSource, in a page of the daemon's origin, resumes by id after the daemon was away.

import { beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, Home } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";

type Told = { id: number; data: any };
type Seen = { messages: Told[]; snapshots: Told[]; gaps: number; opened: number };

/** Runs in the page: opens a stream, and keeps what it tells where `look` finds it. */
function listen(url: string): void {
  const source = new EventSource(url);
  const seen: Seen = { messages: [], snapshots: [], gaps: 0, opened: 0 };
  Object.assign(globalThis, { seen });
  const read = ({ lastEventId, data }: MessageEvent): Told => ({
    id: Number(lastEventId),
    data: JSON.parse(data),
  });
  source.onopen = () => void seen.opened++;
  source.onmessage = (event) => void seen.messages.push(read(event));
  source.addEventListener("snapshot", (event) => void seen.snapshots.push(read(event)));
  source.addEventListener("gap", () => void seen.gaps++);
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

async function crash(home: Home): Promise<void> {
  await home.kill((await home.daemonPid())!);
  await home.json(["start"]);
}

const settings: Record<string, string> = {};
const { home, newContext } = setUp(settings);
// The same after a restart.
settings["PORT_DADDY_PORT"] = String(home.range.end);

describe.skipIf(!isInstalled)("in a browser", () => {
  let page: Page;

  beforeAll(async () => {
    page = await (await newContext()).newPage();
  });

  const look = () => page.evaluate(() => (globalThis as unknown as { seen: Seen }).seen);

  async function until(what: string, holds: (seen: Seen) => boolean): Promise<Seen> {
    return eventually(what, async () => {
      const seen = await look();
      return holds(seen) ? seen : undefined;
    });
  }

  /** Opens a stream in a page of the daemon's own; the stream of the page before has ended with it. */
  async function open(path: string): Promise<void> {
    await page.goto(`http://localhost:${home.range.end}/health`);
    await page.evaluate(listen, path);
    await eventually("the stream is open", async () => {
      const { subscribers } = (await (await home.fetch("/health")).json()) as any;
      return subscribers === 1 && (await look()).opened === 1;
    });
  }

  test("a subscription goes on after the last message it has seen", async () => {
    await publish(home, "build:old", 2);
    await open("/subscribe/build:*");
    const ids = await publish(home, "build:web", 2);
    for (const [round, interrupt] of [() => home.json(["restart"]), () => crash(home)].entries()) {
      await until("all has come", ({ messages }) => messages.length === ids.length);
      await interrupt();
      ids.push(...(await publish(home, "build:api", 2)));
      await publish(home, "other", 1);
      await until("the browser is back", ({ opened }) => opened === round + 2);
      ids.push(...(await publish(home, "build", 2)));
    }
    const { messages, gaps } = await until(
      "all has come",
      (seen) => seen.messages.length >= ids.length,
    );
    expect(messages.map(({ id }) => id)).toEqual(ids);
    expect(messages.map(({ data }) => data.id)).toEqual(ids);
    expect(gaps).toBe(0);
  });

  test("a subscription that had seen no message yet misses none", async () => {
    await publish(home, "quiet", 2);
    await open("/subscribe/quiet");
    await home.json(["restart"]);
    const ids = await publish(home, "quiet", 1);
    await until("the browser is back", ({ opened }) => opened === 2);
    await crash(home);
    ids.push(...(await publish(home, "quiet", 1)));
    await until("the browser is back", ({ opened }) => opened === 3);
    ids.push(...(await publish(home, "quiet", 1)));
    const { messages } = await until(
      "the last has come",
      (seen) => seen.messages.at(-1)?.id === ids.at(-1),
    );
    expect(messages.map(({ id }) => id)).toEqual(ids);
  });

  test("a stream of events goes on with the next, also where none had come", async () => {
    await open("/events");
    await home.json(["restart"]);
    await publish(home, "new", 1);
    await until("the browser is back", ({ opened }) => opened === 2);
    await publish(home, "new", 1);
    await crash(home);
    await publish(home, "new", 1);
    await until("the browser is back", ({ opened }) => opened === 3);
    await publish(home, "new", 1);

    const { entries } = await home.json(["log", "--limit", "1000"]);
    const { snapshots, gaps } = await look();
    expect([snapshots.length, gaps]).toEqual([1, 0]);
    const since = entries.toReversed().filter(({ id }: Told) => id > snapshots[0]!.data.id);
    const { messages } = await until(
      "all has come",
      (seen) => seen.messages.length >= since.length,
    );
    expect(messages.map(({ data }) => data)).toEqual(since);
    expect(messages.map(({ id }) => id)).toEqual(since.map(({ id }: Told) => id));
  });
});
