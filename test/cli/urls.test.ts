// The screens of url, env and wait, as a terminal and as a pipe.

import { describe, expect, test } from "bun:test";
import type { Command, Context } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { parse } from "../../src/cli/parse.ts";
import { noPaint } from "../../src/cli/terminal.ts";
import { ConnectionLost } from "../../src/client/failures.ts";
import { readConfig } from "../../src/config.ts";
import type { Service } from "../../src/contract/entities.ts";
import { Fault } from "../../src/contract/faults.ts";
import { startOfTime } from "../world.ts";

type Call = [name: string, input: any, deadlineMs: number | undefined];

/** What the daemon answers to each operation in turn, the last one for good; a fault is thrown. */
type Answers = Record<string, unknown[]>;

/** Runs a line of words against recorded answers; the screen holds stdout, then stderr's lines after a `! `. */
async function screen(line: string, answers: Answers = {}, isInteractive = false) {
  const [out, err]: string[][] = [[], []];
  const calls: Call[] = [];
  const daemon: Context["daemon"] = {
    follow: () => Promise.reject(new Error("nothing to follow here")) as never,
    async call(name, input, options) {
      calls.push([name, input, options?.deadlineMs]);
      const mine = calls.filter(([other]) => other === name).length;
      const answer = answers[name]?.[mine - 1] ?? answers[name]?.at(-1);
      if (answer === undefined) throw new Error(`nothing recorded for ${name}`);
      if (answer instanceof Error) throw answer;
      return answer as never;
    },
  };
  const { command, args, program, flags } = parse(line.split(" "), commands);
  const code = await (command as Command<any>).run(
    { args, program, flags: flags as never },
    {
      config: readConfig({ HOME: "/home/ada" }),
      faults: [],
      terminal: {
        out: (text) => void out!.push(...text.split("\n")),
        err: (text) => void err!.push(...text.split("\n").map((each) => `! ${each}`)),
        isInteractive,
        input: async () => "",
        columns: () => (isInteractive ? 100 : undefined),
        paint: noPaint,
      },
      daemon,
      runningDaemon: () => daemon,
      callerId: () => "ada@box#4321.99",
      runDaemon: () => Promise.reject(new Error("no daemon here")),
    },
  );
  const text = ["", ...out!, ...err!, ...(code ? [`→ ${code}`] : []), ""].join("\n");
  return { text, out: out!, err: err!, calls, code: code ?? 0 };
}

/** The same line on a terminal and in a pipe. */
async function both(line: string, answers: Answers = {}) {
  const [terminal, pipe] = [await screen(line, answers, true), await screen(line, answers)];
  return terminal.text === pipe.text
    ? `\n— both —${terminal.text}`
    : `\n— terminal —${terminal.text}— pipe —${pipe.text}`;
}

function service(id = "myapp:api", port = 3100, urls: Record<string, string> = {}): Service {
  return {
    id,
    port,
    status: "running",
    listener: null,
    pid: null,
    agent: null,
    cmd: null,
    cwd: "/home/ada/src/myapp",
    urls: { local: `http://localhost:${port}`, ...urls },
    health: null,
    metadata: null,
    createdAt: startOfTime,
    lastSeenAt: startOfTime,
    expiresAt: null,
  };
}

const tunnel = "https://myapp.example.com";

describe("url", () => {
  const answers = { service: [service("myapp:api", 3100, { tunnel })] };

  test("is the local one, alone, unless another is asked for", async () => {
    expect(await both("url myapp:api", answers)).toBe("\n— both —\nhttp://localhost:3100\n");
    expect(await both("url myapp:api -e local", answers)).toBe(
      "\n— both —\nhttp://localhost:3100\n",
    );
    expect(await both("url myapp:api --env tunnel -q", answers)).toBe(`\n— both —\n${tunnel}\n`);
    const { calls } = await screen("url myapp:api -e tunnel", answers);
    expect(calls).toEqual([["service", { id: "myapp:api" }, undefined]]);
  });

  test("that was not set is not found, with the command that sets it", async () => {
    await expect(screen("url myapp:api -e staging", answers)).rejects.toMatchObject({
      code: "not_found",
      message: "myapp:api has no staging URL",
      hint: "set it: port-daddy url myapp:api -e staging --set <url>",
      details: { known: ["local", "tunnel"] },
    });
  });

  test("of an environment called like something that objects have is not found either", async () => {
    await expect(screen("url myapp:api -e constructor", answers)).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("is set, and says so", async () => {
    const set = { setEndpoint: [service("myapp:api", 3100, { tunnel })] };
    const line = `url myapp:api -e tunnel --set ${tunnel}`;
    expect(await both(line, set)).toMatchInlineSnapshot(`
      "
      — both —
      Set the tunnel URL of myapp:api to https://myapp.example.com
      "
    `);
    expect(await both(`${line} -q`, set)).toMatchInlineSnapshot(`
      "
      — both —
      "
    `);
    const { calls } = await screen(line, set);
    const input = { id: "myapp:api", env: "tunnel", url: tunnel };
    expect(calls).toEqual([["setEndpoint", input, undefined]]);
  });

  test("is removed, and says so", async () => {
    const unset = { unsetEndpoint: [service()] };
    expect(await both("url myapp:api -e tunnel --unset", unset)).toMatchInlineSnapshot(`
      "
      — both —
      Removed the tunnel URL of myapp:api
      "
    `);
    const { calls } = await screen("url myapp:api -e tunnel --unset", unset);
    expect(calls).toEqual([["unsetEndpoint", { id: "myapp:api", env: "tunnel" }, undefined]]);
  });

  test("in JSON is the service as it was answered", async () => {
    for (const line of ["", " -e tunnel", " -e tunnel --unset", ` -e tunnel --set ${tunnel}`]) {
      const answer = service("myapp:api", 3100, { tunnel });
      const all = { service: [answer], setEndpoint: [answer], unsetEndpoint: [answer] };
      const { out, err } = await screen(`url myapp:api --json${line}`, all);
      expect([JSON.parse(out.join("\n")), err]).toEqual([answer, []]);
    }
  });

  test.each([
    "url",
    "url a b",
    "url myapp -e Tunnel",
    "url myapp -e tunnel --set ftp://example.com",
    "url myapp -e tunnel --set localhost:3000",
    `url myapp -e tunnel --set ${tunnel} --unset`,
  ])("%s is refused before anything is asked", async (line) => {
    await expect(screen(line)).rejects.toMatchObject({ code: "invalid_input" });
  });
});

describe("env", () => {
  const services = [
    service("myapp:api:feature-auth", 3100, { tunnel: "https://a.example.com/?q='$HOME'" }),
    service("myapp:web", 3101),
    service("3d", 3102),
  ];
  const answers = { services: [{ services, count: 3 }] };

  test("is lines that a shell evaluates", async () => {
    expect(await both("env myapp:*", answers)).toMatchInlineSnapshot(`
      "
      — both —
      export MYAPP_API_FEATURE_AUTH_PORT='3100'
      export MYAPP_API_FEATURE_AUTH_URL='http://localhost:3100'
      export MYAPP_WEB_PORT='3101'
      export MYAPP_WEB_URL='http://localhost:3101'
      export _3D_PORT='3102'
      export _3D_URL='http://localhost:3102'
      "
    `);
    const { calls } = await screen("env myapp:*", answers);
    expect(calls).toEqual([["services", { pattern: "myapp:*" }, undefined]]);
    expect((await screen("env", answers)).calls).toEqual([["services", {}, undefined]]);
  });

  test("holds the URLs of the environment asked for, where there is one", async () => {
    expect(await both("env -e tunnel", answers)).toMatchInlineSnapshot(`
      "
      — both —
      export MYAPP_API_FEATURE_AUTH_PORT='3100'
      export MYAPP_API_FEATURE_AUTH_URL='https://a.example.com/?q='\\''$HOME'\\'''
      export MYAPP_WEB_PORT='3101'
      export _3D_PORT='3102'
      "
    `);
  });

  test("leaves out no port for an environment that is called like something objects have", async () => {
    const { out } = await screen("env -e constructor", answers);
    expect(out).toEqual([
      "export MYAPP_API_FEATURE_AUTH_PORT='3100'",
      "export MYAPP_WEB_PORT='3101'",
      "export _3D_PORT='3102'",
    ]);
  });

  test.each([
    [
      "dotenv",
      [
        "MYAPP_API_FEATURE_AUTH_PORT='3100'",
        "MYAPP_API_FEATURE_AUTH_URL='https://a.example.com/?q=%27%24HOME%27'",
        "MYAPP_WEB_PORT='3101'",
        "_3D_PORT='3102'",
      ],
    ],
    [
      "fish",
      [
        "set -gx MYAPP_API_FEATURE_AUTH_PORT '3100'",
        "set -gx MYAPP_API_FEATURE_AUTH_URL 'https://a.example.com/?q=\\'$HOME\\''",
        "set -gx MYAPP_WEB_PORT '3101'",
        "set -gx _3D_PORT '3102'",
      ],
    ],
    [
      "powershell",
      [
        "$env:MYAPP_API_FEATURE_AUTH_PORT = '3100'",
        "$env:MYAPP_API_FEATURE_AUTH_URL = 'https://a.example.com/?q=''$HOME'''",
        "$env:MYAPP_WEB_PORT = '3101'",
        "$env:_3D_PORT = '3102'",
      ],
    ],
    [
      "github",
      [
        "MYAPP_API_FEATURE_AUTH_PORT=3100",
        "MYAPP_API_FEATURE_AUTH_URL=https://a.example.com/?q='$HOME'",
        "MYAPP_WEB_PORT=3101",
        "_3D_PORT=3102",
      ],
    ],
  ])("has a form for %s", async (format, lines) => {
    const line = `env --format ${format} -e tunnel`;
    expect(await both(line, answers)).toBe(`\n— both —\n${lines.join("\n")}\n`);
  });

  test("in JSON is an object, with --json as well", async () => {
    const wanted = {
      MYAPP_API_FEATURE_AUTH_PORT: "3100",
      MYAPP_API_FEATURE_AUTH_URL: "http://localhost:3100",
      MYAPP_WEB_PORT: "3101",
      MYAPP_WEB_URL: "http://localhost:3101",
      _3D_PORT: "3102",
      _3D_URL: "http://localhost:3102",
    };
    for (const line of ["env --json", "env --format json"])
      expect(JSON.parse((await screen(line, answers)).out.join("\n"))).toEqual(wanted);
  });

  test("leaves out those that would have one name, names them on stderr, and exits with 1", async () => {
    const clashing = [
      service("my-app", 3100),
      service("my.app", 3101),
      service("my:app", 3102),
      service("3d", 3103),
      service("_3d", 3104),
      service("shop", 3105),
    ];
    const line = await both("env", { services: [{ services: clashing, count: 6 }] });
    expect(line).toMatchInlineSnapshot(`
      "
      — both —
      export SHOP_PORT='3105'
      export SHOP_URL='http://localhost:3105'
      ! left out: my-app and my.app and my:app would both be MY_APP_PORT
      ! left out: 3d and _3d would both be _3D_PORT
      → 1
      "
    `);
  });

  test("of nothing is no line at all on stdout, and says so on stderr", async () => {
    const none = { services: [{ services: [], count: 0 }] };
    expect(await both("env", none)).toBe("\n— both —\n! No port is claimed\n");
    expect(await both("env other:*", none)).toBe("\n— both —\n! No service matches other:*\n");
    expect((await screen("env --json", none)).out).toEqual(["{}"]);
  });

  test.each(["env a b", "env --format csh", "env -e Tunnel"])(
    "%s is refused before anything is asked",
    async (line) => {
      await expect(screen(line)).rejects.toMatchObject({ code: "invalid_input" });
    },
  );
});

describe("wait", () => {
  const healthy = [{ services: [service(), service("myapp:db", 3101)] }];
  const stopping = new Fault("unavailable", "The daemon is stopping", {
    details: { stopping: true },
  });

  test("says which are healthy, and where", async () => {
    expect(await both("wait myapp:api myapp:db", { wait: healthy })).toMatchInlineSnapshot(`
      "
      — both —
      myapp:api is healthy → http://localhost:3100
      myapp:db is healthy → http://localhost:3101
      "
    `);
    expect(await both("wait myapp:api myapp:db -q", { wait: healthy })).toBe("\n— both —\n");
    const { out } = await screen("wait myapp:api myapp:db --json", { wait: healthy });
    expect(JSON.parse(out.join("\n"))).toEqual(healthy[0]);
  });

  test("asks once, for as long as its flag says, and gives the answer longer than that", async () => {
    for (const [flag, timeout] of [
      ["", 60_000],
      [" --timeout 1500", 1_500],
      [" --timeout 2m", 120_000],
    ] as const) {
      const { calls } = await screen(`wait myapp:api myapp:db${flag}`, { wait: healthy });
      expect(calls).toHaveLength(1);
      const [name, input, deadlineMs] = calls[0]!;
      expect([name, input.id]).toEqual(["wait", ["myapp:api", "myapp:db"]]);
      expect(input.timeout).toBeWithin(timeout - 1_000, timeout + 1);
      expect(deadlineMs).toBeGreaterThan(input.timeout);
    }
  });

  test("without a limit has none anywhere", async () => {
    const { calls } = await screen("wait myapp --timeout 0", { wait: healthy });
    expect(calls).toEqual([["wait", { id: ["myapp"], timeout: 0 }, Number.POSITIVE_INFINITY]]);
  });

  test("that ran out of time tells what is missing, as the daemon did", async () => {
    const fault = new Fault("timed_out", "Not healthy within 1s: myapp (nobody has claimed it)", {
      details: { missing: [{ id: "myapp", reason: "nobody has claimed it" }] },
    });
    await expect(screen("wait myapp", { wait: [fault] })).rejects.toBe(fault);
    expect(fault.exit).toBe(6);
  });

  test.each([
    ["stops", stopping],
    ["goes away", new ConnectionLost("ECONNRESET")],
  ])("goes on within its time where the daemon %s", async (_, fault) => {
    const { out, calls } = await screen("wait myapp", { wait: [fault, fault, ...healthy] });
    expect(out[0]).toContain("myapp:api is healthy");
    const left = calls.map(([, { timeout }]) => timeout);
    expect(left).toHaveLength(3);
    expect(left).toEqual(left.toSorted((a, b) => b - a));
  });

  test("does not go on where no time is left, nor after any other fault", async () => {
    await expect(screen("wait myapp --timeout 1", { wait: [stopping] })).rejects.toBe(stopping);
    const other = new Fault("internal", "no");
    await expect(screen("wait myapp", { wait: [other] })).rejects.toBe(other);
  });

  test.each(["wait", "wait a --timeout soon", "wait a --timeout -1"])(
    "%s is refused before anything is held",
    async (line) => {
      await expect(screen(line)).rejects.toMatchObject({ code: "invalid_input" });
    },
  );
});
