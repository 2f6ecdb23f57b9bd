// The page of activity: all that has happened, back to the first entry, and what happens as it happens.

import { beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { says } from "./window.ts";

const { home, open, show } = setUp();

describe.skipIf(!isInstalled)("the page of activity", () => {
  let page: Page;
  beforeAll(async () => {
    for (let batch = 0; batch < 8; batch++) {
      const env = { PORT_DADDY_AGENT: batch % 2 === 0 ? "even" : "odd" };
      const ids = Array.from({ length: 100 }, (_, n) => `batch${batch}:n${n}`);
      await home.json(["claim", ...ids], { env });
      await home.json(["release", `batch${batch}:*`], { env });
    }
  });

  const lines = () => page.getByRole("list", { name: "Activity" }).locator("li");
  /** What is listed, newest first: nothing here happens twice in the same words. */
  const sentences = () => lines().locator(".what").allInnerTexts();

  /** Loads older ones until there are none. */
  async function loadAll(): Promise<string[]> {
    const button = page.getByRole("button", { name: "Load older" });
    for (
      let count = await lines().count();
      await button.isVisible();
      count = await lines().count()
    ) {
      await button.click();
      await eventually("there is more", async () => {
        return (await lines().count()) > count || !(await button.isVisible());
      });
    }
    return sentences();
  }

  /** What the daemon has of this, page by page, newest first. */
  async function logged(filter: string): Promise<{ actor: string; targetId: string }[]> {
    const entries: any[] = [];
    for (let before = ""; ; before = `&before=${entries.at(-1).id}`) {
      const page = (await (
        await home.fetch(`/activity?limit=1000${filter}${before}`)
      ).json()) as any;
      entries.push(...page.entries);
      if (page.count < 1000) return entries;
    }
  }

  test.each([
    ["without a filter", "", ""],
    ["of an action", "action=release", "&action=release"],
    ["of an action by an actor", "action=claim&actor=odd", "&action=claim&actor=odd"],
    ["of a pattern of targets", "target=batch*:n7", "&targetId=batch*:n7"],
    ["of one target", "target=batch0:n99", "&targetId=batch0:n99"],
  ])("goes back to the first entry %s, each once and in order", async (_, hash, query) => {
    page = await show(`#/activity?${hash}`);
    const wanted = await logged(query);
    if (query === "") expect(wanted.length).toBeGreaterThan(1_500);
    const all = await loadAll();
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBe(wanted.length);
    for (const [at, { actor, targetId }] of wanted.entries()) {
      expect(all[at]).toStartWith(`${actor} `);
      if (targetId !== "daemon") expect(all[at]).toContain(`${targetId} `);
    }
  });

  test("shows what happens as it happens, where it matches, and keeps the filters in its URL", async () => {
    page = await show("#/activity");
    await page.getByLabel("Action", { exact: true }).selectOption("lock_acquire");
    await page.getByLabel("Target or pattern").fill("live:*");
    await page.getByLabel("Actor").fill("ada");
    await page.getByLabel("Text").fill("fence");
    await says(page.locator(".empty"), "Nothing that matches");
    const env = { PORT_DADDY_AGENT: "ada" };
    await home.run(["lock", "live:not-ada"]);
    await home.run(["lock", "other:lock"], { env });
    await home.run(["pub", "live:channel", "fence"], { env });
    await home.run(["lock", "live:lock"], { env });
    await lines().first().waitFor();
    expect(await sentences()).toEqual([expect.stringMatching(/^ada locked live:lock for ada/)]);
    const { hash } = new URL(page.url());
    expect(Object.fromEntries(new URLSearchParams(hash.split("?")[1]))).toEqual({
      ...{ action: "lock_acquire", target: "live:*", actor: "ada", q: "fence" },
    });
    await using other = await open(hash);
    const inOther = other.page.getByRole("list", { name: "Activity" }).locator("li");
    await says(inOther, "locked live:lock for ada");
    expect(await inOther.count()).toBe(1);
    expect(await other.page.getByLabel("Target or pattern").inputValue()).toBe("live:*");
    await page.getByLabel("Target or pattern").fill("");
    await says(lines(), "locked other:lock for ada");
    expect(await lines().count()).toBe(2);
  });
});
