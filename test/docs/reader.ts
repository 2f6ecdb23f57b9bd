// Somebody who follows a page: types each line of a section into its terminal, and compares what it prints.

import { expect } from "bun:test";
import { machine } from "../../src/system/machine.ts";
import { descendants } from "../../src/system/processes.ts";
import { eventually, type Home } from "../home.ts";
import { patternOf, type Line, type Section } from "./page.ts";
import { Terminal } from "./terminal.ts";

export type Reader = {
  home: Home;
  env: Record<string, string>;
  cwd: string;
  /** What must be another here than on the page, such as the daemon's port: as shown, and as it is. */
  rewritten: readonly (readonly [shown: string, real: string])[];
  /** Lines that can't be run as they stand: why, and what is typed instead. */
  instead: Readonly<Record<string, { because: string; type: string }>>;
};

/** How long a line may take. */
const patienceMs = 10_000;

/** A line may be looked at again after so long. */
const lookEveryMs = 20;

/** What goes on until it is interrupted. */
const followsFile = /^port-daddy (?:launch --)?logs .*(?:-f|--follow)\b/;
const followsDaemon =
  /^(?:curl -N|port-daddy (?:log .*(?:-f|--follow)\b|sub (?!.*--(?:count|timeout))))/;

type Pending = { line: Line; serves: boolean };

/** Follows a section from its first line to its last. */
export async function follow(section: Section, reader: Reader): Promise<void> {
  const terminals = new Map<string, Terminal>();
  const pending = new Map<Terminal, Pending>();
  try {
    for (const [at, line] of section.lines.entries()) {
      const terminal =
        terminals.get(line.terminal) ?? new Terminal(reader.home, reader.env, reader.cwd);
      terminals.set(line.terminal, terminal);
      const held = pending.get(terminal);
      if (held) await finish(terminal, held, reader);
      pending.delete(terminal);

      const before = await busyWith(terminal, reader);
      terminal.type(real(reader.instead[line.text]?.type ?? line.text, reader));
      const serves = await settle(terminal, line, before, reader);
      if (serves === undefined) check(line, terminal, reader);
      else pending.set(terminal, { line, serves });

      if (section.lines[at + 1]?.block === line.block) continue;
      for (const [other, held] of pending) await finish(other, held, reader);
      pending.clear();
    }
  } finally {
    for (const terminal of terminals.values()) await terminal[Symbol.asyncDispose]();
  }
}

/** What a line may be at without ending: the daemon's streams and lines of waiters, and ports that it has opened. */
type Busy = { streams: number; waiting: number; servers: number };

async function busyWith(terminal: Terminal, { home }: Reader): Promise<Busy> {
  const get = async (route: string): Promise<any> => (await home.fetch(route)).json();
  try {
    const [{ subscribers }, { locks }] = await Promise.all(["/health", "/locks"].map(get));
    const waiting = locks.reduce((sum: number, { waiting }: any) => sum + waiting, 0);
    return { streams: subscribers, waiting, servers: serversIn(terminal, home) };
  } catch {
    return { streams: 0, waiting: 0, servers: 0 };
  }
}

/** How many ports of this home are served by what was started in a terminal. */
function serversIn({ pid }: Terminal, { range }: Home): number {
  const ours = machine.listeners().filter(({ port }) => port >= range.start && port < range.end);
  if (ours.length === 0) return 0;
  const started = new Set(descendants(pid));
  return [...machine.owningProcesses(ours).values()].filter((pids) =>
    pids.some((each) => started.has(each)),
  ).length;
}

/** Returns when a line has ended; or whether it serves, where it goes on with that or is waiting for something. */
async function settle(
  terminal: Terminal,
  line: Line,
  before: Busy,
  reader: Reader,
): Promise<boolean | undefined> {
  for (const end = Date.now() + patienceMs; Date.now() < end;) {
    await Promise.race([terminal.ended, Bun.sleep(lookEveryMs)]);
    if (terminal.code !== undefined) return undefined;
    // Of a file that is followed the daemon knows nothing.
    if (followsFile.test(line.text) && terminal.output !== "") return false;
    const { streams, waiting, servers } = await busyWith(terminal, reader);
    if (terminal.code !== undefined) return undefined;
    if (servers > before.servers && !line.text.includes("--detach")) return true;
    if (streams > before.streams || waiting > before.waiting) return false;
  }
  throw new Error(`${line.at}: it hangs: ${line.text}\n${terminal.output}`);
}

/** Ends what serves, or goes on for ever, as its reader would; anything else is waited for. */
async function finish(terminal: Terminal, { line, serves }: Pending, reader: Reader) {
  const goesOn = serves || followsFile.test(line.text) || followsDaemon.test(line.text);
  if (goesOn) await interrupt(terminal, line, reader);
  else await conclude(terminal, line, reader);
}

async function conclude(terminal: Terminal, line: Line, reader: Reader): Promise<void> {
  const what = `${line.at} ends: ${line.text}`;
  await eventually(what, () => terminal.code !== undefined, patienceMs);
  check(line, terminal, reader);
}

async function interrupt(terminal: Terminal, line: Line, reader: Reader): Promise<void> {
  const { shown } = line;
  if (shown !== undefined) {
    const seen = () => patternOf(shown).test(asShown(terminal.output, reader));
    await eventually("it is printed", seen, patienceMs).catch(() =>
      checkOutput(line, terminal, reader),
    );
  }
  await terminal.interrupt();
}

function check(line: Line, terminal: Terminal, reader: Reader): void {
  const { text, at, code } = line;
  const isOther = reader.instead[text] !== undefined;
  expect(terminal.code, `${at}: ${text}\n${terminal.output}`).toBe(isOther ? 0 : code);
  if (!isOther) checkOutput(line, terminal, reader);
}

function checkOutput({ text, at, shown }: Line, terminal: Terminal, reader: Reader): void {
  const output = asShown(terminal.output, reader);
  if (shown !== undefined && !patternOf(shown).test(output))
    expect(output, `${at}: ${text}\n${output}`).toBe(shown);
}

/** A line as it must be here. */
function real(text: string, { rewritten }: Reader): string {
  return rewrite(text, rewritten);
}

/** What was printed as it would be on the page. */
function asShown(text: string, { rewritten }: Reader): string {
  return rewrite(
    text,
    rewritten.map(([shown, real]) => [real, shown]),
  );
}

/** In one pass, and whole numbers only: a port that one pair has put there may hold the digits of another. */
function rewrite(text: string, pairs: readonly (readonly [from: string, to: string])[]): string {
  const to = new Map(pairs);
  const any = [...to.keys()].map((each) => RegExp.escape(each)).join("|");
  return text.replace(new RegExp(`(?<!\\d)(?:${any})(?!\\d)`, "g"), (each) => to.get(each)!);
}
