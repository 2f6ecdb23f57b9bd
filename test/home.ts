// The compiled binary in a home of its own. Each `Home` ends what was started in it.

import { setDefaultTimeout } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

export const binary = path.join(import.meta.dir, "../dist/port-daddy");

export type Result = { code: number; out: string; err: string };

type Options = { env?: Record<string, string>; cwd?: string; stdin?: "ignore" | "pipe" };

/** Longer than any command but `sub` and `--follow` may take; one that hangs is killed, and its code is 137. */
const hangsAfterMs = 20_000;

// A test starts many processes, perhaps on a machine that is busy with others.
setDefaultTimeout(30_000);

/** The user that a second user is played by: nobody, on every Linux. */
export const nobody = 65_534;

export const isRoot = process.getuid?.() === 0;

export class Home {
  /** The temporary home directory; everything the binary writes is below it. */
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  readonly state = path.join(this.directory, "state");
  readonly socket = path.join(this.state, "daemon.sock");
  /** The ports this daemon gives out; no other test does. */
  readonly range: { start: number; end: number };
  private readonly block = reserveBlock();
  private readonly settings: Record<string, string>;
  private readonly program: string[];

  /**
   * `settings` are environment variables for every command run here. The daemon's TCP port is the kernel's choice.
   * With `uid`, which takes root, everything runs as that user.
   */
  constructor(settings: Record<string, string> = {}, { uid }: { uid?: number } = {}) {
    this.settings = settings;
    this.range = this.block.range;
    this.program = [binary];
    if (uid === undefined) return;
    // The tree may lie where another user can't go.
    const copy = path.join(this.directory, "port-daddy");
    fs.copyFileSync(binary, copy);
    fs.chownSync(this.directory, uid, uid);
    this.program = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", copy];
  }

  environment(extra: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.directory,
      USER: "ada",
      LANG: "C.UTF-8",
      PORT_DADDY_HOME: this.state,
      PORT_DADDY_PORT: "0",
      PORT_DADDY_RANGE_START: String(this.range.start),
      PORT_DADDY_RANGE_END: String(this.range.end),
      ...this.settings,
      ...extra,
    };
  }

  spawn(args: string[], options: Options = {}) {
    return this.start([...this.program, ...args], options);
  }

  /** Runs a command to its end. */
  async run(args: string[], options: Options = {}): Promise<Result> {
    return ended(this.spawn(args, options));
  }

  /** Runs a line of shell in which `port-daddy` is the binary. */
  async shell(line: string, shell = "sh"): Promise<Result> {
    return ended(this.startShell(line, shell));
  }

  /** Starts a line of shell and does not wait for it. */
  startShell(line: string, shell = "sh") {
    return this.start([shell, "-c", line], { env: this.withBinary() });
  }

  /** Starts any program; it is ended with the home. */
  start(command: string[], { env, cwd, stdin }: Options = {}) {
    return Bun.spawn(command, {
      cwd: cwd ?? this.directory,
      env: this.environment(env),
      stdin: stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Starts a program that does not come from here: its parent is the machine's first process. Returns its pid. */
  async startUnrelated(command: string[], { cwd }: { cwd: string }): Promise<number> {
    const pidFile = path.join(this.directory, `unrelated-${crypto.randomUUID()}`);
    const told = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', pidFile, ...command];
    await Bun.spawn(["setsid", "--fork", ...told], {
      cwd,
      env: this.environment(),
      stdio: ["ignore", "ignore", "ignore"],
    }).exited;
    return eventually("the program has started", () =>
      fs.existsSync(pidFile) ? Number(fs.readFileSync(pidFile, "utf8")) : 0,
    );
  }

  /** Makes a directory in this home. */
  makeDirectory(name: string): string {
    const directory = path.join(this.directory, name);
    fs.mkdirSync(directory, { recursive: true });
    return directory;
  }

  /** What the daemon shows of a service, as often as a test wants to look; `undefined` where nobody holds it. */
  async service(id: string): Promise<any> {
    const response = await this.fetch(`/services/${id}`);
    return response.ok ? response.json() : undefined;
  }

  /** What the log has of a service, oldest first: the action and, of a cleanup, its reason. */
  async history(id: string): Promise<string[]> {
    const { entries } = await this.json(["log", "--target", id]);
    return entries
      .map(({ action, metadata: { reason } }: any) =>
        action === "cleanup" ? `cleanup: ${reason}` : action,
      )
      .reverse();
  }

  /** What a person sees of a line of shell on a terminal, without colour: `out` holds both streams. */
  async onTerminal(line: string): Promise<Result> {
    const command = ["script", "--quiet", "--return", "--command", line, "/dev/null"];
    const result = await ended(this.start(command, { env: this.withBinary() }));
    return { ...result, out: Bun.stripANSI(result.out).replaceAll("\r\n", "\n") };
  }

  /** Runs a command with `-j` and parses its answer. Throws where it failed. */
  async json(args: string[], options: Options = {}): Promise<any> {
    const { code, out, err } = await this.run([...args, "--json"], options);
    if (code !== 0) throw new Error(`port-daddy ${args.join(" ")} → ${code}: ${err}`);
    return JSON.parse(out);
  }

  /** A request over the daemon's socket. */
  fetch(route: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://localhost${route}`, {
      unix: this.socket,
      proxy: false,
      signal: AbortSignal.timeout(hangsAfterMs),
      ...init,
    });
  }

  /** The pid of the daemon, if one answers. */
  async daemonPid(): Promise<number | undefined> {
    try {
      return ((await (await this.fetch("/version")).json()) as { pid: number }).pid;
    } catch {
      return undefined;
    }
  }

  /** The daemons that run in this home, whether they answer or not. */
  daemons(): number[] {
    return this.processes().filter((pid) => proc(pid, "cmdline").includes("\0daemon\0"));
  }

  /** Waits until no daemon runs here: one that can't serve says why a moment before it ends. */
  async noDaemon(): Promise<void> {
    await eventually("no daemon runs", () => this.daemons().length === 0);
  }

  /** Kills the daemon as a crash would, and returns when it is gone. */
  async kill(pid: number): Promise<void> {
    process.kill(pid, "SIGKILL");
    await isGone(pid);
  }

  /** Ends what runs here and removes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    // One of them may be starting another at this moment.
    for (let pids = this.processes(); pids.length > 0; pids = this.processes())
      for (const pid of pids) await this.kill(pid).catch(() => {});
    this.block.free();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  private withBinary(): Record<string, string> {
    const bin = path.join(this.directory, "bin");
    fs.mkdirSync(bin, { recursive: true });
    if (!fs.existsSync(path.join(bin, "port-daddy")))
      fs.symlinkSync(binary, path.join(bin, "port-daddy"));
    return { PATH: `${bin}:${process.env["PATH"]}` };
  }

  /** The living processes whose home directory this is. */
  private processes(): number[] {
    return fs
      .readdirSync("/proc")
      .map(Number)
      .filter(
        (pid) => pid > 0 && `\0${proc(pid, "environ")}`.includes(`\0HOME=${this.directory}\0`),
      );
  }
}

/** Looks until there is something to see. Throws, naming it, when it takes too long. */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs = 10_000,
): Promise<NonNullable<T>> {
  for (const end = Date.now() + withinMs; Date.now() < end; await Bun.sleep(2)) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error(`within ${withinMs} ms it did not happen that ${what}`);
}

/** The words of a server, for a test that needs no real one. It answers `ok`. */
export function serverOn(port: number, hostname = "127.0.0.1"): string[] {
  const options = `{ hostname: "${hostname}", port: ${port}, fetch: () => new Response("ok") }`;
  return [process.execPath, "-e", `Bun.serve(${options})`];
}

/** Returns when a process has ended with all its threads: until the last of them has, its sockets take connections. */
export async function isGone(pid: number): Promise<void> {
  await eventually(`process ${pid} ends`, () => {
    const stat = proc(pid, "stat");
    // Its state, and the twentieth field, which is how many threads are left.
    return stat === "" || /\) [ZX] (?:\S+ ){16}[01] /.test(stat);
  });
}

export async function ended(child: Bun.Subprocess<any, "pipe", "pipe">): Promise<Result> {
  const hangs = setTimeout(() => child.kill("SIGKILL"), hangsAfterMs);
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(hangs);
  return { code, out, err };
}

/** A file of a process under /proc; nothing where it has ended, or is not ours to see. */
function proc(pid: number, file: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/**
 * Ports that tests running beside this one leave alone. A block is its owner's for as long as that listens on the port
 * before it. All lie below those that kernels give to whoever asks for any.
 */
function reserveBlock() {
  const size = 1_000;
  for (let mark = 11_000; mark + size <= 32_000; mark += size) {
    try {
      const listener = Bun.listen({
        hostname: "127.0.0.1",
        port: mark,
        exclusive: true,
        socket: { data() {} },
      });
      listener.unref();
      return {
        range: { start: mark + 1, end: mark + size - 1 },
        free: () => listener.stop(true),
      };
    } catch {
      continue;
    }
  }
  throw new Error("every block of ports is taken: homes were left behind");
}
