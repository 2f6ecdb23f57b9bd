// How the dashboard lives by its one stream: a daemon that stops or dies and comes back, a page that nobody looks at,
// and a page on which nothing happens.

import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { pages } from "../../dashboard/route.ts";
import { eventually } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { expectNoComplaints, overhear, rowOf, type Window } from "./window.ts";

/** Longer than the browser waits before it tries a lost stream again, on a machine that is busy. */
const isBackWithinMs = 20_000;

const settings: Record<string, string> = { PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1" };
const { home, open } = setUp(settings);
// The same after a restart.
settings["PORT_DADDY_PORT"] = String(home.range.end);

describe.skipIf(!isInstalled)("the dashboard", () => {
  let view: Window;
  let page: Page;
  let told: { event: string; data: string }[];

  beforeAll(() => home.run(["claim", "before:stop"]));
  // One that failed may have left it stopped.
  beforeEach(() => home.json(["start"]));
  afterEach(() => view[Symbol.asyncDispose]());

  /** Opens a page whose streams are overheard from their beginning, and marks it: a reload would wipe the mark off. */
  async function overhearFromStart(hash: string): Promise<void> {
    view = await open(hash);
    page = view.page;
    page.setDefaultTimeout(isBackWithinMs);
    told = await overhear(page);
    await page.reload();
    await isLive();
    view.requests.length = 0;
    await page.evaluate(() => void Object.assign(globalThis, { __mark: "the same page" }));
  }

  const isLive = () => page.locator(".light.live").waitFor();
  const isMarked = () => page.evaluate(() => "__mark" in globalThis);
  const snapshots = () => told.filter(({ event }) => event === "snapshot").length;
  const bar = () => page.getByRole("alert").filter({ hasText: "The daemon is away." });

  async function subscribers(): Promise<number> {
    return ((await (await home.fetch("/health")).json()) as any).subscribers;
  }

  test("opens one stream, and keeps it from page to page", async () => {
    view = await open();
    page = view.page;
    for (const name of pages) {
      await page.getByRole("navigation").getByRole("link", { name }).click();
      await page.getByRole("heading", { level: 1, name }).waitFor();
    }
    expect(view.requests.filter((each) => each.startsWith("GET /events"))).toEqual(["GET /events"]);
    expect(await subscribers()).toBe(1);
    expectNoComplaints(view);
  });

  test.each([
    ["was stopped", () => home.json(["stop"])],
    ["was killed", async () => home.kill((await home.daemonPid())!)],
  ])(
    "shows what it last knew while the daemon %s, and goes on by itself",
    async (how, end) => {
      const meanwhile = `while:${how.replace("was ", "")}`;
      await overhearFromStart("#/services");
      /** How what is shown looks, whatever it is that dims it. */
      const look = () =>
        page.locator("main table").evaluate((shown) => {
          const seen: string[] = [];
          for (let each: Element | null = shown; each; each = each.parentElement) {
            const { opacity, filter, color } = getComputedStyle(each);
            seen.push(`${opacity} ${filter} ${color}`);
          }
          return seen.join();
        });
      const fresh = await look();
      await end();
      await bar().waitFor();
      expect(await page.locator(".light").innerText()).toContain("away");
      await rowOf(page, "before:stop").waitFor();
      await eventually("what is old is dimmed", async () => (await look()) !== fresh);
      // Its age, which grows.
      const age = bar().locator("time");
      await age.filter({ hasText: /^[1-9]\d*s ago$/ }).waitFor();
      const first = await age.innerText();
      await eventually("it is older", async () => (await age.innerText()) !== first);
      await bar().getByText("port-daddy start", { exact: true }).waitFor();

      await home.json(["start"]);
      await home.json(["claim", meanwhile]);
      await rowOf(page, meanwhile).waitFor();
      await bar().waitFor({ state: "detached" });
      await isLive();
      await eventually("nothing is dimmed", async () => (await look()) === fresh);
      await home.json(["claim", `${meanwhile}:after`]);
      await rowOf(page, `${meanwhile}:after`).waitFor();
      expect(await isMarked()).toBeTrue();
      expect(await subscribers()).toBe(1);
      // It went on after the last event that it had: all that followed was told, each once.
      expect(snapshots()).toBe(1);
      const ids = told
        .filter(({ event }) => event === "message")
        .map(({ data }) => JSON.parse(data).id);
      const { entries } = await home.json(["log", "--limit", "1000"]);
      const since = entries.map(({ id }: any) => id).filter((id: number) => id >= ids[0]!);
      expect(ids).toEqual(since.toReversed());
    },
    90_000,
  );

  test("tells on every page that the daemon is away, and what to do", async () => {
    await overhearFromStart("");
    await home.json(["stop"]);
    for (const name of pages) {
      await page.getByRole("navigation").getByRole("link", { name }).click();
      await page.getByRole("heading", { level: 1, name }).waitFor();
      await bar().waitFor();
    }
    // What can't be done is said, and nothing that was known is lost by it.
    await page.getByRole("navigation").getByRole("link", { name: "services" }).click();
    await page.getByRole("button", { name: "Release before:stop", exact: true }).click();
    await page.locator(".notice.failed").filter({ hasText: "Not done." }).waitFor();
    await rowOf(page, "before:stop").waitFor();
    await home.json(["start"]);
    await bar().waitFor({ state: "detached" });
    expect(await isMarked()).toBeTrue();
  });

  test("closes its stream while it is hidden, and goes on where it was when it is seen again", async () => {
    await overhearFromStart("#/services");
    const see = (state: "hidden" | "visible") =>
      page.evaluate((state) => {
        Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
        const hidden = state === "hidden";
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, state);
    await eventually("its stream is open", async () => (await subscribers()) === 1);
    await see("hidden");
    await eventually("its stream is closed", async () => (await subscribers()) === 0);
    await home.json(["claim", "while:hidden"]);
    expect(await rowOf(page, "while:hidden").count()).toBe(0);
    await see("visible");
    await rowOf(page, "while:hidden").waitFor();
    await isLive();
    expect(await subscribers()).toBe(1);
    expect(await isMarked()).toBeTrue();
    expect(snapshots()).toBe(1);
    const streams = view.requests.filter((each) => each.startsWith("GET /events"));
    expect(streams).toEqual([expect.stringMatching(/^GET \/events\?after=\d+$/)]);
    expectNoComplaints(view);
  });

  test("asks nothing where nothing happens: not in an hour of its own clock, nor in 20 s of the daemon's", async () => {
    const { id } = await home.json([
      "webhooks",
      "add",
      "http://127.0.0.1:9/",
      "--events",
      "agent.*",
    ]);
    await home.json(["lock", "held", "--ttl", "3600000"]);
    await home.json(["pub", "kept", "x"]);
    await using others = new AsyncDisposableStack();
    const quiet = [
      ["", "#/services?open=before:stop", `#/webhooks?open=${id}`, "#/messages?open=kept"],
      ["What happened last", "In a shell", "None yet.", '"x"'],
    ] as const;
    const windows = await Promise.all(
      quiet[0].map(async (hash, at) => {
        const window = others.use(await open(hash));
        await window.page.clock.install();
        window.requests.length = 0;
        await window.page.reload();
        await window.page.locator(".light.live").waitFor();
        await window.page.getByText(quiet[1][at]!, { exact: true }).first().waitFor();
        return window;
      }),
    );
    [view] = windows as [Window];
    // What every page asks as it opens.
    for (const { requests } of windows)
      for (const start of ["GET /events", "GET /version", "GET /activity?"])
        await eventually(start, () => requests.some((each) => each.startsWith(start)));
    const before = windows.map(({ requests }) => requests.length);
    // The slowest beat there is on a stream takes 15 s; that which the daemon sees by looking, 2 s.
    await Bun.sleep(20_000);
    for (const { page } of windows) await page.clock.fastForward(3_600_000);
    expect(windows.map(({ requests }, at) => requests.slice(before[at]))).toEqual([[], [], [], []]);
    for (const window of windows) expectNoComplaints(window);
  }, 90_000);
});
