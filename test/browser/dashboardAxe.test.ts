// That those who do not see the dashboard, or not well, can use it: axe finds nothing amiss on any page.

import { beforeAll, describe, expect, test } from "bun:test";
import * as axe from "axe-core";
import type { RunOptions } from "axe-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { pages } from "../../dashboard/route.ts";
import { eventually } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { expectNoComplaints, made, waitMs } from "./window.ts";

/** A dozen pages take axe ten seconds on a quiet machine. */
const longMs = 90_000;

const { home, open } = setUp();

describe.skipIf(!isInstalled)("axe finds nothing amiss", () => {
  let hashes: string[];

  const looks: [name: string, options: BrowserContextOptions][] = [
    ["in a wide window", {}],
    ["at 380 px", { viewport: { width: 380, height: 800 } }],
  ];
  const isOpen = (hash: string) => hash.includes("open=");

  /** Each rule that is broken, with the first place where it is: every rule by day, and by night those of colours. */
  async function violations(page: Page): Promise<string[]> {
    const found = await broken(page, "light");
    for (const each of await broken(page, "dark", ["color-contrast", "link-in-text-block"]))
      found.push(`in the dark theme: ${each}`);
    return found;
  }

  async function broken(page: Page, colorScheme: "light" | "dark", runOnly?: string[]) {
    await page.emulateMedia({ colorScheme });
    if (await page.evaluate("typeof axe === 'undefined'")) await page.evaluate(axe.source);
    // What is in order is counted only: to name each place of it takes most of the time.
    const options: RunOptions = { resultTypes: ["violations"], ...(runOnly && { runOnly }) };
    const { violations } = await page.evaluate(
      (options) => (globalThis as unknown as { axe: typeof axe }).axe.run(document, options),
      options,
    );
    return violations.map(
      ({ id, nodes: [{ html, failureSummary } = {}, ...more] }) =>
        `${id}: ${html?.slice(0, 300)}: ${failureSummary} (and ${more.length} more)`,
    );
  }

  async function show(page: Page, hash: string): Promise<void> {
    await page.evaluate((hash) => void (location.hash = hash), hash);
    const name = /\w+/.exec(hash)![0];
    await page.getByRole("heading", { level: 1, name }).waitFor();
    if (isOpen(hash)) await page.locator("tr.details").waitFor();
    // What the row asks for comes a moment later.
    await page.getByText("…", { exact: true }).waitFor({ state: "detached" });
  }

  async function checkAll(options: BrowserContextOptions, hashes: readonly string[]) {
    await using view = await open("", options);
    const { page } = view;
    page.setDefaultTimeout(waitMs);
    const found: string[] = [];
    for (const hash of hashes) {
      await show(page, hash);
      for (const each of await violations(page)) found.push(`${hash} ${each}`);
    }
    expect(found).toEqual([]);
    expectNoComplaints(view);
  }

  test.each(looks)(
    "where there is nothing yet, %s",
    async (_, options) => {
      await checkAll(
        options,
        pages.map((name) => `#/${name}`),
      );
    },
    longMs,
  );

  describe("where there is much", () => {
    beforeAll(async () => {
      const { id } = await made(home, "/webhooks", {
        url: "https://hooks.example.com/",
        active: false,
      });
      for (const agent of ["builder", "tester"])
        await made(home, `/agents/${agent}`, { type: "claude" });
      const metadata = { commit: "4f2a91c" };
      for (const part of ["api", "web", "worker", "docs", "db", "cache", "mail", "auth"]) {
        const urls = { dev: "https://dev.example.com/" };
        const agent = { "X-Agent-Id": "builder" };
        await made(
          home,
          `/claim/shop:${part}`,
          { cmd: "npm run dev", cwd: "/srv", urls, metadata },
          agent,
        );
      }
      const { port } = await home.service("shop:api");
      home.start([
        process.execPath,
        "-e",
        `Bun.listen({ hostname: "127.0.0.1", port: ${port}, socket: { data() {} } })`,
      ]);
      await eventually("it runs", async () => (await home.service("shop:api")).listener);
      await made(home, "/locks/build", { ttl: "1h", metadata }, { "X-Agent-Id": "builder" });
      home.spawn(["lock", "build", "--wait", "--timeout", "0"]);
      await eventually(
        "it waits",
        async () => ((await (await home.fetch("/locks/build")).json()) as any).lock.waiting,
      );
      for (const payload of [{ ok: true }, "text"]) await made(home, "/msg/news", { payload });
      hashes = [
        ...pages.map((name) => `#/${name}`),
        ...["services?open=shop:api", "locks?open=build", "agents?open=builder"].map(
          (each) => `#/${each}`,
        ),
        ...["#/messages?open=news", `#/webhooks?open=${id}`],
      ];
    });

    test.each(looks)(
      "%s, on every page, with open rows too",
      async (_, options) => {
        await checkAll(options, hashes);
      },
      longMs,
    );

    test.each(looks)(
      "%s, with a question, a form and the keys in front of the page",
      async (_, options) => {
        await using view = await open("", options);
        const { page } = view;
        page.setDefaultTimeout(waitMs);
        for (const [hash, button] of [
          ["#/locks", "Force-unlock build"],
          ["#/agents", "Unregister builder"],
          ["#/messages", "Publish to news"],
          ["#/webhooks", "Edit https://hooks.example.com/"],
          ["#/overview", "Keys"],
        ] as const) {
          await show(page, hash);
          await page.getByRole("button", { name: button, exact: true }).click();
          await page.getByRole("dialog").waitFor();
          expect(await violations(page), button).toEqual([]);
          await page.keyboard.press("Escape");
          await page.getByRole("dialog").waitFor({ state: "detached" });
        }
      },
      longMs,
    );

    test.each(looks)(
      "%s, in the tables of the pictures and in open entries",
      async (_, options) => {
        await using view = await open("", options);
        const { page } = view;
        page.setDefaultTimeout(waitMs);
        for (const table of await page.getByRole("button", { name: "Table", exact: true }).all())
          await table.click();
        await page.locator(".log summary").first().click();
        await page.locator(".log pre").waitFor();
        expect(await violations(page)).toEqual([]);
        await show(page, "#/messages?open=news");
        await page.locator(".messages summary").first().click();
        await page.locator(".messages pre").waitFor();
        expect(await violations(page)).toEqual([]);
      },
      longMs,
    );

    // Last: it ends the daemon.
    test(
      "while the daemon is away",
      async () => {
        await using windows = new AsyncDisposableStack();
        const opened = [];
        for (const [, options] of looks)
          opened.push(windows.use(await open("#/services", options)));
        await home.json(["stop"]);
        for (const { page } of opened) {
          await page.getByRole("alert").filter({ hasText: "The daemon is away." }).waitFor();
          expect(await violations(page)).toEqual([]);
          await show(page, "#/overview");
          expect(await violations(page)).toEqual([]);
        }
      },
      longMs,
    );
  });
});
