// What a service manager is told of the daemon, as text. systemd itself reads its unit in test/binary/service.test.ts;
// there is no launchd here, so its file is read by another reader of property lists, and its commands are recorded.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { launchd } from "../../src/system/serviceLaunchd.ts";
import { systemd } from "../../src/system/serviceSystemd.ts";
import type { Manager, Order, Step } from "../../src/system/service.ts";

const order: Order = {
  command: ["/usr/local/bin/port-daddy", "daemon", "--json"],
  settings: { PORT_DADDY_PORT: "4000", PORT_DADDY_HOME: "/home/ada/.local/state/port-daddy" },
};

/** A text without control characters: others are refused before they get here. */
const anyText = fc.string({ unit: "grapheme" }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
const anyOrder = fc
  .record({ program: anyText, home: anyText, token: anyText })
  .map(({ program, home, token }): Order => ({
    command: [`/bin/${program}`, "daemon", "--json"],
    settings: { PORT_DADDY_TOKEN: token, PORT_DADDY_HOME: `/${home}` },
  }));

const managers: [string, Manager][] = [
  ["systemd", systemd("/home/ada/.config")],
  ["launchd", launchd("/Users/ada", 501)],
];

describe.each(managers)("the file for %s", (_, manager) => {
  test("tells what was written into it, whatever that is", () => {
    fc.assert(
      fc.property(anyOrder, (order) => {
        const text = manager.text(order);
        expect(manager.settingsIn(text)).toEqual(order.settings);
        expect(manager.programIn(text)).toBe(order.command[0]);
      }),
    );
  });

  test("of something else tells nothing", () => {
    expect(manager.settingsIn("")).toEqual({});
    expect(manager.programIn("[Service]\n<plist/>")).toBeUndefined();
  });
});

describe("the unit", () => {
  test("starts with a login, is told when it serves, and is not started again by what it refuses", () => {
    expect(systemd("/c").file).toBe("/c/systemd/user/port-daddy.service");
    const lines = systemd("/c").text(order).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "Type=notify",
        'ExecStart="/usr/local/bin/port-daddy" daemon --json',
        'Environment="PORT_DADDY_PORT=4000"',
        "StandardError=append:/home/ada/.local/state/port-daddy/daemon.log",
        "Restart=on-failure",
        "RestartPreventExitStatus=2 4",
        "WantedBy=default.target",
      ]),
    );
  });

  test("escapes what systemd would read as something else", () => {
    const settings = { PORT_DADDY_HOME: '/a "b" \\c %h $d' };
    const text = systemd("/c").text({ command: ["/o p/%t$x", "/src/$main.ts"], settings });
    expect(text).toContain('\nExecStart="/o p/%%t$x" "/src/$$main.ts"\n');
    expect(text).toContain('\nEnvironment="PORT_DADDY_HOME=/a \\"b\\" \\\\c %%h $d"\n');
    expect(text).toContain('\nStandardError=append:/a "b" \\c %%h $d/daemon.log\n');
  });

  test("takes no option that would hide the user's other processes from the daemon", () => {
    const hiding = /^(Private|Protect|ReadWrite|ReadOnly|Inaccessible|Temporary|Bind|Root)\w*=/m;
    expect(systemd("/c").text(order)).not.toMatch(hiding);
  });

  test.each(["/opt/it's/pd", '/opt/"/pd', "/opt/\\/pd"])(
    "is refused for a program at %s",
    (path) => {
      expect(systemd("/c").objection({ ...order, command: [path] })).toContain("a quote in it");
    },
  );

  test("goes on without a login once the user lingers", () => {
    const { linger, ends } = systemd("/c");
    expect(ends).toBe("with your last session");
    expect(linger!.mark("ada")).toBe("/var/lib/systemd/linger/ada");
    expect(linger!.enable()).toBe("loginctl enable-linger");
    expect(linger!.enable("ada")).toBe("loginctl enable-linger ada");
  });

  test("the pid of its process is read from what systemctl prints", () => {
    expect(systemd("/c").pid.read("4312\n")).toBe(4312);
    expect(systemd("/c").pid.read("0\n")).toBe(0);
  });
});

const python = Bun.which("python3");

describe("the agent", () => {
  const { file, text, pid, ...steps } = launchd("/Users/ada", 501);

  test.skipIf(python === null)("is what a stock reader of property lists reads", () => {
    const given = { ...order, settings: { ...order.settings, PORT_DADDY_TOKEN: "<&>\"'%h</key>" } };
    const read = Bun.spawnSync(
      [
        python!,
        "-c",
        "import json, plistlib, sys; print(json.dumps(plistlib.load(sys.stdin.buffer)))",
      ],
      { stdin: Buffer.from(text(given)) },
    );
    expect(read.stderr.toString()).toBe("");
    expect(JSON.parse(read.stdout.toString())).toEqual({
      Label: "port-daddy",
      ProgramArguments: given.command,
      EnvironmentVariables: given.settings,
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ProcessType: "Interactive",
      ExitTimeOut: 15,
      Umask: 0o077,
      WorkingDirectory: "/",
      StandardOutPath: "/home/ada/.local/state/port-daddy/service.json",
      StandardErrorPath: "/home/ada/.local/state/port-daddy/daemon.log",
    });
  });

  test("is loaded, started, stopped and removed by these commands", () => {
    const lines = (steps: Step[]) => steps.map(({ words }) => words.join(" "));
    expect(file).toBe("/Users/ada/Library/LaunchAgents/port-daddy.plist");
    expect(lines(steps.enable)).toEqual([
      "launchctl bootout gui/501/port-daddy",
      "launchctl enable gui/501/port-daddy",
      `launchctl bootstrap gui/501 ${file}`,
    ]);
    expect(lines(steps.start)).toEqual(["launchctl kickstart gui/501/port-daddy"]);
    expect(lines(steps.stop)).toEqual(["launchctl kill SIGTERM gui/501/port-daddy"]);
    expect(lines(steps.disable)).toEqual(["launchctl bootout gui/501/port-daddy"]);
  });

  test("the pid of its process is read from what launchctl prints", () => {
    const printed = (state: string) => `gui/501/port-daddy = {\n\tactive count = 1\n${state}\n}`;
    expect(pid.read(printed("\tstate = running\n\n\tpid = 4312"))).toBe(4312);
    expect(pid.read(printed("\tstate = not running\n\tlast exit code = 0"))).toBe(0);
  });
});
