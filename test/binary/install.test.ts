// install.sh from a pipe, as a newcomer runs it: what it chooses, puts where, replaces and says.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { binary, Home, isRoot, nobody } from "../home.ts";
import {
  everythingIn,
  needed,
  program,
  programs,
  Releases,
  resultOf,
  script,
  startInstall,
} from "./releases.ts";

let releases: Releases;
beforeAll(async () => void (releases = await Releases.of("1.2.3", program("1.2.3"))));
afterAll(() => releases[Symbol.asyncDispose]());

/** A home that knows where the releases are. */
const homeOf = (options: { uid?: number } = {}) =>
  new Home({ PORT_DADDY_RELEASES: releases.url }, options);

const target = (home: Home) => path.join(home.directory, ".local/bin");

const isMissing = (name: string) => Bun.which(name) === null;

/** For an archive of the binary, on a machine that is busy with others. */
const packingMs = 60_000;

const shells = [["dash"], ["bash"], ["zsh"], ["busybox", "sh"]];

describe.each(shells.map((words) => [words.join(" "), words] as const))("under %s", (_, shell) => {
  const testWith = test.skipIf(isMissing(shell[0]!));

  testWith("a pipe installs the release, and leaves nothing else", async () => {
    await using home = homeOf();
    const { code, out, err } = await resultOf(startInstall(home, { shell: [...shell] }));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const file = path.join(target(home), "port-daddy");
    expect(out).toMatch(/^Downloading port-daddy-1\.2\.3-\S+\.tar\.gz \.\.\.\n/);
    expect(out).toContain(`\nInstalled port-daddy 1.2.3 to ${file} (pd is short for it).\n`);
    expect(out).toEndWith(`\nNext:\n${file} claim myapp:api\n`);
    expect(everythingIn(target(home))).toEqual(["pd", "port-daddy"]);
    expect((await home.shell(`'${target(home)}/pd' --version`)).out).toBe("port-daddy 1.2.3\n");
  });

  testWith("a file without a checkout beside it does the same", async () => {
    await using home = homeOf();
    fs.copyFileSync(script, path.join(home.directory, "install.sh"));
    const { code, err } = await resultOf(home.start([...shell, "install.sh"]));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(everythingIn(target(home))).toEqual(["pd", "port-daddy"]);
  });

  testWith("a script that was cut off does nothing", async () => {
    await using home = homeOf();
    const before = everythingIn(home.directory);
    const lines = fs.readFileSync(script, "utf8").split("\n").slice(0, -1);
    for (let kept = 1; kept < lines.length; kept += 7) {
      const child = home.start([...shell], { stdin: "pipe" });
      child.stdin!.write(lines.slice(0, kept).join("\n"));
      child.stdin!.end();
      expect(await new Response(child.stdout).text(), `the first ${kept} lines`).toBe("");
    }
    expect(everythingIn(home.directory)).toEqual(before);
  });
});

test.skipIf(isMissing("wget"))("without curl it downloads with wget", async () => {
  await using home = homeOf();
  const env = { PATH: programs(home, [...needed, "wget"]) };
  const { code, err } = await resultOf(startInstall(home, { env }));
  expect({ code, err }).toEqual({ code: 0, err: "" });
});

test.skipIf(isMissing("busybox"))("a system of busybox alone is enough", async () => {
  await using home = homeOf();
  const applets = [...needed, "wget", "grep"].filter((name) => name !== "ldd");
  const own = Object.fromEntries(applets.map((name) => [name, `exec busybox ${name} "$@"`]));
  const env = { PATH: programs(home, ["busybox"], own) };
  const { code, err } = await resultOf(startInstall(home, { shell: ["busybox", "sh"], env }));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(everythingIn(target(home))).toEqual(["pd", "port-daddy"]);
});

for (const [name, also] of [
  ["shasum", "perl"],
  ["openssl", "openssl"],
  ["busybox", "busybox"],
] as const) {
  test.skipIf(isMissing(name))(`without sha256sum it takes the sum with ${name}`, async () => {
    await using home = homeOf();
    const others = needed.filter((name) => name !== "sha256sum");
    const PATH = programs(home, [...others, "curl", ...new Set([name, also])]);
    const { code, err } = await resultOf(startInstall(home, { env: { PATH } }));
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });
}

const glibc = 'echo "ldd (GNU libc) 2.41"';
const musl = 'echo "musl libc (x86_64)" >&2; exit 1';

test.each([
  ["Linux", "x86_64", glibc, "linux-x64"],
  ["Linux", "aarch64", glibc, "linux-arm64"],
  ["Linux", "x86_64", musl, "linux-x64-musl"],
  ["Linux", "aarch64", musl, "linux-arm64-musl"],
  ["Darwin", "arm64", "exit 127", "darwin-arm64"],
  ["Darwin", "x86_64", "exit 127", "darwin-x64"],
])("%s on %s with `%s` gets %s", async (system, machine, ldd, platform) => {
  await using home = homeOf();
  const signed = path.join(home.directory, "signed");
  const own = {
    uname: `case $1 in -s) echo ${system} ;; -m) echo ${machine} ;; esac`,
    ldd,
    sysctl: "exit 1",
    codesign: `echo "$@" >'${signed}'`,
  };
  const names = needed.filter((name) => !(name in own));
  const env = { PATH: programs(home, [...names, "curl"], own) };
  const { code, out, err } = await resultOf(startInstall(home, { env }));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toStartWith(`Downloading port-daddy-1.2.3-${platform}.tar.gz ...\n`);
  expect(fs.existsSync(signed)).toBe(system === "Darwin");
});

test("a Mac of Apple's own make gets what is made for it, under Rosetta too", async () => {
  await using home = homeOf();
  const own = {
    uname: "case $1 in -s) echo Darwin ;; -m) echo x86_64 ;; esac",
    sysctl: "echo 1",
    codesign: "exit 0",
  };
  const names = needed.filter((name) => name !== "uname");
  const env = { PATH: programs(home, [...names, "curl"], own) };
  const { out } = await resultOf(startInstall(home, { env }));
  expect(out).toStartWith("Downloading port-daddy-1.2.3-darwin-arm64.tar.gz ...\n");
});

test.skipIf(!isRoot)("a user without any rights installs into a home of its own", async () => {
  await using home = homeOf({ uid: nobody });
  const shell = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "sh"];
  const { code, err } = await resultOf(startInstall(home, { shell }));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(fs.statSync(path.join(target(home), "port-daddy")).uid).toBe(nobody);
});

test("PREFIX names the place, with a space in its name or relative as it may be", async () => {
  await using home = homeOf();
  for (const [PREFIX, expected] of [
    [path.join(home.directory, "my tools"), "my tools/bin"],
    ["near", "near/bin"],
  ] as const) {
    const { code, err } = await resultOf(startInstall(home, { env: { PREFIX } }));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(everythingIn(path.join(home.directory, expected))).toEqual(["pd", "port-daddy"]);
  }
});

test("an older version is replaced, and named", async () => {
  await using home = homeOf();
  fs.mkdirSync(target(home), { recursive: true });
  fs.writeFileSync(path.join(target(home), "port-daddy"), program("0.9.0"), { mode: 0o755 });
  const env = { PATH: `${target(home)}:${process.env["PATH"]}` };
  const upgraded = await resultOf(startInstall(home, { env }));
  const file = path.join(target(home), "port-daddy");
  const installed = `Installed port-daddy 1.2.3 to ${file}`;
  expect(upgraded.out).toEndWith(`\n${installed}, in place of 0.9.0 (pd is short for it).\n`);
  const again = await resultOf(startInstall(home, { env }));
  expect(again.out).toEndWith(`\n${installed}, again (pd is short for it).\n`);
});

describe("an older one that does not answer", () => {
  const shellsThere = shells.filter(([shell]) => !isMissing(shell!));
  // Ten seconds for the program, and all of them at once.
  test("is replaced all the same, and nothing of it goes on", async () => {
    const replaced = shellsThere.map(async (shell) => {
      await using home = homeOf();
      fs.mkdirSync(target(home), { recursive: true });
      const pidFile = path.join(home.directory, "pid");
      const hangs = `#!/bin/sh\ntrap '' TERM\necho $$ >'${pidFile}'\nwhile :; do read line || exec sleep 60; done\n`;
      fs.writeFileSync(path.join(target(home), "port-daddy"), hangs, { mode: 0o755 });
      const { code, out, err } = await resultOf(startInstall(home, { shell: [...shell] }));
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toContain(
        ", in place of one that did not tell its version (pd is short for it).\n",
      );
      const pid = Number(fs.readFileSync(pidFile, "utf8"));
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      expect(everythingIn(target(home))).toEqual(["pd", "port-daddy"]);
    });
    await Promise.all(replaced);
  });
});

test("a pd that is somebody else's is left as it is", async () => {
  await using home = homeOf();
  fs.mkdirSync(target(home), { recursive: true });
  fs.writeFileSync(path.join(target(home), "pd"), "my own");
  const { code, out } = await resultOf(startInstall(home));
  expect(code).toBe(0);
  expect(out).toMatch(/^Installed port-daddy 1\.2\.3 to \S+\/port-daddy\.$/m);
  expect(fs.readFileSync(path.join(target(home), "pd"), "utf8")).toBe("my own");
});

describe("how the name alone is enough", () => {
  const said = async (home: Home, env: Record<string, string>) =>
    (await resultOf(startInstall(home, { env }))).out;

  test.each([
    ["/bin/bash", "~/.bashrc", "export PATH=", ':"$PATH"'],
    ["/usr/bin/zsh", "~/.zshrc", "export PATH=", ':"$PATH"'],
    ["/usr/bin/fish", "~/.config/fish/config.fish", "fish_add_path ", ""],
    ["", "the profile of your shell", "export PATH=", ':"$PATH"'],
  ])("is told to a user of %p for %s", async (SHELL, file, before, after) => {
    await using home = homeOf();
    expect(await said(home, { SHELL })).toContain(
      `\nTo type its name alone, add this line to ${file}:\n${before}${target(home)}${after}\nNext:\n`,
    );
  });

  test("is a line that works, whatever the directory is called", async () => {
    await using home = homeOf();
    const PREFIX = path.join(home.directory, 'it\'s "$HOME" `id`');
    const lines = (await said(home, { PREFIX })).split("\n");
    const line = lines.find((line) => line.startsWith("export PATH="));
    const found = await home.shell(`${line}\ncommand -v port-daddy`);
    expect(found.out).toBe(`${PREFIX}/bin/port-daddy\n`);
    const next = lines.at(-2)!.replace(/ claim .*/, "");
    expect((await home.shell(`${next} --version`)).out).toBe("port-daddy 1.2.3\n");
  });

  test("is not told where PATH has it already, by whatever way", async () => {
    await using home = homeOf();
    home.makeDirectory(".local/bin");
    fs.symlinkSync(".local/bin", path.join(home.directory, "bin"));
    const out = await said(home, { PATH: `${home.directory}/bin/:${process.env["PATH"]}` });
    expect(out).toEndWith(" (pd is short for it).\nNext:\nport-daddy claim myapp:api\n");
  });

  test("is not told where no PATH can hold it", async () => {
    await using home = homeOf();
    const out = await said(home, { PREFIX: path.join(home.directory, "a:b") });
    expect(out).toEndWith(`\nNext:\n${home.directory}/a:b/bin/port-daddy claim myapp:api\n`);
    expect(out).not.toContain("PATH");
  });
});

test("what a user set for tar, curl and wget is not obeyed", async () => {
  for (const downloader of ["curl", "wget"].filter((name) => !isMissing(name))) {
    await using home = homeOf();
    for (const file of [".curlrc", ".config/curlrc"]) {
      fs.mkdirSync(path.dirname(path.join(home.directory, file)), { recursive: true });
      fs.writeFileSync(path.join(home.directory, file), 'proxy = "http://127.0.0.1:1"\n');
    }
    fs.writeFileSync(
      path.join(home.directory, ".wgetrc"),
      "output_document = /dev/null\nhttp_proxy = http://127.0.0.1:1\n",
    );
    const env = {
      PATH: programs(home, [...needed, downloader]),
      TAR_OPTIONS: "--strip-components=1",
    };
    const { code, err } = await resultOf(startInstall(home, { env }));
    expect({ code, err }, downloader).toEqual({ code: 0, err: "" });
  }
});

test("checksums whose lines end as on Windows are read", async () => {
  await using others = await Releases.of("1.2.3", program("1.2.3"));
  others.files.set("SHA256SUMS", String(others.files.get("SHA256SUMS")).replaceAll("\n", "\r\n"));
  await using home = new Home({ PORT_DADDY_RELEASES: `${others.url}/` });
  expect(await resultOf(startInstall(home))).toMatchObject({ code: 0, err: "" });
});

test.skipIf(isMissing("curl"))("releases may be a directory, by its file URL", async () => {
  await using home = new Home();
  const directory = home.makeDirectory("releases");
  for (const [name, bytes] of releases.files)
    fs.writeFileSync(path.join(directory, name), bytes as string | Uint8Array);
  const env = { PORT_DADDY_RELEASES: `file://${directory}` };
  expect(await resultOf(startInstall(home, { env }))).toMatchObject({ code: 0, err: "" });
});

test("another port-daddy that comes first in PATH is pointed out", async () => {
  await using home = homeOf();
  const first = programs(home, [], { "port-daddy": "echo port-daddy 0.1.0" });
  const env = { PATH: `${first}:${target(home)}:${process.env["PATH"]}` };
  const { out } = await resultOf(startInstall(home, { env }));
  expect(out).toContain(
    `\nAnother port-daddy comes first in your PATH: ${first}/port-daddy\nTo have this one instead, add this line to `,
  );
  expect(out).toEndWith(`\nNext:\n${target(home)}/port-daddy claim myapp:api\n`);
});

describe("the binary itself", () => {
  let real: Releases;
  beforeAll(async () => {
    // As if it were built from other sources: with another code hash.
    const { stdout } = Bun.spawnSync([binary, "version", "--json"]);
    const bytes = fs.readFileSync(binary);
    const hash: string = JSON.parse(stdout.toString()).codeHash;
    for (let at = 0; (at = bytes.indexOf(hash, at)) >= 0;) bytes.write("abcdef012345", at);
    real = await Releases.of("1.0.0", bytes, [`linux-${process.arch}`]);
  }, packingMs);
  afterAll(() => real[Symbol.asyncDispose]());

  test("a daemon that runs keeps its code, and is said to be of another build", async () => {
    await using home = new Home({ PORT_DADDY_RELEASES: real.url });
    await home.run(["start"]);
    const old = (await home.json(["version"])).codeHash;
    const { code, out, err } = await resultOf(startInstall(home));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const file = path.join(target(home), "port-daddy");
    expect(out).toEndWith(
      `\nThe daemon that runs is still 1.0.0+${old}. To put the new one in force:\n${file} restart\n`,
    );
    const restarted = await home.shell(`'${file}' restart && '${file}' version`);
    expect(restarted.out).toContain("\ndaemon     1.0.0+abcdef012345, pid ");
    const { out: again } = await resultOf(startInstall(home));
    expect(again).toContain(`Installed port-daddy 1.0.0 to ${file}, again`);
    expect(again).not.toContain("restart");
  });

  test("completions go where shells look, and only there", async () => {
    await using home = new Home({ PORT_DADDY_RELEASES: real.url });
    const bash = home.makeDirectory(".local/share/bash-completion/completions");
    const fish = home.makeDirectory(".config/fish/completions");
    const { code, err } = await resultOf(startInstall(home));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(everythingIn(bash)).toEqual(["pd", "port-daddy"]);
    expect(everythingIn(fish)).toEqual(["pd.fish", "port-daddy.fish"]);
    expect(everythingIn(path.join(home.directory, ".local/share"))).not.toContain("zsh");
    expect(fs.readFileSync(path.join(bash, "pd"), "utf8")).toContain("port-daddy");
  });

  test("a setting of this shell that is wrong is told of after all is in its place, for everybody", async () => {
    await using home = new Home({ PORT_DADDY_RELEASES: real.url, PORT_DADDY_PORT: "many" });
    const bash = home.makeDirectory(".local/share/bash-completion/completions");
    const shell = ["sh", "-c", "umask 077; exec sh"];
    const { code, out, err } = await resultOf(startInstall(home, { shell }));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(
      /\nBefore it can be of use, see to this:\nerror: PORT_DADDY_PORT must be .*, not "many"\n/,
    );
    for (const file of [path.join(bash, "port-daddy"), path.join(target(home), "port-daddy")])
      expect(fs.statSync(file).mode & 0o044, file).toBe(0o044);
  });

  test("a daemon that does not answer is told of, and what to do", async () => {
    await using home = new Home({ PORT_DADDY_RELEASES: real.url });
    await home.run(["start"]);
    const pid = (await home.daemonPid())!;
    process.kill(pid, "SIGSTOP");
    const { code, out, err } = await resultOf(startInstall(home));
    process.kill(pid, "SIGCONT");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(
      /\nBefore it can be of use, see to this:\nerror: The daemon .*\nhint: .*\n$/,
    );
  });
});
