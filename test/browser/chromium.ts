// The browser in which pages are tested: a Chromium of Debian's, driven by Playwright. That without windows to show takes
// a third of the processor that the whole one does.

import { chromium, type Browser } from "playwright-core";

const executablePath = Bun.which("chromium-headless-shell") ?? Bun.which("chromium");

export const isInstalled = executablePath !== null;

/** Starts a Chromium that fetches nothing by itself; `*.test` are names of this machine. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: executablePath!,
    args: [
      // Neither root nor a container has what the sandbox needs; it visits our own pages alone.
      "--no-sandbox",
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ...["--no-first-run", "--disable-quic", "--host-resolver-rules=MAP *.test 127.0.0.1"],
    ],
  });
}
