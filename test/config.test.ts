// Every setting: its default, what it takes, and what it refuses by name.

import { describe, expect, test } from "bun:test";
import {
  alwaysReserved,
  colourWish,
  daemonEnvironment,
  homeDirectory,
  readConfig,
  settings,
  userName,
} from "../src/config.ts";
import { Fault } from "../src/contract/faults.ts";

function refusal(env: Record<string, string>): Fault {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

const defaults = {
  userHome: "/home/ada",
  home: "/home/ada/.local/state/port-daddy",
  port: 9876,
  range: { start: 3100, end: 9999 },
  reserved: new Set(alwaysReserved),
  url: undefined,
  agent: undefined,
  owner: undefined,
  host: undefined,
  token: undefined,
  rateLimit: undefined,
  autostart: true,
  graceMs: 30_000,
  activityRetention: { ms: 30 * 86_400_000, rows: 100_000 },
  webhookAllow: undefined,
  statsd: undefined,
  messageRetention: { ms: 7 * 86_400_000, rows: 1000 },
  logLevel: "info",
  desktop: { browser: undefined, display: undefined, isSsh: false, isWsl: false },
  explicit: new Set(),
};

test("what nobody set has its default", () => {
  expect(readConfig({ HOME: "/home/ada" })).toEqual(defaults as never);
});

test("an empty setting counts as not set", () => {
  const empty = Object.fromEntries(Object.keys(settings).map((name) => [name, ""]));
  expect(readConfig({ HOME: "/home/ada", ...empty })).toEqual(defaults as never);
});

test.each([
  ["PORT_DADDY_PORT", "0", { port: 0 }],
  ["PORT_DADDY_PORT", "65535", { port: 65535 }],
  ["PORT_DADDY_RANGE_START", "9999", { range: { start: 9999, end: 9999 } }],
  ["PORT_DADDY_RANGE_END", "3100", { range: { start: 3100, end: 3100 } }],
  ["PORT_DADDY_URL", "https://box:1/", { url: "https://box:1" }],
  ["PORT_DADDY_AGENT", "ada:1", { agent: "ada:1" }],
  ["PORT_DADDY_AGENT", "007", { agent: "007" }],
  ["PORT_DADDY_NO_AUTOSTART", "1", { autostart: false }],
  ["PORT_DADDY_NO_AUTOSTART", "0", { autostart: true }],
  ["PORT_DADDY_ACTIVITY_RETENTION", "1h30m,5", { activityRetention: { ms: 5_400_000, rows: 5 } }],
  ["PORT_DADDY_STATSD", "stats_d.lan:8125", { statsd: { host: "stats_d.lan", port: 8125 } }],
  ["PORT_DADDY_STATSD", "[::1]:1", { statsd: { host: "::1", port: 1 } }],
  ["PORT_DADDY_LOG_LEVEL", "warn", { logLevel: "warn" }],
])("%s=%s is in force, and known to be somebody's wish", (name, value, expected) => {
  const config = readConfig({ [name]: value });
  expect(config).toMatchObject(expected as never);
  expect([...config.explicit] as string[]).toEqual([name]);
});

test.each([
  ["PORT_DADDY_PORT", "-1"],
  ["PORT_DADDY_PORT", "65536"],
  ["PORT_DADDY_PORT", "9876x"],
  ["PORT_DADDY_PORT", " "],
  ["PORT_DADDY_RANGE_START", "0"],
  ["PORT_DADDY_RANGE_END", "70000"],
  ["PORT_DADDY_RANGE_END", "3100-9999"],
  ["PORT_DADDY_RESERVED", "5432;6379"],
  ["PORT_DADDY_RESERVED", "5432,"],
  ["PORT_DADDY_RESERVED", "0"],
  ["PORT_DADDY_URL", "localhost:9876"],
  ["PORT_DADDY_URL", "ftp://box"],
  ["PORT_DADDY_URL", "file:///etc/passwd"],
  ["PORT_DADDY_AGENT", "two words"],
  ["PORT_DADDY_AGENT", "a".repeat(101)],
  ["PORT_DADDY_NO_AUTOSTART", "yes"],
  ["PORT_DADDY_ACTIVITY_RETENTION", "30d"],
  ["PORT_DADDY_ACTIVITY_RETENTION", "30,100"],
  ["PORT_DADDY_ACTIVITY_RETENTION", "30d,0"],
  ["PORT_DADDY_ACTIVITY_RETENTION", "30d,5,6"],
  ["PORT_DADDY_STATSD", "localhost"],
  ["PORT_DADDY_STATSD", "localhost:0"],
  ["PORT_DADDY_STATSD", "localhost:65536"],
  ["PORT_DADDY_STATSD", "::1:8125"],
  ["PORT_DADDY_STATSD", "[localhost]:8125"],
  ["PORT_DADDY_STATSD", "udp://localhost:8125"],
  ["PORT_DADDY_STATSD", "a b:8125"],
  ["PORT_DADDY_LOG_LEVEL", "loud"],
  ["PORT_DADDY_HOME", "/tmp/\x1b[2J"],
  ["PORT_DADDY_HOME", "here"],
  ["PORT_DADDY_HOME", "~/.port-daddy"],
])("%s=%j is refused by the name of the variable", (name, value) => {
  const fault = refusal({ [name]: value });
  expect(fault.code).toBe("invalid_input");
  expect(fault.message).toStartWith(`${name} must be `);
  expect(fault.details).toEqual({ field: name });
  expect(fault.hint).toBe(`do without: unset ${name}`);
});

test("a range that starts above its end is refused by name, also where only one end was set", () => {
  for (const env of [
    { PORT_DADDY_RANGE_START: "4001", PORT_DADDY_RANGE_END: "4000" },
    { PORT_DADDY_RANGE_START: "10000" },
    { PORT_DADDY_RANGE_END: "3099" },
  ] as Record<string, string>[]) {
    expect(refusal(env).code).toBe("invalid_input");
    expect(refusal(env).message).toMatch(
      /^PORT_DADDY_RANGE_START \(\d+\) must not be above PORT_DADDY_RANGE_END \(\d+\)$/,
    );
  }
});

describe("ports that are never given out", () => {
  test("are those that people reach for first, the daemon's own, and the listed ones", () => {
    const { reserved } = readConfig({ PORT_DADDY_PORT: "4000", PORT_DADDY_RESERVED: "5432, 6379" });
    expect([...reserved].toSorted((a, b) => a - b)).toEqual([4000, 5432, 6379, 8000, 8080, 9876]);
  });

  test("cannot be given back by an empty list", () => {
    expect([...readConfig({ PORT_DADDY_RESERVED: "" }).reserved]).toEqual([...alwaysReserved]);
  });

  test("hold no port 0 where the kernel is to choose the daemon's", () => {
    expect(readConfig({ PORT_DADDY_PORT: "0" }).reserved.has(8080)).toBe(true);
  });
});

describe.if(process.platform === "linux")("the state directory", () => {
  test.each([
    [{ HOME: "/h" }, "/h/.local/state/port-daddy"],
    [{ HOME: "/h", XDG_STATE_HOME: "/x" }, "/x/port-daddy"],
    [{ HOME: "/h", XDG_STATE_HOME: "state" }, "/h/.local/state/port-daddy"],
    [{ HOME: "/h", XDG_STATE_HOME: "" }, "/h/.local/state/port-daddy"],
    [{ HOME: "/h", XDG_STATE_HOME: "/x", PORT_DADDY_HOME: "/p/../q" }, "/q"],
  ])("of %j is %s", (env, home) => {
    expect(readConfig(env as Record<string, string>).home).toBe(home);
  });

  test("is found in the account where the environment names no home", () => {
    expect(readConfig({}).home).toMatch(/^\/.+\/\.local\/state\/port-daddy$/);
    expect(homeDirectory({})).toStartWith("/");
  });
});

describe("the daemon's environment", () => {
  const shell = {
    HOME: "/home/ada",
    PATH: "/bin",
    TZ: "UTC",
    XDG_STATE_HOME: "/x",
    PORT_DADDY_PORT: "4000",
    PORT_DADDY_RESERVED: "",
  };

  test("holds what it needs and the settings that were set, and no secret of the shell", () => {
    const secrets = {
      AWS_SECRET_ACCESS_KEY: "s",
      GITHUB_TOKEN: "s",
      NODE_OPTIONS: "--inspect",
      LD_PRELOAD: "/x.so",
      BUN_OPTIONS: "--inspect",
      HTTP_PROXY: "http://x",
      PORT_DADDY_UNKNOWN: "s",
      PORT_DADDY_AGENT: "of-this-shell-alone",
      PORT_DADDY_URL: "http://localhost:1",
    };
    const env = { ...shell, ...secrets };
    const { PORT_DADDY_RESERVED: _, ...expected } = shell;
    const home = "/x/port-daddy";
    expect(daemonEnvironment(readConfig(env), env)).toEqual({ ...expected, PORT_DADDY_HOME: home });
  });

  test("gives the daemon the configuration that the shell has", () => {
    const env = { ...shell, PORT_DADDY_RANGE_END: "5000", PORT_DADDY_LOG_LEVEL: "warn" };
    const { explicit: _, ...expected } = readConfig(env);
    expect(readConfig(daemonEnvironment(readConfig(env), env))).toMatchObject(expected);
  });
});

test.each([
  [{ BROWSER: "firefox:w3m %s" }, { browser: "firefox:w3m %s" }],
  [{ DISPLAY: ":0" }, { display: "x11" }],
  [{ WAYLAND_DISPLAY: "wayland-0" }, { display: "wayland" }],
  [{ DISPLAY: ":0", WAYLAND_DISPLAY: "wayland-0" }, { display: "x11" }],
  [{ SSH_CONNECTION: "192.0.2.1 50000 192.0.2.2 22" }, { isSsh: true }],
  [{ WSL_DISTRO_NAME: "Debian" }, { isWsl: true }],
  [{ BROWSER: "", DISPLAY: "", WAYLAND_DISPLAY: "", SSH_CONNECTION: "", WSL_DISTRO_NAME: "" }, {}],
])("where the user sits is what %j tells", (env, told) => {
  const { desktop } = readConfig({ HOME: "/home/ada", ...(env as Record<string, string>) });
  expect(desktop).toEqual({ ...defaults.desktop, ...told } as never);
});

test("the user is who the environment says", () => {
  expect([userName({ USER: "ada", LOGNAME: "x" }), userName({ USER: "", LOGNAME: "bob" })]).toEqual(
    ["ada", "bob"],
  );
  expect(userName({})).toBeUndefined();
});

test.each([
  [{}, undefined],
  [{ NO_COLOR: "1" }, false],
  [{ NO_COLOR: "" }, undefined],
  [{ NO_COLOR: "1", FORCE_COLOR: "1" }, false],
  [{ FORCE_COLOR: "1" }, true],
  [{ FORCE_COLOR: "0" }, false],
  [{ TERM: "dumb" }, false],
  [{ TERM: "dumb", FORCE_COLOR: "3" }, true],
])("the wish for colour in %j is %p", (env, wish) => {
  expect(colourWish(env as Record<string, string>)).toBe(wish as never);
});
