// The page of services: what the command line does appears there by itself, and what is done there can be taken back.

import { describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, Home, serverOn } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { expectNoComplaints, factOf, noticeOf, rowOf, type Window } from "./window.ts";

/** A server that answers `ok` under /fine and is ill elsewhere. */
function illServerOn(port: number): string[] {
  const answer = `({ url }) => new Response("ok", { status: url.endsWith("/fine") ? 200 : 503 })`;
  const options = `{ hostname: "127.0.0.1", port: ${port}, fetch: ${answer} }`;
  return [process.execPath, "-e", `Bun.serve(${options})`];
}

/** What the first cells of each row say, as they are shown. */
function identities(page: Page): Promise<string[]> {
  return page.getByRole("table", { name: "Services" }).getByRole("rowheader").allInnerTexts();
}

const { home, open } = setUp();

describe.skipIf(!isInstalled)("the page of services", () => {
  const claim = async (id: string, ...flags: string[]): Promise<number> =>
    (await home.json(["claim", id, ...flags])).port;

  /** Starts a server in the directory of the claims, and returns when the page shows it. */
  async function serve({ page }: Window, id: string, command: string[]) {
    const server = home.start(command);
    await rowOf(page, id).getByText("running").waitFor();
    return server;
  }

  test("with nothing on it teaches a command to copy, which does what it says at once", async () => {
    await using empty = new Home();
    await empty.json(["start"]);
    const permissions = ["clipboard-read", "clipboard-write"];
    await using window = await open("#/services", { permissions }, empty);
    const { page } = window;
    await page.getByText("No port is claimed yet.").waitFor();
    expect(await page.getByRole("table").count()).toBe(0);
    await page.getByRole("button", { name: "Copy port-daddy claim myapp:api" }).click();
    await noticeOf(page, "Copied port-daddy claim myapp:api").waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe("port-daddy claim myapp:api");

    await page.evaluate(() => void Object.assign(globalThis, { isSamePage: true }));
    expect((await empty.shell(copied)).code).toBe(0);
    await rowOf(page, "myapp:api").waitFor();
    const { port } = await empty.service("myapp:api");
    expect(await rowOf(page, "myapp:api").innerText()).toContain(String(port));
    expect(await page.getByText("No port is claimed yet.").count()).toBe(0);
    expect(await page.evaluate("isSamePage")).toBe(true);
    expectNoComplaints(window);
  });

  test("shows a server that starts, with its command, and that it has stopped", async () => {
    await using window = await open("#/services");
    const port = await claim("served:api");
    const row = rowOf(window.page, "served:api");
    await row.getByText("assigned").waitFor();
    const server = await serve(window, "served:api", serverOn(port));
    await row.getByText(serverOn(port).at(-1)!).waitFor();
    await row.getByRole("button", { name: "served:api", exact: true }).click();
    await factOf(window.page, "Who listens").getByText(`process ${server.pid} (`).waitFor();
    await home.kill(server.pid);
    await row.getByText("stopped").waitFor();
    await factOf(window.page, "Who listens").waitFor({ state: "detached" });
    expectNoComplaints(window);
  });

  test("calls a stranger one, and does not call the claim running for it", async () => {
    await using window = await open("#/services");
    const { page } = window;
    const app = home.makeDirectory("taken/app");
    const { port } = await home.json(["claim", "taken:api"], { cwd: app });
    const cwd = home.makeDirectory("taken/elsewhere");
    const pid = await home.startUnrelated(serverOn(port), { cwd });
    const row = rowOf(page, "taken:api");
    await row.locator(".badge").getByText("stranger").waitFor();
    expect(await row.getByText("running").count()).toBe(0);
    await row.getByRole("button", { name: "taken:api", exact: true }).click();
    const who = await factOf(page, "Who listens").innerText();
    expect(who).toStartWith("A stranger has this port.");
    expect(who).toContain(`process ${pid}`);
    expect(who).toContain(cwd);
    await home.kill(pid);
    await row.getByText("assigned").waitFor();
  });

  test("is narrowed by words, by a pattern and by status, and says how much is left out", async () => {
    await using window = await open("#/services?q=sift");
    const { page } = window;
    const port = await claim("sift:api:main", "--agent", "Sieve-1");
    await home.run(["claim", "sift:web", "sift:api", "sift2:api"]);
    const all = ["sift:api", "sift:api:main", "sift:web", "sift2:api"];
    const filter = page.getByRole("searchbox");
    const isShown = (expected: string[]) =>
      eventually(`${expected} are shown`, async () =>
        Bun.deepEquals(await identities(page), expected),
      );
    await isShown(all);
    for (const [words, expected] of [
      ["sift api", ["sift:api", "sift:api:main", "sift2:api"]],
      ["API main sift", ["sift:api:main"]],
      ["sift:*", ["sift:api", "sift:api:main", "sift:web"]],
      ["sift*:api", ["sift:api", "sift2:api"]],
      ["sift:*:main", ["sift:api:main"]],
      ["sieve-1", ["sift:api:main"]],
      [`sift ${port}`, ["sift:api:main"]],
    ] as const) {
      await filter.fill(words);
      await isShown([...expected]);
    }
    // Claims of other tests, whose servers have stopped, end meanwhile.
    await eventually("it says of how many", async () => {
      const { count } = await home.json(["find"]);
      return page.getByText(`1 of ${count} services`).isVisible();
    });
    await filter.fill("sift nowhere");
    await page.getByText("No service matches this filter.").waitFor();

    await filter.fill("sift");
    await isShown(all);
    const status = page.getByRole("combobox", { name: "Status" });
    await status.selectOption("running");
    await page.getByText("No service matches this filter.").waitFor();
    const server = home.start(serverOn(port));
    await isShown(["sift:api:main"]);
    await home.kill(server.pid);
    await page.getByText("No service matches this filter.").waitFor();
    await status.selectOption("stopped");
    await isShown(["sift:api:main"]);
    await status.selectOption("assigned");
    await isShown(["sift:api", "sift:web", "sift2:api"]);
  }, 60_000);

  test("checks a service's health when asked to, and says why it is not healthy", async () => {
    await using window = await open("#/services?open=ill:api");
    const { page } = window;
    const port = await claim("ill:api", "--health", "/fine");
    const health = factOf(page, "Health");
    const check = health.getByRole("button", { name: "Check" });
    await check.click();
    // Chromium repeats by itself what was answered with a 408, up to as often as it has connections.
    await health.getByText(`nothing listens on port ${port}`).waitFor({ timeout: 25_000 });
    const server = await serve(window, "ill:api", illServerOn(port));
    await check.click();
    await health.getByText(/^healthy, answered within \d+ ms$/).waitFor();
    await home.run(["claim", "ill:api", "--health", "/ill"]);
    await health.getByText("/ill").waitFor();
    await check.click();
    await health.getByText("503").waitFor({ timeout: 25_000 });
    await home.kill(server.pid);
    expectNoComplaints(window);
  }, 60_000);

  test("opens the service itself in a window that knows nothing of this one", async () => {
    await using window = await open("#/services?open=linked:web");
    const { page } = window;
    const port = await claim("linked:web");
    await home.run(["url", "linked:web", "-e", "tunnel", "--set", "https://linked.example.com/a"]);
    const links = [
      ["Open linked:web", `http://localhost:${port}`],
      [`http://localhost:${port}`, `http://localhost:${port}`],
      ["https://linked.example.com/a", "https://linked.example.com/a"],
    ] as const;
    for (const [name, href] of links) {
      const link = page.getByRole("link", { name, exact: true });
      await link.waitFor();
      expect(await link.getAttribute("href")).toBe(href);
      expect((await link.getAttribute("rel"))!.split(" ")).toContain("noopener");
      expect(await link.getAttribute("target")).toBe("_blank");
    }
    home.start(serverOn(port));
    await rowOf(page, "linked:web").getByText("running").waitFor();
    const [opened] = await Promise.all([
      page.waitForEvent("popup"),
      page.getByRole("link", { name: "Open linked:web" }).click(),
    ]);
    await opened.getByText("ok").waitFor();
    expect(opened.url()).toBe(`http://localhost:${port}/`);
    expect(await opened.evaluate("opener")).toBeNull();
    await home.run(["url", "linked:web", "-e", "tunnel", "--unset"]);
    await page.getByRole("link", { name: links[2][0] }).waitFor({ state: "detached" });
  });

  test("shows the same in two windows, whichever of them something is done in", async () => {
    await using one = await open("#/services");
    await using other = await open("#/services?open=both:api");
    await claim("both:api");
    for (const { page } of [one, other]) await rowOf(page, "both:api").waitFor();
    await one.page.getByRole("button", { name: "Release both:api" }).click();
    for (const { page } of [one, other])
      await rowOf(page, "both:api").waitFor({ state: "detached" });
    expect(await other.page.locator(".notice").count()).toBe(0);
    await noticeOf(one.page, "Released both:api").getByRole("button", { name: "Undo" }).click();
    for (const { page } of [one, other]) await rowOf(page, "both:api").waitFor();
    expect(await identities(one.page)).toEqual(await identities(other.page));
    // What is opened is each window's own.
    expect(await factOf(one.page, "Health").count()).toBe(0);
    expect(await factOf(other.page, "Health").count()).toBe(1);
  });
});
