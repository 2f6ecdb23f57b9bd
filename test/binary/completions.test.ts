// Completion in the real shells: the script is read as people read it, a key is pressed, and what appears is looked at.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home } from "../home.ts";

let home: Home;
let bin: string;

beforeAll(async () => {
  home = new Home();
  await home.shell("ln -sf port-daddy bin/pd; mkdir -p sub/deep");
  bin = path.join(home.directory, "bin");
  await home.json(["claim", "myapp:api", "myapp:web", "shop"]);
  await home.json(["url", "shop", "-e", "tunnel", "--set", "https://shop.example.com"]);
  await home.json(["lock", "db/main"]);
  // Whoever writes over HTTP may choose any name that there can be.
  expect((await home.fetch("/locks/--force", { method: "POST" })).ok).toBe(true);
  await home.json(["pub", "build:api", "hello"]);
});
afterAll(() => home[Symbol.asyncDispose]());

/** How often a key is pressed: what the daemon does not tell in time is not offered, and people press it again. */
const presses = 4;

/** The lines that a script prints when a key is pressed. */
async function pressing(script: string, shell: string): Promise<string[]> {
  for (let times = 1; ; times++) {
    const { code, out, err } = await home.shell(script, shell);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    if (out !== "" || times === presses) return out.split("\n").slice(0, -1);
  }
}

const isMissing = (shell: string) => Bun.which(shell) === null;

describe("bash", () => {
  /** What the function offers for a line with the cursor at its end; `part` is what bash would replace. */
  async function offered(line: string, part = /[^\s:='"]*$/.exec(line)![0]): Promise<string[]> {
    const words = line.split(/([\s:=])/).filter((word) => word.trim() !== "");
    if (/\s$/.test(line)) words.push("");
    const script = `eval "$(port-daddy completions bash)"
      COMP_LINE=${quoted(line)} COMP_POINT=${line.length}
      COMP_WORDS=(${words.map(quoted).join(" ")}) COMP_CWORD=${words.length - 1}
      _port_daddy port-daddy ${quoted(part)} previous
      [ "\${#COMPREPLY[@]}" = 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"`;
    return pressing(script, "bash");
  }

  test.each([
    ["port-daddy cla", ["claim"]],
    ["port-daddy agent re", ["register"]],
    ["port-daddy find myapp:", ["api", "web"]],
    ["port-daddy find myapp:a", ["api"]],
    ["port-daddy unlock ", ["db/main"]],
    ["port-daddy sub ", ["build:api"]],
    ["port-daddy url shop --env=", ["local", "tunnel"]],
    ["port-daddy nonsense ", []],
    ["port-daddy claim --cwd su", ["sub"]],
    ["port-daddy lock x -- cat s", ["state", "sub"]],
    ["port-daddy find $(touch owned)", []],
  ])("%p: %p", async (line, words) => {
    expect((await offered(line)).toSorted()).toEqual(words);
    expect(fs.existsSync(path.join(home.directory, "owned"))).toBe(false);
  });

  test("completes within quotes, and the program after --", async () => {
    expect(await offered("port-daddy find 'myapp:w", "myapp:w")).toEqual(["myapp:web"]);
    expect(await offered("port-daddy lock x -- port-dad")).toEqual(["port-daddy"]);
  });

  test("the script is clean, and can be read with every option that makes bash strict", async () => {
    const line = `set -euo pipefail; eval "$(port-daddy completions bash)"; complete -p port-daddy pd`;
    expect(await home.shell(line, "bash")).toEqual({
      code: 0,
      out: "complete -F _port_daddy port-daddy\ncomplete -F _port_daddy pd\n",
      err: "",
    });
  });

  test("leaves another program called pd alone", async () => {
    const line = `mkdir -p other; printf '#!/bin/sh\n' >other/pd; chmod +x other/pd; PATH=$PWD/other:$PATH
      eval "$(port-daddy completions bash)"; complete -p pd`;
    expect((await home.shell(line, "bash")).code).toBe(1);
  });

  test.skipIf(isMissing("script"))("on a terminal, a key completes the line", async () => {
    const shell = ["bash", "--noprofile", "--norc", "-i"];
    await using terminal = await open(shell, 'eval "$(port-daddy completions bash)"');
    await terminal.completes("port-daddy cla", "port-daddy claim ");
    await terminal.completes("port-daddy find myapp:w", "port-daddy find myapp:web ");
    await terminal.completes("port-daddy find 'myapp:w", "port-daddy find 'myapp:web' ");
    await terminal.completes("port-daddy url shop --env=tu", "port-daddy url shop --env=tunnel ");
    await terminal.completes("pd unlock d", "pd unlock db/main ");
    await terminal.completes("X=1 pd agent reg", "X=1 pd agent register ");
  });
});

describe("zsh", () => {
  const skip = isMissing("zsh") || isMissing("script");

  test.skipIf(skip)("on a terminal, a key completes the line", async () => {
    const setup = 'unsetopt promptsp; PS1="$ "; eval "$(port-daddy completions zsh)"';
    await using terminal = await open(["zsh", "-f", "-i"], setup);
    await terminal.completes("port-daddy cla", "port-daddy claim ");
    await terminal.completes("port-daddy find myapp:w", "port-daddy find myapp:web ");
    await terminal.completes("port-daddy find 'myapp:w", "port-daddy find 'myapp:web' ");
    await terminal.completes("port-daddy url shop --env=tu", "port-daddy url shop --env=tunnel ");
    await terminal.completes("pd unlock d", "pd unlock db/main ");
    await terminal.completes("port-daddy find myapp:", "myapp:api  -- port ");
    await terminal.completes("port-daddy lock x -- port-dad", "port-daddy lock x -- port-daddy ");
    await terminal.completes("port-daddy claim --cwd sub/de", "port-daddy claim --cwd sub/deep/");
  });

  test.skipIf(skip)("the script works as a file of a function's directory too", async () => {
    const directory = home.makeDirectory("functions");
    const { out } = await home.run(["completions", "zsh"]);
    fs.writeFileSync(path.join(directory, "_port-daddy"), out);
    const setup = `unsetopt promptsp; PS1="$ "; fpath=(${directory} $fpath); autoload -Uz compinit; compinit -D -u`;
    await using terminal = await open(["zsh", "-f", "-i"], setup);
    await terminal.completes("port-daddy find myapp:w", "port-daddy find myapp:web ");
    await terminal.completes("port-daddy agent unr", "port-daddy agent unregister ");
    await terminal.completes("pd agent unr", "pd agent unregister ");
  });

  test.skipIf(skip)("in such a directory it leaves another program called pd alone", async () => {
    const directory = home.makeDirectory("functions");
    fs.writeFileSync(path.join(home.makeDirectory("another"), "pd"), "#!/bin/sh\n", {
      mode: 0o755,
    });
    fs.writeFileSync(
      path.join(directory, "_port-daddy"),
      (await home.run(["completions", "zsh"])).out,
    );
    const setup = `unsetopt promptsp; PS1="$ "; fpath=(${directory} $fpath); autoload -Uz compinit; compinit -D -u; path=(~/another $path)`;
    await using terminal = await open(["zsh", "-f", "-i"], setup);
    await terminal.completes("pd sub/de", "pd sub/deep/");
  });
});

describe("fish", () => {
  async function offered(line: string): Promise<string[]> {
    const script = `port-daddy completions fish | source; complete -C ${quoted(line)}`;
    return pressing(script, "fish");
  }

  test.skipIf(isMissing("fish"))("offers words with their notes", async () => {
    const { range } = home;
    expect(await offered("port-daddy cla")).toEqual(["claim\tClaim a port for a service"]);
    expect(await offered("port-daddy find myapp:")).toEqual([
      `myapp:api\tport ${range.start}, assigned`,
      `myapp:web\tport ${range.start + 1}, assigned`,
    ]);
    expect(await offered("port-daddy find 'myapp:w")).toHaveLength(1);
    expect(await offered("port-daddy url shop --env=tu")).toEqual(["--env=tunnel"]);
    expect(await offered("pd unlock ")).toEqual([
      expect.stringContaining("db/main\theld, lapses in "),
    ]);
    expect(await offered("port-daddy nonsense ")).toEqual([]);
    expect(await offered("port-daddy claim --cwd sub/de")).toEqual([
      expect.stringContaining("sub/deep/"),
    ]);
    expect(await offered("port-daddy lock 'a b' -- cat sub/de")).toEqual(["sub/deep/"]);
    expect(await offered("port-daddy lock x -- port-daddy agent unr")).toEqual([
      "unregister\tUnregister an agent and release what it holds",
    ]);
  });
});

// There is no PowerShell to try it in.
test("the script for PowerShell asks for what is typed", async () => {
  const { code, out } = await home.run(["completions", "powershell"]);
  expect(code).toBe(0);
  expect(out).toContain("Register-ArgumentCompleter -Native -CommandName $names");
  expect(out).toContain("__complete powershell $line");
});

describe("whatever the daemon does", () => {
  const ask = ["__complete", "zsh", "find", ""];
  const nothing = { code: 0, out: "", err: "" };

  /** What is offered in time, on a machine that may be too busy for it at first. */
  const told = (asked: string[], env: Record<string, string>) =>
    eventually("it is told in time", async () => {
      const result = await home.run(asked, { env });
      return result.out === "" ? undefined : result;
    });

  test("where there is none, none is started, and commands are completed all the same", async () => {
    await using without = new Home();
    expect(await without.run(ask)).toEqual(nothing);
    expect(await without.run(["__complete", "bash", "port-daddy cla", "cla"])).toEqual({
      ...nothing,
      out: "claim\n",
    });
    expect(fs.existsSync(without.state)).toBe(false);
  });

  test("one that hangs keeps nobody waiting, and nothing is said", async () => {
    await using hanging = new Home();
    const { pid } = await hanging.json(["start"]);
    process.kill(pid, "SIGSTOP");
    try {
      const start = performance.now();
      expect(await hanging.run(ask)).toEqual(nothing);
      // A command would go on for 15 s.
      expect(performance.now() - start).toBeLessThan(5_000);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("what answers in its place can neither say nor type anything", async () => {
    const names = ["myapp", "a b", "x\ny", "--force", "$(id)", "\u001b[2J"];
    const services = names.map((id) => ({ id, port: 3100, status: "assigned\nrm\t-rf", urls: {} }));
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => Response.json({ services }),
    });
    const env = { PORT_DADDY_URL: server.url.origin };
    const { out, err } = await told(ask, env);
    expect(out).toBe("myapp\tport 3100, assigned\\u000arm\\u0009-rf\n");
    expect(err).toBe("");
  });

  test.each([
    { PORT_DADDY_PORT: "nonsense" },
    { PORT_DADDY_HOME: "/dev/null/x" },
    { PORT_DADDY_URL: "http://127.0.0.1:1" },
    { PORT_DADDY_URL: "http://nobody.invalid" },
  ])("with %j nothing is said", async (env) => {
    expect(await home.run(ask, { env })).toEqual(nothing);
  });

  test("a key that was pressed is no sign of an agent's life", async () => {
    await home.json(["agent", "register", "quiet", "--pid", "1"]);
    const before = (await home.json(["agent", "show", "quiet"])).lastHeartbeatAt;
    const env = { PORT_DADDY_AGENT: "quiet" };
    const agents = await told(["__complete", "zsh", "agent", "show", ""], env);
    expect(agents.out).toBe("quiet\tactive\n");
    expect((await home.json(["agent", "show", "quiet"])).lastHeartbeatAt).toBe(before);
  });
});

test("a shell that is not known is refused with those that are", async () => {
  expect(await home.run(["completions", "tcsh"])).toEqual({
    code: 2,
    out: "",
    err: "error: there is no completion for 'tcsh', only for bash, zsh, fish, powershell\nhint: for instance: port-daddy completions bash\n",
  });
});

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** An interactive shell on a terminal of its own. */
async function open(shell: string[], setup: string) {
  const child = home.start(["script", "--quiet", "--command", shell.join(" "), "/dev/null"], {
    env: { PATH: `${bin}:${process.env["PATH"]}`, TERM: "xterm", PS1: "$ " },
    stdin: "pipe",
  });
  const keyboard = child.stdin as unknown as Bun.FileSink;
  let seen = "";
  void (async () => {
    for await (const chunk of child.stdout) seen += Buffer.from(chunk).toString();
  })();
  const type = (keys: string) => {
    keyboard.write(keys);
    return keyboard.flush();
  };
  await type(`${setup}; echo re''ady\r`);
  await eventually("the shell has read the script", () => /ready\r*\n/.test(seen));
  return {
    /** Types a line and a tab, and waits for what is to be seen; then takes the line away. */
    async completes(line: string, wanted: string): Promise<void> {
      const from = seen.length;
      await type(line);
      const shown = () => Bun.stripANSI(seen.slice(from)).replace(/[\u0007\r]|.\u0008/g, "");
      const becomes = (withinMs: number) =>
        eventually(`'${line}' becomes '${wanted}'`, () => shown().includes(wanted), withinMs);
      for (let times = 1; ; times++) {
        await type("\t");
        try {
          await becomes(2_000);
          break;
        } catch (error) {
          if (times === presses)
            throw new Error(`${String(error)}; shown was ${JSON.stringify(shown())}`);
        }
      }
      await type("\u0015\u000b");
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
