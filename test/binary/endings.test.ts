// Ends that do not go as planned: full disks, killed starters, removed files, many at once.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { databaseFile } from "../../src/system/paths.ts";
import { eventually, Home, isGone, isRoot } from "../home.ts";

test("claims go on while the daemon is restarted again and again", async () => {
  await using home = new Home();
  await home.run(["claim", "warm"]);
  let isOver = false;
  const restarts = (async () => {
    for (let i = 0; i < 8; i++) expect(await home.run(["restart"])).toMatchObject({ code: 0 });
    isOver = true;
  })();
  const claims = Array.from({ length: 3 }, async (_, client) => {
    for (let n = 0; !isOver; n++) {
      const { code, err } = await home.run(["claim", `app${client}:n${n}`, "-q"]);
      // One that is cut off under way may have been stored or not, and says so; none is refused for want of a daemon.
      if (code !== 0) expect(err).toContain("The connection to the daemon was lost");
    }
  });
  await Promise.all([restarts, ...claims]);
});

test("of many that stop the daemon at once, all succeed", async () => {
  await using home = new Home();
  for (let round = 0; round < 3; round++) {
    await home.run(["start"]);
    const stops = await Promise.all(Array.from({ length: 8 }, () => home.run(["stop"])));
    expect(stops.map(({ code }) => code)).toEqual(Array(8).fill(0));
  }
});

test("a command that is killed while it starts the daemon takes nothing with it", async () => {
  await using home = new Home();
  for (let round = 0; round < 12; round++) {
    const starter = home.spawn(["claim", "cold"]);
    await Bun.sleep(round); // At another point of the start each time: any of them must do.
    starter.kill("SIGKILL");
    await starter.exited;
    expect(await home.run(["claim", "cold", "-q"])).toMatchObject({ code: 0 });
    await home.run(["stop"]);
  }
});

test("a socket that was removed is made anew", async () => {
  await using home = new Home();
  await home.run(["claim", "kept"]);
  fs.rmSync(home.socket);
  await eventually("the socket is back", () => fs.existsSync(home.socket));
  expect((await home.json(["find"])).services).toMatchObject([{ id: "kept" }]);
  expect(home.daemons()).toHaveLength(1);
});

test("a daemon whose state directory was removed ends", async () => {
  await using home = new Home();
  await home.run(["claim", "lost"]);
  const pid = (await home.daemonPid())!;
  fs.rmSync(home.state, { recursive: true });
  await isGone(pid);
  expect(await home.run(["claim", "anew", "-q"])).toMatchObject({ code: 0 });
  expect(home.daemons()).toHaveLength(1);
});

test("a daemon whose write-ahead log was removed ends, and what was only there is stored", async () => {
  await using home = new Home();
  await home.run(["claim", "kept"]);
  const pid = (await home.daemonPid())!;
  fs.rmSync(`${databaseFile(home.state)}-wal`);
  await isGone(pid);
  expect((await home.run(["find", "-q"])).out).toBe("kept\n");
});

test("a directory that is gone or has a name that cannot be kept does not keep anybody from claiming", async () => {
  await using home = new Home();
  const gone = path.join(home.directory, "gone");
  const { code } = await home.shell(
    `mkdir ${gone} && cd ${gone} && rmdir ${gone} && port-daddy claim a -q`,
  );
  expect(code).toBe(0);
  const odd = path.join(home.directory, "odd\nname");
  fs.mkdirSync(odd);
  expect(await home.run(["claim", "b", "-q"], { cwd: odd })).toMatchObject({ code: 0 });
  const { services } = await home.json(["find"]);
  expect(services.map(({ cwd }: { cwd: string | null }) => cwd)).toEqual([null, null]);
});

test("what cannot be said on stderr does not change what was done", async () => {
  await using home = new Home();
  expect(await home.shell("port-daddy claim a b c 2>/dev/full")).toMatchObject({ code: 0 });
  expect((await home.shell("port-daddy claim a b c 2>&-")).out.trim().split("\n")).toHaveLength(3);
  expect((await home.shell("port-daddy frob 2>/dev/full")).code).toBe(2);
  expect((await home.shell("port-daddy find >/dev/full")).err).toStartWith(
    "error: Cannot write to the output",
  );
});

test.skipIf(!isRoot)("on a full disk changes are refused, and the daemon still stops", async () => {
  await using home = new Home();
  fs.mkdirSync(home.state, { mode: 0o700 });
  expect(
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", home.state]).exitCode,
  ).toBe(0);
  try {
    expect(await home.run(["claim", "stored", "-q"])).toMatchObject({ code: 0 });
    const filler = fs.openSync(path.join(home.state, "filler"), "w");
    expect(() => {
      while (true) fs.writeSync(filler, Buffer.alloc(4096));
    }).toThrow("ENOSPC");
    fs.closeSync(filler);
    const refused = await eventually("a claim is refused", async () => {
      const result = await home.run(["claim", `more:n${performance.now()}`, "-q"]);
      return result.code !== 0 && result;
    });
    expect(refused).toMatchObject({ code: 7, err: expect.stringContaining("the disk is full") });
    expect((await home.json(["find"])).services).toContainEqual(
      expect.objectContaining({ id: "stored" }),
    );
    expect(await home.run(["stop"])).toMatchObject({ code: 0 });
    expect(home.daemons()).toEqual([]);

    fs.rmSync(path.join(home.state, "filler"));
    expect(await home.run(["claim", "later", "-q"])).toMatchObject({ code: 0 });
    await home.run(["stop"]);
  } finally {
    // A daemon that was refused may take a moment to be gone.
    await eventually("it is unmounted", () => Bun.spawnSync(["umount", home.state]).exitCode === 0);
  }
});
