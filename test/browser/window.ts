// The dashboard of a daemon, in a window of a real browser.

import { expect } from "bun:test";
import type {
  Browser,
  BrowserContext,
  BrowserContextOptions,
  Locator,
  Page,
} from "playwright-core";
import type { Home } from "../home.ts";

export type Window = {
  page: Page;
  /** Every request that the page has made: `GET /services`. */
  requests: string[];
  /** What the page has complained of: errors, and what its policy has refused. */
  complaints: string[];
  [Symbol.asyncDispose](): Promise<void>;
};

/** How long a test waits for one thing: at its own limit, bun would end the browser for all that follow. */
export const waitMs = 10_000;

const viewport = { width: 1280, height: 900 };

/** The profile of a home's windows without options of their own: one for each takes half a second. */
const profiles = new WeakMap<Home, BrowserContext>();

async function profileOf(home: Home, browser: Browser): Promise<BrowserContext> {
  const profile = profiles.get(home) ?? (await browser.newContext({ viewport }));
  profiles.set(home, profile);
  return profile;
}

/**
 * Opens the dashboard at a hash such as `#/services?q=shop`, and returns when it is live. With options, in a profile of
 * its own; else it shares what pages store.
 */
export async function openWindow(
  browser: Browser,
  home: Home,
  hash = "",
  options?: BrowserContextOptions,
): Promise<Window> {
  const { port } = (await (await home.fetch("/version")).json()) as { port: number };
  const own = options && (await browser.newContext({ viewport, ...options }));
  const page = await (own ?? (await profileOf(home, browser))).newPage();
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
  const close = () => (own ?? page).close();
  try {
    await page.goto(`http://localhost:${port}/${hash}`);
    await page.locator(".light.live").waitFor();
    await page.locator("main h1").waitFor();
  } catch (error) {
    await close(); // Its stream would hold one of the six connections that the others have to share.
    throw error;
  }
  page.setDefaultTimeout(waitMs);
  return { page, requests, complaints, [Symbol.asyncDispose]: close };
}

/** The row of a table that has this name. */
export function rowOf(page: Page, name: string) {
  return page.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });
}

/** Fails where the page has complained of anything. */
export function expectNoComplaints({ complaints }: Window): void {
  expect(complaints).toEqual([]);
}

/** What a page is told by its streams from here on, as the browser itself sees it; a reload shows the beginning. */
export async function overhear(page: Page): Promise<{ event: string; data: string }[]> {
  const told: { event: string; data: string }[] = [];
  const session = await page.context().newCDPSession(page);
  session.on("Network.eventSourceMessageReceived", ({ eventName, data }) =>
    told.push({ event: eventName, data }),
  );
  await session.send("Network.enable");
  return told;
}

/** What the opened row says under a name. */
export function factOf(page: Page, name: string) {
  return page
    .locator(".facts > div")
    .filter({ has: page.locator(`dt:text-is("${name}")`) })
    .locator("dd");
}

/** What the page says of something that was done, or could not be. */
export function noticeOf(page: Page, text: string) {
  return page.locator(".notice").filter({ hasText: text });
}

/** The name of what has the keyboard, as `button: Release myapp:api`. */
export function focusOf(page: Page): Promise<string> {
  return page.evaluate(() => {
    const focused = document.activeElement!;
    const name = focused.getAttribute("aria-label") ?? focused.textContent;
    return `${focused.localName}: ${focused === document.body ? "" : name}`;
  });
}

/** What the row of this name says under a heading. */
export function cellOf(page: Page, name: string, head: string) {
  return rowOf(page, name).locator(`[data-head="${head}"]`);
}

/** Returns when an element says this. */
export async function says(locator: Locator, text: string | RegExp): Promise<void> {
  const matching = locator.filter({ hasText: text });
  await matching.first().waitFor();
}

/** What the daemon answers to a POST that it must accept. */
export async function made(
  home: Home,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<any> {
  const response = await home.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await response.text();
  expect(response.status, `${path}: ${text}`).toBe(200);
  return JSON.parse(text);
}
