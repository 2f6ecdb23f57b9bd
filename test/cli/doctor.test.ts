// The doctor's screens, and checks whose findings need no process of their own.

import { afterEach, describe, expect, setSystemTime, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { clock } from "../../src/cli/checks/clock.ts";
import { range, version } from "../../src/cli/checks/daemon.ts";
import { disk } from "../../src/cli/checks/disk.ts";
import { note, ok, wrong } from "../../src/cli/checks/finding.ts";
import { checks, examine } from "../../src/cli/checks/index.ts";
import { binary } from "../../src/cli/checks/machine.ts";
import { settings } from "../../src/cli/checks/settings.ts";
import type { Answer, Subject } from "../../src/cli/checks/subject.ts";
import { tell } from "../../src/cli/commands/doctor.ts";
import { noPaint } from "../../src/cli/terminal.ts";
import type { Version } from "../../src/client/connect.ts";
import { readConfig } from "../../src/config.ts";
import { Fault } from "../../src/contract/faults.ts";

afterEach(() => void setSystemTime());

/** A daemon as it answers, and the settings of the shell that looks at it. */
function subject(answer: Partial<Answer> = {}, env: Record<string, string> = {}): Subject {
  const config = readConfig({ HOME: "/nonexistent", ...env });
  const is = "up" as const;
  const daemon = async () =>
    ({
      is,
      version: { version: "0.0.0-source", codeHash: "000000000000", range: "50000-50099" },
      aheadMs: 0,
      call: async () => ({ services: [] }),
      ...answer,
    }) as unknown as Answer;
  return { config, faults: [], own: daemon, asked: daemon };
}

const absent: Partial<Answer> = { is: "absent", fault: new Fault("unavailable", "No daemon") };

describe("a screen", () => {
  function screen(...findings: Parameters<typeof tell>[0]): string[] {
    const lines: string[] = [];
    tell(findings, {
      out: (text) => void lines.push(text),
      err: (text) => void lines.push(`! ${text}`),
      isInteractive: false,
      input: async () => "",
      columns: () => undefined,
      paint: noPaint,
    });
    return lines;
  }

  test("is a line a check, its remedy below it, and the sum on stderr", () => {
    const findings = [
      { check: "binary", ...ok("fine") },
      { check: "socket", ...note("not there", "port-daddy start") },
      { check: "descriptors", ...wrong("bad\u001b[2J\nname", "chmod 700 'a b'") },
    ];
    expect(screen(...findings)).toEqual([
      "ok     binary       fine",
      "note   socket       not there",
      "                    → port-daddy start",
      "wrong  descriptors  bad\\u001b[2J\\u000aname",
      "                    → chmod 700 'a b'",
      "! 1 thing wrong, 1 note",
    ]);
    expect(screen(findings[0]!, findings[1]!).at(-1)).toBe("! Nothing is wrong; 1 note");
    expect(screen(findings[0]!).at(-1)).toBe("! Nothing is wrong");
  });
});

describe("the checks", () => {
  test("are in order, each once, whatever the others do; one that fails or hangs is wrong by itself", async () => {
    const found = await examine(
      subject(),
      [
        { name: "hangs", run: () => new Promise(() => {}) },
        { name: "absent", run: () => undefined },
        {
          name: "refuses",
          run() {
            throw new Fault("held", "It is held", { hint: "see who: it is: port-daddy who 1" });
          },
        },
        {
          name: "fails",
          run() {
            throw Object.assign(new Error("x"), { code: "EACCES" });
          },
        },
        { name: "works", run: async () => ok("well") },
      ],
      20,
    );
    expect(found).toEqual([
      { check: "hangs", ...wrong("this is not known after 0.02 s", "port-daddy logs") },
      { check: "refuses", ...wrong("It is held", "port-daddy who 1") },
      { check: "fails", ...wrong("this cannot be known: permission denied", "port-daddy logs") },
      { check: "works", ...ok("well") },
    ]);
  });

  test("have names of one word", () => {
    for (const { name } of checks) expect(name).toMatch(/^[a-z]+$/);
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
  });
});

describe("the range", () => {
  const left = (ports: number[]) =>
    range(
      subject(
        { call: (async () => ({ services: ports.map((port) => ({ port })) })) as never },
        { PORT_DADDY_URL: "http://x" },
      ),
    );
  const some = (count: number) => Array.from({ length: count }, (_, at) => 50_000 + at);

  test("is well, low or used up by what of it is left", async () => {
    expect(await left([])).toEqual(ok("100 of 100 ports of 50000-50099 are free (100 %)"));
    // Claims outside it take nothing from it.
    expect((await left([...some(90), 49_999, 50_100])).level).toBe("ok");
    expect(await left(some(91))).toMatchObject({
      level: "note",
      says: expect.stringContaining("9 of 100"),
    });
    expect(await left(some(100))).toMatchObject({ level: "wrong", remedy: "port-daddy find" });
  });

  test("counts what the daemon passes over: ports that browsers refuse, reserved ones, its own", async () => {
    const version = { range: "6660-6679", port: 6671 } as never;
    const found = await range(
      subject({ version }, { PORT_DADDY_URL: "http://x", PORT_DADDY_RESERVED: "6670" }),
    );
    // 6665 to 6669 and 6679 are among the bad ports of the Fetch standard.
    expect(found.says).toBe("12 of 20 ports of 6660-6679 are free (60 %)");
  });

  test("is told without the claims where no daemon says which there are", async () => {
    for (const is of ["mute", "absent"] as const)
      expect((await range(subject({ ...absent, is } as Answer))).says).toEndWith(
        "are free (99 %), claims aside, which the daemon knows",
      );
  });

  test("counts what others listen on", async () => {
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const env = {
      PORT_DADDY_RANGE_START: String(other.port),
      PORT_DADDY_RANGE_END: String(other.port),
    };
    expect((await range(subject(absent, env))).level).toBe("wrong");
  });
});

describe("the clock", () => {
  test("is wrong where the daemon's differs, or where it is long past", async () => {
    expect(await clock(subject())).toEqual(ok("the daemon's and this command's agree"));
    expect((await clock(subject({ aheadMs: 2_000 }))).level).toBe("ok");
    expect(await clock(subject({ aheadMs: 61_000 }))).toMatchObject({
      level: "wrong",
      says: "the daemon's clock is 1m ahead of this command's",
    });
    expect((await clock(subject({ aheadMs: -61_000 }))).says).toContain("1m behind");
    setSystemTime(new Date("2001-01-01"));
    expect(await clock(subject())).toMatchObject({ level: "wrong" });
  });

  test("is doubtful where the state was written later than it says", async () => {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
    try {
      fs.writeFileSync(path.join(home, "daemon.log"), "");
      const at = subject(absent, { PORT_DADDY_HOME: home });
      expect((await clock(at)).level).toBe("ok");
      setSystemTime(new Date(Date.now() - 3_600_000));
      expect(await clock(at)).toMatchObject({
        level: "note",
        says: expect.stringContaining("the clock was set back"),
      });
    } finally {
      fs.rmSync(home, { recursive: true });
    }
  });
});

test("another build of the daemon is a note, and told to which it belongs", async () => {
  expect((await version(subject())).level).toBe("ok");
  expect((await version(subject(absent))).level).toBe("ok");
  const version_ = { version: "0.9.0", codeHash: "0123456789ab" } as never;
  expect(await version(subject({ version: version_ }))).toEqual(
    note(
      "the daemon is 0.9.0+0123456789ab, this command 0.0.0-source+000000000000",
      "port-daddy restart",
    ),
  );
});

describe("the settings", () => {
  const at = (version: Partial<Version>, env: Record<string, string>) =>
    settings(subject({ version: { range: "3100-9999", port: 9876, ...version } as never }, env));

  test("of a shell that the daemon goes by otherwise are a note, each of them named", async () => {
    expect(await at({}, {})).toEqual(ok("this shell sets none"));
    const env = {
      PORT_DADDY_PORT: "4000",
      PORT_DADDY_RANGE_END: "5000",
      PORT_DADDY_HOST: "0.0.0.0",
      PORT_DADDY_TOKEN: "the-token-of-this-test",
    };
    const theirs = ["port is 9876", "range is 3100-9999", "host is loopback", "token is none"];
    const ours = ["4000", "3100-5000", "0.0.0.0", "set"];
    expect(await at({}, env)).toEqual(
      note(
        theirs
          .map((each, at) => `the daemon's ${each}, this shell's settings say ${ours[at]}`)
          .join("; "),
        "port-daddy restart",
      ),
    );
    const inForce = { port: 4000, range: "3100-5000", host: "0.0.0.0", needsToken: true };
    expect(await at(inForce, env)).toEqual(ok(`this shell sets ${Object.keys(env).join(", ")}`));
    // It is somebody else's.
    expect((await at({}, { ...env, PORT_DADDY_URL: "http://x" })).level).toBe("ok");
  });
});

describe("the disk", () => {
  const at = (left: number, ffree = 1) =>
    disk(subject(), async () => ({ bavail: left / 512, bsize: 512, files: 9, ffree }) as never);

  test("is well, low or full by what is left, and named", async () => {
    expect(await at(2e9)).toEqual(ok("2.0 GB are left on the file system /"));
    expect(await at(100e6)).toEqual(
      note("100.0 MB are left on the file system /; make room", "df -h /"),
    );
    expect(await at(512)).toMatchObject({ level: "wrong", remedy: "df -h /" });
    expect(await at(2e9, 0)).toEqual(wrong("the file system / can hold no more files", "df -i /"));
  });
});

test("the program is looked for as a shell does", () => {
  const before = process.env["PATH"];
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
  const [one, two] = ["one", "t wo"].map((name) => {
    const file = path.join(root, name, "port-daddy");
    fs.mkdirSync(path.dirname(file));
    fs.writeFileSync(file, "#!/bin/sh\n", { mode: 0o755 });
    return file;
  }) as [string, string];
  const linked = path.join(root, "linked");
  fs.mkdirSync(linked);
  fs.symlinkSync(two, path.join(linked, "port-daddy"));
  const at = (own: string, ...directories: string[]) => {
    process.env["PATH"] = directories.map((each) => path.join(root, each)).join(":");
    return binary(subject(), own);
  };
  try {
    expect(at(one, "one", "t wo")).toEqual(
      ok(`${one} is the first in PATH; another one, ${two}, comes after it`),
    );
    expect(at(two, "nowhere", "linked", "t wo").says).toBe(
      `${linked}/port-daddy is the first in PATH`,
    );
    expect(at(two, "one", "t wo")).toEqual(
      note(
        `another one, ${one}, comes before ${two} in PATH`,
        `export PATH='${root}/t wo':"$PATH"`,
      ),
    );
    expect(at(one, "nowhere")).toMatchObject({
      level: "note",
      says: `no directory of PATH has ${one}`,
    });
    fs.chmodSync(one, 0o644);
    fs.rmSync(path.join(root, "t wo"), { recursive: true });
    fs.mkdirSync(two, { recursive: true });
    expect(at(one, "one", "t wo").says).toStartWith("no directory of PATH");
  } finally {
    process.env["PATH"] = before;
    fs.rmSync(root, { recursive: true });
  }
});
