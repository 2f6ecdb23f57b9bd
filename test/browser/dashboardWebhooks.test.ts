// The page of webhooks: what receivers of ours are sent, how that went, and that no secret is ever shown.

import { describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { overhear, rowOf, says } from "./window.ts";

/** What a receiver of ours was sent, and how it answers; a webhook may go there where it is allowed. */
function receive(answer: (before: number) => Response | Promise<Response>) {
  const bodies: any[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const before = bodies.length;
      bodies.push(await request.json());
      return answer(before);
    },
  });
  return { bodies, url: `${server.url.origin}/hook`, [Symbol.dispose]: () => server.stop(true) };
}

const { home, show } = setUp({ PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1" });

describe.skipIf(!isInstalled)("the page of webhooks", () => {
  let page: Page;

  const secret = "s3cret-of-the-page";
  const dialog = () => page.getByRole("dialog");
  const press = (name: string, url: string) =>
    page.getByRole("button", { name: `${name} ${url}`, exact: true }).click();
  const stateOf = (url: string) => rowOf(page, url).locator('[data-head="State"]');
  const findWebhook = async (url: string) =>
    (await home.json(["webhooks", "list"])).webhooks.find((each: any) => each.url === url);
  const add = async (url: string, ...flags: string[]): Promise<string> =>
    (await home.json(["webhooks", "add", url, ...flags])).id;
  const deliveries = () => page.getByRole("table", { name: "Deliveries" }).locator("tbody tr");

  test("adds one that is told what happens, edits, switches off and on and deletes it", async () => {
    using receiver = receive(() => new Response("ok"));
    const { url } = receiver;
    page = await show("#/webhooks");
    await says(page.locator(".empty"), "No webhook yet.");
    await page.getByRole("button", { name: "Add webhook" }).click();
    await dialog().getByLabel("URL").fill(url);
    await dialog().getByLabel("Events").fill("lock.*, message.publish");
    await dialog().getByLabel("Only targets").fill("mine:*");
    await dialog().getByRole("button", { name: "Add" }).click();
    await says(stateOf(url), "on");
    const events = ["lock.*", "message.publish"];
    expect(await findWebhook(url)).toMatchObject({ events, filter: "mine:*", hasSecret: false });
    for (const channel of ["other:1", "mine:1"]) await home.run(["pub", channel, "x"]);
    await eventually("it is told", () => receiver.bodies.length > 0);
    expect(receiver.bodies[0].data.targetId).toBe("mine:1");

    await press("Edit", url);
    expect(await dialog().getByLabel("Events").inputValue()).toBe("lock.*, message.publish");
    await dialog().getByLabel("Events").fill("message.publish");
    await dialog().getByLabel("Only targets").fill("");
    await dialog().getByRole("button", { name: "Save" }).click();
    await says(rowOf(page, url).locator('[data-head="Events"]'), /^message\.publish$/);
    expect(await findWebhook(url)).toMatchObject({ events: ["message.publish"], filter: null });

    await press("Switch off", url);
    await says(stateOf(url), "off");
    await home.run(["pub", "while:off", "x"]);
    await press("Switch on", url);
    await says(stateOf(url), "on");
    await home.run(["pub", "while:on", "x"]);
    await eventually("it is told again", () => receiver.bodies.length > 1);
    const targets = receiver.bodies.map(({ data }) => data.targetId);
    expect(targets).toEqual(["mine:1", "while:on"]);

    await press("Delete", url);
    await dialog().getByRole("button", { name: "Cancel" }).click();
    expect(await findWebhook(url)).toBeDefined();
    await press("Delete", url);
    await says(dialog(), `Delete the webhook to ${url}?`);
    await dialog().getByRole("button", { name: "Delete" }).click();
    await rowOf(page, url).waitFor({ state: "detached" });
    expect(await findWebhook(url)).toBeUndefined();
  });

  test("refuses what the daemon refuses, and says why", async () => {
    page = await show("#/webhooks");
    await page.getByRole("button", { name: "Add webhook" }).click();
    await dialog().getByLabel("URL").fill("http://127.0.0.2:8000/");
    await dialog().getByRole("button", { name: "Add" }).click();
    await says(page.locator(".notice.failed"), "Not done. Webhooks may not go to 127.0.0.2:8000");
    await says(page.locator(".notice.failed"), "export PORT_DADDY_WEBHOOK_ALLOW=127.0.0.2");
    expect(await dialog().getByLabel("URL").inputValue()).toBe("http://127.0.0.2:8000/");
  });

  test("sends a test, and says that it has arrived or why not", async () => {
    using receiver = receive((before) =>
      before === 0 ? new Response("ok") : new Response("out of order", { status: 500 }),
    );
    await add(receiver.url);
    page = await show("#/webhooks");
    await press("Test", receiver.url);
    await says(page.locator(".notice"), `The test has arrived at ${receiver.url}`);
    expect(receiver.bodies[0].event).toBe("webhook.test");
    await press("Test", receiver.url);
    await says(page.locator(".notice.failed"), "It did not arrive: it answered 500");
  });

  test("shows deliveries live, through two failures to the arrival", async () => {
    const seen = Promise.withResolvers<void>();
    using receiver = receive(async (before) => {
      if (before < 2) return new Response("not yet", { status: 500 });
      await seen.promise;
      return new Response("at last");
    });
    const id = await add(receiver.url, "--events", "message.publish");
    page = await show(`#/webhooks?open=${id}`);
    await says(page.locator("tr.details"), "None yet.");
    await home.run(["pub", "retried", "x"]);
    const cells = deliveries().first().locator("td");
    await says(cells.nth(2), /^retried$/);
    await says(cells.nth(3), "pending");
    await says(cells.nth(4), /^2$/);
    await says(cells.nth(5), /^500 it answered 500/);
    await cells.nth(5).locator("summary").click();
    await says(cells.nth(5).locator("pre"), "not yet");
    // The third attempt is held until all this was seen.
    seen.resolve();
    await says(cells.nth(3), "delivered");
    await says(cells.nth(4), /^3$/);
    await says(cells.nth(5), /^200/);
    await says(cells.nth(6), /^\d+ ms$/);
    await says(cells.nth(5).locator("pre"), "at last");
    expect(await deliveries().count()).toBe(1);
  });

  test("never shows a secret, nor gets it in any answer", async () => {
    using receiver = receive(() => new Response("ok"));
    page = await show("#/webhooks");
    const told = await overhear(page);
    const answers: Promise<string>[] = [];
    page.on("response", (response) => {
      if (!response.url().includes("/events")) answers.push(response.text().catch(() => ""));
    });
    await page.reload();
    await page.getByRole("button", { name: "Add webhook" }).click();
    await dialog().getByLabel("URL").fill(receiver.url);
    await dialog().getByLabel("Secret").fill(secret);
    expect(await dialog().getByLabel("Secret").getAttribute("type")).toBe("password");
    await dialog().getByRole("button", { name: "Add" }).click();
    await says(rowOf(page, receiver.url).locator('[data-head="Signed"]'), "yes");
    await press("Edit", receiver.url);
    expect(await dialog().getByLabel("Secret").inputValue()).toBe("");
    await dialog().getByRole("button", { name: "Save" }).click();
    await dialog().waitFor({ state: "detached" });
    const { id, hasSecret } = await findWebhook(receiver.url);
    expect(hasSecret).toBeTrue();
    await press("Test", receiver.url);
    await says(page.locator(".notice"), "The test has arrived");
    await rowOf(page, receiver.url)
      .getByRole("button", { name: receiver.url, exact: true })
      .click();
    await says(deliveries().first(), "webhook.test");
    const known = JSON.stringify([told, await Promise.all(answers), await page.content()]);
    expect(known).toContain(receiver.url);
    expect(known).not.toContain(secret);
    await page.goto(page.url().replace(/#.*/, "#/activity"));
    await says(page.locator(".log li"), id);
    expect(await page.content()).not.toContain(secret);

    await page.goto(page.url().replace(/#.*/, "#/webhooks"));
    await press("Edit", receiver.url);
    await dialog().getByLabel("Sign no longer").check();
    await dialog().getByRole("button", { name: "Save" }).click();
    await says(page.locator(".notice"), "no longer signed");
    expect(await findWebhook(receiver.url)).toMatchObject({ hasSecret: false });
  });
});
