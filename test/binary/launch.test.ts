// Commands that are launched: what they are told, when they are ready, and that nothing of them is left.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { binary, eventually, Home, isGone, type Result } from "../home.ts";

let home: Home;
beforeAll(() => {
  home = new Home();
});
afterAll(() => home[Symbol.asyncDispose]());

/** A server that listens on $PORT, or as many further on as it is told, and goes by a name of its own. */
const server = (name: string, offset = 0) => [
  process.execPath,
  "-e",
  `Bun.serve({ hostname: "127.0.0.1", port: Number(process.env.PORT) + ${offset}, fetch: () => new Response("${name}") })`,
];
const quoted = (words: string[]) => words.map((word) => `'${word}'`).join(" ");

/** Starts a launch; its output is gathered. */
function launch(args: string[], cwd?: string) {
  const child = home.spawn(["launch", ...args], { ...(cwd !== undefined && { cwd }) });
  const said = { out: "", err: "" };
  const reading = (["out", "err"] as const).map(async (stream) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream === "out" ? child.stdout : child.stderr)
      said[stream] += decoder.decode(chunk, { stream: true });
  });
  return {
    pid: child.pid,
    said,
    says: (text: string | RegExp) =>
      eventually(`it says ${text}`, () => said.err.match(text) ?? said.out.match(text)),
    async end(): Promise<Result> {
      const [code] = await Promise.all([child.exited, ...reading]);
      return { code, ...said };
    },
    async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Result> {
      child.kill(signal);
      return this.end();
    },
  };
}

/** The living processes whose command line has a text. */
function processesWith(text: string): number[] {
  const parse = (pid: string, file: string) => {
    try {
      return fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return "";
    }
  };
  return fs
    .readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && !/\) Z /.test(parse(pid, "stat")))
    .filter((pid) => parse(pid, "cmdline").includes(text))
    .map(Number);
}

const launchesOf = async (pattern: string): Promise<any[]> =>
  (await home.json(["launch", "--list", pattern])).launches;

describe("a launched command", () => {
  test("is told its port, who it is and where the rest of its project is", async () => {
    const { port } = await home.json(["claim", "told:db"]);
    const print = "env | grep -E '^(PORT|TOLD_.*|PORT_DADDY_(ID|LOCAL_URL))=' | sort";
    const { code, out, err } = await launch(["told:web", "--", "sh", "-c", print]).end();
    const own = /told:web → port (\d+)/.exec(err)![1];
    expect(out.trimEnd().split("\n")).toEqual([
      `PORT=${own}`,
      "PORT_DADDY_ID=told:web",
      `PORT_DADDY_LOCAL_URL=http://localhost:${own}`,
      `TOLD_DB_PORT=${port}`,
      `TOLD_DB_URL=http://localhost:${port}`,
    ]);
    expect(code).toBe(0);
  });

  test("is ready when it listens on its port: that is said, and published", async () => {
    const running = launch(["ready:web", "--", ...server("ready")]);
    const [, url] = await running.says(/ready in \d+ ms → (http:\/\/localhost:\d+)/);
    expect(await (await fetch(url!, { proxy: false } as RequestInit)).text()).toBe("ready");
    const { messages } = await eventually("the message is there", async () => {
      const answer = await home.json(["messages", "service:ready:web:ready"]);
      return answer.count > 0 && answer;
    });
    expect(messages[0].payload).toEqual({ id: "ready:web", port: expect.any(Number), url });
    expect(await launchesOf("ready:web")).toMatchObject([{ status: "ready" }]);
    await running.stop();
    expect(await home.history("ready:web")).toEqual(
      expect.arrayContaining(["claim", "launch", "launch_ready", "release", "launch_exit"]),
    );
  });

  test("ends with its own exit code, and the claim with it unless it is kept", async () => {
    expect((await launch(["code:web", "--", "sh", "-c", "exit 7"]).end()).code).toBe(7);
    expect(await home.service("code:web")).toBeUndefined();
    expect((await launch(["code:web", "--keep", "--", "true"]).end()).code).toBe(0);
    expect(await home.service("code:web")).toMatchObject({ status: "assigned" });
  });

  test("that there is not is 127, and leaves no claim", async () => {
    const { code, err } = await launch(["none:web", "--", "no-such-program"]).end();
    expect([code, err]).toEqual([127, "error: There is no program 'no-such-program' to run\n"]);
    expect(await home.service("none:web")).toBeUndefined();
  });

  test("that opens another port is told of, with what to do", async () => {
    const [program, flag, code] = server("other", 3) as [string, string, string];
    const running = launch(["other:web", "--", program, flag, code]);
    const [, opened, claimed] = await running.says(
      /warning: it listens on port (\d+), and not on (\d+)/,
    );
    expect(Number(opened)).toBe(Number(claimed) + 3);
    await running.says(/^hint: have it read PORT/m);
    expect(running.said.err).toContain(`--port ${opened} -- ${program} ${flag} '${code}'\n`);
    await running.stop();
  });

  test("of several has its name before each line, and the first that fails decides", async () => {
    const { code, out } = await launch([
      ...["several:a", "several:b", "--", "sh", "-c"],
      'echo "a=$SEVERAL_A_PORT b=$SEVERAL_B_PORT"; test "$PORT_DADDY_ID" = several:a',
    ]).end();
    const lines = out.trimEnd().split("\n").sort();
    expect(lines).toEqual([
      expect.stringMatching(/^several:a \| a= b=\d+$/),
      expect.stringMatching(/^several:b \| a=\d+ b=$/),
    ]);
    expect(code).toBe(1);
  });

  test("of several can be ended alone, and together each has its time to end", async () => {
    const slow = `trap 'sleep 0.3; echo over; exit 0' TERM; echo up; while :; do sleep 0.05; done`;
    const ids = ["apart:a", "apart:b", "apart:c", "apart:d"];
    const running = launch([...ids, "--", "sh", "-c", slow]);
    for (const id of ids) await running.says(new RegExp(`${id} \\| up`));
    const one = await home.run(["launch", "--stop", "apart:b"]);
    expect(one.out).toBe("Stopped apart:b\n");
    const left = (await launchesOf("apart:*")).filter(({ endedAt }) => endedAt === null);
    expect(left.map(({ id }) => id).sort()).toEqual(["apart:a", "apart:c", "apart:d"]);
    await home.run(["launch", "--stop", "apart:*"]);
    const { code, out } = await running.end();
    expect([code, out.match(/over/g)?.length]).toEqual([0, 4]);
  });

  test("of several that cannot be started leaves the others none the worse", async () => {
    const [a, b] = [home.makeDirectory("worse"), home.makeDirectory("worse/b")];
    fs.writeFileSync(path.join(a, "gone"), "#!/nonexistent/interpreter\n", { mode: 0o755 });
    const bad = launch(["worse:a", "--", "./gone"], a);
    expect((await bad.end()).code).not.toBe(0);
    const good = await launch(["worse:b", "--", "true"], b).end();
    expect(good.code).toBe(0);
    expect(await home.service("worse:a")).toBeUndefined();
  });

  test("is the one that was last launched in the directory, else the dev script", async () => {
    const [here, there] = [home.makeDirectory("here"), home.makeDirectory("there")];
    await launch(["again:web", "--", "echo", "here"], here).end();
    await launch(["again:web", "--", "echo", "there"], there).end();
    expect((await launch(["again:web"], here).end()).out).toBe("here\n");
    expect((await launch(["again:web"], there).end()).out).toBe("there\n");
    const fresh = home.makeDirectory("fresh");
    const nothing = await launch(["again:web"], fresh).end();
    expect([nothing.code, nothing.err]).toEqual([
      2,
      expect.stringContaining("hint: name the command: port-daddy launch again:web -- <command>"),
    ]);
    const scripts = { dev: "echo started on $PORT" };
    fs.writeFileSync(path.join(fresh, "package.json"), JSON.stringify({ scripts }));
    const { out, err } = await launch(["again:web"], fresh).end();
    expect(out).toContain(`started on ${/→ port (\d+)/.exec(err)![1]}\n`);
  });
});

describe("a second launch", () => {
  test("starts nothing: it says where the first is, and whose; --force-new takes its place", async () => {
    const first = launch(["twice:web", "--", ...server("first")]);
    const [, url] = await first.says(/ready in \d+ ms → (\S+)/);
    const elsewhere = home.makeDirectory("elsewhere");
    const second = await launch(["twice:web"], elsewhere).end();
    expect(second).toEqual({
      code: 0,
      out: `${url}\n`,
      err: expect.stringMatching(
        new RegExp(
          `^twice:web is running already: ${url}\n  launched by .* process ${first.pid}, `,
        ),
      ),
    });
    const third = launch(["twice:web", "--force-new", "--", ...server("third")]);
    await third.says(`→ ${url}`);
    expect((await first.end()).code).toBe(143);
    expect(await (await fetch(url!, { proxy: false } as RequestInit)).text()).toBe("third");
    await third.stop();
  });

  test("of a service that runs without one says so", async () => {
    const { port } = await home.json(["claim", "manual:web"]);
    home.start(server("manual"), { env: { PORT: String(port) } });
    await home.run(["wait", "manual:web"]);
    const { code, out, err } = await launch(["manual:web", "--", "true"]).end();
    expect([code, out]).toEqual([0, `http://localhost:${port}\n`]);
    expect(err).toContain("it was not launched, but is served by a process of its own");
    const forced = await launch(["manual:web", "--force-new", "--", "true"]).end();
    expect([forced.code, forced.err]).toEqual([4, expect.stringContaining("is running already")]);
  });
});

describe("a stranger who takes the port first", () => {
  /** Launches a command that waits for a file before it listens, and lets a stranger be faster. */
  async function raced(id: string, flags: string[]) {
    const gate = path.join(home.directory, `${id}.gate`);
    const wait = `while [ ! -e ${gate} ]; do sleep 0.05; done; exec ${quoted(server(id))}`;
    const running = launch([id, ...flags, "--", "sh", "-c", wait]);
    const [, port] = await running.says(/→ port (\d+)/);
    await eventually("the command waits", () => processesWith(gate).length > 1);
    const stranger = await home.startUnrelated(["env", `PORT=${port}`, ...server("stranger")], {
      cwd: "/",
    });
    await running.says(`warning: port ${port} was taken first by process ${stranger}`);
    fs.writeFileSync(gate, "");
    return { running, port };
  }

  test("is told of, and logged", async () => {
    const { running } = await raced("raced:a", []);
    await running.says("hint: to take another port then: port-daddy launch raced:a --retry");
    await running.end();
    expect(await home.history("raced:a")).toContain("hijack");
  });

  test("gets it where another will do: the command is started again on that", async () => {
    const { running, port } = await raced("raced:b", ["--retry"]);
    const [, url] = await running.says(/ready in \d+ ms → (\S+)/);
    expect(url).not.toEndWith(`:${port}`);
    expect(await (await fetch(url!, { proxy: false } as RequestInit)).text()).toBe("raced:b");
    await running.stop();
  });
});

/** What becomes of a server: it is somewhere below, stubborn, or has gone out of its way. */
const trees: Record<string, (name: string) => string[]> = {
  "a child of a child": (name) => ["sh", "-c", `sh -c "$0 & wait" & wait`, quoted(server(name))],
  "one that ignores SIGTERM": (name) => ["sh", "-c", `trap '' TERM; ${quoted(server(name))}`],
  "one that has forked twice": (name) => [
    ...["sh", "-c", `setsid --fork ${quoted(server(name))}; sleep 1000`],
  ],
  "one in a group of its own": (name) => ["sh", "-c", `setsid ${quoted(server(name))} & wait`],
};

const endings: Record<string, (launcher: number) => void> = {
  "the launcher is interrupted": (launcher) => process.kill(launcher, "SIGINT"),
  "the launcher is ended": (launcher) => process.kill(launcher, "SIGTERM"),
  "the launcher is killed": (launcher) => process.kill(launcher, "SIGKILL"),
  "its keeper is killed": (launcher) => {
    const children = fs.readFileSync(`/proc/${launcher}/task/${launcher}/children`, "utf8");
    process.kill(Number(children.trim()), "SIGKILL");
  },
};

describe("nothing is left", () => {
  for (const [tree, command] of Object.entries(trees))
    test(`of ${tree}, whichever way it ends`, async () => {
      const work = Object.entries(endings).map(async ([ending, end]) => {
        const name = `left-${tree} ${ending}`.replaceAll(" ", "-");
        const running = launch([name, "--", ...command(name)]);
        await running.says("ready in");
        const pids = processesWith(name).filter((pid) => pid !== running.pid);
        expect(pids.length, ending).toBeGreaterThan(1);
        end(running.pid);
        await Promise.all([...pids, running.pid].map(isGone));
        await eventually(`the claim ends when ${ending}`, async () => !(await home.service(name)));
      });
      await Promise.all(work);
    });

  test("of one that leaves orphans faster than all processes can be looked through", async () => {
    // It ends by itself, should nobody end it.
    const storm = `(sleep 20; kill $$) & echo up; while :; do (true &); done`;
    const running = launch(["storm:a", "--", "sh", "-c", storm]);
    await running.says("up");
    expect((await running.stop()).code).toBe(143);
    expect(processesWith(storm)).toEqual([]);
  });

  test("of a command that ends and leaves something behind", async () => {
    const name = "left-behind";
    await launch([name, "--", "sh", "-c", `setsid --fork ${quoted(server(name))}`]).end();
    expect(processesWith(`Response("${name}")`)).toEqual([]);
  });

  test("but what was told to outlive its terminal does", async () => {
    const command = ["nohup", "port-daddy", "launch", "nohup:web", "-q", "--", ...server("nohup")];
    const child = home.startShell(`exec ${quoted(command)}`);
    await eventually(
      "it is ready",
      async () => (await launchesOf("nohup:web"))[0]?.status === "ready",
    );
    child.kill("SIGHUP");
    expect(await launchesOf("nohup:web")).toMatchObject([{ status: "ready" }]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
  });

  test("when a terminal interrupts it, and the command may read from the terminal", async () => {
    // What it waits with is short: one that a shell is about to start may miss the signal.
    const read = `trap 'echo interrupted; exit 3' INT; read -r line; echo "got $line"; while sleep 0.1; do :; done`;
    const line = `exec port-daddy launch tty:web -- sh -c '${read.replaceAll("'", `'\\''`)}'`;
    const screen = home.start(["script", "--quiet", "--return", "--command", line, "/dev/null"], {
      stdin: "pipe",
      env: { PATH: `${path.join(home.directory, "bin")}:${process.env["PATH"]}` },
    });
    await home.shell("true"); // Puts the binary in the path.
    let seen = "";
    void (async () => {
      for await (const chunk of screen.stdout) seen += new TextDecoder().decode(chunk);
    })();
    const input = screen.stdin as unknown as Bun.FileSink;
    await eventually("it runs", () => seen.includes("→ port"));
    input.write("hello\n");
    await input.flush();
    await eventually("the command has read", () => seen.includes("got hello"));
    input.write("\x03");
    await input.flush();
    expect(await screen.exited).toBe(3);
    expect(seen).toContain("interrupted");
  });

  test("but the daemon, whether the launch has started it or its command", async () => {
    await using at = new Home();
    await at.run(["launch", "first:web", "--", "true"]);
    const first = await at.daemonPid();
    expect(await at.history("first:web")).toEqual(["claim", "launch", "release", "launch_exit"]);
    await at.run(["launch", "second:web", "--", binary, "restart"]);
    const second = await at.daemonPid();
    expect([first, second]).toEqual([expect.any(Number), expect.any(Number)]);
    expect(at.daemons()).toEqual([second!]);
    expect(second).not.toBe(first);
  });
});

describe("a command that is started again", () => {
  test("on failure is, until it succeeds", async () => {
    const times = path.join(home.directory, "times");
    const script = `echo x >>${times}; test "$(wc -l <${times})" -gt 1`;
    const { code, err } = await launch([
      "re:web",
      "--restart",
      "on-failure",
      "--",
      "sh",
      "-c",
      script,
    ]).end();
    expect(code).toBe(0);
    expect(err).toContain("ended with 1; starting it again in 1 s");
    expect(await launchesOf("re:web")).toMatchObject([{ restarts: 1, code: 0, status: "ended" }]);
  });

  test("keeps its port in the pause, however short the grace", async () => {
    await using hasty = new Home({ PORT_DADDY_GRACE: "1ms" });
    await hasty.json(["start"]);
    const up = path.join(hasty.directory, "up");
    const serve = quoted(server("hasty"));
    // The first time it is ended when it was seen, the second time it stays.
    const script = `test -e ${up} && exec ${serve}; touch ${up}; ${serve} & sleep 2.5; kill $!; exit 1`;
    const child = hasty.spawn([
      "launch",
      "hasty:web",
      "--restart",
      "always",
      "--",
      "sh",
      "-c",
      script,
    ]);
    await eventually(
      "it was seen to run",
      async () => (await hasty.service("hasty:web"))?.status === "running",
    );
    await eventually("it is started again", async () => {
      const { launches } = await hasty.json(["launch", "--list", "hasty:web"]);
      return launches[0].restarts === 1 && launches[0].status === "ready";
    });
    child.kill();
    await child.exited;
    expect(await hasty.history("hasty:web")).not.toContain("cleanup: stopped");
  });

  test("is what a wait for it tells of where that is all it does", async () => {
    const running = launch(["crash:loop", "--restart", "always", "--", "sh", "-c", "exit 3"]);
    await eventually(
      "that is known",
      async () => (await launchesOf("crash:loop"))[0]?.restarts > 0,
    );
    const { code, err } = await home.run(["wait", "crash:loop", "--timeout", "100ms"]);
    expect([code, err]).toEqual([
      6,
      expect.stringMatching(/crash:loop \(its command ended with 3 and was started again, \d+×\)/),
    ]);
    await running.stop();
  });

  test("has its port again, where the claim was released while it ran", async () => {
    const again = `echo "on $PORT"; sleep 0.2; exit 1`;
    const running = launch(["let:go", "--restart", "always", "--", "sh", "-c", again]);
    await running.says(/on \d+/);
    const released = await home.run(["release", "let:go"]);
    expect(released.err).toContain(
      "warning: what was launched as let:go goes on without its claim",
    );
    const held = await eventually("it has its claim again", () => home.service("let:go"));
    await running.says(new RegExp(`on ${held.port}\\n(?:.*\\n)*on ${held.port}\\n`));
    expect(held.pid).toBe((await launchesOf("let:go"))[0].pid);
    expect((await launchesOf("let:go"))[0].restarts).toBeGreaterThan(0);
    await running.stop();
  });

  test("always is not, when the launch is ended meanwhile", async () => {
    const running = launch(["always:web", "--restart", "always", "--", "true"]);
    await running.says("starting it again");
    expect((await running.stop()).code).toBe(0);
  });
});

describe("what is on its own does not end with a launch:", () => {
  test("the daemon that it was the first to need", async () => {
    await using home = new Home();
    expect(await home.run(["launch", "first:web", "--", "true"])).toMatchObject({ code: 0 });
    expect(await home.daemonPid()).toBeDefined();
  });

  test("the daemon and the detached launch that its command has started", async () => {
    await using home = new Home();
    const [id, name] = ["inner:web", "on-its-own"];
    await home.run(["claim", id]);
    const bin = [binary, "launch", id, "--detach", "--", ...server(name)];
    const script = `kill -9 ${await home.daemonPid()}; ${quoted(bin)}`;
    const { code, err } = await home.run(["launch", "outer:web", "--", "sh", "-c", script]);
    expect(code, err).toBe(0);
    expect(await home.daemonPid()).toBeDefined();
    await eventually("it serves", () => processesWith(`Response("${name}")`).length > 0);
    expect((await home.run(["launch", "--stop", id])).out).toBe(`Stopped ${id}\n`);
  });
});

describe("a detached launch", () => {
  test("goes on by itself with a log, is known after a crash of the daemon, and can be stopped", async () => {
    const name = "detached:web";
    const { code, out } = await home.run(["launch", name, "--detach", "--", ...server("detached")]);
    expect([code, out]).toEqual([0, expect.stringMatching(/^http:\/\/localhost:\d+\n$/)]);
    expect((await home.run(["wait", name])).code).toBe(0);
    const ready = await eventually("it is ready", async () => {
      const [launched] = await launchesOf(name);
      return launched.status === "ready" && launched;
    });
    expect(ready).toMatchObject({ detached: true });
    expect((await home.run(["launch", "--logs", name])).out).toMatch(/ready in \d+ ms/);
    await home.kill((await home.daemonPid())!);
    expect(await launchesOf(name)).toEqual([ready]);
    expect(await home.service(name)).toMatchObject({ status: "running" });
    const again = await home.run(["launch", name, "--", "true"]);
    expect([again.code, again.out]).toEqual([0, out]);
    const stopped = await home.run(["launch", "--stop", "detached:*"]);
    expect(stopped.out).toBe(`Stopped ${name}\n`);
    expect(await home.service(name)).toBeUndefined();
    expect(await launchesOf(name)).toMatchObject([{ status: "ended", code: 143 }]);
    const { entries } = await home.json(["log", "--target", name]);
    const told = entries.filter(({ action }: any) => action.startsWith("launch"));
    expect(told.map(({ actor }: any) => actor)).toEqual(Array(3).fill(ready.actor));
    expect(processesWith(`Response("detached")`)).toEqual([]);
  });

  test("is ended also where its launcher is stopped, and tells whoever launches it of its lost claim", async () => {
    await home.run(["launch", "stopped:web", "--detach", "-q", "--", ...server("stopped")]);
    await home.run(["wait", "stopped:web"]);
    const [{ pid }] = await launchesOf("stopped:web");
    await home.run(["release", "stopped:web", "-q"]);
    const second = await home.run(["launch", "stopped:web", "-q"]);
    expect([second.code, second.err]).toEqual([
      0,
      expect.stringContaining("warning: stopped:web goes on without its claim\nhint: "),
    ]);
    process.kill(pid, "SIGSTOP");
    expect(await home.run(["launch", "--stop", "stopped:web", "-q"])).toMatchObject({ code: 0 });
    await isGone(pid);
    expect(await home.service("stopped:web")).toBeUndefined();
  });

  test("that cannot claim says why, and starts nothing", async () => {
    const port = home.range.start - 1; // Somebody listens there: the mark of these tests' ports.
    const { code, err } = await home.run([
      ...["launch", "detached:taken", "--detach", "--port", String(port), "--", "true"],
    ]);
    expect([code, err]).toEqual([4, expect.stringContaining(`Port ${port} is in use`)]);
    expect(await launchesOf("detached:taken")).toEqual([]);
  });

  test("that has ended is what a wait for it tells of, and where its log is", async () => {
    await home.run(["launch", "detached:once", "--detach", "--", "sh", "-c", "exit 3"]);
    await eventually("it is over", async () => (await launchesOf("detached:once"))[0].code === 3);
    const { code, err } = await home.run(["wait", "detached:once", "--timeout", "1ms"]);
    expect([code, err]).toEqual([
      6,
      expect.stringMatching(/its command has ended with 3.*\nhint: .*launch --logs detached:once/),
    ]);
  });

  test("keeps what its command writes", async () => {
    await home.run([
      "launch",
      "detached:log",
      "--detach",
      "--",
      "sh",
      "-c",
      "echo one; echo two >&2",
    ]);
    const log = () => home.run(["launch", "--logs", "detached:log"]);
    await eventually("it has ended", async () => (await log()).out.includes("ended with 0"));
    expect((await log()).out).toMatch(/^one$/m);
    expect((await log()).out).toMatch(/^two$/m);
  });
});

test("a command without -- before it is not taken for more services", async () => {
  const { code, err } = await launch(["dashes:web", "sh", "-c"]).end();
  expect([code, err]).toEqual([2, expect.stringContaining("unknown option -c")]);
  const words = await launch(["dashes:web", "sh", "script"]).end();
  expect([words.code, words.err]).toEqual([
    2,
    expect.stringContaining(
      "hint: a command goes after --: port-daddy launch dashes:web -- sh script",
    ),
  ]);
});

test("what is launched runs on this machine: a daemon elsewhere is refused", async () => {
  const { code, err } = await home.run(["launch", "far:web", "--", "true"], {
    env: { PORT_DADDY_URL: "http://localhost:1" },
  });
  expect([code, err]).toEqual([2, expect.stringContaining("PORT_DADDY_URL")]);
});
