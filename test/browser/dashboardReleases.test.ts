// Releasing on the page of services: done at once and without a question, because it can be taken back as it was.

import { beforeAll, describe, expect, test } from "bun:test";
import { eventually, serverOn } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { factOf, noticeOf, rowOf, type Window } from "./window.ts";

const { home, open } = setUp();

describe.skipIf(!isInstalled)("a release on the page", () => {
  let window: Window;
  beforeAll(async () => {
    window = await open("#/services");
  });

  async function claim(id: string, ...flags: string[]): Promise<number> {
    const { port } = await home.json(["claim", id, ...flags]);
    await rowOf(window.page, id).waitFor();
    return port;
  }

  /** Everything that a claim was made with. */
  async function claimed(id: string): Promise<Record<string, unknown>> {
    const { port, pid, agent, cmd, cwd, urls, health, metadata } = await home.service(id);
    return { port, pid, agent, cmd, cwd, urls, health, metadata };
  }

  /** Presses Release, and returns when the row is gone. */
  async function release(id: string): Promise<void> {
    const { page } = window;
    await page.getByRole("button", { name: `Release ${id}`, exact: true }).click();
    await rowOf(page, id).waitFor({ state: "detached" });
    expect(await home.service(id)).toBeUndefined();
  }

  /** Presses Undo, and returns when the row is back. */
  async function undo(id: string): Promise<void> {
    const { page } = window;
    await noticeOf(page, `Released ${id} (`).getByRole("button", { name: "Undo" }).click();
    await rowOf(page, id).waitFor();
    await noticeOf(page, `Claimed ${id} again`).waitFor();
  }

  /** A claim that has everything a claim may have. */
  async function claimWhole(id: string): Promise<number> {
    const cwd = home.makeDirectory(id.replace(":", "/"));
    const said = ["--agent", "builder", "--cmd", "npm run dev -- --open", "--cwd", cwd];
    const kept = [
      "--health",
      "/health?deep=1",
      "--metadata",
      '{"branch":"feature/ü","n":[1,null]}',
    ];
    const lives = ["--pid", String(process.pid), "--expires", "2h"];
    const port = await claim(id, ...said, ...kept, ...lives);
    await home.run(["url", id, "-e", "tunnel", "--set", `https://${port}.example.com/a?b=c`]);
    await home.run(["url", id, "-e", "dev", "--set", "ws://dev.example.com/"]);
    // Its own page has been told of everything.
    await window.page.getByRole("button", { name: id, exact: true }).click();
    await factOf(window.page, "URLs").getByText("ws://dev.example.com/").waitFor();
    return port;
  }

  test("takes the row away when the daemon's event says so, and not before", async () => {
    const { page } = window;
    await claim("slow:api");
    // Answers in the daemon's place: it was never asked, so it tells of nothing.
    await page.route("**/release/**", (route) =>
      route.fulfill({ json: { released: 1, services: [], dryRun: false } }),
    );
    await page.getByRole("button", { name: "Release slow:api" }).click();
    await noticeOf(page, "Released slow:api").waitFor();
    expect(await rowOf(page, "slow:api").count()).toBe(1);
    await page.unroute("**/release/**");
    await home.run(["release", "slow:api"]);
    await rowOf(page, "slow:api").waitFor({ state: "detached" });
  });

  test("is logged with the dashboard as who did it", async () => {
    await claim("logged:api");
    await release("logged:api");
    await undo("logged:api");
    const { entries } = await home.json(["log", "--target", "logged:api"]);
    expect(entries.map(({ action, actor }: any) => `${action} ${actor}`).slice(0, 2)).toEqual([
      "claim dashboard",
      "release dashboard",
    ]);
  });

  test("is taken back with everything that the claim had", async () => {
    await claimWhole("whole:api");
    const before = await claimed("whole:api");
    expect(before).toMatchObject({
      ...{ agent: "builder", cmd: "npm run dev -- --open", health: "/health?deep=1" },
      ...{ pid: process.pid, metadata: { branch: "feature/ü", n: [1, null] } },
    });
    expect(Object.keys(before["urls"] as object).sort()).toEqual(["dev", "local", "tunnel"]);
    const { expiresAt } = await home.service("whole:api");
    await release("whole:api");
    await undo("whole:api");
    expect(await claimed("whole:api")).toEqual(before);
    // It ends when it would have ended: what is left was reckoned by two clocks, so not to the millisecond.
    const again = (await home.service("whole:api")).expiresAt;
    expect(Math.abs(again - expiresAt)).toBeLessThan(30_000);
    await rowOf(window.page, "whole:api").getByText("builder").waitFor();
    await rowOf(window.page, "whole:api").getByText("left").waitFor();
  });

  test("is taken back from under its own server, which goes on", async () => {
    const { page } = window;
    const port = await claimWhole("busy:api");
    const row = rowOf(page, "busy:api");
    const server = home.start(serverOn(port), { cwd: home.makeDirectory("busy/api") });
    await row.getByText("running").waitFor();
    const before = await claimed("busy:api");
    await release("busy:api");
    await undo("busy:api");
    expect(await claimed("busy:api")).toEqual(before);
    await row.getByText("running").waitFor();
    await factOf(page, "Who listens").getByText(`process ${server.pid} (`).waitFor();
    expect(await factOf(page, "Who listens").innerText()).not.toContain("stranger");
    expect(server.exitCode).toBeNull();
  });

  test("that is taken back still sees its server end, however soon that is", async () => {
    const port = await claim("ending:api");
    const row = rowOf(window.page, "ending:api");
    const server = home.start(serverOn(port));
    await row.getByText("running").waitFor();
    await release("ending:api");
    await undo("ending:api");
    await home.kill(server.pid);
    await row.getByText("stopped").waitFor();
  });

  test("is taken back with its server, also where that runs in another directory than it", async () => {
    const cwd = home.makeDirectory("apart/app");
    const { port } = await home.json(["claim", "apart:api"], { cwd });
    const row = rowOf(window.page, "apart:api");
    // Its own because whoever claimed has started it.
    home.start(serverOn(port), { cwd: home.makeDirectory("apart/elsewhere") });
    await row.getByText("running").waitFor();
    await release("apart:api");
    await undo("apart:api");
    await eventually("it is seen", async () => (await home.service("apart:api")).listener);
    const { status, listener } = await home.service("apart:api");
    expect([status, listener.stranger]).toEqual(["running", false]);
  });

  test("that another was faster with says so, and offers nothing to take back", async () => {
    const { page } = window;
    const port = await claim("raced:api");
    await page.route("**/release/**", async (route) => {
      await home.run(["release", "raced:api"]);
      await route.continue();
    });
    await page.getByRole("button", { name: "Release raced:api" }).click();
    const notice = noticeOf(page, `raced:api holds port ${port} no more`);
    await notice.waitFor();
    await page.unroute("**/release/**");
    expect(await notice.innerText()).toStartWith("Not done.");
    expect(await notice.getByRole("button", { name: "Undo" }).count()).toBe(0);
    expect(await home.history("raced:api")).toEqual(["claim", "release"]);
  });

  test("frees nothing that has meanwhile moved to another port", async () => {
    const { page } = window;
    const port = await claim("moved:api");
    await page.route("**/release/**", async (route) => {
      await home.run(["claim", "moved:api", "--port", String(home.range.end)]);
      await route.continue();
    });
    await page.getByRole("button", { name: "Release moved:api" }).click();
    await noticeOf(page, `moved:api holds port ${port} no more`).waitFor();
    await page.unroute("**/release/**");
    expect(await home.service("moved:api")).toMatchObject({ port: home.range.end });
  });

  test("cannot be taken back once another has the port, and that other is named", async () => {
    const { page } = window;
    const port = await claim("late:api");
    await release("late:api");
    await claim("quick:api", "--port", String(port));
    await noticeOf(page, "Released late:api").getByRole("button", { name: "Undo" }).click();
    const notice = page.locator(".notice.failed").filter({ hasText: "quick:api" });
    await notice.waitFor();
    expect(await notice.innerText()).toContain(String(port));
    expect(await home.service("late:api")).toBeUndefined();
    expect(await home.service("quick:api")).toMatchObject({ port });
  });
});
