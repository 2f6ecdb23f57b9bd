// A program that a command runs: told apart from us by its pid before it begins, and ended with us.

import type { Subprocess } from "bun";
import * as fs from "node:fs";
import { Unreachable } from "../client/failures.ts";
import { childEnvironment, type Config } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { reasonOf } from "../system/paths.ts";
import { descendants, stat } from "../system/processes.ts";
import { endAll } from "../system/trees.ts";
import type { Context } from "./command.ts";
import { warn } from "./telling.ts";

/** The exit codes of a command that could not start its program: whatever the reason, or that it may not, or that there is none (POSIX XCU 2.8.2). */
export const notStartedCode = 125;
export const notExecutableCode = 126;
const noProgramCode = 127;

/** The exit code of a program that was ended because it lost what it ran for. */
export const lostCode = 124;

/** What kept a program from starting; its cause is the fault. */
export class NotStarted extends Error {
  readonly exit: number;
  constructor(cause: unknown) {
    super("the program was not started", { cause });
    this.exit = cause instanceof NoProgram ? cause.exitCode : notStartedCode;
  }
}

export type Program = {
  pid: number;
  /** Lets it begin. */
  begin(): void;
  /** Its exit code, as `exitCodeOf` has it. */
  ended: Promise<number>;
  /** Asks it and what it has started to end, then makes them. Returns when it has. */
  end(): Promise<void>;
};

class NoProgram extends Fault {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super("not_found", message);
  }
}

/** A pid of ours as an input; at a daemon elsewhere it is none. */
export function pidAt({ url }: Config, pid: number): { pid?: number } {
  return url === undefined ? { pid } : {};
}

/**
 * Tells the daemon what a program has done or is doing, which goes on whatever becomes of that: what went wrong is
 * told, but for a daemon that somebody stopped.
 */
export async function warnUnlessAway(
  { terminal }: Pick<Context, "terminal">,
  tell: () => Promise<unknown>,
): Promise<void> {
  try {
    await tell();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (!(error instanceof Unreachable)) warn(error.message, terminal);
  }
}

/** Throws `not_found` where there is no such program, or it may not be run. */
export function requireProgram([name = ""]: string[]): void {
  const file = name.includes("/") ? name : Bun.which(name);
  if (file === null || !fs.existsSync(file))
    throw new NoProgram(`There is no program '${name}' to run`, noProgramCode);
  try {
    fs.accessSync(file, fs.constants.X_OK);
  } catch (error) {
    throw new NoProgram(`'${name}' cannot be run: ${reasonOf(error)}`, notExecutableCode);
  }
}

/**
 * Starts a program that waits to begin, so that its pid can be told to others first. It shares our terminal and input;
 * signals that end us are passed on to it.
 */
export function prepare(words: string[], variables: Record<string, string>): Program {
  // The shell waits for a line from us and becomes the program: its pid stays. Without us it ends.
  const gate = 'read -r _ <&3 || exit 125; exec 3<&-; exec "$@"';
  const child = Bun.spawn(["sh", "-c", gate, "port-daddy", ...words], {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    env: childEnvironment(variables),
  });
  const door = child.stdio[3] as number;
  const stopPassing = passSignals((signal) => child.kill(signal));
  const ended = child.exited.then(() => {
    stopPassing();
    return exitCodeOf(child);
  });
  return {
    pid: child.pid,
    begin() {
      fs.writeFileSync(door, "\n");
      fs.closeSync(door);
    },
    ended,
    async end() {
      await endAll(
        () => [child.pid, ...descendants(child.pid)],
        () => "SIGTERM",
      );
      await ended;
    },
  };
}

/** The exit code of a process that has ended: 128 and the signal's number where a signal ended it. */
export function exitCodeOf({ exitCode, signalCode }: Subprocess): number {
  return signalCode === null ? (exitCode ?? 0) : 128 + signalNumber(signalCode);
}

function signalNumber(signal: NodeJS.Signals | number): number {
  if (typeof signal === "number") return signal;
  return process.getBuiltinModule("node:os").constants.signals[signal];
}

/** Passes on what would end us. A terminal sends its interrupt to the program by itself. */
function passSignals(pass: (signal: NodeJS.Signals) => void): () => void {
  const hasTerminal = stat(process.pid)?.hasTerminal === true;
  const handlers = (["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const).map((signal) => {
    const isFromTerminal = hasTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
    const handler = () => void (isFromTerminal || pass(signal));
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return () => handlers.forEach(([signal, handler]) => process.off(signal, handler));
}
