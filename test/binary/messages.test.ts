// pub, sub, messages and channels: what they print, and that nothing published is lost on the way.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eventually, Home } from "../home.ts";
import { linesOf } from "../reading.ts";

let home: Home;
beforeAll(async () => {
  home = new Home();
  await home.run(["start"]);
});
afterAll(() => home[Symbol.asyncDispose]());

type Child = ReturnType<Home["spawn"]>;

/** A command that goes on: what it prints, as it prints it. */
function start(at: Home, args: string[], env: Record<string, string> = {}) {
  const child = at.spawn(args, { env });
  return { child, out: linesOf(child.stdout), err: linesOf(child.stderr) };
}

/** Ends a command as a person or a service manager does, and returns its exit code. */
async function end(child: Child, signal: "SIGINT" | "SIGTERM" = "SIGTERM"): Promise<number> {
  child.kill(signal);
  return child.exited;
}

/** Returns when so many streams are open. */
async function streams(at: Home, count: number): Promise<void> {
  await eventually(`${count} streams are open`, async () => {
    const { subscribers } = (await (await at.fetch("/health")).json()) as any;
    return subscribers === count;
  });
}

/** Publishes texts to a channel, and returns the id of the first. */
async function publish(at: Home, channel: string, ...payloads: unknown[]): Promise<number> {
  const ids: number[] = [];
  for (const payload of payloads) {
    const body = JSON.stringify({ payload });
    const answer = await at.fetch(`/msg/${channel}`, { method: "POST", body });
    ids.push(((await answer.json()) as { id: number }).id);
  }
  return ids[0]!;
}

const instant = String.raw`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\]`;

describe("pub", () => {
  test("says the message's id and how many heard it; -q is the id alone, -j the API's answer", async () => {
    const said = await home.run(["pub", "said", "hello"]);
    expect(said).toEqual({
      code: 0,
      out: expect.stringMatching(/^Published message \d+ to said \(0 subscribers\)\n$/),
      err: "",
    });
    const id = Number(/\d+/.exec(said.out)![0]);
    expect((await home.run(["pub", "said", "hello", "-q"])).out).toBe(`${id + 1}\n`);
    const { out } = await home.run(["pub", "said", "hello", "-j"]);
    expect(JSON.parse(out)).toEqual({
      id: id + 2,
      channel: "said",
      createdAt: expect.any(Number),
      subscribers: 0,
    });
  });

  const survivors = [
    "0",
    "false",
    '""',
    "null",
    "[]",
    "{}",
    "-1.5",
    '"0"',
    "1e3",
    " 5 ",
    '{"a":[1,null,"é💥"]}',
  ];
  const texts = ["plain text", "", "[1,", "007", "1,5", "NaN", "undefined", "'x'"];
  const lossy = [
    "12345678901234567890",
    "0.1000000000000000055511",
    '{"big":9007199254740993}',
    "1e999",
    '{"a":1,"a":2}',
  ];
  test.each([
    ...survivors.map((text) => [text, JSON.parse(text)]),
    ...[...texts, ...lossy].map((text) => [text, text]),
  ])("sends %s as what it means, or as text where that would change it", async (text, payload) => {
    const channel = `payload:${Bun.hash(text)}`;
    expect(await home.run(["pub", channel, "-q", "--", text])).toMatchObject({ code: 0, err: "" });
    expect((await home.json(["messages", channel])).messages).toMatchObject([{ payload }]);
  });

  test("reads the message from a pipe where it is a dash, without its last end of line", async () => {
    const { code } = await home.shell(`
      printf 'two\\nlines\\n' | port-daddy pub piped - &&
      echo '{"json": true}' | port-daddy pub piped - &&
      port-daddy pub piped - </dev/null`);
    expect(code).toBe(0);
    const { messages } = await home.json(["messages", "piped"]);
    expect(messages.map(({ payload }: any) => payload)).toEqual(["two\nlines", { json: true }, ""]);
  });

  test("carries its sender: the one given, else the agent, else the caller", async () => {
    await home.run(["pub", "from", "1", "--sender", "bob"]);
    await home.run(["pub", "from", "1"], { env: { PORT_DADDY_AGENT: "ada-1" } });
    await home.run(["pub", "from", "1"]);
    const { messages } = await home.json(["messages", "from"]);
    const caller = (await home.run(["whoami"])).out.trim();
    expect(messages.map(({ sender }: any) => sender)).toEqual(["bob", "ada-1", caller]);
  });

  test("publishes no bytes that are no text, rather than others in their place", async () => {
    const piped = await home.shell("printf '\\377' | port-daddy pub bytes -");
    expect([piped.code, piped.err]).toEqual([2, expect.stringContaining("is not UTF-8")]);
    const body = Buffer.concat([
      Buffer.from('{"payload":"'),
      Buffer.from([255]),
      Buffer.from('"}'),
    ]);
    const sent = await home.fetch("/msg/bytes", { method: "POST", body });
    expect([sent.status, await sent.json()]).toEqual([
      400,
      expect.objectContaining({ error: "The body is not UTF-8" }),
    ]);
    expect((await home.json(["messages", "bytes"])).count).toBe(0);
  });

  test("publishes nothing where the channel, the size or the span is not allowed", async () => {
    const large = home.shell("head -c 65535 /dev/zero | tr '\\0' x | port-daddy pub refused -");
    const refused = [
      await large,
      await home.run(["pub", "refused:*", "x"]),
      await home.run(["pub", "refused", "x", "--expires", "5"]),
      await home.run(["pub", "refused"]),
    ];
    for (const { code, out, err } of refused)
      expect({ code, out, err }).toEqual({
        code: 2,
        out: "",
        err: expect.stringMatching(/^error: /),
      });
    expect(await home.json(["messages", "refused"])).toMatchObject({ count: 0 });
  });

  test("of a message that expires, it is told no more, and the gap is", async () => {
    const first = await publish(home, "short", "before");
    await home.run(["pub", "short", "gone", "--expires", "1ms"]);
    await publish(home, "short", "after");
    const { out, err } = await home.run([
      "sub",
      "short",
      "--after",
      `${first}`,
      "--count",
      "1",
      "-q",
    ]);
    expect({ out, err }).toEqual({ out: "after\n", err: expect.stringMatching(/^gap: /) });
    expect((await home.run(["messages", "short", "-q"])).out).toBe("before\nafter\n");
  });
});

describe("sub", () => {
  test("prints each message as it comes, of every channel that its pattern matches and no other", async () => {
    const { child, out, err } = start(home, ["sub", "build:*"]);
    await streams(home, 1);
    for (const line of [
      ["build:api", '{"status":"ready","port":3100}'],
      ["built:api", "not this"],
      ["build", "the build"],
      ["build:web:main", '{"status":"ready","port":3101}'],
    ])
      await home.run(["pub", ...line]);
    await eventually("three have come", () => out.length >= 3);
    expect(await end(child)).toBe(143);
    expect(out.map((line) => line.replace(new RegExp(`^${instant}`), "[instant]"))).toEqual([
      '[instant] {"status":"ready","port":3100}',
      "[instant] the build",
      '[instant] {"status":"ready","port":3101}',
    ]);
    expect(err).toEqual([]);
  });

  test("-q is the payload, -j each payload as a line of JSON, --envelope the message as the API has it", async () => {
    await publish(home, "forms", "two\nlines", { a: "x y" }, null);
    const sub = async (...flags: string[]) =>
      (await home.run(["sub", "forms", "--last", "3", "--count", "3", ...flags])).out;
    expect(await sub("-q")).toBe('two\\u000alines\n{"a":"x y"}\nnull\n');
    expect(await sub("-j")).toBe('"two\\nlines"\n{"a":"x y"}\nnull\n');
    const { messages } = (await (await home.fetch("/msg/forms")).json()) as any;
    expect(await sub("-j", "--envelope")).toBe(
      messages.map((message: unknown) => `${JSON.stringify(message)}\n`).join(""),
    );
  });

  test("--after, --last and --count say where it begins and ends", async () => {
    const first = await publish(home, "span", "a", "b", "c", "d");
    const sub = async (...flags: string[]) => await home.run(["sub", "span", "-q", ...flags]);
    const printed = (out: string) => ({ code: 0, out, err: "" });
    expect(await sub("--after", `${first}`, "--count", "2")).toEqual(printed("b\nc\n"));
    expect(await sub("--last", "2", "--count", "2")).toEqual(printed("c\nd\n"));
    expect(await sub("--last", "9", "-n", "4")).toEqual(printed("a\nb\nc\nd\n"));
    // Without either it begins now.
    expect(await sub("--timeout", "300")).toEqual(printed(""));
  });

  test("--timeout ends it, which is a failure where more were wanted", async () => {
    const first = await publish(home, "late", "one");
    const flags = ["--after", `${first - 1}`, "--timeout", "300", "-q"];
    expect(await home.run(["sub", "late", ...flags])).toEqual({ code: 0, out: "one\n", err: "" });
    expect(await home.run(["sub", "late", ...flags, "--count", "1"])).toMatchObject({ code: 0 });
    expect(await home.run(["sub", "late", ...flags, "--count", "2"])).toEqual({
      code: 6,
      out: "one\n",
      err: "error: 1 of 2 messages came to late in time\nhint: see what is there: port-daddy messages late\n",
    });
  });

  test("says on stderr that messages it asked for are gone, and goes on", async () => {
    await using small = new Home({ PORT_DADDY_MESSAGE_RETENTION: "7d,3" });
    await small.run(["start"]);
    const first = await publish(small, "few", 1, 2, 3, 4, 5);
    const lost = { code: 0, out: "3\n4\n5\n", err: expect.stringMatching(/^gap: .+\n$/) };
    expect(await small.run(["sub", "few", "--after", `${first}`, "--count", "3", "-j"])).toEqual(
      lost,
    );
    expect(await small.run(["messages", "few", "--after", `${first}`, "-q"])).toEqual(lost);
    const whole = { code: 0, out: "3\n4\n5\n", err: "" };
    expect(
      await small.run(["sub", "few", "--after", `${first + 1}`, "--count", "3", "-j"]),
    ).toEqual(whole);
    expect(await small.run(["sub", "few", "--last", "3", "--count", "3", "-j"])).toEqual(whole);

    const { child, out, err } = start(small, ["sub", "few", "--after", `${first + 99}`, "-j"]);
    await eventually("it is told that this id is none", () => err.length > 0);
    await publish(small, "few", 6);
    await eventually("it goes on", () => out.length > 0);
    expect([out, await end(child)]).toEqual([["6"], 143]);
  });
});

describe("messages and channels", () => {
  test("messages prints the newest, or what follows an id, and an empty channel is no failure", async () => {
    const first = await publish(home, "read:a", "one", "two", "three");
    await publish(home, "read:b", { n: 4 });
    const read = async (...args: string[]) => (await home.run(["messages", ...args])).out;
    expect(await read("read:a")).toMatch(
      new RegExp(`^${instant} one\n${instant} two\n${instant} three\n$`),
    );
    expect(await read("read:*", "--limit", "2", "-q")).toBe('three\n{"n":4}\n');
    expect(await read("read:*", "--after", `${first}`, "--limit", "1", "-q")).toBe("two\n");
    expect(await read("read:a", "-j")).toBe(await (await home.fetch("/msg/read:a")).text());
    expect(await home.run(["messages", "read:c"])).toEqual({
      code: 0,
      out: "",
      err: "No messages in read:c\n",
    });
  });

  test("--clear deletes what a channel has, and whoever was away is told", async () => {
    const first = await publish(home, "cleared", 1, 2, 3);
    expect(await home.run(["messages", "cleared", "--clear"])).toEqual({
      code: 0,
      out: "Deleted 3 messages of cleared\n",
      err: "",
    });
    const { out, err } = await home.run(["messages", "cleared", "--after", `${first}`, "-q"]);
    expect({ out, err }).toEqual({ out: "", err: expect.stringMatching(/^gap: /) });
  });

  test("channels lists those with messages and those that somebody waits for", async () => {
    await using own = new Home();
    expect(await own.run(["channels"])).toEqual({
      code: 0,
      out: "",
      err: "No channel has messages\n",
    });
    await publish(own, "full/one", 1, 2);
    const waiter = start(own, ["sub", "awaited"]);
    const pattern = start(own, ["sub", "full/*"]);
    await streams(own, 2);
    const { out } = await own.run(["channels"]);
    expect(out).toMatch(
      /^CHANNEL +MESSAGES +LAST +SUBSCRIBERS\nawaited +0 +- +1\nfull\/one +2 +(just now|\d+s ago) +1\n$/,
    );
    expect((await own.run(["channels", "-q"])).out).toBe("awaited\nfull/one\n");
    expect((await own.run(["channels", "full/*", "-q"])).out).toBe("full/one\n");
    expect((await own.run(["channels", "-j"])).out).toBe(
      await (await own.fetch("/channels")).text(),
    );
    expect((await own.run(["pub", "full/one", "3"])).out).toEndWith(" (1 subscriber)\n");
    for (const { child } of [waiter, pattern]) await end(child);
    await streams(own, 0);
  });
});
