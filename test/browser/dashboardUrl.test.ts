// What is looked at is in the URL; how it looks is the reader's choice: themes, motion, and a narrow screen.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { pages } from "../../dashboard/route.ts";
import { eventually, Home } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { expectNoComplaints, factOf, rowOf } from "./window.ts";

const { home, open } = setUp();

const isAt = (page: Page, heading: string) =>
  page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();

const rowsOf = (page: Page) => page.getByRole("table").getByRole("rowheader").allInnerTexts();

describe.skipIf(!isInstalled)("the URL", () => {
  beforeAll(() => home.run(["claim", "link:api", "link:web", "other:api"]));

  test("leads to the same filter and the same opened row in another window", async () => {
    await using window = await open("");
    const { page } = window;
    await page.getByRole("link", { name: "Services" }).first().click();
    await page.getByRole("searchbox").fill("link:* & more");
    await page.getByText("No service matches this filter.").waitFor();
    await page.getByRole("searchbox").fill("link:*");
    await page.getByRole("combobox", { name: "Status" }).selectOption("assigned");
    await page.getByRole("button", { name: "link:web", exact: true }).click();
    await factOf(page, "Health").waitFor();

    const { hash } = new URL(page.url());
    await using other = await open(hash);
    await factOf(other.page, "Health").waitFor();
    expect(await rowsOf(other.page)).toEqual(["link:api", "link:web"]);
    expect(await other.page.getByRole("searchbox").inputValue()).toBe("link:*");
    const status = other.page.getByRole("combobox", { name: "Status" });
    expect(await status.inputValue()).toBe("assigned");
    const opened = other.page.getByRole("button", { expanded: true });
    expect(await opened.allInnerTexts()).toEqual(["link:web"]);
    expectNoComplaints(other);
  });

  test("leads to the same window of time, and to a table where one is looked at", async () => {
    await using window = await open("");
    const { page } = window;
    const timeline = page.getByRole("figure", { name: "Timeline" });
    await timeline.getByRole("button", { name: "6 h" }).click();
    await timeline.getByRole("button", { name: "Table" }).click();
    await page.waitForURL(/window=21600000/);
    const { hash } = new URL(page.url());
    await using other = await open(hash);
    const same = other.page.getByRole("figure", { name: "Timeline" });
    await same.getByRole("button", { name: "6 h", pressed: true }).waitFor();
    await same.getByRole("table").waitFor();
    const ports = other.page.getByRole("figure", { name: "Ports" });
    await ports.getByRole("button", { name: "Picture", pressed: true }).waitFor();
    expectNoComplaints(other);

    const still = "window=1767300000000-1767303600000";
    await using past = await open(`#/overview?${still}`);
    await past.page.getByRole("button", { name: "Back to live" }).click();
    await past.page.waitForURL((url) => !url.hash.includes("window"));
    expectNoComplaints(past);
  });

  test("and the window of time go together, whoever changes it and while the page stays", async () => {
    await using window = await open("#/overview?window=21600000");
    const { page } = window;
    const timeline = page.getByRole("figure", { name: "Timeline" });
    const chosen = (name: string) =>
      timeline.getByRole("button", { name, pressed: true }).waitFor();
    await chosen("6 h");
    await page.evaluate(() => void (location.hash = "#/overview?window=3600000"));
    await chosen("1 h");
    await timeline.getByRole("button", { name: "24 h" }).click();
    await page.waitForURL(/window=86400000/);
    await page.goBack();
    await chosen("6 h");
    await page.goForward();
    await chosen("24 h");
    await timeline.getByRole("group", { name: /^Plot/ }).press("-");
    await timeline.getByRole("button", { name: "Back to live" }).click();
    await chosen("24 h");
    expectNoComplaints(window);
  });

  test("goes back to the page before, not through each letter that was typed", async () => {
    await using window = await open("#/locks");
    const { page } = window;
    await page.keyboard.press("2");
    await isAt(page, "Services");
    await page.keyboard.press("/");
    await page.keyboard.type("link:web");
    await eventually("one is left", async () => Bun.deepEquals(await rowsOf(page), ["link:web"]));
    await page.getByRole("button", { name: "link:web", exact: true }).click();
    await factOf(page, "Health").waitFor();
    await page.getByRole("link", { name: "Agents" }).first().click();
    await isAt(page, "Agents");

    await page.goBack();
    await isAt(page, "Services");
    await factOf(page, "Health").waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe("link:web");
    await page.goBack();
    await isAt(page, "Locks");
    await page.goForward();
    await isAt(page, "Services");
    expect(await rowsOf(page)).toEqual(["link:web"]);
  });

  test("that names nothing known is the overview, and one that opens nothing known opens nothing", async () => {
    await using window = await open("#/nowhere?q=1");
    const { page } = window;
    await isAt(page, "Overview");
    await page.goto(page.url().replace(/#.*/, "#/services?open=gone:api&status=__proto__&x=%ff"));
    await isAt(page, "Services");
    expect(await page.getByRole("button", { expanded: true }).count()).toBe(0);
    expectNoComplaints(window);
  });
});

describe.skipIf(!isInstalled)("the theme", () => {
  const background = (page: Page) =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);

  test("goes from the system's to light, to dark and back, and survives a reload", async () => {
    await using window = await open("", { colorScheme: "dark" });
    const { page } = window;
    const seen: Record<string, string> = { system: await background(page) };
    for (const theme of ["light", "dark"]) {
      await page.getByRole("button", { name: /^Theme/ }).click();
      await page.getByRole("button", { name: `Theme: ${theme}` }).waitFor();
      seen[theme] = await background(page);
      await page.reload();
      await page.getByRole("button", { name: `Theme: ${theme}` }).waitFor();
      expect(await background(page)).toBe(seen[theme]!);
    }
    expect(seen["light"]).not.toBe(seen["dark"]);
    expect(seen["system"]).toBe(seen["dark"]);
    await page.getByRole("button", { name: /^Theme/ }).click();
    await page.getByRole("button", { name: "Theme: system" }).waitFor();
    // It follows the system while the page is open.
    await page.emulateMedia({ colorScheme: "light" });
    expect(await background(page)).toBe(seen["light"]!);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await background(page)).toBe(seen["dark"]!);
    await page.reload();
    await page.getByRole("button", { name: "Theme: system" }).waitFor();
    expectNoComplaints(window);
  });
});

describe.skipIf(!isInstalled)("motion", () => {
  /** Whatever begins to move while everything changes that does: pages, rows, questions, the daemon going away. */
  async function moved(reducedMotion: "reduce" | "no-preference"): Promise<string[]> {
    await using own = new Home();
    await own.json(["start"]);
    await own.run(["claim", "moving:api"]);
    await using window = await open("", { reducedMotion }, own);
    const { page } = window;
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      for (const name of ["transitionrun", "animationstart"])
        document.addEventListener(name, () => seen.push(name), true);
    });
    for (const key of ["2", "j", "Enter", "?", "Escape", "d", "d", "d", "x"])
      await page.keyboard.press(key);
    await page.locator(".notice").getByText("Undo").waitFor();
    await page.keyboard.press("u");
    await rowOf(page, "moving:api").waitFor();
    await own.run(["stop"]);
    await page.getByText("The daemon is away.").waitFor();
    await eventually("it is dimmed", () =>
      page.evaluate(
        () =>
          Number(getComputedStyle(document.querySelector("h1")!.closest("main > *")!).opacity) < 1,
      ),
    );
    return await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
  }

  test("there is none for who wants little of it", async () => {
    expect(await moved("reduce")).toEqual([]);
    // It would have been seen.
    expect(await moved("no-preference")).not.toEqual([]);
  });
});

describe.skipIf(!isInstalled)("at 380 pixels", () => {
  const long = (length: number, start: string) => start.padEnd(length, "abcdefgh-");
  const wide = new Home();
  afterAll(() => wide[Symbol.asyncDispose]());

  /** Everything with names as long as they may be. */
  beforeAll(async () => {
    if (!isInstalled) return;
    await wide.json(["start"]);
    const agent = long(100, "agent");
    await wide.json(["agent", "register", agent, "--name", long(60, "name"), "--type", "claude"]);
    for (let n = 0; n < 8; n++) {
      const id = [`part${n}`, "stack", "context"].map((each) => long(64, each)).join(":");
      const said = ["--agent", agent, "--cmd", long(500, "npm"), "--health", long(300, "/")];
      const metadata = ["--metadata", JSON.stringify({ [long(80, "key")]: long(300, "value") })];
      await wide.json(["claim", id, ...said, ...metadata]);
      await wide.json(["url", id, "-e", "dev", "--set", long(300, "https://example.com/")]);
    }
    const lock = long(200, "lock");
    await wide.json(["lock", lock, "--owner", long(150, "owner")]);
    wide.spawn(["lock", lock, "--wait", "--timeout", "0", "--owner", long(150, "waiter")]);
    await wide.json(["pub", long(200, "channel"), JSON.stringify(long(900, "payload"))]);
    await wide.json([
      "webhooks",
      "add",
      long(400, "https://one.invalid/"),
      "--filter",
      long(64, "f"),
    ]);
  });

  test.each([...pages])("%s does not scroll sideways, closed or opened", async (name) => {
    await using window = await open(`#/${name}`, { viewport: { width: 380, height: 800 } }, wide);
    const { page } = window;
    await isAt(page, name[0]!.toUpperCase() + name.slice(1));
    await page.locator("main [data-row]").first().waitFor();
    const widths = () =>
      page.evaluate(() => [document.documentElement.scrollWidth <= innerWidth, innerWidth]);
    expect(await widths()).toEqual([true, 380]);
    for (const row of (await page.locator("main [data-row]").all()).slice(0, 2)) {
      await row.click();
      expect(await widths()).toEqual([true, 380]);
    }
    if (["locks", "agents", "messages", "webhooks"].includes(name)) {
      await page.locator('main [data-key="x"]').first().click();
      await page.getByRole("dialog").waitFor();
      expect(await widths()).toEqual([true, 380]);
      const { width } = (await page.getByRole("dialog").boundingBox())!;
      expect(width).toBeLessThanOrEqual(380);
    }
    if (name === "services") {
      await page.locator('main [data-key="x"]').last().click();
      await page.locator(".notice").waitFor();
      expect(await widths()).toEqual([true, 380]);
      await page.keyboard.press("u");
    }
  });
});
