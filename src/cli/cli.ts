// The command line, from its words to its exit code.

import { build } from "../build.ts";
import { readSoundConfig } from "../config.ts";
import { asFault, type Fault } from "../contract/faults.ts";
import { callerId } from "../system/caller.ts";
import { commands } from "./commands/index.ts";
import type { Command, Context } from "./command.ts";
import * as help from "./help.ts";
import { hidden, type Opener } from "./hidden.ts";
import { parse, wantsJson } from "./parse.ts";
import { toJson, plain } from "./render.ts";
import { NotStarted } from "./program.ts";
import { connect, connectOrStart } from "./remote.ts";
import { ReaderGone, type Terminal } from "./terminal.ts";

/** Runs one command line and returns its exit code. */
export async function runCommandLine(
  words: string[],
  terminal: Terminal,
  runDaemon: Context["runDaemon"],
): Promise<number> {
  try {
    return await run(words, terminal, runDaemon);
  } catch (error) {
    if (error instanceof ReaderGone) return 0;
    if (error instanceof NotStarted) {
      tellFault(asFault(error.cause), error.cause, words, terminal);
      return error.exit;
    }
    return tellFault(asFault(error), error, words, terminal);
  }
}

async function run(
  words: string[],
  terminal: Terminal,
  runDaemon: Context["runDaemon"],
): Promise<number> {
  if (/^(-v|--version)$/.test(words[0] ?? ""))
    return words.length === 1
      ? said(terminal, `port-daddy ${build.version}`)
      : run(["version", ...words.slice(1)], terminal, runDaemon);
  const open: Opener = (terminal, caller) => openContext(terminal, runDaemon, { caller });
  const internal = hidden.get(words[0]);
  if (internal) return (await internal(words.slice(1), terminal, open)) ?? 0;
  if (words[0] === "help") return run([...words.slice(1), "--help"], terminal, runDaemon);
  const { command, family, args, program, flags, helpFor } = parse(words, commands);
  if (!command && family.length > 0) return said(terminal, help.forFamily(family, terminal.paint));
  if (!command) return said(terminal, help.overview(commands, terminal.paint));
  if (helpFor !== undefined) return said(terminal, help.forCommand(command, terminal.paint));
  const context = openContext(terminal, runDaemon, command);
  return (await command.run({ args, program, flags }, context)) ?? 0;
}

type Opening = Pick<Command, "takesAnySettings"> & { caller?: Context["callerId"] | undefined };

/** What a command works with, by the settings of this shell. */
function openContext(
  terminal: Terminal,
  runDaemon: Context["runDaemon"],
  { caller = callerId, takesAnySettings }: Opening,
): Context {
  const { config, faults } = readSoundConfig();
  if (faults[0] && !takesAnySettings) throw faults[0];
  const side = { config, terminal, callerId: caller };
  return {
    ...side,
    faults,
    daemon: connectOrStart(side),
    runningDaemon: () => connect(side),
    runDaemon,
  };
}

function said(terminal: Terminal, text: string): number {
  terminal.out(text);
  return 0;
}

/** One line that names the thing, then what to do; with `-j` the body that the API answers. */
function tellFault(
  fault: Fault,
  cause: unknown,
  words: string[],
  { err, paint }: Terminal,
): number {
  if (wantsJson(words, commands)) {
    err(toJson(fault.toBody()));
    return fault.exit;
  }
  err(`${paint.bad("error:")} ${plain(fault.message)}`);
  if (fault.code === "internal" && cause instanceof Error && cause !== fault)
    err(String(cause.stack));
  if (fault.hint !== undefined) err(`hint: ${plain(fault.hint)}`);
  return fault.exit;
}
