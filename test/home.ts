// The compiled binary in a home of its own. Each `Home` stops what it started.

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

export const binary = path.join(import.meta.dir, "../dist/port-daddy");

export type Result = { code: number; out: string; err: string };

export class Home {
  /** The temporary home directory; everything the binary writes is below it. */
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  readonly state = path.join(this.directory, "state");
  readonly socket = path.join(this.state, "daemon.sock");
  private readonly settings: Record<string, string>;

  /** `settings` are environment variables for every command run here. The daemon's TCP port is the kernel's choice. */
  constructor(settings: Record<string, string> = {}) {
    this.settings = settings;
  }

  environment(extra: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.directory,
      USER: "ada",
      LANG: "C.UTF-8",
      PORT_DADDY_HOME: this.state,
      PORT_DADDY_PORT: "0",
      ...this.settings,
      ...extra,
    };
  }

  spawn(
    args: string[],
    options: { env?: Record<string, string>; cwd?: string; stdin?: "ignore" | "pipe" } = {},
  ) {
    return Bun.spawn([binary, ...args], {
      cwd: options.cwd ?? this.directory,
      env: this.environment(options.env),
      stdin: options.stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs a command to its end. */
  async run(
    args: string[],
    options: { env?: Record<string, string>; cwd?: string } = {},
  ): Promise<Result> {
    const child = this.spawn(args, options);
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  /** Runs a line of shell in which `port-daddy` is the binary. */
  async shell(line: string, shell = "sh"): Promise<Result> {
    const bin = path.join(this.directory, "bin");
    fs.mkdirSync(bin, { recursive: true });
    if (!fs.existsSync(path.join(bin, "port-daddy")))
      fs.symlinkSync(binary, path.join(bin, "port-daddy"));
    const env = this.environment();
    const child = Bun.spawn([shell, "-c", line], {
      cwd: this.directory,
      env: { ...env, PATH: `${bin}:${env["PATH"]}` },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  /** Runs a command with `-j` and parses its answer. Throws where it failed. */
  async json(
    args: string[],
    options: { env?: Record<string, string>; cwd?: string } = {},
  ): Promise<any> {
    const { code, out, err } = await this.run([...args, "--json"], options);
    if (code !== 0) throw new Error(`port-daddy ${args.join(" ")} → ${code}: ${err}`);
    return JSON.parse(out);
  }

  /** A request over the daemon's socket. */
  fetch(route: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://localhost${route}`, { unix: this.socket, proxy: false, ...init });
  }

  /** The pid of the daemon, if one answers. */
  async daemonPid(): Promise<number | undefined> {
    try {
      return ((await (await this.fetch("/version")).json()) as { pid: number }).pid;
    } catch {
      return undefined;
    }
  }

  /** Kills the daemon as a crash would, and returns when it is gone. */
  async kill(pid: number): Promise<void> {
    process.kill(pid, "SIGKILL");
    while (fs.existsSync(`/proc/${pid}`) && !isZombie(pid)) await Bun.sleep(1);
  }

  /** Ends the daemon and removes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    const pid = await this.daemonPid();
    if (pid !== undefined) await this.kill(pid);
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

function isZombie(pid: number): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}
