// port-daddy as a service of its user: installed, used, killed, upgraded and removed under a real systemd.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { binary, Home, isRoot, nobody } from "../home.ts";
import { resultOf } from "./releases.ts";
import { canRunAsUser, runAsUser } from "../userManager.ts";

const canRun = { root: await canRunAsUser(0), nobody: await canRunAsUser(nobody) };

describe.each([
  ["root", 0],
  ["nobody", nobody],
] as const)("as a service of %s", (user, uid) => {
  const run = (script: string) => runAsUser(uid, script);

  describe.skipIf(!canRun[user])("under systemd", () => {
    test("it is the unit's process, and systemd has nothing to say against the unit", async () => {
      const script = `
        quietly port-daddy install
        [ "$(daemon)" = "$(main_pid)" ] && state
        systemctl --user is-enabled port-daddy
        systemctl --user show --property=StatusText --value port-daddy | sed 's/[0-9][0-9]*/N/'
        systemd-analyze --user verify ~/.config/systemd/user/port-daddy.service 2>&1
        stat -c %a ~/.config/systemd/user/port-daddy.service
        cat ~/state/daemon.log | grep -v info || :`;
      expect(await run(script)).toEqual({
        code: 0,
        out: "active\nenabled\nServing http://localhost:N\n600\n",
        err: "",
      });
    });

    test("it takes over from a daemon: its claims are there, and whoever listens goes on listening", async () => {
      const script = `
        port-daddy claim before -q >/dev/null
        port-daddy sub news --count 1 --json --timeout 15s >heard 2>/dev/null & listener=$!
        has_subscriber() { [ "$(port-daddy status -j | jq .subscribers)" = 1 ]; }
        until_so "it listens" has_subscriber
        quietly port-daddy install
        until_so "it listens again" has_subscriber
        quietly port-daddy pub news '"hello"'
        wait $listener; cat heard
        port-daddy find -q
        [ "$(daemon)" = "$(main_pid)" ] && port-daddy log --action daemon_start -j | jq .count`;
      expect(await run(script)).toEqual({ code: 0, out: '"hello"\nbefore\n2\n', err: "" });
    });

    test("an install of what is installed leaves the daemon alone", async () => {
      const script = `
        quietly port-daddy install; before=$(daemon)
        port-daddy install 2>/dev/null | head -1 | sed "s/$before/PID/"
        [ "$(daemon)" = "$before" ]
        port-daddy install -j 2>/dev/null | jq -c '[.installed, .manager, .settings]'`;
      expect(await run(script)).toEqual({
        code: 0,
        out: [
          "port-daddy 1.0.0 is already installed as a service of systemd, pid PID",
          '[true,"systemd",["PORT_DADDY_PORT","PORT_DADDY_RANGE_START","PORT_DADDY_RANGE_END","PORT_DADDY_HOME"]]\n',
        ].join("\n"),
        err: "",
      });
    });

    test("one that is killed is started again, and knows what it knew", async () => {
      const script = `
        quietly port-daddy install
        port=$(port-daddy claim kept -q 2>/dev/null) killed=$(main_pid)
        kill -9 $killed
        until_so "another one serves" env PORT_DADDY_NO_AUTOSTART=1 sh -c 'port-daddy status -q' >/dev/null 2>&1
        [ "$(daemon)" != "$killed" ] && [ "$(daemon)" = "$(main_pid)" ] && state
        [ "$(port-daddy claim kept -q 2>/dev/null)" = "$port" ] && echo kept`;
      expect(await run(script)).toEqual({ code: 0, out: "active\nkept\n", err: "" });
    });
  });
});

// What does not depend on who that is.
describe("as a service of its user", () => {
  const run = (script: string, options = {}) => runAsUser(nobody, script, options);

  describe.skipIf(!canRun.nobody)("under systemd", () => {
    test("stop, start and restart go through the unit, and a stop is not undone", async () => {
      const script = `
        quietly port-daddy install
        port-daddy stop -q; state
        port-daddy start -q; state; first=$(main_pid)
        port-daddy restart -q; state
        [ "$(main_pid)" != "$first" ] && [ "$(main_pid)" = "$(daemon)" ] && echo restarted
        kill -9 "$(main_pid)"
        port-daddy stop -q; state
        sleep 0.5 # Longer than the manager waits before it starts what has failed.
        state; port-daddy status -q 2>/dev/null || echo $?`;
      expect(await run(script)).toEqual({
        code: 0,
        out: "inactive\nactive\nactive\nrestarted\ninactive\ninactive\n7\n",
        err: "",
      });
    });

    test("claims that find none start the unit, once, however many they are", async () => {
      const script = `
        quietly port-daddy install
        port-daddy stop -q
        claims=
        for n in 1 2 3 4 5 6 7 8; do port-daddy claim "many:$n" -q >>ports 2>>errors & claims="$claims $!"; done
        wait $claims
        sort -u ports | wc -l; cat errors
        [ "$(daemon)" = "$(main_pid)" ] && state
        port-daddy log --action daemon_start -j | jq .count
        env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS port-daddy restart -q # As cron would.
        [ "$(daemon)" = "$(main_pid)" ] && state`;
      expect(await run(script)).toEqual({ code: 0, out: "8\nactive\n2\nactive\n", err: "" });
    });

    test("after an upgrade by rename, a restart runs the new one", async () => {
      const script = `
        quietly port-daddy install
        cp own/port-daddy own/new && mv own/new own/port-daddy
        port-daddy restart -q
        [ "/proc/$(main_pid)/exe" -ef own/port-daddy ] && echo new`;
      expect(await run(script)).toEqual({ code: 0, out: "new\n", err: "" });
    });

    test("it is there again after the next login, with the same claims", async () => {
      const script = `
        quietly port-daddy install
        port-daddy claim kept -q >/dev/null 2>&1
        kill $manager; wait $manager || :
        port-daddy status -q 2>/dev/null || echo $?
        start_manager
        until_so "it runs" is active
        PORT_DADDY_NO_AUTOSTART=1 port-daddy find -q`;
      expect(await run(script)).toEqual({ code: 0, out: "7\nkept\n", err: "" });
    });

    test("it sees whose the servers are, confined as it is", async () => {
      const script = `
        quietly port-daddy install
        port=$(port-daddy claim web -q 2>/dev/null)
        cp ${process.execPath} own/bun
        own/bun -e "Bun.serve({ hostname: '127.0.0.1', port: $port, fetch: () => new Response('ok') })" & server=$!
        quietly port-daddy wait web
        [ "$(port-daddy who $port -j | jq '.listeners[0].pid')" = $server ] && echo seen`;
      expect(await run(script)).toEqual({ code: 0, out: "seen\n", err: "" });
    });

    test("what keeps it from starting is said, and what was there before is there again", async () => {
      const script = `
        port-daddy claim before -q >/dev/null
        port=$(port-daddy status -j | jq .port)
        other=~/other; # The daemon of another state directory has the port.
        status=0; PORT_DADDY_HOME=$other PORT_DADDY_PORT=$port port-daddy install 2>&1 | sed "s/$port/PORT/; s/[0-9]\\{4,\\}/N/g; s/process [0-9]* .*/process/" | grep -v temporary | grep -v 'where it stays'
        ls ~/.config/systemd/user; ls ~/other | grep service || :
        port-daddy find -q
        PORT_DADDY_HOME=$other port-daddy status -q 2>/dev/null || echo $?`;
      expect(await run(script)).toEqual({
        code: 0,
        out: [
          "error: Port PORT is in use by process",
          "hint: use another: PORT_DADDY_PORT=N port-daddy install",
          "before",
          "7\n",
        ].join("\n"),
        err: "",
      });
    });

    test("a program that was moved away is named, and an install from its new place mends it", async () => {
      const script = `
        quietly port-daddy install
        port-daddy stop -q
        mv own/port-daddy own/pd
        pd claim x 2>&1 || echo $?
        quietly pd install && pd claim x -q 2>/dev/null | wc -l && state`;
      const { out, ...rest } = await run(script);
      expect(rest).toEqual({ code: 0, err: "" });
      expect(out.split("\n")).toEqual([
        expect.stringMatching(/^error: .*its program .*\/own\/port-daddy is not there$/),
        "hint: install it from here: port-daddy install",
        ...["7", "1", "active", ""],
      ]);
    });

    test("settings of this shell that the service does not have are mentioned, with what puts them in force", async () => {
      const script = `
        quietly port-daddy install
        PORT_DADDY_GRACE=5s port-daddy restart -q
        quietly env PORT_DADDY_GRACE=5s PORT_DADDY_TOKEN=0123456789abcdef port-daddy install
        PORT_DADDY_GRACE=5s port-daddy restart -q
        grep -c 'GRACE=5s' ~/.config/systemd/user/port-daddy.service
        PORT_DADDY_TOKEN=0123456789abcdef port-daddy install --dry-run 2>&1 | grep TOKEN
        PORT_DADDY_PORT=4444 port-daddy find -q 2>&1 | grep hint`;
      expect(await run(script)).toEqual({
        code: 0,
        out: [
          "1",
          'Environment="PORT_DADDY_TOKEN=(not shown)"',
          "hint: to put this one in force: port-daddy install\n",
        ].join("\n"),
        err: "warning: the service was installed with other settings than this shell's (PORT_DADDY_GRACE); to change them: port-daddy install\n",
      });
    });

    test("where its manager does not answer, a command has its daemon all the same, and stop ends that", async () => {
      const script = `
        quietly port-daddy install
        port-daddy stop -q
        away() { env XDG_RUNTIME_DIR=/nowhere DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere "$@"; }
        away port-daddy claim x -q 2>&1 >/dev/null | sed 's/(.*)/(why)/'
        state; port-daddy status -q
        port-daddy stop -q; port-daddy status -q 2>/dev/null || echo $?`;
      expect(await run(script)).toEqual({
        code: 0,
        out: "warning: the service cannot be asked (why), so the daemon runs without it\ninactive\nrunning\n7\n",
        err: "",
      });
    });

    test("uninstall leaves what was stored, and commands start their own daemon again", async () => {
      const script = `
        quietly port-daddy install
        port-daddy claim kept -q >/dev/null 2>&1
        port-daddy uninstall | sed 's/[0-9][0-9]*/N/'
        find ~/.config -type f -o -type l; ls ~/state | grep service || :
        systemctl --user show --property=LoadState --value port-daddy
        port-daddy find -q
        port-daddy uninstall 2>/dev/null`;
      expect(await run(script)).toEqual({
        code: 0,
        out: [
          "port-daddy is no longer a service of systemd, and stopped (pid N)",
          "not-found",
          "kept",
          "port-daddy is not installed as a service\n",
        ].join("\n"),
        err: "What it stored stays in ~/state; the next command that needs a daemon starts one\n",
      });
    });

    test("without a manager of the user nothing is installed: 1, and what to do", async () => {
      const script = `port-daddy install 2>&1 || echo $?; ls -A ~/.config 2>/dev/null || :`;
      const { out, ...rest } = await run(script, { withManager: false });
      expect(rest).toEqual({ code: 0, err: "" });
      expect(out).toMatch(
        /^error: There is no systemd of this user to install it in: Failed to .*\nhint: .*: sudo loginctl enable-linger \w+\n1\n$/,
      );
    });
  });
});

test("where there is no service, uninstall tells how to be rid of the program, and that works", async () => {
  await using home = new Home();
  const own = home.makeDirectory("it's own");
  fs.copyFileSync(binary, path.join(own, "port-daddy"));
  fs.symlinkSync("port-daddy", path.join(own, "pd"));
  const { code, out, err } = await resultOf(home.start([path.join(own, "pd"), "uninstall"]));
  expect({ code, out }).toEqual({ code: 0, out: "port-daddy is not installed as a service\n" });
  const [, line] = /^hint: to remove the program itself: (.*)\n$/.exec(err) ?? [];
  expect((await home.shell(line!)).code).toBe(0);
  expect(fs.readdirSync(own)).toEqual([]);
});

describe.skipIf(process.platform !== "linux")("an install is refused", () => {
  /** A home whose shell finds no programs but ours. */
  const env = { PATH: "/nowhere" };

  test("where there is no systemd: 1, and what there is instead", async () => {
    await using home = new Home();
    const { code, out, err } = await home.run(["install"], { env });
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toBe(
      "error: There is no systemd of this user to install it in: there is no program 'systemctl'\nhint: without a service, commands start the daemon as they need it; to see to it yourself: port-daddy daemon\n",
    );
    expect(JSON.parse((await home.run(["install", "-j"], { env })).err).code).toBe("unsupported");
    expect(home.daemons()).toEqual([]);
  });

  test("but a dry run shows what it would do", async () => {
    await using home = new Home();
    const { code, out } = await home.run(["install", "--dry-run"], { env });
    expect(code).toBe(0);
    expect(out).toContain(`\nEnvironment="PORT_DADDY_HOME=${home.state}"\n`);
    expect(out).toEndWith("\nsystemctl --user start port-daddy.service\n");
  });

  test("for a program whose path systemd cannot say, and the hint leads to a place where it can", async () => {
    await using home = new Home();
    const program = path.join(home.makeDirectory("it's here"), "port-daddy");
    fs.copyFileSync(binary, program);
    const copy = home.start([program, "install", "--dry-run"], { env });
    const { code, out, err } = await resultOf(copy);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    const [refusal, hint = ""] = err.split("\n");
    expect(refusal).toEndWith("systemd runs no program whose path has a quote in it");
    const followed = hint.replace(/^hint: install it from where it stays: /, "");
    const line = `${followed} --dry-run`;
    const { out: unit } = await home.shell(line);
    expect(unit).toContain(`ExecStart="${home.directory}/.local/bin/port-daddy" daemon --json\n`);
  });

  test("for a path that no file can say", async () => {
    await using home = new Home();
    const program = path.join(home.makeDirectory("two\nlines"), "port-daddy");
    fs.copyFileSync(binary, program);
    const { code, err } = await resultOf(home.start([program, "install"], { env }));
    expect({ code, err }).toEqual({
      code: 2,
      err: "error: port-daddy cannot be installed: a path has a control character in it\n",
    });
  });

  test("for a daemon that is elsewhere", async () => {
    await using home = new Home({ PORT_DADDY_URL: "http://localhost:1" });
    for (const verb of ["install", "uninstall"])
      expect(await home.run([verb])).toMatchObject({ code: 2, err: expect.stringContaining(verb) });
  });

  test.skipIf(!isRoot)("to root in the home of another user, as under sudo", async () => {
    await using home = new Home({}, { uid: nobody });
    const { code, err } = await home.shell("port-daddy install");
    expect(code).toBe(2);
    expect(err).toEndWith(
      "in the home of nobody, and a service is its own user's\nhint: without sudo: port-daddy install\n",
    );
  });
});
