// The browser in which pages are tested: Debian's Chromium, driven by Playwright.

import * as fs from "node:fs";
import { chromium, type Browser } from "playwright-core";

const executablePath = "/usr/bin/chromium";

export const isInstalled = fs.existsSync(executablePath);

/** Starts a Chromium that fetches nothing by itself; `*.test` are names of this machine. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      // Neither root nor a container has what the sandbox needs; it visits our own pages alone.
      "--no-sandbox",
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ...["--no-first-run", "--disable-quic", "--host-resolver-rules=MAP *.test 127.0.0.1"],
    ],
  });
}
