// The page of agents: who is there, when each was heard from, what it holds of what it may, and how it is let go.

import { describe, expect, test } from "bun:test";
import { eventually } from "../home.ts";
import { isInstalled } from "./chromium.ts";
import { setUp } from "./fixture.ts";
import { cellOf, expectNoComplaints, factOf, noticeOf, rowOf } from "./window.ts";

const { home, open } = setUp();

describe.skipIf(!isInstalled)("the page of agents", () => {
  /** Registers an agent with claims and locks of its own. */
  async function register(id: string, holds: { services: string[]; locks: string[] }) {
    await home.json(["agent", "register", id, "--max-services", "3", "--max-locks", "2"]);
    await home.json(["claim", ...holds.services, "--agent", id]);
    const env = { PORT_DADDY_AGENT: id };
    for (const name of holds.locks) await home.json(["lock", name], { env });
  }

  const heldBy = async (id: string) =>
    (await home.json(["find"])).services
      .filter(({ agent }: any) => agent === id)
      .map(({ id }: any) => id);

  test("with nothing on it teaches a command, and shows an agent as soon as it runs", async () => {
    await using window = await open("#/agents");
    const { page } = window;
    await page.getByText("port-daddy agent run builder -- npm run dev", { exact: true }).waitFor();
    const said = ["--type", "claude", "--name", "The first"];
    const agent = home.spawn(["agent", "run", "first", ...said, "--", "sleep", "1000"]);
    await cellOf(page, "first · The first", "Type").getByText("claude").waitFor();
    await cellOf(page, "first · The first", "Status").getByText("active").waitFor();
    agent.kill("SIGTERM");
    await rowOf(page, "first · The first").waitFor({ state: "detached" });
    expectNoComplaints(window);
  });

  test("shows what an agent holds against what it may, as that changes", async () => {
    await using window = await open("#/agents?open=limited");
    const { page } = window;
    await register("limited", { services: ["l:a", "l:b"], locks: ["l-lock"] });
    await cellOf(page, "limited", "Services").getByText("2 / 3").waitFor();
    await cellOf(page, "limited", "Locks").getByText("1 / 2").waitFor();
    const meter = page.getByRole("meter", { name: "2 of 3 services" });
    expect([await meter.getAttribute("value"), await meter.getAttribute("max")]).toEqual([
      "2",
      "3",
    ]);
    expect(await factOf(page, "Services").getByRole("link").allInnerTexts()).toEqual([
      "l:a",
      "l:b",
    ]);
    await home.run(["claim", "l:c", "--agent", "limited"]);
    await home.run(["release", "l:a"]);
    await cellOf(page, "limited", "Services").getByText("2 / 3").waitFor();
    await eventually("the names follow", async () =>
      Bun.deepEquals(await factOf(page, "Services").getByRole("link").allInnerTexts(), [
        "l:b",
        "l:c",
      ]),
    );
    await factOf(page, "Locks").getByRole("link", { name: "l-lock" }).click();
    await rowOf(page, "l-lock").waitFor();
    expect(page.url()).toEndWith("#/locks?open=l-lock");
  });

  test("shows how long ago an agent was heard from, which grows until it is heard again", async () => {
    await using window = await open("#/agents");
    const { page } = window;
    // By HTTP: the command line always names the process that an agent lives with, which is heard from by itself.
    await home.fetch("/agents/quiet", { method: "POST", body: "{}" });
    const heartbeat = cellOf(page, "quiet", "Heartbeat").getByRole("time");
    await heartbeat.getByText(/^([2-9]|\d\d)s ago$/).waitFor();
    const told = await heartbeat.getAttribute("datetime");
    await home.run(["agent", "heartbeat", "quiet"]);
    await eventually("the page knows", async () => {
      const { lastHeartbeatAt } = (await (await home.fetch("/agents/quiet")).json()) as any;
      const shown = await heartbeat.getAttribute("datetime");
      return shown !== told && shown === new Date(lastHeartbeatAt).toISOString();
    });
  });

  test("marks an agent that has died as stale, which then holds nothing", async () => {
    await using window = await open("#/agents");
    const { page } = window;
    const body = home.start(["sleep", "1000"]);
    await home.json(["agent", "register", "ghost", "--pid", String(body.pid)]);
    await home.json(["claim", "ghost:api", "--agent", "ghost"]);
    await cellOf(page, "ghost", "Services").getByText("1 / 50").waitFor();
    await page.getByRole("combobox", { name: "Status" }).selectOption("stale");
    await page.getByText("No agent matches this filter.").waitFor();
    await home.kill(body.pid);
    await cellOf(page, "ghost", "Status").getByText("stale").waitFor();
    await cellOf(page, "ghost", "Services").getByText("0 / 50").waitFor();
    await page.getByRole("combobox", { name: "Status" }).selectOption("active");
    await rowOf(page, "ghost").waitFor({ state: "detached" });
    expect(await home.history("ghost:api")).toEqual(["claim", "cleanup: agent_stale"]);
  });

  test("unregisters an agent only after a question that says what goes with it, and nothing else", async () => {
    await using window = await open("#/agents");
    const { page } = window;
    await register("leaving", { services: ["go:a", "go:b"], locks: ["go-lock"] });
    await register("staying", { services: ["stay:a"], locks: ["stay-lock"] });
    await home.json(["claim", "go:c"]);
    await cellOf(page, "staying", "Locks").getByText("1 / 2").waitFor();
    const unregister = page.getByRole("button", { name: "Unregister leaving", exact: true });
    const dialog = page.getByRole("dialog");

    for (const leave of [
      () => dialog.getByRole("button", { name: "Cancel" }).click(),
      () => page.keyboard.press("Escape"),
    ]) {
      await unregister.click();
      await dialog.getByRole("heading", { name: "Unregister the agent leaving?" }).waitFor();
      await dialog.getByText("2 services and 1 lock").waitFor();
      await leave();
      await dialog.waitFor({ state: "detached" });
    }
    expect(await heldBy("leaving")).toEqual(["go:a", "go:b"]);
    expect(await home.history("leaving")).toEqual(["agent_register"]);

    await unregister.click();
    await dialog.getByRole("button", { name: "Unregister" }).click();
    await rowOf(page, "leaving").waitFor({ state: "detached" });
    await noticeOf(page, "Unregistered leaving").waitFor();
    expect(await heldBy("leaving")).toEqual([]);
    expect(await heldBy("staying")).toEqual(["stay:a"]);
    expect(await home.service("go:c")).toBeDefined();
    const { locks } = await home.json(["locks"]);
    expect(locks.map(({ name }: any) => name)).toEqual(expect.arrayContaining(["stay-lock"]));
    expect(locks.map(({ name }: any) => name)).not.toContain("go-lock");
    await page.keyboard.press("2");
    await rowOf(page, "stay:a").waitFor();
    await rowOf(page, "go:a").waitFor({ state: "detached" });
    expectNoComplaints(window);
  });
});
