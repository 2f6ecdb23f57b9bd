// The daemon as a service of this user: which manager would run it, whether it is installed, and asking the manager.

import * as fs from "node:fs";
import * as path from "node:path";
import { configDirectory, homeDirectory, managerEnvironment } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { shellWord } from "../contract/shell.ts";
import { reasonOf } from "./paths.ts";
import { launchd } from "./serviceLaunchd.ts";
import { systemd } from "./serviceSystemd.ts";

/** What a manager is to run. */
export type Order = {
  /** The words of the daemon's command line; the first is the path of the program. */
  command: string[];
  /** The daemon's settings, PORT_DADDY_HOME among them. */
  settings: Record<string, string>;
};

/** A command that asks the manager for something. */
export type Step = {
  words: string[];
  /** Whether it may fail because there is nothing to do. */
  mayFail?: boolean;
};

/** How a service manager is told of the daemon. Everything here is text: nothing is done. */
export type Manager = {
  name: string;
  /** What it manages: a `unit`, an `agent`. */
  noun: string;
  /** Where the order is written. */
  file: string;
  text(order: Order): string;
  /** The settings in a text that we wrote. */
  settingsIn(text: string): Record<string, string>;
  /** The path of the program in a text that we wrote. */
  programIn(text: string): string | undefined;
  /** What keeps it from running an order; nothing where it can. */
  objection(order: Order): string | undefined;
  /** A question that it answers wherever it runs. */
  reach: string[];
  /** After the file was written: from now on the service is known, and starts with a login. */
  enable: Step[];
  start: Step[];
  stop: Step[];
  /** What it makes beside the file. */
  links: string[];
  /** Before the file is removed, and after. */
  disable: Step[];
  forget: Step[];
  /** What tells the pid of the service's process, if it runs. */
  pid: { words: string[]; read(output: string): number };
  /** What shows how the service is. */
  show: string;
  /** What ends it, unless it lingers. */
  ends: string;
  /** How it runs without its user being logged in, where the manager knows of that. */
  linger?: {
    /** There on every machine that the manager was started with. */
    machine: string;
    /** There where this user's services linger. */
    mark(user: string): string;
    /** The command that makes them: those of whoever types it, unless a user is named. */
    enable(user?: string): string;
  };
  /** The command that lets the service have as many files open, from its next start on. */
  allowFiles(count: number): string;
};

/** The service manager of this user on this kind of machine; `undefined` where we know none. */
export function managerHere(): Manager | undefined {
  const uid = process.getuid?.() ?? 0;
  if (process.platform === "linux") return systemd(configDirectory());
  return process.platform === "darwin" ? launchd(homeDirectory(), uid) : undefined;
}

export type Installed = {
  text: string;
  settings: Record<string, string>;
  program: string | undefined;
};

/** What is installed here, whoever wrote it; `undefined` where nothing is. */
export function findInstalled(manager: Manager): Installed | undefined {
  if (!fs.existsSync(manager.file)) return undefined;
  const text = fs.readFileSync(manager.file, "utf8");
  return { text, settings: manager.settingsIn(text), program: manager.programIn(text) };
}

/** The manager that has the daemon of this state directory as a service; `undefined` where none has. */
export function managerOf(home: string): Manager | undefined {
  const manager = managerHere();
  const installed = manager && findInstalled(manager);
  return installed?.settings["PORT_DADDY_HOME"] === home ? manager : undefined;
}

/**
 * Writes an order, or what was there before. It may hold the token, so that it is for this user alone.
 * Throws `unavailable` with the reason where it cannot be written.
 */
export function write({ file }: Manager, text: string): void {
  const beside = `${file}.${process.pid}`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.rmSync(beside, { force: true }); // What is there keeps its mode.
    fs.writeFileSync(beside, text, { mode: 0o600 });
    fs.renameSync(beside, file);
  } catch (error) {
    throw new Fault("unavailable", `${file} cannot be written: ${reasonOf(error)}`, {
      hint: `see what is there: ls -ld ${shellWord(path.dirname(file))}`,
    });
  }
}

/** Removes the service, its process aside. Where the manager cannot be asked, it finds nothing at the next login. */
export async function remove(manager: Manager): Promise<void> {
  const isReachable = (await obstacleTo(manager)) === undefined;
  if (isReachable) await ask(manager.disable);
  for (const file of [manager.file, ...manager.links]) fs.rmSync(file, { force: true });
  if (isReachable) await ask(manager.forget);
}

/** How long a manager may take to answer a question, unless somebody waits for less, and to do what it is asked. */
const answerMs = 5_000;
const stepMs = 30_000;

/** Why the manager cannot be asked; nothing where it can. */
export async function obstacleTo(
  { reach }: Manager,
  withinMs = answerMs,
): Promise<string | undefined> {
  const { code, err } = await run(reach, withinMs);
  return code === 0 ? undefined : err;
}

/** Asks for one thing after the other. Throws, with what the manager said, at the first that fails. */
export async function ask(steps: readonly Step[], withinMs = stepMs): Promise<void> {
  for (const { words, mayFail } of steps) {
    const { code, err } = await run(words, withinMs);
    if (code !== 0 && !mayFail) throw new Error(err);
  }
}

/** The pid of the service's process; 0 where it has none. */
export async function servicePid({ pid }: Manager, withinMs = answerMs): Promise<number> {
  const { code, out } = await run(pid.words, withinMs);
  return code === 0 ? pid.read(out) : 0;
}

async function run(
  words: string[],
  withinMs: number,
): Promise<{ code: number; out: string; err: string }> {
  const [program = ""] = words;
  if (Bun.which(program) === null)
    return { code: 127, out: "", err: `there is no program '${program}'` };
  try {
    const child = Bun.spawn(words, {
      env: managerEnvironment(process.getuid?.() ?? 0),
      stdio: ["ignore", "pipe", "pipe"],
      timeout: Math.ceil(withinMs),
      killSignal: "SIGKILL",
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const [said = ""] = err.trim().split("\n");
    const silent = `'${words.join(" ")}' ${child.signalCode ? "did not end" : "failed"}`;
    return { code: child.exitCode ?? 1, out, err: said || silent };
  } catch (error) {
    return { code: 126, out: "", err: `'${program}' cannot be run: ${reasonOf(error)}` };
  }
}
