// Locks by the compiled binary: what is said, who is who, and who waits.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { ended, eventually, Home } from "../home.ts";
import { setUp } from "./lockSide.ts";

const { home, find, isFree, startWaiting } = setUp();

/** How often a lock was acquired, by its log. */
async function acquisitions(name: string, at = home): Promise<number> {
  return (await at.json(["log", "--target", name, "--action", "lock_acquire"])).count;
}

describe.concurrent("lock, locks and unlock", () => {
  test("say what they did", async () => {
    const locked = await home.run(["lock", "plain:x", "--owner", "ada"]);
    const sentence = /^Locked plain:x for ada \(fence \d+\); it lapses in 5m unless extended\n$/;
    expect(locked).toEqual({ code: 0, out: expect.stringMatching(sentence), err: "" });
    const { out } = await home.run(["locks", "plain:*"]);
    expect(out).toMatch(/^LOCK +OWNER +FENCE +SINCE +LAPSES +WAITING\nplain:x +ada +\d+ .* -\n$/);
    const unlocked = await home.run(["unlock", "plain:x", "--owner", "ada"]);
    expect(unlocked).toEqual({ code: 0, out: "Unlocked plain:x\n", err: "" });
    const none = { code: 0, out: "", err: "No lock that matches plain:* is held\n" };
    expect(await home.run(["locks", "plain:*"])).toEqual(none);
  });

  test("print the value alone with -q, and with -j what the API answers", async () => {
    const { out } = await home.run(["lock", "faces/x", "-q"]);
    expect(out).toBe(`${(await find("faces/x")).fence}\n`);
    expect(await home.run(["locks", "faces/*", "-q"])).toMatchObject({ out: "faces/x\n" });
    const { out: list } = await home.run(["locks", "faces/*", "-j"]);
    expect(list).toBe(await (await home.fetch("/locks?pattern=faces/*")).text());
    expect(await home.run(["unlock", "faces/x", "-q"])).toEqual({ code: 0, out: "", err: "" });
    const locked = await home.json(["lock", "faces/x", "--metadata", '{"why":"test"}']);
    expect(locked).toEqual(await find("faces/x"));
    expect(await home.json(["unlock", "faces/x"])).toEqual({ released: true, lock: locked });
  });

  test("tell by the exit code what went wrong, and leave stdout empty", async () => {
    await home.run(["lock", "codes", "--owner", "ada"]);
    const refusals: [string[], number, RegExp][] = [
      // Also for its own holder: two helpers of one agent exclude each other.
      [
        ["lock", "codes", "--owner", "ada"],
        4,
        /codes is held by ada, which is you, .*\nhint: .* lock codes --extend/,
      ],
      [["unlock", "codes", "--owner", "bob"], 4, /codes is held by ada, and you are bob\nhint: /],
      [["unlock", "codes", "--owner", "ada", "--fence", "999999999"], 4, /held by ada with fence/],
      [["lock", "codes", "--extend", "--owner", "bob"], 4, /held by ada, and you are bob/],
      [["unlock", "codes:free"], 3, /codes:free is not held/],
      [["lock", "codes:free", "--extend"], 3, /codes:free is not held/],
      [["lock", "codes:free", "--ttl", "0"], 2, /--ttl must be/],
      [["lock", "codes:free", "--ttl", "25h"], 2, /--ttl must be/],
      [["lock", "codes:free", "--ttl", "soon"], 2, /--ttl must be/],
      [["lock", "codes:free", "--timeout=-1"], 2, /--timeout must be/],
      [["lock", "no spaces"], 2, /name must be/],
      [["lock", "a/../b"], 2, /name must be/],
      [["lock", "codes:free", "--"], 2, /needs a command after --/],
    ];
    for (const [words, code, err] of refusals)
      expect({ words, ...(await home.run(words)) }).toEqual({
        words,
        code,
        out: "",
        err: expect.stringMatching(err),
      });
    const { out, err } = await home.run(["lock", "codes", "-j"]);
    expect(out).toBe("");
    expect(JSON.parse(err)).toMatchObject({ code: "held", holder: "ada", waiting: 0 });
    expect(await find("codes:free")).toBeUndefined();
    expect(await find("codes")).toMatchObject({ owner: "ada" });
  });

  test("refuse words that contradict each other, rather than ignore some", async () => {
    const contradictions = [
      ["--extend", "--wait"],
      ["--extend", "--timeout", "5s"],
      ["--extend", "--", "true"],
      ["--pid", String(process.pid), "--", "true"],
    ];
    await home.run(["lock", "contradicted"]);
    for (const words of contradictions) {
      const name = words.includes("--") ? "contradicted:free" : "contradicted";
      expect({ words, ...(await home.run(["lock", name, ...words])) }).toMatchObject({
        words,
        code: 2,
      });
    }
  });

  test("take a time to live in milliseconds or with a unit, and extend it", async () => {
    const spanOf = ({ expiresAt, acquiredAt }: any) => expiresAt - acquiredAt;
    expect(spanOf(await home.json(["lock", "ttl:ms", "--ttl", "1500"]))).toBe(1_500);
    const { fence, expiresAt } = await home.json(["lock", "ttl:unit", "--ttl", "5m"]);
    const extended = await home.json(["lock", "ttl:unit", "--extend", "--ttl", "10m"]);
    expect(extended.fence).toBe(fence);
    expect(extended.expiresAt).toBeGreaterThanOrEqual(expiresAt + 300_000);
    // Without one, it is as long as before.
    const again = await home.json(["lock", "ttl:unit", "--extend"]);
    expect(again.expiresAt).toBeGreaterThanOrEqual(extended.expiresAt);
    expect(await acquisitions("ttl:unit")).toBe(1);
  });

  test("a lock that lapsed is nobody's, and its holder is told when it was", async () => {
    await home.run(["lock", "lapsed", "--ttl", "200"]);
    await isFree("lapsed");
    const { code, err } = await home.run(["unlock", "lapsed"]);
    expect(code).toBe(3);
    expect(err).toMatch(/lapsed is not held: it lapsed at \d{4}-\d\d-\d\dT/);
    expect(await home.run(["lock", "lapsed", "--owner", "bob"])).toMatchObject({ code: 0 });
  });

  test("--fence frees only the acquisition it is of, --force any, and that is logged", async () => {
    const stale = (await home.run(["lock", "fenced", "-q"])).out.trim();
    await home.run(["unlock", "fenced", "--fence", stale]);
    const { fence, owner } = await home.json(["lock", "fenced"]);
    expect(fence).toBeGreaterThan(Number(stale));
    expect(await home.run(["unlock", "fenced", "--fence", stale])).toMatchObject({ code: 4 });
    expect(await find("fenced")).toMatchObject({ fence });
    const forced = await home.run(["unlock", "fenced", "--force", "--owner", "bob"]);
    expect(forced).toMatchObject({ code: 0 });
    const { entries } = await home.json(["log", "--target", "fenced", "--action", "lock_release"]);
    expect(entries[0].metadata).toEqual({ owner, fence, reason: "forced" });
    expect(entries[1].metadata.reason).toBe("released");
  });
});

describe.concurrent("the owner of a lock", () => {
  test("is the one given, else PORT_DADDY_OWNER, else the agent, else the caller", async () => {
    const env = { PORT_DADDY_AGENT: "claude-1", PORT_DADDY_OWNER: "ada" };
    const agent = { PORT_DADDY_AGENT: "claude-1" };
    const given = await home.json(["lock", "own:1", "--owner", "eve"], { env });
    expect(given).toMatchObject({ owner: "eve", agent: "claude-1" });
    expect(await home.json(["lock", "own:2"], { env })).toMatchObject({ owner: "ada" });
    expect(await home.json(["lock", "own:3"], { env: agent })).toMatchObject({
      owner: "claude-1",
      agent: "claude-1",
    });
    const caller = (await home.run(["whoami"])).out.trim();
    expect(await home.json(["lock", "own:4"])).toMatchObject({ owner: caller, agent: null });
    expect(await home.run(["unlock", "own:3"])).toMatchObject({
      code: 4,
      err: expect.stringContaining(`own:3 is held by claude-1, and you are ${caller}\n`),
    });
    expect(await home.run(["unlock", "own:3"], { env: agent })).toMatchObject({ code: 0 });
    expect(await home.run(["unlock", "own:2"], { env })).toMatchObject({ code: 0 });
  });

  test("is one for all commands of a terminal", async () => {
    const line = "port-daddy lock one:tty -q && sh -c 'port-daddy unlock one:tty'";
    expect(await home.onTerminal(line)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\nUnlocked one:tty\n$/),
    });
  });

  test.each([
    ["in another shell", "port-daddy unlock one"],
    ["behind timeout", "timeout 10 port-daddy unlock one"],
    [
      "behind shells and wrappers",
      "env X=1 nice bash -c 'sh -c \"port-daddy unlock one; exit $?\"'",
    ],
    ["behind npm run", "npm run --silent unlock"],
  ])("is one for a long-lived program without a terminal, %s", async (where, line) => {
    const name = `one:${where.replaceAll(" ", "-")}`;
    fs.mkdirSync(path.join(home.directory, name));
    const scripts = { unlock: `port-daddy unlock ${name}` };
    fs.writeFileSync(path.join(home.directory, name, "package.json"), JSON.stringify({ scripts }));
    expect(await home.shell(`port-daddy lock ${name}`)).toMatchObject({ code: 0 });
    const unlock = `cd '${name}' && ${line.replace("unlock one", `unlock ${name}`)}`;
    expect(await home.shell(unlock)).toMatchObject({ code: 0, out: `Unlocked ${name}\n` });
  });

  test("is another in each terminal, and whoever is refused sees both names", async () => {
    const first = await home.onTerminal("port-daddy whoami && port-daddy lock two:tty -q");
    const holder = first.out.split("\n")[0]!;
    const { code, out } = await home.onTerminal("port-daddy whoami; port-daddy unlock two:tty");
    const [caller, error] = out.split("\n");
    expect(caller).not.toBe(holder);
    expect(error).toBe(`error: two:tty is held by ${holder}, and you are ${caller}`);
    expect(code).toBe(4);
    expect(await find("two:tty")).toMatchObject({ owner: holder });
  });
});

test("without a daemon a lock is refused, and nothing is run", async () => {
  await using none = new Home({ PORT_DADDY_NO_AUTOSTART: "1" });
  for (const words of [["lock", "a"], ["lock", "a", "--wait"], ["unlock", "a"], ["locks"]])
    expect({ words, ...(await none.run(words)) }).toEqual({
      words,
      code: 7,
      out: "",
      err: expect.stringMatching(/^error: No daemon answers at .*\nhint: .* port-daddy start\n$/),
    });
  const mark = path.join(none.directory, "mark");
  expect(await none.run(["lock", "a", "--", "touch", mark])).toMatchObject({ code: 125, out: "" });
  expect(fs.existsSync(mark)).toBe(false);
  expect(none.daemons()).toEqual([]);
});

describe.concurrent("those who wait", () => {
  test("are served in the order in which they came", async () => {
    await home.run(["lock", "order", "--owner", "first"]);
    const owners = ["w1", "w2", "w3", "w4", "w5"];
    const waiters: ReturnType<Home["start"]>[] = [];
    for (const owner of owners) waiters.push(await startWaiting("order", owner, ["--wait", "-j"]));
    const { out } = await home.run(["unlock", "order", "--owner", "first"]);
    expect(out).toBe("Unlocked order; the next of 5 who wait has it\n");
    const fences: number[] = [];
    for (const [i, owner] of owners.entries()) {
      const lock = JSON.parse((await ended(waiters[i]!)).out);
      expect(lock).toMatchObject({ owner, waiting: owners.length - 1 - i });
      fences.push(lock.fence);
      for (const later of waiters.slice(i + 1)) expect(later.exitCode).toBeNull();
      await home.run(["unlock", "order", "--owner", owner]);
    }
    expect(fences).toEqual(fences.toSorted((a, b) => a - b));
    expect(new Set(fences).size).toBe(5);
  });

  test.each([
    ["SIGKILL", 137],
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("leave the line when they are ended by %s", async (signal, code) => {
    const name = `left:${signal}`;
    await home.run(["lock", name]);
    const killed = await startWaiting(name, "killed", ["--wait"]);
    const patient = await startWaiting(name, "patient", ["--wait"]);
    killed.kill(signal);
    expect(await killed.exited).toBe(code);
    await eventually("it has left", async () => (await find(name)).waiting === 1);
    await home.run(["unlock", name]);
    expect(await patient.exited).toBe(0);
    expect(await find(name)).toMatchObject({ owner: "patient", waiting: 0 });
    expect(await acquisitions(name)).toBe(2);
  });

  test.each([1, 2])("are told who has it when their time is over, being %i", async (many) => {
    const name = `late:${many}`;
    await home.run(["lock", name, "--owner", "ada"]);
    const words = ["--wait", "--timeout", "1s"];
    const waiters = [await startWaiting(name, "bob", words)];
    if (many === 2) waiters.push(await startWaiting(name, "eve", words));
    for (const waiter of waiters) {
      const { code, out, err } = await ended(waiter);
      expect({ code, out }).toEqual({ code: 6, out: "" });
      expect(err).toMatch(new RegExp(`^error: Not acquired within \\S+: ${name} is held by ada `));
    }
    expect(await find(name)).toMatchObject({ owner: "ada", waiting: 0 });
  });

  test("have a lock that lapses at once", async () => {
    await home.run(["lock", "handed", "--owner", "ada", "--ttl", "2s"]);
    const waiter = await startWaiting("handed", "bob", ["--timeout", "0"]);
    expect(await waiter.exited).toBe(0);
    expect(await find("handed")).toMatchObject({ owner: "bob" });
  });
});

describe.concurrent("a wait for a lock goes on", () => {
  const interruptions: [string, (at: Home) => Promise<unknown>][] = [
    ["through a restart of the daemon", (at) => at.run(["restart"])],
    ["after the daemon was killed", async (at) => at.kill((await at.daemonPid())!)],
  ];
  test.each(interruptions)("%s, and ends with the lock, once", async (_, interrupt) => {
    await using at = new Home();
    await at.run(["lock", "db", "--owner", "ada"]);
    const before = await at.daemonPid();
    const waiter = await startWaiting("db", "bob", ["--timeout", "20s"], at);
    await interrupt(at);
    await eventually("it waits at another daemon", async () => {
      const pid = await at.daemonPid();
      return pid !== undefined && pid !== before && (await find("db", at))?.waiting === 1;
    });
    expect(waiter.exitCode).toBeNull();
    await at.run(["unlock", "db", "--owner", "ada"]);
    expect(await ended(waiter)).toMatchObject({ code: 0, err: "" });
    expect(await find("db", at)).toMatchObject({ owner: "bob", waiting: 0 });
    expect(await acquisitions("db", at)).toBe(2);
    expect(at.daemons()).toHaveLength(1);
  });

  test("while the daemon is stopped, until its own time is over, and does not start it", async () => {
    await using at = new Home();
    await at.run(["lock", "db", "--owner", "ada"]);
    const waiter = await startWaiting("db", "bob", ["--timeout", "2s"], at);
    await at.run(["stop"]);
    const { code, out } = await ended(waiter);
    expect({ code, out }).toEqual({ code: 7, out: "" });
    expect(at.daemons()).toEqual([]);
  });
});

test("fences grow, also across kill -9 of the daemon and the loss of the database", async () => {
  await using at = new Home();
  const fences: number[] = [];
  async function take() {
    for (const name of ["a", "b"]) {
      fences.push(Number((await at.run(["lock", name, "-q"])).out));
      await at.run(["unlock", name]);
    }
  }
  await take();
  await at.kill((await at.daemonPid())!);
  await take();
  for (const isCrash of [false, true]) {
    if (isCrash) await at.kill((await at.daemonPid())!);
    else await at.run(["stop"]);
    const files = fs.readdirSync(at.state).filter((name) => name.startsWith("port-daddy.db"));
    expect(files).not.toEqual([]);
    for (const name of files) fs.rmSync(path.join(at.state, name));
    await take();
  }
  expect(fences).toHaveLength(8);
  for (const [i, fence] of fences.entries()) expect(fence).toBeGreaterThan(fences[i - 1] ?? 0);
});
