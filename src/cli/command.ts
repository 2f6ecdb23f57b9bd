// What a command is: a value with its words, its flags and what it does. Help, completion and parsing read it.

import type { Client } from "../client/client.ts";
import type { Version } from "../client/connect.ts";
import type { BadSettings, Config } from "../config.ts";
import { boolean, type Field, type Shape, type ValueOf } from "../contract/fields.ts";
import type { Terminal } from "./terminal.ts";

/** The headings of help, in order. */
export const groups = ["Services", "Coordination", "Agents", "Webhooks", "Daemon"] as const;

export type Context = {
  config: Config;
  /** What of this shell's settings cannot be read; none, but for a command that takes any. */
  faults: readonly BadSettings[];
  terminal: Terminal;
  /** This user's daemon, or the one at PORT_DADDY_URL; started at the first call where it is missing. */
  daemon: Client;
  /** The same daemon, never started by us. */
  runningDaemon: () => Client;
  /** What a bare command line is called. */
  callerId: () => string;
  /** Runs the daemon in this process until it is stopped. */
  runDaemon: (onReady: (version: Version, notices: string[]) => void) => Promise<void>;
};

/** What has names that a shell can complete, in the words of the commands that list them. */
export type Noun =
  "services" | "ports" | "environments" | "locks" | "channels" | "agents" | "webhooks";

/** The flags that every command takes. */
export const commonFlags = {
  json: boolean({ summary: "Output as JSON" }),
  quiet: boolean({ summary: "Minimal output (just the value)" }),
  help: boolean({ summary: "Show this help" }),
} satisfies Shape;

/** Flags are fields: `--port <n>` reads and refuses exactly what the field of the operation does. */
export type FlagValues<F extends Shape> = { [K in keyof F]?: ValueOf<F[K]> };

/** How much a command is to say, and in which form. */
export type Say = { json?: boolean | undefined; quiet?: boolean | undefined };

export type Invocation<F extends Shape> = {
  args: string[];
  /** The words after `--`, of a command that runs a program. */
  program: string[];
  flags: FlagValues<F & typeof commonFlags>;
};

export type Command<F extends Shape = Shape> = {
  /** One word, or two where several commands are about one thing: `agent register`. */
  name: string;
  aliases?: string[];
  /** What follows the name, as in `<id> [...]`. */
  args?: string;
  /** What completion offers for them: the names of things, or these words. */
  argsOf?: Noun | readonly string[];
  /** Whether what stands after `--` is a program that it runs. */
  program?: "required" | "optional";
  group: (typeof groups)[number];
  /** Starts with a capital verb. */
  summary: string;
  flags: F;
  /** Whether it runs where settings cannot be read, as if they were not set. */
  takesAnySettings?: true;
  examples?: string[];
  /** Returns the exit code; none is 0. Throws a Fault for everything that goes wrong. */
  run(invocation: Invocation<F>, context: Context): Promise<number | void> | number | void;
};

/** A command whose flags are made when they are first asked for: of all commands, one is run. */
export function command<F extends Shape>(
  row: Omit<Command<F>, "flags"> & { flags: () => F },
): Command<F> {
  const { flags, ...words } = row;
  let made: F | undefined;
  return {
    ...words,
    get flags() {
      return (made ??= flags());
    },
  };
}

/** One letter for a flag that many commands have; the same letter everywhere. */
const letters: Record<string, string> = {
  port: "p",
  env: "e",
  json: "j",
  quiet: "q",
  help: "h",
  lines: "n",
  follow: "f",
  count: "n",
  limit: "n",
};

/** `dryRun` → `dry-run` */
export function flagWord(name: string): string {
  return name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}

export function flagLetter(name: string): string | undefined {
  return letters[name];
}

/** How a flag is written in help: `-p, --port <n>`. */
export function flagText(name: string, field: Field<unknown>): string {
  const letter = flagLetter(name);
  const value = field.placeholder && ` ${field.placeholder}`;
  return `${letter ? `-${letter}, ` : ""}--${flagWord(name)}${value}`;
}
