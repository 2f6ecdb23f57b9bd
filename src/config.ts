// Every setting, its default and its environment variable. Nothing else reads the environment.

import * as path from "node:path";
import * as duration from "./contract/duration.ts";
import { lockOwner } from "./contract/entities.ts";
import { asFault, Fault } from "./contract/faults.ts";
import { inUrl, loopbackNames } from "./contract/loopback.ts";
import type { Range } from "./contract/range.ts";
import {
  checkText,
  integer,
  oneOf,
  span,
  text,
  type Field,
  type ValueOf,
} from "./contract/fields.ts";
import { agentId } from "./contract/values.ts";
import {
  udpTarget,
  webhookAllow,
  type UdpTarget,
  type WebhookAllow,
} from "./system/destinations.ts";

type Setting<T> = {
  summary: string;
  /** What it is where nobody sets it, as it would be set. */
  byDefault?: string;
  /** What the default is called, where it is not a value. */
  defaultName?: string;
  field: Field<T>;
};

const tcpPort = integer({ summary: "A port", min: 1, max: 65535 });

const portList: Field<number[]> = {
  ...text({ summary: "Ports", max: 4000 }),
  expects: "ports with commas between them, such as 5432,6379",
  accept(value) {
    const ports = String(value)
      .split(",")
      .map((each) => tcpPort.accept(tcpPort.read(each.trim()), ""));
    return ports.every((port) => port !== undefined) ? ports : undefined;
  },
};

const retention: Field<{ ms: number; rows: number }> = {
  ...text({ summary: "How long and how many", max: 40 }),
  expects: "a span and a number of rows, such as 30d,100000",
  accept(value) {
    const [span = "", count = "", ...rest] = String(value).split(",");
    if (rest.length > 0) return undefined;
    const ms = duration.parse(span);
    const rows = /^\d{1,9}$/.test(count) ? Number(count) : 0;
    return ms && rows ? { ms, rows } : undefined;
  },
};

const anyText = text({ summary: "", max: 4096 });

/** A relative one would be another for each directory that a command runs in, and `~` is the shell's to replace. */
const directory: Field<string> = {
  ...anyText,
  expects: "the absolute path of a directory, such as /home/ada/.port-daddy",
  accept(value, name) {
    const given = anyText.accept(value, name);
    return given !== undefined && path.isAbsolute(given) ? path.resolve(given) : undefined;
  },
};

/** From what must be seen to what is good to know. */
const logLevels = ["error", "warn", "info"] as const;
export type LogLevel = (typeof logLevels)[number];

export const settings = {
  PORT_DADDY_HOME: {
    summary: "State directory: database, socket, log",
    defaultName: "$XDG_STATE_HOME/port-daddy or ~/.local/state/port-daddy",
    field: directory,
  },
  PORT_DADDY_PORT: {
    summary: "The daemon's TCP port on loopback; 0 takes any free one",
    byDefault: "9876",
    field: integer({ summary: "A port", min: 0, max: 65535 }),
  },
  PORT_DADDY_HOST: {
    summary: "An address to listen on beyond loopback; takes a token",
    defaultName: "loopback alone",
    field: {
      ...text({ summary: "An address", max: 253, pattern: "^[A-Za-z0-9.:-]+$" }),
      expects: "an address of this machine such as 192.168.1.5, or 0.0.0.0 or :: for all of them",
    },
  },
  PORT_DADDY_TOKEN: {
    summary: "What every request over TCP must carry; the socket asks for nothing",
    field: {
      ...text({ summary: "A token", max: 200, pattern: "^[\\x21-\\x7e]{16,200}$" }),
      expects: "a token of 16 to 200 printable ASCII characters without spaces",
      isSecret: true,
    },
  },
  PORT_DADDY_RATE_LIMIT: {
    summary: "Requests a second for each remote address; 0 is no limit",
    defaultName: "100, on loopback none",
    field: integer({ summary: "", min: 0, max: 1_000_000 }),
  },
  PORT_DADDY_RANGE_START: { summary: "First port given out", byDefault: "3100", field: tcpPort },
  PORT_DADDY_RANGE_END: { summary: "Last port given out", byDefault: "9999", field: tcpPort },
  PORT_DADDY_RESERVED: {
    summary: "Ports never given out, beside 8080, 8000, 9876 and the daemon's own",
    field: portList,
  },
  PORT_DADDY_URL: {
    summary: "Ask the daemon at this URL instead of this user's own; it is never started by itself",
    field: {
      ...anyText,
      expects: "a URL such as http://localhost:9876",
      accept: (value) =>
        /^https?:$/.test(URL.parse(String(value))?.protocol ?? "")
          ? String(value).replace(/\/+$/, "")
          : undefined,
    },
  },
  PORT_DADDY_AGENT: {
    summary: "The agent on whose behalf commands run",
    field: agentId,
  },
  PORT_DADDY_OWNER: {
    summary: "Lock owner identifier, where a command names none",
    field: lockOwner,
  },
  PORT_DADDY_NO_AUTOSTART: {
    summary: "1: a command that finds no daemon fails instead of starting it",
    byDefault: "0",
    field: oneOf({ summary: "", values: ["0", "1"] }),
  },
  PORT_DADDY_GRACE: {
    summary:
      "How long a port that was served may be silent, its process dead, before its claim ends",
    byDefault: "30s",
    field: span({ summary: "", min: 1, max: 365 * 86_400_000 }),
  },
  PORT_DADDY_ACTIVITY_RETENTION: {
    summary: "How long the activity log is kept, and how many rows of it",
    byDefault: "30d,100000",
    field: retention,
  },
  PORT_DADDY_MESSAGE_RETENTION: {
    summary: "How long a message is kept, and how many of a channel",
    byDefault: "7d,1000",
    field: retention,
  },
  PORT_DADDY_WEBHOOK_ALLOW: {
    summary: "Hosts and networks that webhooks may go to though they are not public",
    field: webhookAllow,
  },
  PORT_DADDY_STATSD: {
    summary: "Host and port that metrics are sent to, as StatsD over UDP",
    field: udpTarget,
  },
  PORT_DADDY_LOG_LEVEL: {
    summary: "How much the daemon writes to its log: error, warn or info",
    byDefault: "info",
    field: oneOf({ summary: "", values: logLevels }),
  },
} satisfies Record<string, Setting<any>>;

type Settings = typeof settings;
type SettingName = keyof Settings;

export type Config = {
  /** The state directory, absolute. */
  home: string;
  /** The user's own home directory. */
  userHome: string;
  /** The TCP port; 0 asks the kernel for one. */
  port: number;
  /** An address beyond loopback, if there is one to listen on. */
  host: string | undefined;
  /** What requests over TCP must carry. */
  token: string | undefined;
  /** Requests a second for each remote address; `undefined` leaves it to where that is. */
  rateLimit: number | undefined;
  range: Range;
  /** Ports that are never given out. */
  reserved: ReadonlySet<number>;
  /** Where to ask, if not over this user's own socket. */
  url: string | undefined;
  agent: string | undefined;
  /** Who owns the locks of a command that names nobody. */
  owner: string | undefined;
  autostart: boolean;
  graceMs: number;
  activityRetention: { ms: number; rows: number };
  messageRetention: { ms: number; rows: number };
  webhookAllow: WebhookAllow | undefined;
  statsd: UdpTarget | undefined;
  logLevel: LogLevel;
  desktop: Desktop;
  /** The settings that were set by somebody, rather than by default. */
  explicit: ReadonlySet<SettingName>;
};

/** What decides where, and with what, a browser can be opened. */
export type Desktop = {
  /** What the user has named to open one, as `BROWSER` of xdg-open(1) does. */
  browser: string | undefined;
  display: "x11" | "wayland" | undefined;
  isSsh: boolean;
  isWsl: boolean;
};

/** Ports that are never given out, whatever is configured: what people reach for first, and our own. */
export const alwaysReserved = [8080, 8000, 9876] as const;

type Environment = Record<string, string | undefined>;

/** Variables that cannot be read as they are. */
export class BadSettings extends Fault {
  readonly names: readonly string[];
  constructor(names: readonly [string, ...string[]], message: string) {
    super("invalid_input", message, {
      details: { field: names[0] },
      hint: `do without: unset ${names.join(" ")}`,
    });
    this.names = names;
  }
}

/** The settings with those that cannot be read left out, and why they cannot. */
export function readSoundConfig(env: Environment = process.env): {
  config: Config;
  faults: BadSettings[];
} {
  const faults: BadSettings[] = [];
  for (let sound = env; ;) {
    try {
      return { config: readConfig(sound), faults };
    } catch (error) {
      if (!(error instanceof BadSettings)) throw error;
      faults.push(error);
      sound = { ...sound, ...Object.fromEntries(error.names.map((name) => [name, undefined])) };
    }
  }
}

/** Reads the settings. Throws `BadSettings` for one that cannot be; an empty one counts as not set. */
export function readConfig(env: Environment = process.env): Config {
  const explicit = new Set<SettingName>();
  function read<N extends SettingName>(name: N): ValueOf<Settings[N]["field"]> | undefined {
    const { field, byDefault } = settings[name] as Setting<any>;
    const given = env[name] || undefined;
    if (given !== undefined) explicit.add(name);
    const text = given ?? byDefault;
    try {
      return text === undefined ? undefined : checkText(field, text, name);
    } catch (error) {
      throw new BadSettings([name], asFault(error).message);
    }
  }

  const port = read("PORT_DADDY_PORT")!;
  const range = { start: read("PORT_DADDY_RANGE_START")!, end: read("PORT_DADDY_RANGE_END")! };
  if (range.start > range.end) {
    throw new BadSettings(
      ["PORT_DADDY_RANGE_START", "PORT_DADDY_RANGE_END"],
      `PORT_DADDY_RANGE_START (${range.start}) must not be above PORT_DADDY_RANGE_END (${range.end})`,
    );
  }
  const host = read("PORT_DADDY_HOST");
  return {
    host: host === undefined ? undefined : beyondDefault(host),
    token: read("PORT_DADDY_TOKEN"),
    rateLimit: read("PORT_DADDY_RATE_LIMIT"),
    userHome: homeDirectory(env),
    home: read("PORT_DADDY_HOME") ?? defaultHome(env),
    port,
    range,
    reserved: new Set([...alwaysReserved, port, ...(read("PORT_DADDY_RESERVED") ?? [])]),
    url: read("PORT_DADDY_URL"),
    agent: read("PORT_DADDY_AGENT"),
    owner: read("PORT_DADDY_OWNER"),
    autostart: read("PORT_DADDY_NO_AUTOSTART") !== "1",
    graceMs: read("PORT_DADDY_GRACE")!,
    activityRetention: read("PORT_DADDY_ACTIVITY_RETENTION")!,
    messageRetention: read("PORT_DADDY_MESSAGE_RETENTION")!,
    webhookAllow: read("PORT_DADDY_WEBHOOK_ALLOW"),
    statsd: read("PORT_DADDY_STATSD"),
    logLevel: read("PORT_DADDY_LOG_LEVEL")!,
    desktop: desktopOf(env),
    explicit,
  };
}

/** An address in the one form that URLs write it in; `undefined` where the daemon listens by itself. */
function beyondDefault(host: string): string | undefined {
  const name = inUrl(host);
  return loopbackNames.includes(name) ? undefined : name.replace(/^\[|\]$/g, "");
}

function desktopOf(env: Environment): Desktop {
  return {
    browser: env["BROWSER"] || undefined,
    display: env["DISPLAY"] ? "x11" : env["WAYLAND_DISPLAY"] ? "wayland" : undefined,
    isSsh: Boolean(env["SSH_CONNECTION"]),
    isWsl: Boolean(env["WSL_DISTRO_NAME"]),
  };
}

/** XDG Base Directory Specification on Linux; the place Apple names on macOS. */
function defaultHome(env: Environment): string {
  if (process.platform === "darwin")
    return path.join(homeDirectory(env), "Library/Application Support/port-daddy");
  const state = env["XDG_STATE_HOME"];
  // The specification: a relative path in it is invalid and must be ignored.
  if (state !== undefined && path.isAbsolute(state)) return path.join(state, "port-daddy");
  return path.join(homeDirectory(env), ".local/state/port-daddy");
}

/** The name the environment gives the user, if it does. */
export function userName(env: Environment = process.env): string | undefined {
  return env["USER"] || env["LOGNAME"];
}

export function homeDirectory(env: Environment = process.env): string {
  return env["HOME"] || os().homedir();
}

/** The directories in which a shell looks for programs, first to last. */
export function searchPath(env: Environment = process.env): string[] {
  // The empty one is the current directory (POSIX XBD 8.3).
  return (env["PATH"] ?? "").split(":").map((directory) => directory || ".");
}

/** The variables by which programs of this shell go through a proxy, and the hosts that all of them spare. */
export function proxies(env: Environment = process.env): { variables: string[]; spared: string[] } {
  const names = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
  ];
  const spared = env["no_proxy"] || env["NO_PROXY"] || "";
  return {
    variables: names.filter((name) => env[name]),
    spared: spared.split(/[\s,]+/).filter(Boolean),
  };
}

/** Whether the user asked for colour or for none (https://no-color.org); `undefined` where nothing was said. */
export function colourWish(env: Environment = process.env): boolean | undefined {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"]) return env["FORCE_COLOR"] !== "0";
  return env["TERM"] === "dumb" ? false : undefined;
}

/** Where a user's programs keep what the user may edit (XDG Base Directory Specification). */
export function configDirectory(env: Environment = process.env): string {
  const named = env["XDG_CONFIG_HOME"];
  return named !== undefined && path.isAbsolute(named)
    ? named
    : path.join(homeDirectory(env), ".config");
}

/** The settings of a daemon that somebody set, and its state directory. */
export function daemonSettings(
  { explicit, home }: Config,
  env: Environment = process.env,
): Record<string, string> {
  const ofShell: SettingName[] = [
    "PORT_DADDY_AGENT",
    "PORT_DADDY_OWNER",
    "PORT_DADDY_URL",
    "PORT_DADDY_NO_AUTOSTART",
  ];
  const set = [...explicit].filter((name) => !ofShell.includes(name) && env[name] !== undefined);
  return { ...Object.fromEntries(set.map((name) => [name, env[name]!])), PORT_DADDY_HOME: home };
}

/** The settings that must not be shown. */
export function isSecret(name: string): boolean {
  const { field } = (settings as Record<string, Setting<any>>)[name] ?? {};
  return field?.isSecret === true;
}

/** A log starts anew past this size; what was there is kept once, beside it. */
export const maxLogBytes = 5_000_000;

/**
 * What the daemon's process gets of our environment: it outlives its shell, and must carry neither its secrets nor
 * what concerns that shell alone.
 */
export function daemonEnvironment(
  config: Config,
  env: Environment = process.env,
): Record<string, string> {
  const kept = [
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
  ];
  const values = kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { ...Object.fromEntries(values), ...daemonSettings(config, env) };
}

/**
 * What a question to the user's service manager is asked with. It is found by the runtime directory, which a login
 * sets, and cron, su and many a coding agent's shell do not.
 */
export function managerEnvironment(uid: number, env: Environment = process.env): Environment {
  return { ...env, XDG_RUNTIME_DIR: env["XDG_RUNTIME_DIR"] || `/run/user/${uid}` };
}

/** Where a service manager wants to hear from its service (man 3 sd_notify); nothing that we start hears of it. */
export function takeNotifySocket(env: Environment = process.env): string | undefined {
  const socket = env["NOTIFY_SOCKET"] || undefined;
  delete env["NOTIFY_SOCKET"];
  return socket;
}

/** What a program that a command runs gets: everything that the command has, and more. */
export function childEnvironment(
  variables: Record<string, string>,
  env: Environment = process.env,
): Environment {
  return { ...env, ...variables };
}

/** Settles the question of colour, in its favour, for everything in this process that asks the environment. */
export function forceColour(): void {
  process.env["FORCE_COLOR"] = "1";
  delete process.env["NO_COLOR"];
}

/** Loaded where it is needed: it takes a noticeable part of a command's time, and most need none of it. */
function os(): typeof import("node:os") {
  return process.getBuiltinModule("node:os");
}
