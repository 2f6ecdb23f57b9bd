// What tests in a browser begin with: a daemon in a home of its own, a Chromium, and windows on what the daemon serves.

import { afterAll, afterEach, beforeAll } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { Home } from "../home.ts";
import { isInstalled, launch } from "./chromium.ts";
import { expectNoComplaints, openWindow, type Window } from "./window.ts";

/**
 * Starts a daemon and a browser before the tests of a file and ends them after. Called at the top of the file, so that
 * nothing is left behind where no browser is installed and every test is skipped.
 */
export function setUp(settings: Record<string, string> = {}) {
  const home = new Home(settings);
  const shown: Window[] = [];
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (!isInstalled) return;
    await home.json(["start"]);
    browser = await launch();
  });
  afterEach(async () => {
    const windows = shown.splice(0);
    for (const window of windows) await window[Symbol.asyncDispose]();
    windows.forEach(expectNoComplaints);
  });
  afterAll(async () => {
    await browser?.close();
    await home[Symbol.asyncDispose]();
  });

  /** Opens the dashboard, of another home where that is given, in a window that the test closes. */
  function open(hash = "", options?: BrowserContextOptions, at = home): Promise<Window> {
    return openWindow(browser!, at, hash, options);
  }

  /** Opens the dashboard in a window that is closed after the test, and must not have complained by then. */
  async function show(hash: string): Promise<Page> {
    const window = await open(hash);
    shown.push(window);
    return window.page;
  }

  return { home, open, show, newContext: () => browser!.newContext() };
}
