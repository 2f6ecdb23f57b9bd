// A port that somebody else took between the claim and the start: shown as such, and no reason to do anything.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as path from "node:path";
import { eventually, Home, isGone, serverOn } from "../home.ts";

let home: Home;
beforeAll(() => {
  home = new Home({ PORT_DADDY_GRACE: "1500ms" });
});
afterAll(() => home[Symbol.asyncDispose]());

async function find(id: string): Promise<any> {
  return (await home.json(["find", id])).services[0];
}

/** What is shown of the claim's listener once there is one. */
async function listenerOf(id: string): Promise<any> {
  await eventually("somebody listens", async () => (await home.service(id))?.listener);
  const { status, listener } = await find(id);
  return { status, pid: listener.pid, stranger: listener.stranger };
}

async function killed(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await isGone(pid);
}

describe.concurrent("a stranger on a claimed port", () => {
  test("is shown as one by find and who, starts nothing and ends nothing", async () => {
    const [id, other] = ["taken:api", "taken:witness"];
    const cwd = home.makeDirectory("taken/app");
    const elsewhere = home.makeDirectory("taken/elsewhere");
    const { port } = await home.json(["claim", id], { cwd });
    const pid = await home.startUnrelated(serverOn(port), { cwd: elsewhere });

    expect(await listenerOf(id)).toEqual({ status: "assigned", pid, stranger: true });
    const report = await home.json(["who", String(port)]);
    expect(report).toMatchObject({
      service: { id, status: "assigned", listener: { pid, stranger: true } },
      listeners: [{ pid, cwd: elsewhere, stranger: true }],
    });
    const { code, out } = await home.run(["who", String(port)]);
    expect(code).toBe(0);
    expect(out).toContain(`port ${port} is claimed by ${id} since `);
    expect(out).toContain(`  a stranger listens: process ${pid} (`);
    expect(out).toContain(", in ~/taken/elsewhere, since ");
    expect((await home.run(["find", id])).out).toMatch(
      new RegExp(`^${id} +${port} +assigned +stranger: ${pid} `, "m"),
    );
    expect((await home.json(["find", id, "--status", "running"])).count).toBe(0);

    // A server of the claim's own, started and ended meanwhile, shows that the daemon has looked.
    const witness = await home.json(["claim", other], { cwd });
    const own = home.start(serverOn(witness.port), { cwd });
    await eventually("it is seen", async () =>
      (await home.history(other)).includes("service_start"),
    );
    await killed(own.pid);
    await killed(pid);
    await eventually("it is freed", async () => !(await home.service(other)));
    expect(await find(id)).toMatchObject({ status: "assigned", port, listener: null });
    expect(await home.history(id)).toEqual(["claim"]);
  });

  test("does not stand in for the server that has stopped", async () => {
    const id = "usurped:api";
    const cwd = home.makeDirectory("usurped/app");
    const { port } = await home.json(["claim", id], { cwd });
    const own = home.start(serverOn(port), { cwd });
    await eventually("it is seen", async () => (await home.history(id)).includes("service_start"));
    await killed(own.pid);
    const pid = await home.startUnrelated(serverOn(port), {
      cwd: home.makeDirectory("usurped/elsewhere"),
    });
    await eventually("it listens", async () => (await home.service(id)).listener?.pid === pid);
    expect(await listenerOf(id)).toEqual({ status: "stopped", pid, stranger: true });
    await killed(pid);
  });

  test("is nobody's where the port is not claimed", async () => {
    const { port } = await home.json(["claim", "given:back"]);
    await home.run(["release", "given:back"]);
    const pid = await home.startUnrelated(serverOn(port), { cwd: home.makeDirectory("given") });
    await eventually("it listens", async () => (await home.run(["who", `${port}`])).code === 0);
    const { out } = await home.run(["who", String(port)]);
    expect(out).toStartWith(`nobody has claimed port ${port}\n  listening: process ${pid} (`);
    expect(await home.run(["who", String(port), "-q"])).toMatchObject({ out: `${pid}\n` });
    await killed(pid);
  });
});

describe.concurrent("not a stranger is a server", () => {
  const places: [string, string, string][] = [
    ["in the claim's directory", "own/app", "own/app"],
    ["below it", "below/app", "below/app/packages/api"],
    ["above it", "above/app/packages/api", "above/app"],
    ["elsewhere in the same repository", "repository/web", "repository/api"],
  ];
  test.each(places)("%s", async (_, claimed, served) => {
    const id = `kin:${path.dirname(claimed).replaceAll("/", "-")}`;
    const cwd = home.makeDirectory(claimed);
    home.makeDirectory("repository/.git");
    const { port } = await home.json(["claim", id], { cwd });
    const pid = await home.startUnrelated(serverOn(port), { cwd: home.makeDirectory(served) });
    expect(await listenerOf(id)).toEqual({ status: "running", pid, stranger: false });
    await killed(pid);
  });

  test("anywhere that comes from the process that claimed", async () => {
    const id = "kin:child";
    const { port } = await home.json(["claim", id], { cwd: home.makeDirectory("child/app") });
    const { pid } = home.start(serverOn(port), { cwd: home.makeDirectory("child/elsewhere") });
    expect(await listenerOf(id)).toEqual({ status: "running", pid, stranger: false });
    await killed(pid);
  });
});
