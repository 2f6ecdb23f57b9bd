// Checks of what is around the daemon: the command itself, the service, the limits, proxies, and other daemons.

import * as fs from "node:fs";
import * as path from "node:path";
import { homeDirectory, proxies as proxySettings, searchPath } from "../../config.ts";
import { shellWord } from "../../contract/shell.ts";
import { isSameFile, runningDaemons } from "../../system/daemons.ts";
import { descriptors as descriptorsOf } from "../../system/limits.ts";
import {
  findInstalled,
  managerHere,
  managerOf,
  obstacleTo,
  servicePid,
  type Installed,
  type Manager,
} from "../../system/service.ts";
import { seen } from "../../system/seen.ts";
import { directory } from "../render.ts";
import { note, ok, type Finding, wrong } from "./finding.ts";
import type { Subject } from "./subject.ts";

export function binary(_: Subject, own = ownProgram()): Finding {
  if (own === undefined) return ok("this command runs from its sources");
  const shown = (file: string) => directory(file, homeDirectory());
  const all = searchPath().map((each) => path.resolve(each, "port-daddy"));
  const found = [...new Set(all)].filter(isProgram);
  const first = found[0];
  const others = found.slice(1).filter((file) => real(file) !== real(own));
  const toFront = `export PATH=${shellWord(path.dirname(own))}:"$PATH"`;
  if (first === undefined) return note(`no directory of PATH has ${shown(own)}`, toFront);
  if (real(first) !== real(own))
    return note(`another one, ${shown(first)}, comes before ${shown(own)} in PATH`, toFront);
  const behind =
    others[0] === undefined ? "" : `; another one, ${shown(others[0])}, comes after it`;
  return ok(`${shown(first)} is the first in PATH${behind}`);
}

function ownProgram(): string | undefined {
  return Bun.isStandaloneExecutable ? process.execPath : undefined;
}

function isProgram(file: string): boolean {
  const isExecutable = seen(() => (fs.accessSync(file, fs.constants.X_OK), true)) ?? false;
  return isExecutable && fs.statSync(file).isFile();
}

function real(file: string): string {
  return isProgram(file) ? fs.realpathSync(file) : file;
}

export async function service({ config: { home }, own }: Subject): Promise<Finding> {
  const manager = managerHere();
  const installed = manager && findInstalled(manager);
  if (!installed) return ok("not installed; the first command that needs the daemon starts it");
  return disputeOf(manager, installed, home) ?? (await standing(manager, own));
}

/** What is not as it should be with what was installed. */
function disputeOf(
  { file }: Manager,
  { program, settings }: Installed,
  home: string,
): Finding | undefined {
  const theirs = settings["PORT_DADDY_HOME"];
  const again = "port-daddy install";
  if (theirs === undefined)
    return note(
      `${file} was not written by port-daddy install`,
      `mv ${shellWord(file)} ${shellWord(`${file}.old`)}`,
    );
  if (theirs !== home)
    return note(
      `it is for another state directory, ${theirs}`,
      `PORT_DADDY_HOME=${shellWord(theirs)} port-daddy uninstall`,
    );
  if (program === undefined || !isProgram(program))
    return wrong(`its program ${program ?? "(none)"} is not there`, again);
  const own = ownProgram();
  if (own !== undefined && real(program) !== real(own))
    return note(`it runs ${program}, not this ${own}`, again);
  return undefined;
}

/** How long each of two questions to the manager may take: both together less than a check. */
const managerMs = 1_500;

async function standing(manager: Manager, own: Subject["own"]): Promise<Finding> {
  const obstacle = await obstacleTo(manager, managerMs);
  if (obstacle !== undefined)
    return note(`installed, but ${manager.name} cannot be asked: ${obstacle}`, manager.show);
  const [pid, answer] = [await servicePid(manager, managerMs), await own()];
  if (answer.is === "up" && answer.version.pid !== pid)
    return note("installed, but the daemon runs without it", "port-daddy restart");
  return ok(`installed with ${manager.name}${pid > 0 ? `, process ${pid}` : ""}`);
}

/** As many streams as a daemon has open at most (2,048), and as much again for all else that it does. */
const enoughDescriptors = 4_096;

export async function descriptors({ config: { home }, own }: Subject): Promise<Finding> {
  const answer = await own();
  const [who, pid] =
    answer.is === "up" ? ["the daemon", answer.version.pid] : ["this command", process.pid];
  const { limit, open = 0 } = descriptorsOf(pid);
  if (limit === undefined) return ok("how many the daemon may open cannot be seen from here");
  const says = `${who} may have ${limit === Infinity ? "any number of" : limit} files open, and has ${open}`;
  if (limit >= enoughDescriptors && open < limit * 0.8) return ok(says);
  // A service has none of its shell's limits.
  const manager = answer.is === "up" ? managerOf(home) : undefined;
  const allow = manager?.allowFiles(enoughDescriptors) ?? `ulimit -n ${enoughDescriptors}`;
  return note(
    `${says}; ${enoughDescriptors} are enough for any load`,
    `${allow} && port-daddy restart`,
  );
}

export function proxies(): Finding {
  const { variables, spared } = proxySettings();
  if (variables.length === 0) return ok("none are set");
  const names = variables.join(", ");
  const isSpared = (host: RegExp) => spared.some((each) => host.test(each));
  if (
    isSpared(/^\*$/) ||
    (isSpared(/^\.?localhost$/i) && isSpared(/^127\.(0\.0\.1|0\.0\.0\/8|\*)?$/))
  )
    return ok(`${names}, but not for localhost`);
  // What they hold may be a password. The command line itself goes through none of them.
  return note(
    `${names} would catch what other programs ask of localhost`,
    'export no_proxy="localhost,127.0.0.1,::1${no_proxy:+,$no_proxy}"; export NO_PROXY="$no_proxy"',
  );
}

/** How many of them are named. */
const namedOthers = 3;

export function others({ config: { home } }: Subject): Finding {
  const found = runningDaemons().filter(
    (daemon) => daemon.home !== home && !isSameFile(daemon.home, home),
  );
  if (found.length === 0) return ok("no other daemon of this user runs");
  const named = found.slice(0, namedOthers);
  const list = named.map(
    ({ pid, home }) => `process ${pid} with ${directory(home, homeDirectory())}`,
  );
  const more = found.length > named.length ? ` and ${found.length - named.length} more` : "";
  return note(
    `${list.join(", ")}${more}: what one gives out the others do not know of`,
    named.map(({ home }) => `PORT_DADDY_HOME=${shellWord(home)} port-daddy stop`).join("; "),
  );
}
