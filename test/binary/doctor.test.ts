// `doctor` on homes in every state: it finds what is wrong, says what to do, and changes nothing by looking.

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { examine, type Line } from "../examine.ts";
import { Home, isRoot, nobody } from "../home.ts";

/** Every file of a state directory with its bytes, but what a running daemon writes meanwhile. */
function contents(directory: string): Record<string, string> {
  const names = fs.existsSync(directory) ? fs.readdirSync(directory).sort() : [];
  return Object.fromEntries(
    names.map((name) => [name, Bun.hash(fs.readFileSync(path.join(directory, name))).toString()]),
  );
}

test("where all is well, every line is ok, and the command succeeds", async () => {
  await using home = new Home();
  await home.json(["claim", "myapp"]);
  const { code, lines, troubles, of } = await examine(home);
  expect({ code, troubles }).toEqual({ code: 0, troubles: [] });
  for (const line of lines) expect(Object.keys(line)).toEqual(["check", "level", "says", "remedy"]);
  for (const { level, remedy } of lines) expect(remedy === null).toBe(level === "ok");
  const { pid, port } = await home.json(["status"]);
  expect(of("socket")!.says).toBe(`the daemon, process ${pid}, answers at ~/state/daemon.sock`);
  expect(of("tcp")!.says).toBe(`it answers at http://localhost:${port}`);
  expect(of("version")!.says).toStartWith("command and daemon are ");
  expect(of("database")!.says).toContain("is whole");
  expect(of("descriptors")!.says).toStartWith("the daemon may have ");
});

test("a screen has a line for each, and its sum beside it", async () => {
  await using home = new Home();
  const { code, out, err } = await home.run(["doctor"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^note +socket +No daemon answers at .*\n +→ port-daddy start$/m);
  expect(err).toMatch(/^Nothing is wrong; \d notes?\n$/);
  expect(await home.run(["doctor", "-q"])).toEqual({ code: 0, out: "note\n", err: "" });
});

test("a daemon that does not run is a note; none is started, and nothing is made or changed", async () => {
  await using home = new Home();
  expect((await examine(home)).troubles).toEqual(["socket note"]);
  expect(fs.existsSync(home.state)).toBe(false);
  await home.json(["claim", "myapp"]);
  await home.run(["stop"]);
  const before = contents(home.state);
  expect((await examine(home)).troubles).toEqual(["socket note"]);
  expect(contents(home.state)).toEqual(before);
  expect(home.daemons()).toEqual([]);
});

test("after a crash the write-ahead log is read and left as it is", async () => {
  await using home = new Home();
  await home.json(["claim", "myapp"]);
  await home.kill((await home.daemonPid())!);
  const log = path.join(home.state, "port-daddy.db-wal");
  const before = fs.readFileSync(log);
  expect((await examine(home)).troubles).toEqual(["socket note"]);
  expect(fs.readFileSync(log)).toEqual(before);
  expect((await home.json(["find"])).count).toBe(1);
});

test("a daemon goes on undisturbed while its database is looked through", async () => {
  await using home = new Home();
  await home.json(["claim", "first"]);
  const looks = Array.from({ length: 4 }, () => examine(home));
  const claims = Array.from({ length: 8 }, (_, at) => home.json(["claim", `app${at}`]));
  for (const { troubles } of await Promise.all(looks)) expect(troubles).toEqual([]);
  await Promise.all(claims);
  expect((await home.json(["find"])).count).toBe(9);
});

describe("a state directory", () => {
  test("that is open to others is closed by the remedy", async () => {
    await using home = new Home();
    await home.run(["start"]);
    fs.chmodSync(home.state, 0o755);
    const { code, of } = await examine(home);
    expect(code).toBe(1);
    expect(of("state")).toEqual({
      check: "state",
      level: "wrong",
      says: "~/state is open to other users (0755)",
      remedy: `chmod 700 ${home.state}`,
    });
    expect((await home.shell(of("state")!.remedy!)).code).toBe(0);
    fs.chmodSync(home.socket, 0o666);
    const again = await examine(home);
    expect(again.of("state")!.says).toBe(
      "the socket ~/state/daemon.sock is open to other users (0666)",
    );
    await home.shell(again.of("state")!.remedy!);
    expect((await examine(home)).troubles).toEqual([]);
  });

  test("that cannot be one is wrong, and the other checks are made", async () => {
    await using home = new Home();
    fs.writeFileSync(path.join(home.directory, "file"), "");
    for (const [at, says] of [
      ["file", "~/file is not a directory"],
      ["file/below", "part of the path is a file, not a directory"],
      ["x".repeat(120), "is too deep for a Unix socket"],
    ] as const) {
      const { code, of } = await examine(home, { PORT_DADDY_HOME: path.join(home.directory, at) });
      expect(code).toBe(1);
      expect(of("state")).toMatchObject({
        level: "wrong",
        says: expect.stringContaining(says),
        remedy: "export PORT_DADDY_HOME=~/.port-daddy",
      });
      expect(of("range")).toMatchObject({ level: "ok" });
    }
  });

  test.skipIf(!isRoot)("of another user is wrong, and its database is not opened", async () => {
    await using home = new Home();
    await home.json(["claim", "myapp"]);
    await home.run(["stop"]);
    for (const name of ["", ...fs.readdirSync(home.state)])
      fs.chownSync(path.join(home.state, name), nobody, nobody);
    const before = contents(home.state);
    const { of } = await examine(home);
    expect(of("state")).toMatchObject({
      level: "wrong",
      says: `~/state belongs to another user (${nobody})`,
    });
    expect(of("database")!.level).toBe("note");
    expect(contents(home.state)).toEqual(before);
  });
});

describe.skipIf(!isRoot)("a disk", () => {
  test("that is full is wrong and named, and who needs it is led here", async () => {
    await using home = new Home();
    home.makeDirectory("state");
    const line = [
      "mount -t tmpfs -o size=4m,mode=700 none state",
      "port-daddy start -q",
      "head -c 4194304 /dev/zero >state/fill 2>/dev/null",
      "until ! port-daddy pub full \"$(head -c 60000 /dev/zero | tr '\\0' x)\" >/dev/null 2>said; do :; done",
      "cat said",
      "port-daddy doctor -j",
    ].join("; ");
    const { out } = await home.shell(`unshare -m sh -c '${line.replaceAll("'", `'\\''`)}'`);
    expect(out).toStartWith(
      "error: The state cannot be stored: the disk is full\nhint: make room and try again; ",
    );
    const lines = JSON.parse(out.slice(out.indexOf("["))) as Line[];
    expect(lines.find(({ check }) => check === "disk")).toMatchObject({
      level: "wrong",
      says: `0.0 MB are left on the file system ${home.state}: nothing can be stored; make room`,
      remedy: `df -h ${home.state}`,
    });
  });
});

describe("a database", () => {
  /** A home whose daemon has stopped, with some state. */
  async function stopped(): Promise<{ home: Home; file: string }> {
    const home = new Home();
    await home.json(["claim", "myapp"]);
    await home.run(["stop"]);
    return { home, file: path.join(home.state, "port-daddy.db") };
  }

  test("that is damaged is wrong, and the remedy puts it aside and begins anew", async () => {
    const { home, file } = await stopped();
    await using _ = home;
    // An index that lacks a row: only who looks it through finds that.
    using db = new Database(file);
    const [root] = db
      .query("SELECT rootpage FROM sqlite_master WHERE type = 'index' AND rootpage > 1")
      .values()[0]! as [number];
    const [size] = db.query("PRAGMA page_size").values()[0]! as [number];
    db.close();
    const bytes = fs.readFileSync(file);
    bytes.fill(0xff, (root - 1) * size, root * size);
    fs.writeFileSync(file, bytes);
    const { code, of } = await examine(home);
    expect(code).toBe(1);
    expect(of("database")).toMatchObject({
      level: "wrong",
      says: expect.stringContaining("is damaged: "),
    });
    expect(fs.readFileSync(file)).toEqual(bytes);
    expect((await home.shell(of("database")!.remedy!)).code).toBe(0);
    expect((await examine(home)).troubles).toEqual([]);
    const [aside] = fs.readdirSync(home.state).filter((name) => name.startsWith("damaged-"));
    expect(fs.readFileSync(path.join(home.state, aside!, "port-daddy.db"))).toEqual(bytes);
  });

  test.skipIf(!isRoot)("that must not be looked for is not called missing", async () => {
    await using home = new Home({}, { uid: nobody });
    await home.json(["start"]);
    fs.chmodSync(home.state, 0);
    expect((await examine(home)).of("database")).toMatchObject({
      level: "wrong",
      says: "this cannot be known: permission denied",
    });
  });

  test("that is none, or no file, is wrong and keeps nobody waiting", async () => {
    const { home, file } = await stopped();
    await using _ = home;
    fs.writeFileSync(file, "this is text, and no database at all".repeat(100));
    expect((await examine(home)).of("database")).toMatchObject({
      level: "wrong",
      says: expect.stringContaining("not a database"),
    });
    fs.rmSync(file);
    await home.shell(`mkfifo ${file}`);
    expect((await examine(home)).of("database")).toMatchObject({
      level: "wrong",
      says: "~/state/port-daddy.db is not a file",
    });
    for (const make of [() => {}, () => fs.mkdirSync(file)]) {
      make();
      expect(await home.run(["start"])).toEqual({
        code: 7,
        out: "",
        err: `error: The database ${file} is in the way: it is not a file\nhint: see what it is: ls -ld ${file}\n`,
      });
      fs.rmSync(file, { recursive: true });
    }
  });
});
