// Releases on a server of our own, and install.sh run against them as a person would, in a home of its own.

import * as fs from "node:fs";
import * as path from "node:path";
import { Home, type Result } from "../home.ts";

export const script = path.join(import.meta.dir, "../../install.sh");

export const platforms = [
  ...["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"],
  ...["darwin-arm64", "darwin-x64"],
];

/** A program that stands for the binary where the test is about what leads to it: it knows its version alone. */
export const program = (version: string) => `#!/bin/sh
case "$*" in
--version) echo "port-daddy ${version}" ;;
version) printf 'port-daddy ${version}\\ndaemon     not running\\n' ;;
*) exit 1 ;;
esac
`;

type Answer = string | Uint8Array<ArrayBuffer> | (() => Response);

export class Releases {
  /** What is served, by name; a test changes it as it likes. */
  readonly files = new Map<string, Answer>();
  /** The names that were asked for. */
  readonly asked: string[] = [];
  private readonly server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    fetch: (request) => {
      const name = path.basename(new URL(request.url).pathname);
      this.asked.push(name);
      const answer = this.files.get(name);
      if (answer === undefined) return new Response("no such file", { status: 404 });
      return typeof answer === "function" ? answer() : new Response(answer);
    },
  });
  readonly url = `http://127.0.0.1:${this.server.port}/download`;

  /** Offers a version, with the same program in each archive. */
  static async of(version: string, binary: string | Uint8Array, of = platforms): Promise<Releases> {
    const releases = new Releases();
    for (const platform of of)
      releases.files.set(nameOf(version, platform), await archive(version, platform, binary));
    releases.sum();
    return releases;
  }

  /** Writes SHA256SUMS anew over what the archives are now. */
  sum(): void {
    const lines = [...this.files].flatMap(([name, bytes]) =>
      bytes instanceof Uint8Array ? [`${Bun.SHA256.hash(bytes, "hex")}  ${name}\n`] : [],
    );
    this.files.set("SHA256SUMS", lines.join(""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop(true);
  }
}

export const nameOf = (version: string, platform: string) =>
  `port-daddy-${version}-${platform}.tar.gz`;

/** An archive as a release has it. */
export async function archive(version: string, platform: string, binary: string | Uint8Array) {
  await using home = new Home();
  const folder = `port-daddy-${version}-${platform}`;
  const file = path.join(home.makeDirectory(folder), "port-daddy");
  fs.writeFileSync(file, binary, { mode: 0o755 });
  // Fast rather than small.
  const line = `tar -cf - ${folder} | gzip -1`;
  const packed = home.start(["sh", "-c", line]);
  return new Uint8Array(await new Response(packed.stdout).arrayBuffer());
}

type Setup = {
  /** The words of the shell that reads it. */
  shell?: string[];
  env?: Record<string, string>;
  cwd?: string;
};

/** Starts install.sh as `curl … | sh` does: from a pipe, knowing nothing but the environment. */
export function startInstall(home: Home, { shell = ["sh"], env, cwd }: Setup = {}) {
  const child = home.start(shell, { ...(env && { env }), ...(cwd && { cwd }), stdin: "pipe" });
  child.stdin!.write(fs.readFileSync(script));
  child.stdin!.end();
  return child;
}

export async function resultOf(child: Bun.Subprocess<any, "pipe", "pipe">): Promise<Result> {
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

/** Everything below a directory, hidden or not. */
export function everythingIn(directory: string): string[] {
  return fs.existsSync(directory)
    ? fs.readdirSync(directory, { recursive: true }).map(String).sort()
    : [];
}

/**
 * A directory of programs to be the whole PATH: what the system has under these names, and scripts of the test's own.
 */
export function programs(home: Home, names: string[], own: Record<string, string> = {}): string {
  const directory = home.makeDirectory(`programs-${crypto.randomUUID()}`);
  for (const name of names) {
    const found = Bun.which(name);
    if (found !== null) fs.symlinkSync(found, path.join(directory, name));
  }
  for (const [name, text] of Object.entries(own))
    fs.writeFileSync(path.join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return directory;
}

/** What install.sh needs of a system, beside something to download with. */
export const needed = [
  ...["sh", "uname", "ldd", "df", "sed", "head", "tail", "cut", "mktemp", "mkdir", "dirname"],
  ...[
    "cat",
    "rm",
    "mv",
    "ln",
    "readlink",
    "chmod",
    "tar",
    "gzip",
    "sha256sum",
    "tr",
    "wc",
    "env",
    "sleep",
  ],
];

/** What says that this is Linux on x64 with glibc, wherever the test runs. */
export const machine = {
  uname: "case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac",
  ldd: 'echo "ldd (GNU libc) 2.41"',
};
