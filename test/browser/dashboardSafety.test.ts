// What the dashboard does with texts that mean ill, with scripts that are not its own, and in frames.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { expectNoComplaints, made, waitMs } from "./window.ts";

const { home, open, newContext } = setUp({ PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1" });

describe.skipIf(!isInstalled)("texts that mean ill", () => {
  const image = "<img src=x onerror=window.__pwned=1>";
  const script = '"><script>window.__pwned=1</script>';
  const link = "javascript:window.__pwned=1";
  /** Where no spaces may be. */
  const tight = "<img/src=x/onerror=window.__pwned=1>";
  const waiter = "<svg/onload=window.__pwned=1>";
  const all = `${image} ${script} ${link} {{constructor.constructor('window.__pwned=1')()}}`;
  let receiver: ReturnType<typeof Bun.serve>;
  let webhook: { id: string; url: string };

  beforeAll(async () => {
    receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(all, { status: 500, headers: { "Content-Type": "text/html" } }),
    });
    const ill = { "X-Caller-Id": tight };
    const metadata = { [image]: script, links: [link, { [script]: image }] };
    webhook = await made(
      home,
      "/webhooks",
      { url: `${receiver.url.origin}/?${tight}"><script>#${tight}` },
      ill,
    );
    await made(home, "/agents/ill", { name: all.slice(0, 200), type: image, metadata }, ill);
    const urls = { dev: `http://127.0.0.1/"><script>${tight}`, sock: `ws://127.0.0.1/${tight}` };
    const health = `/${tight}`;
    const { port } = await made(
      home,
      "/claim/ill",
      { cmd: all, cwd: `/${all}`, metadata, urls, health, agent: "ill" },
      ill,
    );
    await made(home, "/locks/ill", { owner: tight, ttl: "1h", metadata }, ill);
    await made(
      home,
      "/locks/of:script",
      { owner: '"><script>window.__pwned=1</script>', ttl: "1h" },
      ill,
    );
    await made(home, "/locks/of:link", { owner: link, ttl: "1h" }, ill);
    home.spawn(["lock", "ill", "--wait", "--timeout", "0", "--owner", waiter]);
    for (const sender of [image, script, link])
      await made(home, "/msg/ill", { sender, payload: { [all]: all } }, ill);
    await made(home, "/msg/ill", { sender: image, payload: all }, ill);
    // A server whose command and directory are no better.
    const serve = `Bun.serve({ hostname: "127.0.0.1", port: ${port}, fetch: () => new Response() })`;
    home.start([process.execPath, "-e", serve, image, script], { cwd: home.makeDirectory(image) });
    await eventually("it is seen", async () => (await home.service("ill"))?.listener?.command);
  });
  afterAll(() => receiver.stop(true));

  /** Elements and attributes that the page never makes by itself. */
  const foreign = () => {
    const [elements, handlers, links] = [
      [...document.querySelectorAll("img, iframe, object, embed, base, script:not([src])")],
      [...document.querySelectorAll("*")].filter((each) =>
        each.getAttributeNames().some((name) => /^on|^srcdoc$/.test(name)),
      ),
      [...document.querySelectorAll("a")].filter(
        (each) => !/^(https?:|#\/)/.test((each.getAttribute("href") ?? "#/").trim()),
      ),
    ];
    const found = [...elements, ...handlers, ...links].map(({ outerHTML }) => outerHTML);
    return "__pwned" in globalThis ? [...found, "a script ran"] : found;
  };

  /** Opens what can be opened on a page, and shows each picture's table. */
  async function unfold(page: Page): Promise<void> {
    for (const summary of await page.locator("main summary").all()) await summary.click();
    for (const button of await page.getByRole("button", { name: "Table", exact: true }).all())
      await button.click();
    for (const summary of await page.locator("tr.details details:not([open]) summary").all())
      await summary.click();
  }

  const views: [hash: string, texts: () => string[]][] = [
    ["#/overview", () => [tight, waiter, image]],
    ["#/services?open=ill", () => [all, image, "javascript:window.__pwned=1", "ws://127.0.0.1/"]],
    ["#/locks?open=ill", () => [tight, script, link, waiter]],
    ["#/agents?open=ill", () => [image, "window.__pwned=1</script>"]],
    ["#/messages?open=ill", () => [image, script, link, "{{constructor"]],
    ["#/webhooks?open=WEBHOOK", () => [all, "it answered 500"]],
    ["#/activity", () => [tight, image]],
    [`#/services?q=${encodeURIComponent(all)}`, () => ["ill"]],
    [`#/messages?open=${encodeURIComponent(all)}`, () => [all]],
    [`#/agents?open=${encodeURIComponent(image)}&status=${encodeURIComponent(script)}`, () => []],
    [`#/${encodeURIComponent(image)}?open=${encodeURIComponent(script)}`, () => []],
  ];

  test.each(views)("are shown as the texts they are at %s", async (hash, texts) => {
    await using view = await open(hash.replace("WEBHOOK", webhook.id));
    const { page } = view;
    page.setDefaultTimeout(waitMs);
    if (hash.includes("WEBHOOK")) await page.getByRole("table", { name: "Deliveries" }).waitFor();
    await unfold(page);
    for (const text of texts()) {
      await eventually(`the page says ${text}`, async () =>
        (await page.locator("main").evaluate((main) => main.textContent ?? "")).includes(text),
      );
    }
    expect(await page.evaluate(foreign)).toEqual([]);
    expectNoComplaints(view);
  });

  test("are texts in the pictures, and in what a pointer is told there", async () => {
    await using view = await open();
    const { page } = view;
    page.setDefaultTimeout(waitMs);
    await page.locator(".holdings svg text", { hasText: "<img" }).first().waitFor();
    await page.locator(".plot").scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await page.locator(".plot svg").boundingBox())!;
    const told: string[] = [];
    // Down the right edge, where what has just happened lies.
    for (let down = 4; down < height; down += 6) {
      await page.mouse.move(x + width - 14, y + down);
      told.push(await page.locator(".readout").innerText());
      expect(await page.evaluate(foreign)).toEqual([]);
    }
    expect(told.join()).toContain(tight);
    expectNoComplaints(view);
  });

  test("are texts in questions and in what is said after them", async () => {
    await using view = await open("#/locks");
    const { page } = view;
    page.setDefaultTimeout(waitMs);
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Force-unlock ill", exact: true }).click();
    await dialog.getByText(tight).first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Force-unlock of:script", exact: true }).click();
    await dialog.getByRole("button", { name: "Force-unlock" }).click();
    await page.locator(".notice", { hasText: script }).waitFor();
    expect(await page.evaluate(foreign)).toEqual([]);
    await page.goto(page.url().replace(/#.*/, "#/webhooks"));
    for (const name of ["Edit", "Delete"]) {
      await page.getByRole("button", { name: `${name} ${webhook.url}`, exact: true }).click();
      await dialog.getByRole("heading").filter({ hasText: webhook.url }).waitFor();
      expect(await page.evaluate(foreign)).toEqual([]);
      await page.keyboard.press("Escape");
    }
    await page.getByRole("button", { name: `Test ${webhook.url}`, exact: true }).click();
    await page.locator(".notice.failed").waitFor();
    expect(await page.evaluate(foreign)).toEqual([]);
    expectNoComplaints(view);
  });

  test("are no links unless they lead to http, and javascript: is no endpoint at all", async () => {
    const refused = await home.fetch("/services/ill/endpoints/evil", {
      method: "PUT",
      body: JSON.stringify({ url: link }),
    });
    expect(refused.status).toBe(400);
    await using view = await open("#/services?open=ill");
    const { page } = view;
    page.setDefaultTimeout(waitMs);
    const line = (environment: string): Locator =>
      page.locator("tr.details li").filter({ hasText: `${environment}:` });
    await line("sock").filter({ hasText: "ws://127.0.0.1/" }).waitFor();
    expect(await line("sock").locator("a").count()).toBe(0);
    expect(await line("dev").locator("a").getAttribute("href")).toStartWith("http://127.0.0.1/");
    expect(await line("dev").locator("a").getAttribute("rel")).toContain("noopener");
  });
});

/** Runs in the page: what its policy refuses from here on. */
function watchPolicy(): void {
  const refused: string[] = [];
  Object.assign(globalThis, { refused });
  document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) =>
    refused.push(effectiveDirective),
  );
}

describe.skipIf(!isInstalled)("the policy of the page", () => {
  beforeAll(() => home.run(["claim", "precious"]));

  const origin = async () => `http://localhost:${(await home.json(["version"])).daemon.port}`;

  test("refuses a script that stands in the page itself, which runs all the same", async () => {
    await using view = await open();
    const { page } = view;
    await page.route("**/", async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace(
        "</head>",
        "<script>window.__pwned = 1</script></head>",
      );
      await route.fulfill({ response, body });
    });
    await page.addInitScript(watchPolicy);
    await page.reload();
    await page.locator(".light.live").waitFor();
    expect(await page.content()).toContain("window.__pwned = 1");
    expect(await page.evaluate(() => "__pwned" in globalThis)).toBeFalse();
    expect(await page.evaluate("refused")).toContain("script-src-elem");
  });

  test.each<[what: string, attempt: (from: string) => unknown, directive: string]>([
    ["markup as a text", () => (document.body.innerHTML = "<b>x</b>"), "require-trusted-types-for"],
    [
      "a script from elsewhere",
      (from) => {
        const script = document.createElement("script");
        script.setAttribute("src", `${from}/script.js`);
        document.body.append(script);
      },
      "require-trusted-types-for",
    ],
    ["an image from elsewhere", (from) => (new Image().src = `${from}/image.png`), "img-src"],
    ["a request elsewhere", (from) => fetch(from), "connect-src"],
    [
      "a frame",
      () => {
        document.body.append(Object.assign(document.createElement("iframe"), { src: "/" }));
      },
      "frame-src",
    ],
    // In a turn of its own: what the debugger itself runs may do more.
    [
      "a text as code",
      () => setTimeout(() => (0, eval)("window.__pwned = 1")),
      "require-trusted-types-for",
    ],
    [
      "a handler in an attribute",
      () =>
        setTimeout(() => {
          document.body.setAttribute("onclick", "window.__pwned = 1");
          document.body.click();
        }),
      "require-trusted-types-for",
    ],
    [
      "another base",
      () => {
        document.head.append(Object.assign(document.createElement("base"), { href: "http://x/" }));
      },
      "base-uri",
    ],
  ])("refuses %s", async (_, attempt, directive) => {
    let asked = 0;
    using elsewhere = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(String(++asked)),
    });
    await using view = await open();
    const { page } = view;
    await page.evaluate(watchPolicy);
    await page.evaluate(attempt, elsewhere.url.origin).catch(() => {});
    await eventually("it is refused", async () =>
      ((await page.evaluate("refused")) as string[]).some((each) => each.startsWith(directive)),
    );
    expect(await page.evaluate(() => "__pwned" in globalThis)).toBeFalse();
    expect(asked).toBe(0);
  });

  test("lets no page show it in a frame, not even one of its own origin", async () => {
    await using context = await newContext();
    const page = await context.newPage();
    const at = await origin();
    // An answer of the API has no policy of its own.
    await page.goto(`${at}/health`);
    await page.evaluate(() => {
      document.body.append(Object.assign(document.createElement("iframe"), { src: "/" }));
    });
    const framed = await eventually("the frame has come to something", () =>
      page.frames().find((frame) => frame !== page.mainFrame() && frame.url() !== "about:blank"),
    );
    await eventually("it is refused", () => framed.url().startsWith("chrome-error:"));
    expect(await framed.evaluate(() => document.body.innerText)).not.toContain("precious");
    const { headers } = await fetch(`${at}/`, { proxy: false });
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  });
});
