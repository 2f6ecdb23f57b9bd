// The page of locks: who has each, who waits, and that nobody loses one without a question that names the holder.

import { describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, isGone } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { cellOf, expectNoComplaints, factOf, noticeOf, rowOf } from "./window.ts";

const { home, open } = setUp();

const dialogOf = (page: Page) => page.getByRole("dialog");

async function lockState(name: string): Promise<any> {
  return (await home.fetch(`/locks/${name}`)).json();
}

describe.skipIf(!isInstalled)("the page of locks", () => {
  const hold = (name: string, owner: string, ...flags: string[]) =>
    home.json(["lock", name, "--owner", owner, ...flags]);

  /** Queues a command for a lock, and returns when the page counts it. */
  async function queue(page: Page, name: string, owner: string, place: number) {
    const waiter = home.spawn(["lock", name, "--wait", "--timeout", "0", "--owner", owner]);
    await cellOf(page, name, "Waiting").getByText(String(place), { exact: true }).waitFor();
    return waiter;
  }

  test("with nothing on it teaches the command, and shows a lock that is taken at once", async () => {
    await using window = await open("#/locks");
    const { page } = window;
    await page.getByText("port-daddy lock build -- npm run build", { exact: true }).waitFor();
    await hold("first", "ada", "--ttl", "10m");
    await cellOf(page, "first", "Holder").getByText("ada").waitFor();
    await home.run(["unlock", "first", "--owner", "ada"]);
    await page.getByText("No lock is held.").waitFor();
    expectNoComplaints(window);
  });

  test("shows how long a lock is held still, counting down, and renewed where it is extended", async () => {
    await using window = await open("#/locks");
    const { page } = window;
    await hold("long", "ada", "--ttl", "50s");
    const remaining = cellOf(page, "long", "Remaining");
    await remaining.waitFor();
    const first = await remaining.innerText();
    expect(first).toMatch(/^\d+s left$/);
    await eventually("it counts down", async () => (await remaining.innerText()) !== first);
    await home.json(["lock", "long", "--extend", "--owner", "ada", "--ttl", "10h"]);
    await remaining.getByText(/^(9h|10h).* left$/).waitFor();
  });

  test("frees itself of a lock whose time is over", async () => {
    await using window = await open("#/locks");
    await hold("brief", "ada", "--ttl", "2s");
    await rowOf(window.page, "brief").waitFor();
    await rowOf(window.page, "brief").waitFor({ state: "detached" });
  });

  test("shows who waits, in the order in which they came, and the lock going from one to the next", async () => {
    await using window = await open("#/locks?open=build");
    const { page } = window;
    const { fence } = await hold("build", "ada", "--metadata", '{"commit":"4f2a91c"}');
    await cellOf(page, "build", "Holder").getByText("ada").waitFor();
    await factOf(page, "Metadata").getByText("4f2a91c").waitFor();
    const bob = await queue(page, "build", "bob", 1);
    const carol = await queue(page, "build", "carol", 2);
    const dave = await queue(page, "build", "dave", 3);
    const line = async () =>
      (await factOf(page, "In line").getByRole("listitem").allInnerTexts()).map(
        (each) => each.split(",")[0],
      );
    expect(await line()).toEqual(["bob", "carol", "dave"]);
    await page.getByText(/\b3 waiting/).waitFor();

    // One who gives up leaves the line; the order of the others stays.
    carol.kill("SIGKILL");
    await isGone(carol.pid);
    await eventually("she has left", async () => Bun.deepEquals(await line(), ["bob", "dave"]));

    await home.run(["unlock", "build", "--owner", "ada"]);
    await cellOf(page, "build", "Holder").getByText("bob").waitFor();
    expect(await bob.exited).toBe(0);
    await eventually("one is left", async () => Bun.deepEquals(await line(), ["dave"]));
    await cellOf(page, "build", "Fence")
      .getByText(String(fence + 1), { exact: true })
      .waitFor();
    await home.run(["unlock", "build", "--owner", "bob"]);
    expect(await dave.exited).toBe(0);
    await cellOf(page, "build", "Holder").getByText("dave").waitFor();
    await factOf(page, "In line").waitFor({ state: "detached" });
    expectNoComplaints(window);
  });

  test("takes a lock by force only from the holder that it has named, and logs who did it", async () => {
    await using window = await open("#/locks");
    const { page } = window;
    const { fence } = await hold("deploy", "ada");
    await hold("other", "ada");
    await rowOf(page, "deploy").waitFor();
    const waiter = await queue(page, "deploy", "bob", 1);
    const force = page.getByRole("button", { name: "Force-unlock deploy" });
    const dialog = dialogOf(page);

    for (const [leave, way] of [
      ["Cancel", () => dialog.getByRole("button", { name: "Cancel" }).click()],
      ["Escape", () => page.keyboard.press("Escape")],
    ] as const) {
      await force.click();
      await dialog.getByRole("heading", { name: "Take the lock deploy from ada?" }).waitFor();
      await way();
      await dialog.waitFor({ state: "detached" });
      expect(await lockState("deploy"), leave).toMatchObject({ lock: { owner: "ada", fence } });
    }
    expect(await home.history("deploy")).toEqual(["lock_acquire"]);

    await force.click();
    await dialog.getByRole("button", { name: "Force-unlock" }).click();
    await dialog.waitFor({ state: "detached" });
    await noticeOf(page, "Unlocked deploy, which ada had").waitFor();
    expect(await waiter.exited).toBe(0);
    await cellOf(page, "deploy", "Holder").getByText("bob").waitFor();
    expect(await lockState("deploy")).toMatchObject({ lock: { owner: "bob" } });
    expect(await lockState("other")).toMatchObject({ lock: { owner: "ada" } });
    const { entries } = await home.json(["log", "--target", "deploy", "--action", "lock_release"]);
    expect(entries).toMatchObject([
      { actor: "dashboard", metadata: { owner: "ada", reason: "forced" } },
    ]);
  });

  test("takes no lock by force from another than it has named", async () => {
    await using window = await open("#/locks");
    const { page } = window;
    await hold("handed", "ada");
    await page.getByRole("button", { name: "Force-unlock handed" }).click();
    await dialogOf(page).getByText("ada").first().waitFor();
    await home.run(["unlock", "handed", "--owner", "ada"]);
    await hold("handed", "bob");
    await dialogOf(page).getByRole("button", { name: "Force-unlock" }).click();
    const notice = page.locator(".notice.failed").filter({ hasText: "bob" });
    await notice.waitFor();
    expect(await lockState("handed")).toMatchObject({ lock: { owner: "bob" } });
  });
});
