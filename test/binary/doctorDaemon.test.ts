// `doctor` on daemons that hang, are elsewhere or cannot start, and in environments that get in their way.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { headers } from "../../src/contract/headers.ts";
import { examine, type Line } from "../examine.ts";
import { binary, eventually, Home, serverOn } from "../home.ts";

describe("a daemon", () => {
  test("that is suspended is wrong, the rest is told in time, and the remedy wakes it", async () => {
    await using home = new Home();
    const { pid } = await home.json(["start"]);
    process.kill(pid, "SIGSTOP");
    const start = performance.now();
    const { code, of } = await examine(home);
    expect(performance.now() - start).toBeLessThan(8_000);
    expect(code).toBe(1);
    expect(of("range")!.says).toEndWith(", claims aside, which the daemon knows");
    expect((await home.run(["status"])).err).toContain("hint: find out why: port-daddy doctor\n");
    expect(of("socket")).toMatchObject({
      says: `the daemon, process ${pid}, is suspended`,
      remedy: `kill -CONT ${pid}`,
    });
    await home.shell(of("socket")!.remedy!);
    expect((await examine(home)).troubles).toEqual([]);
  });

  test("that could not start, because something else has its port, is told of before it fails", async () => {
    await using home = new Home();
    const { start: port } = home.range;
    home.start(serverOn(port));
    await eventually("the server listens", () =>
      fetch(`http://127.0.0.1:${port}`).then(
        () => true,
        () => false,
      ),
    );
    const { code, of } = await examine(home, { PORT_DADDY_PORT: String(port) });
    expect(code).toBe(1);
    expect(of("tcp")).toMatchObject({
      level: "wrong",
      says: expect.stringMatching(
        new RegExp(`^port ${port} is in use by process \\d+ \\(.*\\), so the daemon cannot start$`),
      ),
      remedy: `PORT_DADDY_PORT=${port + 1} port-daddy start`,
    });
  });

  test("that serves its socket alone, because another user's has the port, is a note", async () => {
    // Plays the port-daddy of another user.
    using other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () =>
        Response.json(
          { uid: 4_000_000, pid: 1 },
          { headers: { [headers.build]: "1.0.0+0123456789ab" } },
        ),
    });
    const says = `another user's port-daddy has port ${other.port}, so the daemon serves its socket alone`;
    await using home = new Home({ PORT_DADDY_PORT: String(other.port) });
    expect((await examine(home)).of("tcp")).toMatchObject({ level: "note", says });
    await home.run(["start"]);
    expect((await examine(home)).of("tcp")).toMatchObject({ level: "note", says });
  });

  test("with a token is found over TCP as well", async () => {
    await using home = new Home({ PORT_DADDY_TOKEN: "the-token-of-this-test-4711" });
    const { port } = await home.json(["start"]);
    expect((await examine(home)).of("tcp")).toMatchObject({
      level: "ok",
      says: `it answers at http://localhost:${port}, with its token`,
    });
  });

  test("of another state directory is named, with the command that ends it", async () => {
    await using home = new Home();
    await using other = new Home();
    const { pid } = await other.json(["start"]);
    // More of them may be there than are named.
    const { out } = await home.run(["doctor", "-j"], {});
    const line = (JSON.parse(out) as Line[]).find(({ check }) => check === "others")!;
    expect(line.level).toBe("note");
    if (!/ and \d+ more: /.test(line.says)) {
      expect(line.says).toContain(`process ${pid} with ${other.state}`);
      expect(line.remedy).toContain(`PORT_DADDY_HOME=${other.state} port-daddy stop`);
    }
    await home.run(["start"]);
    expect((await examine(home)).of("others")!.says).not.toContain("~/state");
  });

  test("at PORT_DADDY_URL is the one that is asked", async () => {
    await using home = new Home();
    await using other = new Home();
    const { port } = await other.json(["start"]);
    const url = `http://localhost:${port}`;
    const { code, of, troubles } = await examine(home, { PORT_DADDY_URL: url });
    expect({ code, troubles }).toEqual({ code: 0, troubles: [] });
    expect(of("url")!.says).toBe(`commands ask the daemon at ${url} (PORT_DADDY_URL)`);
    expect(of("range")!.says).toContain(`${other.range.start}-${other.range.end}`);
    const gone = await examine(home, { PORT_DADDY_URL: "http://ada:secret@127.0.0.1:1" });
    expect(gone.code).toBe(1);
    expect(gone.of("url")).toMatchObject({ level: "wrong", remedy: "unset PORT_DADDY_URL" });
    expect(JSON.stringify(gone.lines)).not.toContain("secret");
  });
});

describe("the environment", () => {
  test("with a proxy that would catch localhost is a note, which the remedy settles", async () => {
    await using home = new Home();
    const proxy = { HTTP_PROXY: "http://ada:secret@proxy.example:3128", all_proxy: "socks5://x" };
    const found = (await examine(home, proxy)).of("proxies")!;
    expect(found).toMatchObject({
      level: "note",
      says: "HTTP_PROXY, all_proxy would catch what other programs ask of localhost",
    });
    expect(JSON.stringify(found)).not.toContain("secret");
    const line = `export HTTP_PROXY=http://x no_proxy=a.example; ${found.remedy}; port-daddy doctor -j; echo $NO_PROXY`;
    const { out } = await home.shell(line);
    const [lines = "", spared] = out.split("\n");
    expect(lines).toContain('"HTTP_PROXY, but not for localhost"');
    expect(spared).toBe("localhost,127.0.0.1,::1,a.example");
    for (const no_proxy of ["*", ".localhost 127.0.0.0/8"])
      expect((await examine(home, { ...proxy, no_proxy })).of("proxies")!.level).toBe("ok");
    for (const no_proxy of ["localhost", "127.0.0.1", "localhost.example,127.0.0.10"])
      expect((await examine(home, { ...proxy, no_proxy })).of("proxies")!.level).toBe("note");
  });

  test("with few descriptors is a note", async () => {
    await using home = new Home();
    const { out } = await home.shell("ulimit -n 256; port-daddy doctor -j");
    const line = (JSON.parse(out) as Line[]).find(({ check }) => check === "descriptors")!;
    expect(line).toMatchObject({ level: "note", remedy: "ulimit -n 4096 && port-daddy restart" });
  });

  test("with few descriptors for the service is mended where the service is", async () => {
    await using home = new Home();
    await home.shell("ulimit -n 256; port-daddy start");
    const units = home.makeDirectory(".config/systemd/user");
    const text = `[Service]\nExecStart="/bin/sh" daemon\nEnvironment="PORT_DADDY_HOME=${home.state}"\n`;
    fs.writeFileSync(path.join(units, "port-daddy.service"), text);
    const { remedy } = (await examine(home)).of("descriptors")!;
    const end = " && systemctl --user daemon-reload && port-daddy restart";
    expect(remedy).toEndWith(end);
    await home.shell(remedy!.replace(end, ""));
    const written = path.join(units, "port-daddy.service.d/files.conf");
    expect(fs.readFileSync(written, "utf8")).toBe("[Service]\nLimitNOFILE=4096\n");
  });

  test("with settings that cannot be read is told of, and all else is looked at", async () => {
    await using home = new Home();
    const { pid } = await home.json(["start"]);
    const env = {
      PORT_DADDY_PORT: "many",
      PORT_DADDY_GRACE: "long",
      PORT_DADDY_RANGE_START: "9000",
      PORT_DADDY_RANGE_END: "100",
    };
    const { code, of, troubles } = await examine(home, env);
    expect({ code, troubles }).toEqual({ code: 1, troubles: ["settings wrong"] });
    const { says, remedy } = of("settings")!;
    expect(says).toStartWith(
      'PORT_DADDY_PORT must be a whole number from 0 to 65535, not "many"; ',
    );
    const names = /^unset ([\w ]+)$/.exec(remedy!)![1]!.split(" ");
    expect(names.toSorted()).toEqual(Object.keys(env).toSorted());
    expect(of("socket")!.says).toStartWith(`the daemon, process ${pid}, answers`);
    const mended = await home.shell(`export PORT_DADDY_PORT=many; ${remedy}; port-daddy status -q`);
    expect(mended).toEqual({ code: 0, out: "running\n", err: "" });
  });

  test("without HOME, or anything else, is no hindrance", async () => {
    await using home = new Home();
    const line = `env -i PORT_DADDY_HOME=${home.state} PORT_DADDY_PORT=0 "$(command -v port-daddy)" doctor -q`;
    expect(await home.shell(line)).toMatchObject({ code: 0, out: "note\n", err: "" });
  });

  test.skipIf(process.platform !== "linux")(
    "with a service manager that hangs is told of in time",
    async () => {
      await using home = new Home();
      const units = home.makeDirectory(".config/systemd/user");
      const text = `[Service]\nExecStart="/bin/sh" daemon\nEnvironment="PORT_DADDY_HOME=${home.state}"\n`;
      fs.writeFileSync(path.join(units, "port-daddy.service"), text);
      const bin = home.makeDirectory("bin");
      fs.writeFileSync(path.join(bin, "systemctl"), "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
      // The unit's program would be another one than ours.
      fs.writeFileSync(path.join(units, "port-daddy.service"), text.replace("/bin/sh", binary));
      const PATH = `${bin}:${process.env["PATH"]}`;
      expect((await examine(home, { PATH })).of("service")).toMatchObject({
        level: "note",
        says: "installed, but systemd cannot be asked: 'systemctl --user show-environment' did not end",
      });
    },
  );

  test.skipIf(process.platform !== "linux")(
    "with a service whose program is gone is wrong",
    async () => {
      await using home = new Home();
      expect((await examine(home)).of("service")!.says).toStartWith("not installed");
      const units = home.makeDirectory(".config/systemd/user");
      const unit = path.join(units, "port-daddy.service");
      fs.writeFileSync(
        unit,
        `[Service]\nExecStart="/nowhere/port-daddy" daemon\nEnvironment="PORT_DADDY_HOME=${home.state}"\n`,
      );
      expect((await examine(home)).of("service")).toMatchObject({
        level: "wrong",
        says: "its program /nowhere/port-daddy is not there",
        remedy: "port-daddy install",
      });
      fs.writeFileSync(
        unit,
        `[Service]\nExecStart="/bin/sh" daemon\nEnvironment="PORT_DADDY_HOME=/elsewhere"\n`,
      );
      expect((await examine(home)).of("service")).toMatchObject({
        level: "note",
        says: "it is for another state directory, /elsewhere",
      });
    },
  );
});
