// The dashboard without a mouse: each key does what the help says, and none of them while somebody types or means the
// browser.

import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { pages } from "../../dashboard/route.ts";
import { eventually, serverOn } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { factOf, focusOf, noticeOf, rowOf, type Window } from "./window.ts";

const { home, open } = setUp();

describe.skipIf(!isInstalled)("with the keyboard alone", () => {
  let window: Window;
  let page: Page;
  beforeAll(() => home.run(["claim", "keys:a", "keys:b", "keys:c", "keys:d"]));
  beforeEach(async () => {
    const permissions = ["clipboard-read", "clipboard-write"];
    await window?.[Symbol.asyncDispose]();
    window = await open("", { permissions });
    page = window.page;
  });

  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const isAt = (heading: string) =>
    page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
  const isFocused = (name: string) =>
    eventually(`${name} has the focus`, async () => (await focusOf(page)) === name);
  const dialog = () => page.getByRole("dialog");
  const opened = (name: string) => rowOf(page, name).getByRole("button", { expanded: true });

  /** Goes to a page by its number, and to its first row. */
  async function firstRowOf(name: (typeof pages)[number], row: string): Promise<void> {
    await press(String(pages.indexOf(name) + 1));
    await rowOf(page, row).waitFor();
    await press("j");
    await isFocused(`button: ${row}`);
  }

  test("1 to 7 lead to the pages in the order of the menu", async () => {
    for (const [at, name] of [...pages.entries(), [0, "overview"] as const]) {
      await press(String(at + 1));
      await isAt(name[0]!.toUpperCase() + name.slice(1));
      await page.locator(`nav a[href="#/${name}"][aria-current="page"]`).waitFor();
    }
    await press("8", "9", "0");
    await isAt("Overview");
  });

  test("? lists every key that there is, and Escape leads back to where one was", async () => {
    await firstRowOf("services", "keys:a");
    await press("?");
    await dialog().getByRole("heading", { name: "Keys" }).waitFor();
    const listed = await dialog().locator("kbd").allInnerTexts();
    expect(listed).toEqual([
      ...["1–7", "/", "j", "k", "u", "d", "?", "Esc"],
      ...["Enter", "o", "c", "h", "x", "p", "e", "t"],
      ...["+ −", "← →", "Esc"],
    ]);
    // A question has the keyboard to itself.
    await press("3", "x", "u", "d", "j");
    expect(await dialog().count()).toBe(1);
    await press("Escape");
    await dialog().waitFor({ state: "detached" });
    await isFocused("button: keys:a");
    await isAt("Services");
    expect(await home.service("keys:a")).toBeDefined();
  });

  test("every key that a button on a page answers to is in the help", async () => {
    await home.run(["pub", "listed", "1"]);
    await home.run(["webhooks", "add", "https://one.invalid/hook"]);
    await press("?");
    const listed = await dialog().locator("kbd").allInnerTexts();
    await press("Escape");
    const used = new Set<string>();
    for (const [at, name] of pages.entries()) {
      await press(String(at + 1));
      await isAt(name[0]!.toUpperCase() + name.slice(1));
      await press("j", "Enter");
      for (const key of await page
        .locator("[data-key]")
        .evaluateAll((all) => all.map((each) => each.getAttribute("data-key")!)))
        used.add(key);
    }
    expect([...used].filter((key) => !listed.includes(key))).toEqual([]);
    expect([...used]).toEqual(expect.arrayContaining(["c", "h", "o", "p", "t", "x", "e"]));
  });

  test("/ leads to the filter, Escape out of it, and what was typed goes on to hold", async () => {
    await press("2", "/");
    await isFocused("input: Identity, port, agent");
    await page.keyboard.type("keys:*");
    await page.getByText("4 services").waitFor();
    await press("Escape");
    await eventually("it is left", async () => !(await focusOf(page)).startsWith("input"));
    expect(page.url()).toEndWith("#/services?q=keys%3A*");
    expect(await page.getByRole("searchbox").inputValue()).toBe("keys:*");
  });

  test("j and k go from row to row and no further, Enter opens and closes, Escape closes", async () => {
    await firstRowOf("services", "keys:a");
    await press("k");
    await isFocused("button: keys:a");
    await press("j", "j");
    await isFocused("button: keys:c");
    await press("j", "j", "j");
    await isFocused("button: keys:d");
    await press("k", "k");
    await isFocused("button: keys:b");
    await press("Enter");
    await opened("keys:b").waitFor();
    await isFocused("button: keys:b");
    await press("Enter");
    await opened("keys:b").waitFor({ state: "detached" });
    await press("Enter");
    await opened("keys:b").waitFor();
    await press("Escape");
    await opened("keys:b").waitFor({ state: "detached" });
    await isFocused("button: keys:b");
  });

  test("j goes on with the next row also from what is opened below one", async () => {
    await firstRowOf("services", "keys:a");
    await press("j", "Enter");
    await opened("keys:b").waitFor();
    await press("Tab", "Tab", "Tab");
    await isFocused("button: Check");
    await press("j");
    await isFocused("button: keys:c");
  });

  test("j does not start over after the row that had the focus has gone", async () => {
    await home.run(["claim", "keys:ab"]);
    await firstRowOf("services", "keys:a");
    await rowOf(page, "keys:ab").waitFor();
    await press("j");
    await isFocused("button: keys:ab");
    await press("x");
    await rowOf(page, "keys:ab").waitFor({ state: "detached" });
    await press("j");
    // Whether the focus is on the next row by itself already is not said anywhere.
    expect(["button: keys:b", "button: keys:c"]).toContain(await focusOf(page));
  });

  test("x releases the service that has the focus, u takes it back, once", async () => {
    const { port } = await home.service("keys:b");
    await firstRowOf("services", "keys:a");
    await press("j", "x");
    await rowOf(page, "keys:b").waitFor({ state: "detached" });
    await noticeOf(page, "Released keys:b").waitFor();
    expect(await home.service("keys:b")).toBeUndefined();
    await press("u");
    await rowOf(page, "keys:b").waitFor();
    await noticeOf(page, "Claimed keys:b again").waitFor();
    await press("u", "u");
    expect(await home.service("keys:b")).toMatchObject({ port });
    expect((await home.history("keys:b")).slice(-3)).toEqual(["claim", "release", "claim"]);
  });

  test("u takes back one release after the other, the last one first", async () => {
    await home.run(["claim", "keys:y", "keys:z"]);
    await press("2");
    for (const id of ["keys:y", "keys:z"]) {
      await rowOf(page, id).waitFor();
      await page.getByRole("button", { name: id, exact: true }).focus();
      await press("x");
      await noticeOf(page, `Released ${id}`).waitFor();
    }
    await press("u");
    await rowOf(page, "keys:z").waitFor();
    expect(await home.service("keys:y")).toBeUndefined();
    await press("u");
    await rowOf(page, "keys:y").waitFor();
    await home.run(["release", "keys:y"]);
    await home.run(["release", "keys:z"]);
  });

  test("c copies the port, h checks the health and o opens the service", async () => {
    const { port } = await home.service("keys:a");
    home.start(serverOn(port));
    await firstRowOf("services", "keys:a");
    await rowOf(page, "keys:a").getByText("running").waitFor();
    await press("Enter");
    await factOf(page, "Health").waitFor();
    await press("c");
    await noticeOf(page, `Copied ${port}`).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(String(port));
    await press("h");
    await factOf(page, "Health").getByText("healthy, answered").waitFor();
    const [opened] = await Promise.all([page.waitForEvent("popup"), press("o")]);
    await opened.waitForURL(`http://localhost:${port}/`);
  });

  test("x asks before it takes a lock, an agent, messages or a webhook away; Escape leaves all as it was", async () => {
    await home.run(["lock", "k-lock", "--owner", "ada"]);
    await home.run(["agent", "register", "k-agent"]);
    await home.run(["pub", "k-channel", '"hello"']);
    const hook = "https://two.invalid/keys";
    await home.run(["webhooks", "add", hook]);
    const before = await home.json(["log", "--limit", "1"]);
    for (const [name, row, question] of [
      ["locks", "k-lock", "Take the lock k-lock from ada?"],
      ["agents", "k-agent", "Unregister the agent k-agent?"],
      ["messages", "k-channel", "Clear the channel k-channel?"],
      ["webhooks", hook, `Delete the webhook to ${hook}?`],
    ] as const) {
      await press(String(pages.indexOf(name) + 1));
      await rowOf(page, row).waitFor();
      await page.getByRole("button", { name: row, exact: true }).focus();
      await press("x");
      await dialog().getByRole("heading", { name: question }).waitFor();
      await press("Escape");
      await dialog().waitFor({ state: "detached" });
      await isFocused(`button: ${row}`);
    }
    expect(await home.json(["log", "--limit", "1"])).toEqual(before);
  });

  test("p publishes to a channel, with nothing but keys", async () => {
    await home.run(["pub", "k-news", "1"]);
    await press("5");
    await page.getByRole("button", { name: "k-news", exact: true }).focus();
    await press("p");
    await dialog().waitFor();
    expect(await dialog().getByLabel("Channel").inputValue()).toBe("k-news");
    await dialog().getByLabel("Payload").focus();
    await page.keyboard.type('{"typed":"by keys"}');
    await press("Tab", "Tab", "Enter");
    await noticeOf(page, "Published to k-news").waitFor();
    const { messages } = await home.json(["messages", "k-news"]);
    expect(messages.map(({ payload }: any) => payload)).toEqual([1, { typed: "by keys" }]);
  });

  test("e edits a webhook, p switches it off and on, t tests it", async () => {
    const url = "https://three.invalid/k";
    const { id } = await home.json(["webhooks", "add", url, "--events", "lock.*"]);
    const active = async () => (await home.json(["webhooks", "show", id])).active;
    await press("6");
    await page.getByRole("button", { name: url, exact: true }).focus();
    await press("e");
    await dialog()
      .getByRole("heading", { name: `Edit ${url}` })
      .waitFor();
    await press("Escape");
    await dialog().waitFor({ state: "detached" });
    await isFocused(`button: ${url}`);
    await press("p");
    await noticeOf(page, `Switched off ${url}`).waitFor();
    await rowOf(page, url).locator(".badge").getByText("off").waitFor();
    expect(await active()).toBe(false);
    await press("p");
    await noticeOf(page, `Switched on ${url}`).waitFor();
    expect(await active()).toBe(true);
    await press("t");
    // There is no such machine here, and the page says so.
    await page.locator(".notice.failed").waitFor({ timeout: 25_000 });
  });

  test("d goes through the themes", async () => {
    for (const theme of ["light", "dark", "system"]) {
      await press("d");
      await page.getByRole("button", { name: `Theme: ${theme}` }).waitFor();
    }
  });

  test("no key does anything while somebody types, or with Ctrl, Alt or Meta", async () => {
    await firstRowOf("services", "keys:a");
    const all = ["2", "3", "/", "j", "k", "u", "d", "x", "c", "o", "h"];
    for (const modifier of ["Control", "Alt", "Meta"])
      for (const key of all) await press(`${modifier}+${key}`);
    await isFocused("button: keys:a");
    await press("/");
    await page.keyboard.type("3xujkd?/1");
    expect(await page.getByRole("searchbox").inputValue()).toBe("3xujkd?/1");
    await isFocused("input: Identity, port, agent");
    await page.getByRole("searchbox").fill("");
    await page.getByRole("combobox", { name: "Status" }).focus();
    await press("3", "x", "d", "?");
    await isAt("Services");
    expect(await dialog().count()).toBe(0);
    expect(await page.locator(".notice").count()).toBe(0);
    await page.getByRole("button", { name: "Theme: system" }).waitFor();
    expect(await home.service("keys:a")).toBeDefined();
    expect(page.context().pages()).toHaveLength(1);
  });
});
