// `sub` and `log --follow`, which go on until told otherwise: through a daemon that goes away, and not past their reader.

import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as path from "node:path";
import { eventually, Home } from "../home.ts";
import { linesOf } from "../reading.ts";

/** Starts a command that goes on, and returns when the daemon has one stream more. */
async function follow(home: Home, args: string[], env: Record<string, string> = {}) {
  const before = await streams(home);
  const child = home.spawn(args, { env });
  const following = { child, out: linesOf(child.stdout), err: linesOf(child.stderr) };
  await eventually(`'${args.join(" ")}' is connected`, async () => (await streams(home)) > before);
  return following;
}

/** How many streams are open; none where no daemon answers. */
async function streams(home: Home): Promise<number> {
  try {
    return ((await (await home.fetch("/health")).json()) as { subscribers: number }).subscribers;
  } catch {
    return 0;
  }
}

/** Publishes and returns the id; `undefined` where nothing was acknowledged. */
async function publish(home: Home, channel: string, payload: unknown): Promise<number | undefined> {
  try {
    const body = JSON.stringify({ payload });
    const response = await home.fetch(`/msg/${channel}`, { method: "POST", body });
    return response.ok ? ((await response.json()) as { id: number }).id : undefined;
  } catch {
    return undefined;
  }
}

/** A daemon whose TCP port is the same after a restart. */
function withPort(): { home: Home; url: string } {
  const settings: Record<string, string> = {};
  const home = new Home(settings);
  const port = home.range.end;
  settings["PORT_DADDY_PORT"] = String(port);
  return { home, url: `http://127.0.0.1:${port}` };
}

const away = "the daemon is away; waiting for it";
const back = "the daemon is back";

describe.each(["socket", "TCP"])("over %s", (transport) => {
  test("through restarts and crashes a sub prints every message once, in order", async () => {
    const { home, url } = withPort();
    await using _ = home;
    await home.run(["start"]);
    const env: Record<string, string> = transport === "TCP" ? { PORT_DADDY_URL: url } : {};
    const sub = await follow(home, ["sub", "storm:*", "-j", "--envelope"], env);

    const acknowledged: number[] = [];
    let isOver = false;
    const publisher = (async () => {
      for (let i = 0; !isOver; i++) {
        const id = await publish(home, `storm:${i % 3}`, i);
        if (id !== undefined) acknowledged.push(id);
        await Bun.sleep(5); // All of it must fit into one page of what is stored.
      }
    })();
    for (const isCrash of [false, true, false, true]) {
      const seen = acknowledged.length;
      await eventually("more is published", () => acknowledged.length > seen + 20);
      if (isCrash) await home.kill((await home.daemonPid())!);
      expect((await home.run([isCrash ? "start" : "restart"])).code).toBe(0);
      await eventually("the sub is back", () => sub.err.at(-1) === back);
      sub.err.push("");
    }
    isOver = true;
    await publisher;
    const last = await publish(home, "storm:end", "end");
    const idsOf = (lines: string[]) => lines.map((line) => JSON.parse(line).id as number);
    await eventually("the last has come", () => idsOf(sub.out).includes(last!));

    const { messages } = (await (await home.fetch("/msg/storm:*?limit=1000")).json()) as any;
    const stored = messages.map(({ id }: { id: number }) => id);
    expect(acknowledged.filter((id) => !stored.includes(id))).toEqual([]);
    expect(idsOf(sub.out)).toEqual(stored);
    expect(sub.err.filter((line) => line !== "")).toEqual(Array(4).fill([away, back]).flat());
  });
});

describe("a sub", () => {
  test("that has seen nothing yet misses nothing of what comes while it is away", async () => {
    await using home = new Home();
    await home.run(["start"]);
    await publish(home, "quiet", "old");
    const sub = await follow(home, ["sub", "quiet", "-q"]);
    await home.kill((await home.daemonPid())!);
    // Whoever is first after the crash publishes before anybody can have subscribed.
    expect((await home.run(["pub", "quiet", "new"])).code).toBe(0);
    await eventually("it has come", () => sub.out.length > 0);
    expect(sub.out).toEqual(["new"]);
    expect(sub.err).toEqual([]); // -q: no narration.
  });

  test.each([
    ["answered", ""],
    ["said a word", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"],
  ])("whose daemon dies before it has %s goes on from where it began", async (_, last) => {
    await using home = new Home();
    const asked: string[] = [];
    await using daemon = http.createServer(({ url, socket }, answer) => {
      asked.push(url!);
      if (url === "/health") answer.end(JSON.stringify({ lastMessage: 7 }));
      else if (asked.length === 2) socket.end(last);
      else answer.end(`id: 8\ndata: ${JSON.stringify({ payload: "new" })}\n\n`);
    });
    await once(daemon.listen(0, "127.0.0.1"), "listening");
    const env = { PORT_DADDY_URL: `http://127.0.0.1:${(daemon.address() as AddressInfo).port}` };
    const sub = await home.run(["sub", "quiet", "-q", "--count", "1"], { env });
    expect(sub).toEqual({ code: 0, out: "new\n", err: "" });
    expect(asked).toEqual(["/health", ...Array(2).fill("/subscribe/quiet?after=7")]);
  });

  test("says on a terminal that it has subscribed once it has, and not where it is refused", async () => {
    await using home = new Home();
    let asked = 0;
    await using daemon = http.createServer(({ url }, answer) => {
      if (url === "/health") answer.end(JSON.stringify({ lastMessage: 7 }));
      else if (++asked === 1) answer.end(`id: 8\ndata: ${JSON.stringify({ payload: "new" })}\n\n`);
      else answer.writeHead(400).end(JSON.stringify({ code: "invalid_input", error: "not here" }));
    });
    await once(daemon.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(daemon.address() as AddressInfo).port}`;
    const seen = () =>
      home.onTerminal(`PORT_DADDY_URL=${url} port-daddy sub quiet --envelope --count 1`);
    const subscribed = 'subscribed to quiet; Ctrl-C ends it\n{"payload":"new"}\n';
    expect((await seen()).out).toBe(subscribed);
    expect((await seen()).out).toBe("error: not here\n");
  });

  test("does not start a daemon that somebody has stopped, and ends by its timeout all the same", async () => {
    await using home = new Home();
    await home.run(["start"]);
    const patient = await follow(home, ["sub", "a"]);
    const hasty = await follow(home, ["sub", "a", "--timeout", "1500", "--count", "1"]);
    await home.run(["stop"]);
    await eventually("it says so", () => patient.err.includes(away));
    expect(await hasty.child.exited).toBe(6);
    expect(home.daemons()).toEqual([]);

    await home.run(["pub", "a", "new"]);
    await eventually("it has come", () => patient.out.length > 0);
    expect(patient.err).toEqual([away, back]);
  });

  test("that finds no daemon starts it; several that find none start one", async () => {
    await using home = new Home();
    const subs = [1, 2, 3].map(() => home.spawn(["sub", "first", "--count", "1", "-q"]));
    await eventually("all have subscribed", async () => (await streams(home)) === subs.length);
    expect(home.daemons()).toHaveLength(1);
    await publish(home, "first", "hello");
    for (const { stdout, exited } of subs)
      expect([await new Response(stdout).text(), await exited]).toEqual(["hello\n", 0]);
  });

  test("that may not start one fails with 7, and so does a pub", async () => {
    await using home = new Home();
    for (const env of [
      { PORT_DADDY_NO_AUTOSTART: "1" },
      { PORT_DADDY_URL: `http://127.0.0.1:${home.range.end}` },
    ]) {
      for (const args of [
        ["sub", "a"],
        ["pub", "a", "x"],
        ["log", "--follow"],
      ])
        expect(await home.run(args, { env })).toEqual({
          code: 7,
          out: "",
          err: expect.stringMatching(/^error: No daemon answers at /),
        });
    }
    expect(home.daemons()).toEqual([]);
  });
});

describe("what goes on ends with its reader", () => {
  test.each([
    ["sub a --after 0", "head -1", 2],
    ["sub a --after 0 -j --envelope", "head -1", 1],
    ["log --follow", "head -1", 1],
    // It has nothing to write that could tell it.
    ["sub idle", "true", 0],
    ["log --follow --target nobody", "true", 0],
  ])("%s | %s", async (command, reader, messages) => {
    await using home = new Home();
    await home.run(["start"]);
    for (let i = 0; i < messages; i++) await publish(home, "a", i);
    const { code, out, err } = await home.shell(`port-daddy ${command} | ${reader}`);
    expect({ code, err, lines: out.split("\n").length - 1 }).toEqual({
      code: 0,
      err: "",
      lines: reader === "true" ? 0 : 1,
    });
    await eventually("its stream is closed", async () => (await streams(home)) === 0);
  });

  test("also while the daemon is away", async () => {
    await using home = new Home();
    await home.run(["start"]);
    const gone = path.join(home.directory, "gone");
    const ended = home.shell(
      `port-daddy sub idle -q | while ! [ -e ${gone} ]; do sleep 0.05; done`,
    );
    await eventually("it has subscribed", async () => (await streams(home)) === 1);
    await home.run(["stop"]);
    fs.writeFileSync(gone, "");
    expect(await ended).toEqual({ code: 0, out: "", err: "" });
    expect(home.daemons()).toEqual([]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("and by %s, whether the daemon is there or not", async (signal, code) => {
    await using home = new Home();
    await home.run(["start"]);
    const commands = [
      ["sub", "a", "-q"],
      ["log", "--follow", "-q"],
    ];
    for (const args of commands) {
      const { child, out, err } = await follow(home, args);
      const seen = out.length;
      await publish(home, "a", "last words");
      await eventually("it is printed", () => out.length > seen);
      child.kill(signal);
      expect([await child.exited, err]).toEqual([code, []]);
      await eventually("its stream is closed", async () => (await streams(home)) === 0);
    }
    const { child, err } = await follow(home, ["sub", "a"]);
    await home.run(["stop"]);
    await eventually("it waits", () => err.includes(away));
    child.kill(signal);
    expect(await child.exited).toBe(code);
  });
});

describe("log --follow", () => {
  test("prints everything that has happened and happens, once and in order, across restarts", async () => {
    await using home = new Home();
    await home.run(["claim", "before"]);
    const log = await follow(home, ["log", "--follow", "-j"]);
    await home.run(["claim", "meanwhile"]);
    await home.run(["restart"]);
    await eventually("it is back", () => log.err.at(-1) === back);
    await home.kill((await home.daemonPid())!);
    await home.run(["release", "before"]);
    const { entries } = await home.json(["log", "--limit", "1000"]);
    await eventually("all of it has come", () => log.out.length >= entries.length);
    expect(log.out.map((line) => JSON.parse(line))).toEqual(entries.toReversed());
    expect(entries.map(({ action }: any) => action).toReversed()).toEqual([
      ...["daemon_start", "claim", "claim", "daemon_stop"],
      ...["daemon_start", "daemon_start", "release"],
    ]);
  });

  test("prints what its filters let through, also after a restart", async () => {
    await using home = new Home();
    await home.run(["claim", "shop:api"]);
    const env = { PORT_DADDY_AGENT: "ada-1" };
    const filters = [
      ["--target", "shop:*"],
      ["--action", "claim"],
      ["--actor", "ada-1"],
    ];
    const logs: Awaited<ReturnType<typeof follow>>[] = [];
    for (const filter of filters)
      logs.push(await follow(home, ["log", "--follow", "-j", ...filter]));
    async function work(name: string): Promise<void> {
      await home.run(["claim", `shop:${name}`], { env });
      await home.run(["claim", `other:${name}`]);
      await home.run(["release", `shop:${name}`]);
      await home.run(["release", `other:${name}`], { env });
    }
    await work("one");
    await home.run(["restart"]);
    await work("two");
    const printed = () =>
      logs.map(({ out }) =>
        out.map((line) => JSON.parse(line)).map(({ action, targetId }) => `${action} ${targetId}`),
      );
    const both = (...each: string[]) =>
      ["one", "two"].flatMap((name) => each.map((line) => line.replace("*", name)));
    await eventually("all has come", () => printed().flat().length >= 5 + 5 + 4);
    expect(printed()).toEqual([
      ["claim shop:api", ...both("claim shop:*", "release shop:*")],
      ["claim shop:api", ...both("claim shop:*", "claim other:*")],
      both("claim shop:*", "release other:*"),
    ]);
  });
});
