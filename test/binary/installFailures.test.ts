// install.sh where something is wrong: each failure has its sentence, and what was there before is there after.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home, isRoot, nobody } from "../home.ts";
import {
  archive,
  everythingIn,
  machine,
  nameOf,
  needed,
  program,
  programs,
  Releases,
  resultOf,
  script as scriptFile,
  startInstall,
} from "./releases.ts";

/** The platform that this machine is made to be, and another. */
const [platform, other] = ["linux-x64", "linux-arm64"] as const;
const ours = nameOf("1.2.3", platform);

let good: Map<string, any>;
let releases: Releases;
let home: Home;
let target: string;
beforeAll(async () => {
  releases = await Releases.of("1.2.3", program("1.2.3"));
  good = new Map(releases.files);
});
afterAll(() => releases[Symbol.asyncDispose]());

beforeEach(() => {
  for (const [name, answer] of good) releases.files.set(name, answer);
  releases.asked.length = 0;
});

type Case = {
  /** Without these programs. */
  without?: string[];
  own?: Record<string, string>;
  env?: Record<string, string>;
  shell?: string[];
  prepare?: () => unknown;
};

/** Runs install.sh over an older version that is installed already. */
async function fails({ without = [], own = {}, env, shell, prepare }: Case): Promise<string> {
  home = new Home({ PORT_DADDY_RELEASES: releases.url });
  await using _ = home;
  target = home.makeDirectory(".local/bin");
  fs.writeFileSync(path.join(target, "port-daddy"), program("0.9.0"), { mode: 0o755 });
  const scripts = { ...machine, ...own };
  const names = [...needed, "curl"].filter((name) => !(name in scripts) && !without.includes(name));
  const PATH = programs(home, names, scripts);
  await prepare?.();
  const before = everythingIn(home.directory);
  const { code, out, err } = await resultOf(
    startInstall(home, { env: { PATH, ...env }, ...(shell && { shell }) }),
  );
  expect(code, err).toBe(1);
  expect(out).not.toContain("Installed");
  expect(everythingIn(home.directory)).toEqual(before);
  expect(fs.readFileSync(path.join(target, "port-daddy"), "utf8")).toBe(program("0.9.0"));
  expect(err).toMatch(/(^|\n)install\.sh: [^\n]+\n$/);
  return err.trimEnd().split("\n").at(-1)!.replace("install.sh: ", "");
}

const mayMount =
  Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]).exitCode === 0;

/** Each with the programs that must be missing for it to be chosen. */
const downloaders: [string, string[]][] = [
  ["curl", []],
  ["wget", ["curl"]],
];

const bytesOf = (name: string): Uint8Array<ArrayBuffer> => good.get(name);
const changed =
  /^the checksum of port-daddy-1\.2\.3-linux-x64\.tar\.gz is not the one in SHA256SUMS/;

describe("what is downloaded", () => {
  test("that was cut off is refused by its checksum", async () => {
    releases.files.set(ours, bytesOf(ours).slice(0, -100));
    expect(await fails({})).toMatch(changed);
  });

  test("that was changed in one bit is refused by its checksum", async () => {
    const bytes = bytesOf(ours).slice();
    bytes[bytes.length >> 1]! ^= 1;
    releases.files.set(ours, bytes);
    expect(await fails({})).toMatch(changed);
  });

  test("for another platform under the name of this one is refused by its checksum", async () => {
    releases.files.set(ours, bytesOf(nameOf("1.2.3", other)));
    expect(await fails({})).toMatch(changed);
  });

  test("for another platform is refused by what it holds, should its checksum be right", async () => {
    releases.files.set(ours, bytesOf(nameOf("1.2.3", other)));
    releases.sum();
    expect(await fails({})).toMatch(/cannot be unpacked: it holds no \S+-linux-x64\/port-daddy,/);
  });

  test("that does not run on this machine is not installed, and cannot write beside itself", async () => {
    releases.files.set(ours, await archive("1.2.3", platform, "echo hello >stray; exit 3\n"));
    releases.sum();
    expect(await fails({})).toBe(
      `the binary of ${ours} does not run on this machine, and nothing was installed: it ended with 3`,
    );
  });

  test("that this processor cannot run says so, rather than a number", async () => {
    releases.files.set(ours, await archive("1.2.3", platform, "kill -ILL $$\n"));
    releases.sum();
    expect(await fails({})).toEndWith("nothing was installed: its processor is too old for it");
  });

  test("that is made for musl and does not run says what such a binary needs", async () => {
    const name = nameOf("1.2.3", "linux-x64-musl");
    releases.files.set(name, await archive("1.2.3", "linux-x64-musl", "exit 127\n"));
    releases.sum();
    const own = { ldd: "echo musl libc; exit 1" };
    expect(await fails({ own })).toEndWith("it needs the C++ library: apk add libstdc++");
  });

  test.each(["SHA256SUMS", ours])("and is not there is named: %s", async (name) => {
    releases.files.delete(name);
    expect(await fails({})).toBe(
      `${releases.url}/${name} could not be downloaded, for the reason above; nothing was installed`,
    );
  });

  for (const [downloader, without] of downloaders) {
    const found = Bun.which(downloader);
    test.skipIf(found === null)(`and ends midway is not installed: ${downloader}`, async () => {
      releases.files.set(ours, endsMidway);
      const own = { wget: `exec '${found}' "$@"` };
      expect(await fails({ without, own })).toContain(`${ours} could not be downloaded`);
    });
  }

  test.each([
    ["a page", "<html>Sign in to the network</html>"],
    ["a page in Latin-1", Buffer.from("<html>Anmeldung für Gäste</html>", "latin1")],
    ["nothing", ""],
    ["a sum that is cut off", `${"0".repeat(63)}  ${ours}\n`],
    ["a name that leads elsewhere", `${"0".repeat(64)}  ../${ours}\n`],
  ])("as checksums is %s: no line is taken from it", async (_, text) => {
    releases.files.set("SHA256SUMS", text);
    expect(await fails({})).toBe(
      `${releases.url}/SHA256SUMS holds no checksums of port-daddy, but perhaps a page to sign in at; nothing was installed`,
    );
    expect(releases.asked).toEqual(["SHA256SUMS"]);
  });

  test("has nothing for this platform, which is named", async () => {
    releases.files.set("SHA256SUMS", `${"0".repeat(64)}  ${nameOf("1.2.3", other)}\n`);
    expect(await fails({})).toBe(
      `the release at ${releases.url} has no archive for linux-x64; nothing was installed`,
    );
    expect(releases.asked).toEqual(["SHA256SUMS"]);
  });

  for (const [downloader, without] of downloaders) {
    const found = Bun.which(downloader);
    test.skipIf(found === null)(
      `as checksums goes on for ever is given up: ${downloader}`,
      async () => {
        releases.files.set("SHA256SUMS", neverEnds);
        const own = { wget: `exec '${found}' "$@"` };
        expect(await fails({ without, own })).toBe(
          `${releases.url}/SHA256SUMS holds more than 64 kB, so it is not a list of checksums; nothing was installed`,
        );
      },
    );
  }
});

/** As fast as it is read. */
const neverEnds = () =>
  new Response(
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(8_192)) }),
  );

/** Promises more than it gives. */
function endsMidway(): Response {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(1_000));
      setTimeout(() => controller.error(new Error("the server is gone")), 20);
    },
  });
  return new Response(body);
}

describe("the machine", () => {
  test("without curl and wget is told to get one", async () => {
    expect(await fails({ without: ["curl"] })).toBe(
      "neither curl nor wget is there to download with; install one first, for instance: apt-get install curl",
    );
  });

  test("that can compute no checksum installs nothing unchecked", async () => {
    expect(await fails({ without: ["sha256sum"] })).toStartWith(
      "no program is there that computes a SHA-256 sum, and nothing is installed unchecked;",
    );
  });

  test.each([
    ["FreeBSD", "amd64"],
    ["Linux", "riscv64"],
  ])("that no release is for is named: %s on %s", async (system, cpu) => {
    const own = { uname: `case $1 in -s) echo ${system} ;; -m) echo ${cpu} ;; esac` };
    expect(await fails({ own })).toStartWith(`there is no release for ${system} on ${cpu}, only`);
  });

  test("that cannot unpack says so", async () => {
    expect(await fails({ own: { tar: "exit 2" } })).toContain("or tar and gzip are missing");
  });

  test("whose codesign fails says so", async () => {
    const own = {
      uname: "case $1 in -s) echo Darwin ;; -m) echo arm64 ;; esac",
      codesign: "echo no identity >&2; exit 1",
    };
    expect(await fails({ own })).toBe(
      "codesign cannot sign port-daddy-1.2.3-darwin-arm64.tar.gz: no identity",
    );
  });
});

describe("the place", () => {
  test("is unknown without HOME and PREFIX", async () => {
    const shell = ["sh", "-c", "unset HOME; exec sh"];
    expect(await fails({ shell })).toStartWith("HOME is not set; say where to install:");
  });

  test("with too little room is named before anything is downloaded", async () => {
    const df = 'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; ';
    const own = { df: `${df} echo "/dev/vda 250000 150000 99999 60% /home of mine"` };
    expect(await fails({ own })).toStartWith(`${target} has 99 MB left and this takes 200;`);
    expect(releases.asked).toEqual([]);
  });

  test("that takes no more bytes than so many keeps what it had", async () => {
    const noise = crypto.getRandomValues(new Uint8Array(60_000));
    releases.files.set(ours, Buffer.concat(Array.from({ length: 20 }, () => noise)));
    releases.sum();
    // In blocks of 512 bytes.
    const shell = ["sh", "-c", "ulimit -f 1000; exec sh"];
    expect(await fails({ shell })).toContain(`${ours} could not be downloaded`);
  });

  for (const [says, own] of [
    ["has 1 MB left and this takes 200", {}],
    ["could not be downloaded", { df: "exit 1" }],
  ] as [string, Record<string, string>][]) {
    test.skipIf(!mayMount)(`that is full is left as it was: ${says}`, async () => {
      const noise = crypto.getRandomValues(new Uint8Array(60_000));
      releases.files.set(ours, Buffer.concat(Array.from({ length: 20 }, () => noise)));
      releases.sum();
      // A disk of its own, which ends with the shell; nothing may be left on it.
      const line = `mount -t tmpfs -o size=1m tmpfs full && {
        sh; code=$?
        [ -z "$(ls -A full/bin)" ] || code=9
        exit $code
      }`;
      const tools = { ...passThrough("unshare"), ...passThrough("mount"), ...passThrough("ls") };
      const shell = ["unshare", "-m", "sh", "-c", line];
      const prepare = () => home.makeDirectory("full");
      const env = { PREFIX: "full" };
      expect(await fails({ shell, prepare, env, own: { ...tools, ...own } })).toContain(says);
    });
  }

  test("where there is a directory of that name is not guessed around", async () => {
    const prepare = () =>
      fs.mkdirSync(path.join(home.directory, "other/bin/port-daddy"), { recursive: true });
    const env = { PREFIX: "other" };
    expect(await fails({ env, prepare })).toContain("/other/bin/port-daddy is a directory;");
  });

  test("that cannot be made is named", async () => {
    const prepare = () => fs.writeFileSync(path.join(home.directory, "file"), "");
    expect(await fails({ env: { PREFIX: "file" }, prepare })).toStartWith(
      "file/bin cannot be made;",
    );
  });

  test.skipIf(!isRoot)("that another user may not write to is named", async () => {
    const shell = ["setpriv", `--reuid=${nobody}`, "--clear-groups", "sh"];
    // A home is its owner's alone.
    const prepare = () => fs.chmodSync(home.directory, 0o755);
    expect(await fails({ shell, prepare, own: passThrough("setpriv") })).toBe(
      `${target} is not writable; name another place: curl -fsSL ${releases.url}/install.sh | PORT_DADDY_RELEASES=${releases.url} PREFIX=/some/dir sh`,
    );
  });

  test("is not an argument, since it would be ignored", async () => {
    const shell = ["sh", "-s", "--", "--prefix", "/opt"];
    expect(await fails({ shell })).toStartWith("it takes no arguments;");
  });
});

describe("where the releases are", () => {
  test.each(["releases.example.com/1.0", "ftp://example.com/1.0", "/srv/releases"])(
    "cannot be %p",
    async (PORT_DADDY_RELEASES) => {
      expect(await fails({ env: { PORT_DADDY_RELEASES } })).toBe(
        `PORT_DADDY_RELEASES must be a URL that begins with https://, http:// or file://, not '${PORT_DADDY_RELEASES}'`,
      );
    },
  );
});

describe("what is to be typed next", () => {
  test("names the script where it is a file, quoted as that takes", async () => {
    const script = "it's here/install.sh";
    const prepare = () => {
      home.makeDirectory("it's here");
      fs.copyFileSync(scriptFile, path.join(home.directory, script));
      fs.writeFileSync(path.join(home.directory, "file"), "");
    };
    const env = { PREFIX: "file", PORT_DADDY_RELEASES: "" };
    expect(await fails({ shell: ["sh", script], env, prepare })).toBe(
      `file/bin cannot be made; name another place: PREFIX=/some/dir sh 'it'\\''s here/install.sh'`,
    );
  });

  test("keeps the place that was named, and works as it stands", async () => {
    releases.files.set(ours, bytesOf(ours).slice(0, -100));
    const line = await fails({
      env: { PREFIX: "my tools" },
      prepare: () => home.makeDirectory("my tools/bin"),
    });
    const again = `curl -fsSL ${releases.url}/install.sh | PORT_DADDY_RELEASES=${releases.url} PREFIX='my tools' sh`;
    expect(line).toEndWith(`; try again: ${again}`);
    releases.files.set(ours, bytesOf(ours));
    releases.files.set("install.sh", fs.readFileSync(scriptFile));
    await using fresh = new Home();
    const PATH = `${programs(fresh, [], machine)}:${process.env["PATH"]}`;
    const { code, err } = await resultOf(fresh.start(["sh", "-c", again], { env: { PATH } }));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(everythingIn(path.join(fresh.directory, "my tools/bin"))).toEqual(["pd", "port-daddy"]);
  });

  test("without curl is for wget", async () => {
    const own = { wget: "exit 4" };
    expect(await fails({ without: ["curl"], own, shell: ["sh", "-s", "--", "--help"] })).toEndWith(
      `say where to install: wget -qO- ${releases.url}/install.sh | PORT_DADDY_RELEASES=${releases.url} PREFIX=/some/dir sh`,
    );
  });
});

const passThrough = (name: string) => ({ [name]: `exec '${Bun.which(name)}' "$@"` });
