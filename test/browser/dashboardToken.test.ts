// What the dashboard of a daemon with a token shows to browsers that were let in, and to those that were not.

import { beforeAll, describe, expect, test } from "bun:test";
import { pages } from "../../dashboard/route.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { overhear, waitMs } from "./window.ts";

const { home, newContext } = setUp({ PORT_DADDY_TOKEN: "the-token-of-this-test-4711" });

describe.skipIf(!isInstalled)("where a token is set", () => {
  beforeAll(() => home.run(["claim", "precious:one"]));

  const entrance = async () => (await home.run(["dashboard", "--no-open"])).out.trim();

  test("the URL that the command prints lets one window in, once", async () => {
    const url = await entrance();
    expect(url).toContain("/enter?key=");
    await using context = await newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(waitMs);
    await page.goto(url);
    await page.locator(".light.live").waitFor();
    expect(page.url()).not.toContain("key");
    await page.goto(new URL("/#/services", page.url()).href);
    await page.getByRole("button", { name: "precious:one", exact: true }).waitFor();
    await home.run(["claim", "precious:two"]);
    await page.getByRole("button", { name: "precious:two", exact: true }).waitFor();

    await using other = await newContext();
    const late = await other.newPage();
    expect((await late.goto(url))!.status()).toBe(401);
    expect(await other.cookies()).toEqual([]);
  });

  test("a window without a session says what to do, knows nothing, and lives as soon as it is let in", async () => {
    const url = await entrance();
    await using context = await newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(waitMs);
    const told = await overhear(page);
    const answered: string[] = [];
    page.on("response", async (response) => {
      const { pathname } = new URL(response.url());
      if (response.ok()) answered.push(pathname);
    });
    await page.goto(new URL("/#/services", url).href);
    await page.evaluate(() => void Object.assign(globalThis, { __mark: "the same page" }));
    const bar = page.getByRole("alert");
    await bar.getByText("This daemon asks for a token.").waitFor();
    await bar.getByText("port-daddy dashboard", { exact: true }).waitFor();
    await page.locator(".light.refused").waitFor();
    for (const name of pages) {
      await page.getByRole("navigation").getByRole("link", { name }).click();
      expect(await page.content()).not.toContain("precious");
    }
    expect(told).toEqual([]);
    expect(answered.filter((path) => path !== "/" && !path.startsWith("/assets/"))).toEqual([]);

    const other = await context.newPage();
    await other.goto(url);
    await other.locator(".light.live").waitFor();
    await page.locator(".light.live").waitFor();
    await page.getByRole("navigation").getByRole("link", { name: "services" }).click();
    await page.getByRole("button", { name: "precious:one", exact: true }).waitFor();
    expect(await bar.count()).toBe(0);
    expect(await page.evaluate(() => "__mark" in globalThis)).toBeTrue();
  });

  test("a session that the daemon forgot when it was restarted is asked for again", async () => {
    await using context = await newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(waitMs);
    await page.goto(await entrance());
    await page.locator(".light.live").waitFor();
    const { port } = new URL(page.url());
    await home.run(["stop"]);
    await page.locator(".light.away").waitFor();
    await home.run(["start"], { env: { PORT_DADDY_PORT: port } });
    await page.getByRole("alert").getByText("port-daddy dashboard", { exact: true }).waitFor();
  });
});
