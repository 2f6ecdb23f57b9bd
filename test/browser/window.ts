// The dashboard of a daemon, in a window of a real browser.

import { expect } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { Home } from "../home.ts";

export type Window = {
  page: Page;
  /** Every request that the page has made: `GET /services`. */
  requests: string[];
  /** What the page has complained of: errors, and what its policy has refused. */
  complaints: string[];
  [Symbol.asyncDispose](): Promise<void>;
};

/** Opens the dashboard at a hash such as `#/services?q=shop`, and returns when it is live. */
export async function openWindow(
  browser: Browser,
  home: Home,
  hash = "",
  options: BrowserContextOptions = {},
): Promise<Window> {
  const { port } = (await (await home.fetch("/version")).json()) as { port: number };
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const [requests, complaints] = [[] as string[], [] as string[]];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    requests.push(`${request.method()} ${pathname}${search}`);
  });
  page.on("pageerror", (error) => void complaints.push(error.message));
  page.on("console", (message) => {
    // Chromium logs each answer that is no success, and each connection that is lost.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  await page.goto(`http://localhost:${port}/${hash}`);
  await page.locator(".light.live").waitFor();
  await page.locator("main h1").waitFor();
  return { page, requests, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** The row of a table that has this name. */
export function rowOf(page: Page, name: string) {
  return page.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });
}

/** Fails where the page has complained of anything. */
export function expectNoComplaints({ complaints }: Window): void {
  expect(complaints).toEqual([]);
}
