// What a person sees, and what a program that captures it gets: every command's screen, as a terminal and as a pipe.

import type { StreamEvent } from "../../src/client/events.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import type { Command, Context } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { parse } from "../../src/cli/parse.ts";
import { noPaint } from "../../src/cli/terminal.ts";
import { readConfig } from "../../src/config.ts";
import type { Claimed, Service } from "../../src/contract/entities.ts";
import { startOfTime } from "../world.ts";

const minute = 60_000;

/** Answers by operation: what the daemon would say, or throw. */
type Answers = Record<string, unknown>;

/** Runs a line of words against recorded answers; the screen holds stdout, then stderr's lines after a `! `. */
async function screen(line: string, answers: Answers = {}, options: Partial<Side> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const calls: [string, unknown][] = [];
  const { isTerminal = false, env = {}, input = "", stream = [] } = options;
  const daemon = {
    async *follow(name: string, input: unknown) {
      calls.push([name, input]);
      yield* stream;
    },
    async call(name: string, input: unknown) {
      calls.push([name, input]);
      if (!(name in answers)) throw new Error(`nothing recorded for ${name}`);
      return answers[name];
    },
  } as Context["daemon"];
  const { command, args, program, flags } = parse(line.split(" "), commands);
  const code = await (command as Command<any>).run(
    { args, program, flags: flags as never },
    {
      config: readConfig({ HOME: "/home/ada", ...env }),
      faults: [],
      terminal: {
        out: (text) => void out.push(...text.split("\n")),
        err: (text) => void err.push(...text.split("\n").map((each) => `! ${each}`)),
        isInteractive: isTerminal,
        input: async () => input,
        columns: () => (isTerminal ? 100 : undefined),
        paint: noPaint,
      },
      daemon,
      runningDaemon: () => daemon,
      callerId: () => "ada@box#4321.99",
      runDaemon: () => Promise.reject(new Error("no daemon here")),
    },
  );
  const text = ["", ...out, ...err, ...(code ? [`→ ${code}`] : []), ""].join("\n");
  return { text, out, err, calls, code: code ?? 0 };
}

type Side = {
  isTerminal: boolean;
  env: Record<string, string>;
  /** What is piped into the command. */
  input: string;
  /** What a stream of the daemon brings. */
  stream: StreamEvent[];
};

/** The same line on a terminal and in a pipe. */
async function both(line: string, answers: Answers = {}, env: Record<string, string> = {}) {
  const [terminal, pipe] = [
    await screen(line, answers, { isTerminal: true, env }),
    await screen(line, answers, { isTerminal: false, env }),
  ];
  return terminal.text === pipe.text
    ? `\n— both —${terminal.text}`
    : `\n— terminal —${terminal.text}— pipe —${pipe.text}`;
}

function service(given: Partial<Service> = {}): Service {
  return {
    id: "myapp:api",
    port: 3100,
    status: "assigned",
    listener: null,
    pid: null,
    agent: null,
    cmd: null,
    cwd: "/home/ada/src/myapp",
    urls: { local: "http://localhost:3100" },
    health: null,
    metadata: null,
    createdAt: startOfTime - 90 * minute,
    lastSeenAt: startOfTime - 5 * minute,
    expiresAt: null,
    ...given,
  };
}

const claimed = (given: Partial<Claimed> = {}): Claimed => ({
  ...service(),
  existing: false,
  ...given,
});

const server = {
  pid: 812,
  command: "node server.js",
  cwd: "/home/ada/src/other",
  user: "ada",
  startedAt: startOfTime - 60 * minute,
};

/** What a stranger may put where any text is allowed: colours, a cleared screen, new lines, a turned reading order. */
const hostile = `\x1b[2J\x1b]0;owned\x07x\r\ny\u202Egpj.\u2066\x9b31m${"z".repeat(300)}`;

const home = process.env["HOME"];
beforeAll(() => void (process.env["HOME"] = "/home/ada"));
beforeEach(() => void setSystemTime(startOfTime));
afterAll(() => {
  setSystemTime();
  process.env["HOME"] = home;
});

describe("claim", () => {
  test("says which port it is; into a pipe the port alone is the answer", async () => {
    expect(await both("claim myapp:api", { claim: claimed() })).toMatchInlineSnapshot(`
      "
      — terminal —
      myapp:api → port 3100
      — pipe —
      3100
      ! myapp:api → port 3100
      "
    `);
    expect(await both("claim myapp:api", { claim: claimed({ existing: true }) }))
      .toMatchInlineSnapshot(`
      "
      — terminal —
      myapp:api → port 3100
      — pipe —
      3100
      ! myapp:api → port 3100
      "
    `);
  });

  test("asks for what its flags say, and says where it was asked from", async () => {
    const { calls } = await screen("claim a -p 3200 --expires 2h --agent bob --cmd x", {
      claim: claimed(),
    });
    const given = { port: 3200, expires: 7_200_000, agent: "bob", cmd: "x" };
    expect(calls).toEqual([["claim", { id: "a", cwd: process.cwd(), ...given }]]);
    const elsewhere = await screen("claim a --cwd /srv", { claim: claimed() });
    expect(elsewhere.calls).toEqual([["claim", { id: "a", cwd: "/srv" }]]);
  });

  test("of several is a line each, in the order asked for", async () => {
    const services = [claimed(), claimed({ id: "myapp:web", port: 3101 })];
    expect(await both("claim myapp:api myapp:web", { claimAll: { services } }))
      .toMatchInlineSnapshot(`
      "
      — terminal —
      myapp:api → port 3100
      myapp:web → port 3101
      — pipe —
      3100
      3101
      ! myapp:api → port 3100
      ! myapp:web → port 3101
      "
    `);
    const { calls } = await screen("claim myapp:api myapp:web", { claimAll: { services } });
    expect(calls).toEqual([["claimAll", { ids: ["myapp:api", "myapp:web"], cwd: process.cwd() }]]);
  });

  test("of several with one port is refused before anything is asked", async () => {
    await expect(screen("claim a b --port 3200")).rejects.toMatchObject({ code: "invalid_input" });
  });

  test.each([
    ["held", { id: "shop", process: null }, "held by shop now"],
    ["in_use", { id: null, process: server }, "in use by process 812 (node server.js) now"],
    ["in_use", { id: null, process: null }, "in use now"],
    ["reserved", null, "reserved now"],
    ["out_of_range", null, "outside the range asked for"],
    ["requested", null, "given up as asked"],
  ] as const)("that had to move says from where and why: %s", async (reason, holder, why) => {
    const answers = { claim: claimed({ port: 3105, movedFrom: { port: 3100, reason, holder } }) };
    const moved = `! moved from port 3100, which is ${why}`;
    const sentence = "myapp:api → port 3105";
    const terminal = await screen("claim myapp:api", answers, { isTerminal: true });
    expect([terminal.out, terminal.err]).toEqual([[sentence], [moved]]);
    const pipe = await screen("claim myapp:api", answers);
    expect([pipe.out, pipe.err]).toEqual([["3105"], [`! ${sentence}`, moved]]);
    expect((await screen("claim myapp:api -q", answers)).err).toEqual([]);
  });

  test("shows what others have written into a warning as the text that it is", async () => {
    const warning = "port 3100 is in use by a stranger: process 7 (\x1b]0;owned\x07)";
    const { err } = await screen("claim myapp:api", { claim: claimed({ warning }) });
    expect(err.join()).not.toMatch(/[\x07\x1b]/);
    expect(err.join()).toContain("owned");
  });

  test("passes a warning on, also where it is to be quiet", async () => {
    const warning = "browsers refuse to connect to port 6000";
    const answers = { claim: claimed({ port: 6000, warning }) };
    expect(await both("claim myapp:api", answers)).toMatchInlineSnapshot(`
      "
      — terminal —
      myapp:api → port 6000
      ! warning: browsers refuse to connect to port 6000
      — pipe —
      6000
      ! myapp:api → port 6000
      ! warning: browsers refuse to connect to port 6000
      "
    `);
    expect(await both("claim myapp:api -q", answers)).toMatchInlineSnapshot(`
      "
      — both —
      6000
      "
    `);
  });

  test("in quiet is the port alone, in JSON the answer as it came", async () => {
    expect(await both("claim myapp:api -q", { claim: claimed() })).toMatchInlineSnapshot(`
      "
      — both —
      3100
      "
    `);
    const { out, err } = await screen("claim myapp:api -j", { claim: claimed() });
    expect([JSON.parse(out.join("\n")), err]).toEqual([claimed(), []]);
  });
});

describe("release", () => {
  const freed = [
    { id: "myapp:api", port: 3100 },
    { id: "myapp:web", port: 3101 },
  ];

  test("says what it released", async () => {
    const release = { released: 2, services: freed };
    const launches = { launches: [], count: 0 };
    expect(await both("release myapp:*", { release, launches })).toMatchInlineSnapshot(`
      "
      — both —
      Released myapp:api (port 3100)
      Released myapp:web (port 3101)
      "
    `);
    expect(await both("release myapp:* -q", { release: { released: 2, services: freed } }))
      .toMatchInlineSnapshot(`
      "
      — both —
      "
    `);
  });

  test("warns of what is launched and goes on", async () => {
    const release = { released: 2, services: freed };
    const ended = { id: "myapp:web", endedAt: startOfTime };
    const launches = { launches: [{ id: "myapp:api", endedAt: null }, ended], count: 2 };
    expect(await both("release myapp:*", { release, launches })).toMatchInlineSnapshot(`
      "
      — both —
      Released myapp:api (port 3100)
      Released myapp:web (port 3101)
      ! warning: what was launched as myapp:api goes on without its claim
      ! hint: end it: port-daddy launch --stop myapp:api
      "
    `);
  });

  test("says what it would release", async () => {
    const line = "release myapp:* --dry-run";
    expect(await both(line, { release: { released: 2, services: freed } })).toMatchInlineSnapshot(`
      "
      — both —
      Would release myapp:api (port 3100)
      Would release myapp:web (port 3101)
      "
    `);
    const { calls } = await screen(line, { release: { released: 2, services: freed } });
    expect(calls).toEqual([["release", { id: "myapp:*", dryRun: true }]]);
    const { out } = await screen(`${line} -q`, { release: { released: 2, services: freed } });
    expect(out).toEqual(["myapp:api", "myapp:web"]);
  });

  test("of nothing is no failure, and names what was probably meant", async () => {
    const none = { released: 0, services: [] };
    const services = { services: [service()], count: 1 };
    expect(await both("release myapp:aip", { release: none, services })).toMatchInlineSnapshot(`
      "
      — both —
      ! Nothing to release: myapp:aip holds no port
      ! hint: see what there is: port-daddy find myapp:api
      "
    `);
    expect(await both("release elsewhere", { release: none, services })).toMatchInlineSnapshot(`
      "
      — both —
      ! Nothing to release: elsewhere holds no port
      "
    `);
    expect(await both("release other:*", { release: none })).toMatchInlineSnapshot(`
      "
      — both —
      ! Nothing to release: no service matches other:*
      "
    `);
  });

  test("of everybody's services is refused before anything is asked, unless it is meant", async () => {
    for (const pattern of ["*", "**", "*:*", "**:*"])
      await expect(screen(`release ${pattern}`)).rejects.toMatchObject({
        code: "invalid_input",
        hint: expect.stringContaining(`port-daddy release '${pattern}' --dry-run`),
      });
    const { calls } = await screen("release * --force", {
      release: { released: 2, services: freed },
      launches: { launches: [], count: 0 },
    });
    expect(calls[0]).toEqual(["release", { id: "*" }]);
  });
});

describe("find", () => {
  const services = [
    service(),
    service({
      id: "myapp:web:main",
      port: 3101,
      status: "running",
      expiresAt: startOfTime + 2 * 60 * minute,
    }),
    service({ id: "shop", port: 3102, cwd: `/srv/${"deep/".repeat(20)}`, lastSeenAt: startOfTime }),
    service({ id: "tool", port: 3103, cwd: null }),
  ];

  test("is a table, as wide as the screen at most", async () => {
    expect(await both("find", { services: { services, count: 4 } })).toMatchInlineSnapshot(`
      "
      — terminal —
      IDENTITY        PORT  STATUS    PROCESS  CLAIMED  EXPIRES  DIRECTORY
      myapp:api       3100  assigned  -        1h ago   -        ~/src/myapp
      myapp:web:main  3101  running   -        1h ago   in 2h    ~/src/myapp
      shop            3102  assigned  -        1h ago   -        /srv/deep/deep/deep/deep/deep/deep/deep/…
      tool            3103  assigned  -        1h ago   -        -
      — pipe —
      IDENTITY        PORT  STATUS    PROCESS  CLAIMED  EXPIRES  DIRECTORY
      myapp:api       3100  assigned  -        1h ago   -        ~/src/myapp
      myapp:web:main  3101  running   -        1h ago   in 2h    ~/src/myapp
      shop            3102  assigned  -        1h ago   -        /srv/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/
      tool            3103  assigned  -        1h ago   -        -
      "
    `);
  });

  test("of nothing says so, on stderr, and what to do", async () => {
    const none = { services: { services: [], count: 0 } };
    expect(await both("find", none)).toMatchInlineSnapshot(`
      "
      — both —
      ! No port is claimed
      ! hint: claim one: port-daddy claim myapp
      "
    `);
    expect(await both("find other:*", none)).toMatchInlineSnapshot(`
      "
      — both —
      ! No service matches other:*
      ! hint: see all: port-daddy find
      "
    `);
  });

  test("of nothing names all that was asked for, where that was not everything", async () => {
    const none = { services: { services: [], count: 0 } };
    for (const asked of ["--status running", "other:* --port 3100 --agent ada"])
      expect((await screen(`find ${asked}`, none)).err[0]).toBe(`! No service matches ${asked}`);
  });

  test("in quiet is the identities alone, in JSON the answer as it came", async () => {
    expect(await both("ps -q", { services: { services, count: 4 } })).toMatchInlineSnapshot(`
      "
      — both —
      myapp:api
      myapp:web:main
      shop
      tool
      "
    `);
    const { out } = await screen("ps --json", { services: { services, count: 4 } });
    expect(JSON.parse(out.join("\n"))).toEqual({ services, count: 4 });
  });

  test("asks for what its flags say", async () => {
    const { calls } = await screen("ps myapp --status running --agent bob -p 3100", {
      services: { services, count: 4 },
    });
    expect(calls).toEqual([
      ["services", { pattern: "myapp", status: "running", agent: "bob", port: 3100 }],
    ]);
  });
});

describe("who", () => {
  const nobody = { port: 3100, service: null, listeners: [], refusal: null };

  test("tells the claim and the process of a port", async () => {
    const report = {
      ...nobody,
      service: service({ agent: "bob", expiresAt: startOfTime + 30 * minute }),
      listeners: [server],
    };
    expect(await both("who 3100", { port: report })).toMatchInlineSnapshot(`
      "
      — both —
      port 3100 is claimed by myapp:api since 2026-01-02 01:34:05 (1h ago)
        from ~/src/myapp
        by agent bob
        until 2026-01-02 03:34:05 (in 30m)
        listening: process 812 (node server.js) of ada, in ~/src/other, since 2026-01-02 02:04:05 (1h ago)
      "
    `);
    expect(await both("who 3100 -q", { port: report })).toMatchInlineSnapshot(`
      "
      — both —
      myapp:api
      "
    `);
  });

  test("tells of a port that nobody has, and exits with 3", async () => {
    expect(await both("who 3100", { port: nobody })).toMatchInlineSnapshot(`
      "
      — both —
      nobody has claimed port 3100
        nothing listens on it
      → 3
      "
    `);
    expect(await both("who 3100 -q", { port: nobody })).toMatchInlineSnapshot(`
      "
      — both —
      → 3
      "
    `);
  });

  test("tells of processes that cannot be seen, and why a port is never given out", async () => {
    const unseen = { pid: null, command: null, cwd: null, user: "root", startedAt: null };
    const report = { ...nobody, port: 8080, listeners: [unseen], refusal: "port 8080 is reserved" };
    expect(await both("who 8080", { port: report })).toMatchInlineSnapshot(`
      "
      — both —
      nobody has claimed port 8080
        it is not given out unasked: port 8080 is reserved
        listening: a process of root that cannot be seen from here
      "
    `);
    expect(await both("who 8080 -q", { port: report })).toMatchInlineSnapshot(`
      "
      — both —
      root
      "
    `);
  });

  test("refuses what is no port before anything is asked", async () => {
    await expect(screen("who abc")).rejects.toMatchObject({ code: "invalid_input" });
    await expect(screen("who 0")).rejects.toMatchObject({ code: "invalid_input" });
  });
});

describe("log", () => {
  const entry = (
    id: number,
    event: string,
    targetId: string,
    metadata: object,
    actor = "ada@box#1.2",
  ) => ({
    id,
    timestamp: startOfTime - id * minute,
    action: "claim",
    event,
    targetId,
    actor,
    metadata,
  });
  const entries = [
    entry(1, "service.release", "myapp", { port: 3100, reason: "expired" }, "port-daddy"),
    entry(2, "service.claim", "myapp", { port: 3100, existing: true }, "bob"),
    entry(3, "service.claim", "myapp", { port: 3100, existing: false, movedFrom: { port: 3105 } }),
    entry(4, "service.release", "myapp", { port: 3105, reason: "released" }),
    entry(5, "service.claim", "myapp", { port: 3105, existing: false }),
    entry(6, "daemon.start", "daemon", { version: "1.0.0", pid: 7, port: 9876 }, "port-daddy"),
    entry(7, "lock.taken", "later", {}),
  ];

  test("tells what happened, the newest last", async () => {
    expect(await both("log", { activity: { entries, count: 7 } })).toMatchInlineSnapshot(`
      "
      — both —
      2026-01-02 02:57:05  ada@box#1.2 lock.taken later
      2026-01-02 02:58:05  port-daddy started port-daddy 1.0.0, pid 7
      2026-01-02 02:59:05  ada@box#1.2 claimed myapp → port 3105
      2026-01-02 03:00:05  ada@box#1.2 released myapp (port 3105)
      2026-01-02 03:01:05  ada@box#1.2 moved myapp from port 3105 to 3100
      2026-01-02 03:02:05  bob claimed myapp again → port 3100
      2026-01-02 03:03:05  port-daddy freed myapp (port 3100): it expired
      "
    `);
  });

  test("of nothing says so", async () => {
    expect(await both("log", { activity: { entries: [], count: 0 } })).toMatchInlineSnapshot(`
      "
      — both —
      ! Nothing of that kind has happened
      "
    `);
    expect(await both("log -q", { activity: { entries: [], count: 0 } })).toMatchInlineSnapshot(`
      "
      — both —
      "
    `);
  });

  test("asks for what its flags say", async () => {
    const { calls } = await screen(
      "log --limit 5 --action claim --target myapp:* --actor a --since 1h",
      {
        activity: { entries: [], count: 0 },
      },
    );
    const since = startOfTime - 60 * minute;
    expect(calls).toEqual([
      ["activity", { limit: 5, action: "claim", targetId: "myapp:*", actor: "a", since }],
    ]);
  });
});

describe("whoami", () => {
  test("is the process behind the command, or the agent", async () => {
    expect(await both("whoami")).toMatchInlineSnapshot(`
      "
      — both —
      ada@box#4321.99
      "
    `);
    expect(await both("whoami", {}, { PORT_DADDY_AGENT: "bob" })).toMatchInlineSnapshot(`
      "
      — both —
      bob
      ! the agent of PORT_DADDY_AGENT; without it: ada@box#4321.99
      "
    `);
  });

  test("in quiet is the name alone", async () => {
    const { err } = await screen("whoami -q", {}, { env: { PORT_DADDY_AGENT: "bob" } });
    expect(err).toEqual([]);
  });

  test("in JSON tells both", async () => {
    const { out } = await screen("whoami -j", {}, { env: { PORT_DADDY_AGENT: "bob" } });
    const names = { actor: "bob", agent: "bob", owner: null, caller: "ada@box#4321.99" };
    expect(JSON.parse(out[0]!)).toEqual(names);
  });
});

describe("status", () => {
  const version = {
    version: "1.0.0",
    codeHash: "0123456789ab",
    api: 1,
    pid: 7,
    uid: 1000,
    startedAt: startOfTime - 90 * minute,
    port: 9876,
    wantedPort: 9876,
    range: "3100-9999",
    home: "/home/ada/.local/state/port-daddy",
  };
  const health = { status: "ok", version: "1.0.0", pid: 7, uptimeMs: 90 * minute, services: 1 };

  test("tells what is in force", async () => {
    expect(await both("status", { version, health })).toMatchInlineSnapshot(`
      "
      — both —
      port-daddy 1.0.0 is running for 1h, pid 7
        API        http://localhost:9876 and ~/.local/state/port-daddy/daemon.sock
        dashboard  http://localhost:9876/
        state      ~/.local/state/port-daddy
        ports      3100-9999, 1 claim
        held       undefined locks, undefined active agents, undefined subscribers
      "
    `);
    expect(await both("status -q", { version, health })).toMatchInlineSnapshot(`
      "
      — both —
      running
      "
    `);
  });

  test("says so where another user's daemon has the port", async () => {
    const { port: _, ...alone } = version;
    expect(await both("status", { version: alone, health })).toMatchInlineSnapshot(`
      "
      — both —
      port-daddy 1.0.0 is running for 1h, pid 7
        API        ~/.local/state/port-daddy/daemon.sock alone: another user's port-daddy has port 9876
        state      ~/.local/state/port-daddy
        ports      3100-9999, 1 claim
        held       undefined locks, undefined active agents, undefined subscribers
      "
    `);
  });
});

describe("dashboard", () => {
  const version = { port: 9876, wantedPort: 9876 };
  const opens = { BROWSER: "true" };
  const overSsh = { SSH_CONNECTION: "192.0.2.1 50000 192.0.2.2 22" };
  const guarded = {
    version: { ...version, needsToken: true },
    browserKey: { key: "k-1", expiresAt: startOfTime + minute },
  };

  test("says which page it opened; into a pipe its URL alone is the answer", async () => {
    expect(await both("dashboard", { version }, opens)).toMatchInlineSnapshot(`
      "
      — terminal —
      Opened http://localhost:9876/
      — pipe —
      http://localhost:9876/
      ! Opened http://localhost:9876/
      "
    `);
    expect(await both("dashboard -q", { version }, opens)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/
      "
    `);
    expect(await both("dashboard -j", { version }, opens)).toMatchInlineSnapshot(`
      "
      — both —
      {"url":"http://localhost:9876/","opened":true}
      "
    `);
  });

  test("that is not to open anything prints the URL", async () => {
    expect(await both("dashboard --no-open", { version }, opens)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/
      "
    `);
    expect(await both("dashboard --no-open -j", { version }, opens)).toMatchInlineSnapshot(`
      "
      — both —
      {"url":"http://localhost:9876/","opened":false}
      "
    `);
  });

  test("that can't open a browser prints the URL, and says why", async () => {
    const nobody = { BROWSER: "no-such-browser-1" };
    expect(await both("dashboard", { version }, nobody)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/
      ! No browser was opened: there is no program 'no-such-browser-1'
      "
    `);
    expect(await both("dashboard", { version }, { BROWSER: "false" })).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/
      ! No browser was opened: 'false' exited with 1
      "
    `);
    expect(await both("dashboard", { version }, overSsh)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/
      ! No browser was opened: this is an SSH session
      ! hint: to see it where you sit, run there: ssh -L 9876:localhost:9876 <host>
      "
    `);
    expect(await both("dashboard -q", { version }, overSsh)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/
      "
    `);
    expect(await both("dashboard -j", { version }, overSsh)).toMatchInlineSnapshot(`
      "
      — both —
      {"url":"http://localhost:9876/","opened":false}
      "
    `);
  });

  test("asks for a key where the daemon needs a token, and nowhere else", async () => {
    const calls = async (answers: Answers, env: Record<string, string> = {}) =>
      (await screen("dashboard --no-open", answers, { env })).calls;
    const elsewhere = { PORT_DADDY_URL: "http://box:1" };
    expect(await calls({ version }, elsewhere)).toEqual([["version", {}]]);
    expect(await calls(guarded)).toEqual([
      ["version", {}],
      ["browserKey", {}],
    ]);
  });

  test("prints a key where it is still to be used, with how long it is good", async () => {
    expect(await both("dashboard", guarded, opens)).toMatchInlineSnapshot(`
      "
      — terminal —
      Opened http://localhost:9876/
      — pipe —
      http://localhost:9876/
      ! Opened http://localhost:9876/
      "
    `);
    expect(await both("dashboard --no-open", guarded)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/enter?key=k-1
      ! The key in it works once and expires in 1m
      "
    `);
    expect(await both("dashboard", guarded, overSsh)).toMatchInlineSnapshot(`
      "
      — both —
      http://localhost:9876/enter?key=k-1
      ! The key in it works once and expires in 1m
      ! No browser was opened: this is an SSH session
      ! hint: to see it where you sit, run there: ssh -L 9876:localhost:9876 <host>
      "
    `);
    expect(await both("dashboard --no-open -j", guarded)).toMatchInlineSnapshot(`
      "
      — both —
      {"url":"http://localhost:9876/enter?key=k-1","opened":false}
      "
    `);
  });

  test("of a daemon elsewhere is at the URL that is asked", async () => {
    const box = { PORT_DADDY_URL: "http://box:1/", ...overSsh };
    expect(await both("dashboard", { version: { wantedPort: 9876 } }, box)).toMatchInlineSnapshot(`
      "
      — both —
      http://box:1/
      ! No browser was opened: this is an SSH session
      "
    `);
    expect(await both("dashboard --no-open", guarded, box)).toMatchInlineSnapshot(`
      "
      — both —
      http://box:1/enter?key=k-1
      ! The key in it works once and expires in 1m
      "
    `);
  });

  test("of a daemon that serves its socket alone is refused with what would change that", async () => {
    await expect(screen("dashboard", { version: { wantedPort: 9876 } })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("another user's port-daddy has port 9876"),
      hint: "give it another: PORT_DADDY_PORT=9877 port-daddy restart",
    });
  });
});

describe("hostile text from others never reaches the screen as it is", () => {
  const raw = /[\x00-\x1f\x7f-\x9f]|\p{Cf}/u;
  const bad = { pid: 9, command: hostile, cwd: `/tmp/${hostile}`, user: "ada", startedAt: 0 };
  const moved = { port: 3100, reason: "in_use", holder: { id: null, process: bad } } as const;
  const worst = service({
    cmd: hostile,
    cwd: hostile,
    metadata: { [hostile]: hostile },
  });
  const release = { port: 1, reason: "released" };
  const entries = ["service.claim", "service.release", "daemon.start", "daemon.stop", hostile].map(
    (event) => ({
      id: 1,
      timestamp: 0,
      action: hostile,
      event,
      targetId: hostile,
      actor: hostile,
      metadata: {
        ...release,
        version: hostile,
        pid: hostile,
        port: hostile,
        movedFrom: { port: hostile },
      },
    }),
  );

  test.each([
    ["claim a", { claim: claimed({ movedFrom: moved, cwd: hostile, cmd: hostile }) }],
    ["find", { services: { services: [worst], count: 1 } }],
    ["who 3100", { port: { port: 3100, service: worst, listeners: [bad], refusal: null } }],
    [
      "who 3100 -q",
      { port: { port: 3100, service: null, listeners: [{ ...bad, pid: null }], refusal: null } },
    ],
    ["log", { activity: { entries, count: 1 } }],
  ])("%s", async (line, answers) => {
    for (const isTerminal of [true, false]) {
      const { out, err } = await screen(line, answers, { isTerminal });
      // The fake terminal splits at new lines, so a forged line would be one too many.
      for (const each of [...out, ...err]) expect(each).not.toMatch(raw);
    }
  });

  test("nor does it forge a line of its own", async () => {
    const { out } = await screen("log", { activity: { entries, count: 5 } });
    expect(out).toHaveLength(entries.length);
  });

  test("nor does a long one wrap a table's row", async () => {
    const { out } = await screen(
      "find",
      { services: { services: [worst], count: 1 } },
      { isTerminal: true },
    );
    expect(out.map((each) => each.length <= 100)).toEqual([true, true]);
  });
});
