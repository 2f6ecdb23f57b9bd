// Webhooks through the binary: what their commands print, what receivers get and in which order, and what receivers that
// fail, hang or mean ill can hold up.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home, type Result } from "../home.ts";

const secret = "s3cret-of-ada";
const allowed = { PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1" };

let home: Home;
beforeAll(async () => {
  home = new Home(allowed);
  await home.run(["start"]);
});
const stops: (() => unknown)[] = [];
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  for (const stop of stops) await stop();
});

type Received = { at: number; headers: Record<string, string>; body: string };

/** A receiver that keeps what it is sent; `answer` gets how many there were before. */
function receive(
  answer: (before: number) => Response | Promise<Response> = () => new Response("ok"),
) {
  const received: Received[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const before = received.length;
      const body = await request.text();
      received.push({ at: performance.now(), headers: request.headers.toJSON(), body });
      return answer(before);
    },
  });
  stops.push(() => server.stop(true));
  return { received, url: `http://127.0.0.1:${server.port}/hook` };
}

type Receiver = ReturnType<typeof receive>;

/** What happened to what, as a receiver was told. */
function told({ received }: Receiver): string[] {
  return received.map(({ headers, body }) => {
    const { event, data } = JSON.parse(body);
    expect(event).toBe(headers["x-portdaddy-event"]);
    return `${event} ${data.targetId}`;
  });
}

async function add(at: Home, url: string, ...flags: string[]): Promise<string> {
  const { code, out, err } = await at.run(["webhooks", "add", url, ...flags, "-q"]);
  if (code !== 0) throw new Error(err);
  return out.trim();
}

/** Publishes to a channel over the socket. */
async function publish(at: Home, channel: string, payload: unknown = "x"): Promise<void> {
  const { ok } = await at.fetch(`/msg/${channel}`, {
    method: "POST",
    body: JSON.stringify({ payload }),
  });
  expect(ok).toBeTrue();
}

async function arrived(receiver: Receiver, count: number, withinMs?: number): Promise<void> {
  const what = `${count} deliveries arrive at ${receiver.url}`;
  await eventually(what, () => receiver.received.length >= count, withinMs);
}

describe("the commands", () => {
  const uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

  test("add says the id and how to try it; -q is the id alone, -j the API's answer without the secret", async () => {
    const { url } = receive();
    const said = await home.run([
      "webhooks",
      "add",
      url,
      "--events",
      "agent.*",
      "--secret",
      secret,
    ]);
    expect(said.code).toBe(0);
    expect(said.out).toMatch(new RegExp(`^Added the webhook ${uuid} to ${url}\n$`));
    const id = new RegExp(uuid).exec(said.out)![0];
    expect(said.err).toBe(`try it: port-daddy webhooks test ${id}\n`);
    const quiet = await home.run(["webhooks", "add", url, "--events", "agent.*", "-q"]);
    expect(quiet).toEqual({
      code: 0,
      out: expect.stringMatching(new RegExp(`^${uuid}\n$`)),
      err: "",
    });
    const flags = ["--events", "agent.register, lock.*", "--filter", "ci:*", "--secret", secret];
    expect(await home.json(["webhooks", "add", url, ...flags])).toEqual({
      id: expect.stringMatching(new RegExp(`^${uuid}$`)),
      url,
      events: ["agent.register", "lock.*"],
      filter: "ci:*",
      active: true,
      hasSecret: true,
      paused: null,
      pending: 0,
      dropped: 0,
      createdAt: expect.any(Number),
    });
  });

  test("a secret comes from stdin where it is a dash, without its end of line, and none takes it away", async () => {
    const receiver = receive();
    const { out } = await home.shell(
      `printf '%s\\n' '${secret}' | port-daddy webhooks add ${receiver.url} --events 'agent.*' --secret - -q`,
    );
    const id = out.trim();
    await home.run(["webhooks", "test", id]);
    const { headers, body } = receiver.received[0]!;
    const hmac = crypto.createHmac("sha256", secret).update(JSON.stringify(JSON.parse(body)));
    expect(headers["x-portdaddy-signature"]).toBe(`sha256=${hmac.digest("hex")}`);
    await home.run(["webhooks", "update", id, "--secret", "none"]);
    expect(await home.json(["webhooks", "show", id])).toMatchObject({ hasSecret: false });
    await home.run(["webhooks", "test", id]);
    expect(receiver.received[1]!.headers).not.toHaveProperty("x-portdaddy-signature");
  });

  test("list, show, update and remove say what is there, in words, quietly and as the API does", async () => {
    await using own = new Home(allowed);
    expect(await own.run(["webhooks", "list"])).toEqual({
      code: 0,
      out: "",
      err: expect.stringMatching(/There are no webhooks\n$/),
    });
    const id = await add(own, "http://127.0.0.1:9/hook", "--events", "lock.*", "--secret", secret);
    const listed = await own.run(["webhooks", "ls"]);
    expect(listed).toMatchObject({ code: 0, err: "" });
    expect(listed.out).toMatch(/^WEBHOOK +URL +EVENTS/);
    for (const word of [id, "http://127.0.0.1:9/hook", "lock.*"])
      expect(listed.out).toContain(word);
    expect((await own.run(["webhooks", "list", "-q"])).out).toBe(`${id}\n`);
    const webhook = await own.json(["webhooks", "show", id]);
    expect(await own.json(["webhooks", "list"])).toEqual({ webhooks: [webhook], count: 1 });

    const shown = await own.run(["webhooks", "show", id]);
    expect(shown).toMatchObject({ code: 0, err: "" });
    expect(shown.out).toMatch(
      /^webhook +\S+\nurl +\S+\nevents +lock\.\*\nsigned +yes\nstate +on\n/,
    );
    expect((await own.run(["webhooks", "show", id, "-q"])).out).toBe("on\n");

    expect(await own.run(["webhooks", "update", id, "--off", "--filter", "ci:*"])).toEqual({
      code: 0,
      out: `Updated the webhook ${id}, which is off\n`,
      err: "",
    });
    expect(await own.run(["webhooks", "update", id, "--filter", "none", "-q"])).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    const changed = await own.json(["webhooks", "update", id, "--on", "--events", "agent.stale"]);
    expect(changed).toEqual({ ...webhook, events: ["agent.stale"] });

    expect(await own.run(["webhooks", "rm", id])).toEqual({
      code: 0,
      out: `Removed the webhook ${id}\n`,
      err: "",
    });
    for (const verb of ["show", "update", "remove", "test", "deliveries"]) {
      expect(await own.run(["webhooks", verb, id])).toEqual({
        code: 3,
        out: "",
        err: `error: There is no webhook ${id}\nhint: see them all: port-daddy webhooks list\n`,
      });
    }
  });

  test("test says what the receiver answered, and exits 1 where it did not arrive", async () => {
    const { url, received } = receive((before) =>
      before === 0 ? new Response("ok") : new Response("no \u001b[31mway", { status: 500 }),
    );
    const id = await add(home, url, "--events", "agent.*");
    const fine = await home.run(["webhooks", "test", id]);
    expect(fine).toMatchObject({ code: 0, err: "" });
    expect(fine.out).toMatch(/^Arrived after \d+ ms: it answered 200\n$/);
    expect(JSON.parse(received[0]!.body)).toEqual({
      event: "webhook.test",
      timestamp: expect.any(Number),
      data: { targetId: id, actor: expect.any(String) },
    });
    const failed = await home.run(["webhooks", "test", id]);
    expect(failed.code).toBe(1);
    expect(failed.out).toMatch(/^Did not arrive after \d+ ms: it answered 500: no  \[31mway\n$/);
    expect(await home.run(["webhooks", "test", id, "-q"])).toEqual({ code: 1, out: "", err: "" });
    const { code, out } = await home.run(["webhooks", "test", id, "-j"]);
    expect([code, JSON.parse(out)]).toMatchObject([1, { httpStatus: 500, status: "failed" }]);
  });

  test("deliveries shows the newest last in words, newest first to programs; --status and --limit choose", async () => {
    const receiver = receive();
    const id = await add(home, receiver.url, "--events", "message.publish", "--filter", "seen:*");
    const none = await home.run(["webhooks", "deliveries", id]);
    expect(none).toEqual({ code: 0, out: "", err: "No delivery yet\n" });
    for (const n of [1, 2, 3]) await publish(home, `seen:${n}`);
    await eventually("all are delivered", async () => {
      const { count } = await home.json(["webhooks", "deliveries", id, "--status", "delivered"]);
      return count === 3;
    });
    const { out } = await home.run(["webhooks", "deliveries", id]);
    expect(out).toMatch(/^WHEN .*\n.*seen:1 .*\n.*seen:2 .*\n.*seen:3 +delivered .*200.*\n$/);
    const { deliveries } = await home.json(["webhooks", "deliveries", id, "--limit", "2"]);
    expect(deliveries).toMatchObject([
      { targetId: "seen:3", status: "delivered", attempts: 1, httpStatus: 200, response: "ok" },
      { targetId: "seen:2", error: null, nextAttemptAt: null },
    ]);
    expect(deliveries[0].id).toBe(receiver.received[2]!.headers["x-portdaddy-delivery"]);
    expect(await home.json(["webhooks", "deliveries", id, "--status", "failed"])).toEqual({
      deliveries: [],
      count: 0,
    });
  });

  test("events lists those that the page names, with what they mean", async () => {
    const names =
      `service.claim service.release agent.register agent.unregister agent.stale lock.acquire
      lock.release message.publish daemon.start daemon.stop
      service.ready service.hijacked service.exit`.split(/\s+/);
    const quiet = await home.run(["webhooks", "events", "-q"]);
    expect(quiet.out.trim().split("\n").sort()).toEqual(names.toSorted());
    expect((await home.run(["webhooks", "events"])).out).toMatch(
      /^service\.claim +Service was claimed\n/,
    );
    const { events } = await home.json(["webhooks", "events"]);
    expect(events).toContainEqual({ event: "lock.acquire", summary: "Lock was acquired" });
  });

  const url = "http://127.0.0.1:9/";
  test.each([
    [["add"]],
    [["add", "nonsense"]],
    [["add", "ftp://127.0.0.1/"]],
    [["add", url, "--events", "service.clam"]],
    [["add", url, "--events", ""]],
    [["add", url, "--events", "webhook.test"]],
    [["add", url, "--filter", "a b"]],
    [["add", url, "--secret", ""]],
    [["update", "0", "--on", "--off"]],
    [["show", "no id"]],
    [["deliveries", "0", "--status", "lost"]],
    [["deliveries", "0", "--limit", "0"]],
    [["ad", url]],
  ])("the mistake in %j is exit code 2 and an error", async (words) => {
    const { code, out, err } = await home.run(["webhooks", ...words]);
    expect({ code, out, err }).toEqual({
      code: 2,
      out: "",
      err: expect.stringMatching(/^error: /),
    });
  });

  test("a forbidden URL is refused to add and to update alike, with what to do", async () => {
    const before = (await home.json(["webhooks", "list"])).count;
    const id = await add(home, url, "--events", "agent.*");
    const bad = "http://127.0.0.2:8000/";
    const refused: Result = {
      code: 2,
      out: "",
      err:
        "error: Webhooks may not go to 127.0.0.2:8000: it is this machine's loopback\n" +
        "hint: for a receiver of your own: export PORT_DADDY_WEBHOOK_ALLOW=127.0.0.2, then: port-daddy restart\n",
    };
    expect(await home.run(["webhooks", "add", bad])).toEqual(refused);
    expect(await home.run(["webhooks", "update", id, "--url", bad, "--off"])).toEqual(refused);
    expect(await home.json(["webhooks", "show", id])).toMatchObject({ url, active: true });
    const { port } = (await (await home.fetch("/version")).json()) as { port: number };
    const own = await home.run(["webhooks", "add", `http://127.0.0.1:${port}/claim/x`]);
    expect([own.code, own.err]).toEqual([2, expect.stringContaining("that is the daemon itself")]);
    expect((await home.json(["webhooks", "list"])).count).toBe(before + 1);
  });

  test("the secret is in no answer, no log and not in what the daemon writes down for people", async () => {
    const { url } = receive(() => new Response("no", { status: 500 }));
    const id = await add(home, url, "--events", "agent.*", "--secret", secret);
    const outputs = [
      await home.run(["webhooks", "update", id, "--secret", `${secret}-2`]),
      await home.run(["webhooks", "add", "http://127.0.0.2/", "--secret", secret]),
      await home.run(["webhooks", "update", id, "--secret", secret + "x".repeat(300)]),
    ];
    for (const words of ["list", `show ${id}`, `test ${id}`, `deliveries ${id}`])
      for (const flags of [[], ["-j"], ["-q"]])
        outputs.push(await home.run(["webhooks", ...words.split(" "), ...flags]));
    outputs.push(await home.run(["log", "--limit", "1000", "-j"]), await home.run(["log"]));
    outputs.push(await home.run(["logs"]), await home.run(["doctor"]));
    expect(JSON.stringify(outputs)).not.toContain(secret);
    const files = fs.readdirSync(home.state).filter((name) => name.includes("log"));
    expect(files).not.toEqual([]);
    for (const name of files)
      expect(fs.readFileSync(path.join(home.state, name), "latin1")).not.toContain(secret);
  });
});

describe("what receivers get", () => {
  test("everything that happened, once each, in order, signed over the very bytes", async () => {
    await using own = new Home({ ...allowed, HTTP_PROXY: "http://127.0.0.1:1" });
    const receiver = receive();
    await add(own, receiver.url, "--secret", secret);
    await own.run(["claim", "shop:api"]);
    await own.run(["lock", "db", "--owner", "ada"]);
    await own.run(["agent", "register", "a1"]);
    for (let n = 0; n < 40; n++)
      await publish(own, `n:${n}`, { n, text: 'é💥\u2028\0"\\', "1": 0 });
    await own.run(["unlock", "db", "--owner", "ada"]);
    await own.run(["agent", "unregister", "a1"]);
    await own.run(["release", "shop:api"]);
    const expected = [
      "service.claim shop:api",
      "lock.acquire db",
      "agent.register a1",
      ...Array.from({ length: 40 }, (_, n) => `message.publish n:${n}`),
      "lock.release db",
      "agent.unregister a1",
      "service.release shop:api",
    ];
    await arrived(receiver, expected.length);
    expect(told(receiver)).toEqual(expected);
    for (const { headers, body } of receiver.received) {
      expect(JSON.stringify(JSON.parse(body))).toBe(body);
      const signature = crypto.createHmac("sha256", secret).update(body).digest("hex");
      expect(headers["x-portdaddy-signature"]).toBe(`sha256=${signature}`);
      expect(Object.keys(JSON.parse(body))).toEqual(["event", "timestamp", "data"]);
    }
    const ids = receiver.received.map(({ headers }) => headers["x-portdaddy-delivery"]);
    expect(new Set(ids).size).toBe(expected.length);
  });

  test("only what they asked for: events by pattern, targets by filter, none while switched off", async () => {
    const [locks, filtered, off] = [receive(), receive(), receive()];
    await add(home, locks.url, "--events", "lock.*", "--filter", "only:*");
    await add(home, filtered.url, "--filter", "only:b*");
    const idOff = await add(home, off.url, "--filter", "only:*");
    await home.run(["webhooks", "update", idOff, "--off"]);
    for (const name of ["a", "b1"]) {
      await home.run(["lock", `only:${name}`, "--owner", "ada"]);
      await publish(home, `only:${name}`);
    }
    await home.run(["webhooks", "update", idOff, "--on"]);
    await publish(home, "only:b2");
    await arrived(filtered, 3);
    await arrived(off, 1);
    expect(told(filtered)).toEqual([
      "lock.acquire only:b1",
      "message.publish only:b1",
      "message.publish only:b2",
    ]);
    expect(told(locks)).toEqual(["lock.acquire only:a", "lock.acquire only:b1"]);
    expect(told(off)).toEqual(["message.publish only:b2"]);
  });
});

// From here on the tests wait for seconds to pass, each in its own home, and so do it side by side.

test.concurrent(
  "a failed delivery is made again after 1, 2 and 4 s, with what followed it behind it",
  async () => {
    await using own = new Home(allowed);
    const flaky = receive((before) => new Response(null, { status: before < 3 ? 500 : 200 }));
    const id = await add(own, flaky.url, "--filter", "flaky:*");
    await publish(own, "flaky:1");
    await publish(own, "flaky:2");
    await arrived(flaky, 5, 20_000);
    const one = "message.publish flaky:1";
    expect(told(flaky)).toEqual([one, one, one, one, "message.publish flaky:2"]);
    const at = flaky.received.map(({ at }) => at);
    // A timer may be early by a millisecond, never by more.
    for (const [n, ms] of [1_000, 2_000, 4_000].entries())
      expect(at[n + 1]! - at[n]!).toBeGreaterThanOrEqual(ms - 5);
    const sent = flaky.received.slice(0, 4);
    expect(new Set(sent.map(({ headers }) => headers["x-portdaddy-delivery"])).size).toBe(1);
    expect(new Set(sent.map(({ body }) => body)).size).toBe(1);
    await eventually("the history has it", async () => {
      const { deliveries } = await own.json(["webhooks", "deliveries", id]);
      return deliveries[1]?.status === "delivered" && deliveries[1].attempts === 4;
    });
  },
);

/** Accepts connections and does with each what is said. */
function accept(onRequest: (socket: Bun.Socket<undefined>) => void, onDrain = onRequest) {
  let connections = 0;
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: () => void connections++, data: onRequest, drain: onDrain },
  });
  stops.push(() => listener.stop(true));
  return { url: `http://127.0.0.1:${listener.port}/`, connections: () => connections };
}

test.concurrent(
  "receivers that hang, fail, redirect, pour or close each hold up only themselves",
  async () => {
    await using own = new Home(allowed);
    const inner = receive();
    const block = Buffer.alloc(64 * 1024, "x");
    const pour = (socket: Bun.Socket<undefined>) => {
      while (socket.write(block) === block.length);
    };
    const pouring = accept((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      pour(socket);
    }, pour);
    const hanging = accept(() => {});
    const ids = {
      hanging: await add(own, hanging.url),
      failing: await add(own, receive(() => new Response("no", { status: 500 })).url),
      redirecting: await add(own, receive(() => Response.redirect(inner.url, 307)).url),
      closing: await add(own, accept((socket) => void socket.end()).url),
      pouring: await add(own, pouring.url),
    };
    const fine = receive();
    await add(own, fine.url);
    for (let n = 0; n < 50; n++) await publish(own, `n:${n}`);
    await arrived(fine, 50, 5_000);
    expect(told(fine)).toEqual(Array.from({ length: 50 }, (_, n) => `message.publish n:${n}`));
    await eventually("the pouring one is served to the end", async () => {
      const { deliveries } = await own.json(["webhooks", "deliveries", ids.pouring]);
      return (
        deliveries.every(({ status }: any) => status === "delivered") && deliveries.length === 50
      );
    });
    const oldest = async (id: string) =>
      (await own.json(["webhooks", "deliveries", id, "--limit", "1000"])).deliveries.at(-1);
    expect(await oldest(ids.hanging)).toMatchObject({ status: "pending", targetId: "n:0" });
    expect(hanging.connections()).toBe(1);
    expect((await oldest(ids.failing)).error).toBe("it answered 500");
    expect((await oldest(ids.redirecting)).error).toContain("which is not followed");
    expect((await oldest(ids.closing)).error).toBe("it closed the connection");
    expect(inner.received).toEqual([]);
    expect(await own.json(["webhooks", "show", ids.failing])).toMatchObject({ pending: 50 });
    const [pid] = own.daemons();
    const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)![1])).toBeLessThan(400_000);

    // The attempt that hangs is given up after its ten seconds; so is a test, which is told in words.
    const hung = await own.run(["webhooks", "test", ids.hanging]);
    expect(hung.code).toBe(1);
    expect(hung.out).toMatch(/^Did not arrive after \d+ ms: it did not answer within 10 s\n$/);
    expect(await oldest(ids.hanging)).toMatchObject({ error: "it did not answer within 10 s" });
  },
);

test.concurrent("what is pending goes on after a kill -9 of the daemon, in order", async () => {
  await using own = new Home(allowed);
  let isBroken = true;
  const receiver = receive(() => new Response(null, { status: isBroken ? 503 : 200 }));
  await add(own, receiver.url, "--events", "message.publish");
  for (let n = 0; n < 5; n++) await publish(own, `n:${n}`);
  await arrived(receiver, 1);
  await own.kill((await own.daemonPid())!);
  const before = receiver.received.length;
  isBroken = false;
  await own.run(["start"]);
  await arrived(receiver, before + 5, 15_000);
  expect(told(receiver).slice(before)).toEqual(
    [0, 1, 2, 3, 4].map((n) => `message.publish n:${n}`),
  );
});

test.concurrent(
  "daemon.stop goes out at the stop, and daemon.start after the next start",
  async () => {
    await using own = new Home(allowed);
    const receiver = receive();
    await add(own, receiver.url);
    expect((await own.run(["stop"])).code).toBe(0);
    expect(told(receiver)).toEqual(["daemon.stop daemon"]);
    await own.run(["start"]);
    await arrived(receiver, 2);
    expect(told(receiver)).toEqual(["daemon.stop daemon", "daemon.start daemon"]);
  },
);

test.concurrent(
  "a daemon stops in time though a receiver hangs, and daemon.stop goes out after the next start",
  async () => {
    await using own = new Home(allowed);
    let release = () => {};
    const hangs = new Promise<void>((resolve) => (release = resolve));
    const receiver = receive(async (before) => {
      if (before === 0) await hangs;
      return new Response("ok");
    });
    await add(own, receiver.url, "--events", "daemon.stop,message.publish");
    await publish(own, "n:0");
    await arrived(receiver, 1);
    const begun = performance.now();
    expect((await own.run(["stop"])).code).toBe(0);
    await own.noDaemon();
    expect(performance.now() - begun).toBeLessThan(10_000);
    release();
    expect(told(receiver)).toEqual(["message.publish n:0"]);
    await own.run(["start"]);
    await arrived(receiver, 3);
    expect(told(receiver).slice(1)).toEqual(["message.publish n:0", "daemon.stop daemon"]);
  },
);
