// Takes a picture of every page of the dashboard, to be looked at: `npm run screenshots`. Empty, with 8 and with 500
// services; light and dark; wide and narrow. They go to dist/screenshots.

import * as fs from "node:fs";
import * as path from "node:path";
import type { Browser } from "playwright-core";
import { pages } from "../../dashboard/route.ts";
import { binary, Home } from "../home.ts";
import { launch } from "./chromium.ts";
import { openWindow } from "./window.ts";

const directory = path.join(path.dirname(binary), "screenshots");

const looks = [
  { name: "light", colorScheme: "light", width: 1280 },
  { name: "dark", colorScheme: "dark", width: 1280 },
  { name: "narrow", colorScheme: "light", width: 380 },
] as const;

const agents = ["builder", "tester", "reviewer"];
const projects = ["shop", "blog", "crm", "infra", "game"];
const parts = ["api", "web", "worker", "docs", "db", "cache", "mail", "auth"];

/** Fills a daemon with what a busy machine has. */
async function fill(home: Home, services: number): Promise<void> {
  const post = (path: string, body: unknown, agent?: string) =>
    home.fetch(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: agent === undefined ? {} : { "X-Agent-Id": agent },
    });
  for (const agent of agents)
    await post(`/agents/${agent}`, { type: "claude", maxServices: services, name: `The ${agent}` });
  for (let n = 0; n < services; n++) {
    const part = parts[n % parts.length];
    const id = services <= parts.length ? `myapp:${part}` : `${projects[n % 5]}:${part}:${n}`;
    const agent = agents[n % 4];
    await post(`/claim/${id}`, {
      cwd: home.directory,
      cmd: "npm run dev",
      ...(agent && { agent }),
    });
  }
  await post("/locks/build", { ttl: "10m", metadata: { commit: "4f2a91c" } }, "builder");
  await post("/locks/deploy:prod", { ttl: "3m", owner: "ada@tty1" });
  for (const agent of ["tester", "reviewer"])
    void post("/locks/build", { wait: true, timeout: 0 }, agent).catch(() => {});
  for (let n = 0; n < 30; n++) {
    const payload = { build: n, status: n % 3 === 0 ? "failed" : "ready", port: 3100 + n };
    await post(`/msg/${["build:done", "review:api", "errors"][n % 3]}`, { payload }, "tester");
  }
  const url = "https://hooks.invalid/port-daddy";
  await post("/webhooks", {
    url,
    events: ["service.*", "lock.release"],
    secret: "s",
    active: false,
  });
  await post("/webhooks", { url: `${url}/all`, active: false });
}

/** A server on the port of some services, so that they are running. */
async function serve(home: Home, count: number) {
  const { services } = (await (await home.fetch("/services")).json()) as {
    services: { port: number }[];
  };
  return services
    .slice(0, count)
    .map(({ port }) => Bun.serve({ port, fetch: () => new Response() }));
}

async function shoot(browser: Browser, services: number): Promise<void> {
  await using home = new Home();
  await home.json(["start"]);
  if (services > 0) await fill(home, services);
  const servers = await serve(home, Math.ceil(services / 3));
  for (const { name, colorScheme, width } of looks) {
    const viewport = { width, height: 900 };
    await using window = await openWindow(browser, home, "", { colorScheme, viewport });
    const { page } = window;
    // A moment for the observer to see the servers.
    if (services > 0)
      await page
        .getByText(/[1-9]\d* running/)
        .first()
        .waitFor();
    for (const each of pages) {
      await page.goto(`${page.url().split("#")[0]}#/${each}`);
      await page.getByRole("heading", { level: 1, name: each }).waitFor();
      const opener = page.locator("main .opener").first();
      if (services === 8 && (await opener.count()) > 0) {
        await opener.click();
        await page.locator("main .details").waitFor();
      }
      const file = path.join(directory, `${services}-${name}-${each}.png`);
      await page.screenshot({ path: file, fullPage: services <= 8 });
    }
  }
  for (const server of servers) await server.stop(true);
}

fs.rmSync(directory, { recursive: true, force: true });
fs.mkdirSync(directory, { recursive: true });
const browser = await launch();
for (const services of [0, 8, 500]) await shoot(browser, services);
await browser.close();
console.log(`${fs.readdirSync(directory).length} pictures in ${directory}`);
process.exit();
