// What opens a browser, by where the user sits; and that it is opened for real, or said why not.

import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { readConfig } from "../../src/config.ts";
import { open, openers, wordsOf } from "../../src/system/browser.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const desktop = (env: Record<string, string>) => readConfig({ HOME: "/h", ...env }).desktop;

const ssh = { SSH_CONNECTION: "192.0.2.1 50000 192.0.2.2 22" };
const wsl = { WSL_DISTRO_NAME: "Debian" };
const x11 = { DISPLAY: ":0" };
const wayland = { WAYLAND_DISPLAY: "wayland-0" };
const named = { BROWSER: "code-helper:firefox -new-tab %s::" };
const theNamed = ["code-helper", "firefox -new-tab %s"];

describe("a browser is opened by", () => {
  test.each<[string, NodeJS.Platform, Record<string, string>, string[]]>([
    ["open on macOS", "darwin", {}, ["open"]],
    ["xdg-open where there is a display", "linux", x11, ["xdg-open"]],
    ["xdg-open also on a display of Wayland", "linux", wayland, ["xdg-open"]],
    ["xdg-open where SSH brings the display along", "linux", { ...ssh, ...x11 }, ["xdg-open"]],
    ["wslview in WSL", "linux", wsl, ["wslview"]],
    [
      "wslview, else xdg-open, in WSL with a display",
      "linux",
      { ...wsl, ...x11 },
      ["wslview", "xdg-open"],
    ],
    ["what BROWSER names, before all else", "linux", { ...named, ...x11 }, theNamed],
    ["what BROWSER names, also without a display", "linux", named, theNamed],
    ["what BROWSER names, also over SSH", "linux", { ...named, ...ssh }, theNamed],
    ["what BROWSER names, also on macOS", "darwin", named, theNamed],
    ["xdg-open where BROWSER names nothing", "linux", { BROWSER: ": :", ...x11 }, ["xdg-open"]],
  ])("%s", (_, platform, env, commands) => {
    expect(openers(desktop(env), platform)).toEqual({ commands });
  });
});

describe("no browser is opened", () => {
  const session = "this is an SSH session";
  test.each<[string, NodeJS.Platform, Record<string, string>, string]>([
    ["without a display", "linux", {}, "there is no display"],
    ["over SSH", "linux", ssh, session],
    ["over SSH on the display of the other machine", "linux", { ...ssh, ...wayland }, session],
    ["over SSH to WSL", "linux", { ...ssh, ...wsl }, session],
    ["over SSH to macOS", "darwin", ssh, session],
    ["over SSH to macOS, whatever X11 would show", "darwin", { ...ssh, ...x11 }, session],
  ])("%s", (_, platform, env, obstacle) => {
    expect(openers(desktop(env), platform)).toEqual({ obstacle });
  });
});

const url = "http://localhost:9876/enter?key=a$&b";

test.each([
  ["firefox", ["firefox", url]],
  ["firefox --new-tab %s --foreground", ["firefox", "--new-tab", url, "--foreground"]],
  ["  lynx\t-nocolor  ", ["lynx", "-nocolor", url]],
  ["see --at=%s", ["see", `--at=${url}`]],
  ["see 100%% %s", ["see", "100%", url]],
  ["see 100%%s", ["see", "100%s", url]],
  [`"/opt/My Browser/run" --name='a b' x"y z"`, ["/opt/My Browser/run", "--name=a b", "xy z", url]],
  ["firefox %s &", ["firefox", url]],
  ["firefox &", ["firefox", url]],
  ["sh -c $(evil);%s", ["sh", "-c", `$(evil);${url}`]],
])("the words of BROWSER=%j", (command, words) => {
  expect(wordsOf(command, url)).toEqual(words);
});

describe("opening", () => {
  /** A browser that writes down what it is given, and then does what a line of shell says. */
  function script(name: string, then = ""): { file: string; seen: () => string } {
    const file = path.join(directory, name);
    fs.writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$@" >>"$0.seen"\n${then}\n`, {
      mode: 0o755,
    });
    return { file, seen: () => fs.readFileSync(`${file}.seen`, "utf8") };
  }
  const openWith = (...browsers: string[]) => open(url, desktop({ BROWSER: browsers.join(":") }));

  test("hands the URL to the program as one word", async () => {
    const { file, seen } = script("browser");
    expect(await openWith(file)).toBeUndefined();
    expect(seen()).toBe(`${url}\n`);
  });

  test.if(process.platform === "linux")(
    "does not wait for a browser that stays, nor takes it along",
    async () => {
      const { file, seen } = script("staying", 'echo $$ >"$0.pid"; exec sleep 60');
      const start = performance.now();
      expect(await openWith(file)).toBeUndefined();
      expect(performance.now() - start).toBeLessThan(10_000);
      expect(seen()).toBe(`${url}\n`);
      const pid = Number(fs.readFileSync(`${file}.pid`, "utf8"));
      // It has a session of its own: what ends ours does not end it.
      expect(fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[3]).toBe(
        `${pid}`,
      );
      process.kill(pid, "SIGKILL");
    },
  );

  test("goes on with the next where one fails, and no further than one that does not", async () => {
    const [first, second, third] = [script("first", "exit 3"), script("second"), script("third")];
    expect(await openWith("no-such-1", first.file, second.file, third.file)).toBeUndefined();
    expect([first.seen(), second.seen()]).toEqual([`${url}\n`, `${url}\n`]);
    expect(third.seen).toThrow();
  });

  test("tells of each what was in the way", async () => {
    const { file } = script("failing", "exit 3");
    expect(await openWith("no-such-1", file)).toBe(
      `there is no program 'no-such-1', and '${file}' exited with 3`,
    );
    const text = path.join(directory, "text");
    fs.writeFileSync(text, "not a program\n", { mode: 0o755 });
    expect(await openWith(text)).toStartWith(`'${text}' cannot be started: `);
  });
});
