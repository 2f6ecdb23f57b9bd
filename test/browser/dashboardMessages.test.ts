// The page of messages: what `sub` and `pub` see and do beside it.

import { describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually } from "../home.ts";
import { linesOf } from "../reading.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { rowOf, says } from "./window.ts";

const { home, show } = setUp();

describe.skipIf(!isInstalled)("the page of messages", () => {
  let page: Page;

  const cell = (channel: string, head: string) =>
    rowOf(page, channel).locator(`[data-head="${head}"]`);
  const listed = (channel: string) =>
    page.getByRole("list", { name: `Messages of ${channel}` }).locator("details");

  test("says what is not there yet, with the command that makes it so", async () => {
    page = await show("#/messages");
    await says(page.locator(".empty"), "No messages yet");
    await says(page.locator(".empty code"), `port-daddy pub build:done '{"ok":true}'`);
  });

  test("counts a channel's messages and its subscribers as they come and go", async () => {
    page = await show("#/messages");
    await home.run(["pub", "counted", "one"]);
    await says(cell("counted", "Messages"), /^1$/);
    await says(cell("counted", "Subscribers"), /^–$/);
    const subscriber = home.spawn(["sub", "counted"]);
    await says(cell("counted", "Subscribers"), /^1$/);
    // One that is only waited for is a channel too.
    const waiting = home.spawn(["sub", "awaited"]);
    await says(cell("awaited", "Messages"), /^0$/);
    await says(cell("awaited", "Subscribers"), /^1$/);
    await home.run(["pub", "counted", "two"]);
    await says(cell("counted", "Messages"), /^2$/);
    for (const each of [subscriber, waiting]) each.kill();
    await says(cell("counted", "Subscribers"), /^–$/);
    await rowOf(page, "awaited").waitFor({ state: "detached" });
  });

  test("shows an open channel's messages as they come, newest first, each folded until it is asked for", async () => {
    await home.run(["pub", "news", '{"before":1}']);
    page = await show("#/messages?open=news");
    await says(listed("news"), '{"before":1}');
    await home.run(["pub", "news", '{"after":[2,{"deep":true}]}', "--sender", "ada"]);
    await home.run(["pub", "other", "elsewhere"]);
    await home.run(["pub", "news", "last words"]);
    await says(listed("news").first(), '"last words"');
    const lines = await listed("news").locator("summary").allInnerTexts();
    expect(lines.map((line) => line.trim().replace(/\s+/g, " "))).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d \S+ "last words"$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d ada \{"after":\[2,\{"deep":true\}\]\}$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d \S+ \{"before":1\}$/),
    ]);
    expect(await listed("news").locator("pre").count()).toBe(0);
    await listed("news").nth(1).locator("summary").click();
    const whole = listed("news").nth(1).locator("pre");
    await whole.waitFor();
    expect(JSON.parse(await whole.innerText())).toEqual({ after: [2, { deep: true }] });
  });

  test.each([
    ["that was there before", true],
    ["that came while the channel was open", false],
  ])("unfolds the whole of a long message %s", async (_, isBefore) => {
    const channel = `long:${isBefore}`;
    const payload = { words: Array.from({ length: 300 }, (_, n) => `word ${n}`), end: "the end" };
    const publish = () => home.json(["pub", channel, JSON.stringify(payload)]);
    if (isBefore) await publish();
    else await home.run(["pub", channel, "first"]);
    page = await show(`#/messages?open=${channel}`);
    if (!isBefore) await says(listed(channel), "first");
    if (!isBefore) await publish();
    await says(listed(channel).first(), "word 0");
    await listed(channel).first().locator("summary").click();
    const whole = listed(channel).first().locator("pre");
    await says(whole, "the end");
    expect(JSON.parse(await whole.innerText())).toEqual(payload);
  });

  test.each([
    ["JSON as JSON", ' {"ok": true, "n": [1.5, null]}\n', { ok: true, n: [1.5, null] }],
    ["text as text", "it's <b>not</b> JSON:\n{ok}", "it's <b>not</b> JSON:\n{ok}"],
    ["a number that JSON can't hold as text", "12345678901234567890", "12345678901234567890"],
  ])("publishes %s to a subscriber that waits", async (_, text, payload) => {
    const subscriber = home.spawn(["sub", "from:page", "--envelope"]);
    const lines = linesOf(subscriber.stdout);
    page = await show("#/messages");
    await says(cell("from:page", "Subscribers"), /^1$/);
    await page.getByRole("button", { name: "Publish", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Publish a message" });
    await dialog.getByLabel("Channel").fill("from:page");
    await dialog.getByLabel("Payload").fill(text);
    await dialog.getByRole("button", { name: "Publish" }).click();
    await dialog.waitFor({ state: "detached" });
    await says(page.locator(".notice"), "Published to from:page");
    await eventually("the subscriber has it", () => lines.length > 0);
    expect(JSON.parse(lines[0]!)).toMatchObject({ channel: "from:page", payload });
    subscriber.kill();
  });

  test("says why a message was not published, and keeps what was written", async () => {
    page = await show("#/messages");
    await page.getByRole("button", { name: "Publish", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Channel").fill("no channel");
    await dialog.getByLabel("Payload").fill("precious");
    await dialog.getByRole("button", { name: "Publish" }).click();
    await says(page.locator(".notice.failed"), /Not done\. .*channel/);
    expect(await dialog.getByLabel("Payload").inputValue()).toBe("precious");
  });

  test("clears a channel only when that was confirmed", async () => {
    for (const text of ["one", "two"]) await home.run(["pub", "old", text]);
    page = await show("#/messages?open=old");
    await says(listed("old"), "two");
    const ask = () => page.getByRole("button", { name: "Clear old" }).click();
    const dialog = page.getByRole("dialog", { name: "Clear the channel old?" });
    await ask();
    await says(dialog, "Its 2 messages are deleted for good");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "detached" });
    expect((await home.json(["messages", "old"])).count).toBe(2);
    await ask();
    await dialog.getByRole("button", { name: "Clear" }).click();
    await says(page.locator(".notice"), "Cleared old of 2 messages");
    await says(page.locator("main"), "The channel old has no messages at the moment.");
    expect((await home.json(["messages", "old"])).count).toBe(0);
  });

  test("clears what is shown of a channel that somebody waits for, and goes on with what comes", async () => {
    const subscriber = home.spawn(["sub", "kept"]);
    await home.run(["pub", "kept", "before"]);
    page = await show("#/messages?open=kept");
    await says(listed("kept"), "before");
    await page.getByRole("button", { name: "Clear kept" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Clear" }).click();
    await says(page.locator("tr.details"), "No messages.");
    await page.getByRole("button", { name: "Clear kept", disabled: true }).waitFor();
    await home.run(["pub", "kept", "afterwards"]);
    await says(listed("kept").first(), "afterwards");
    expect(await listed("kept").count()).toBe(1);
    subscriber.kill();
  });
});
