// Where the program lies that a service runs: it must be there at the next login, and at the one after.

import * as path from "node:path";
import { homeDirectory } from "../../config.ts";
import { shellWord } from "../../contract/shell.ts";
import { isSameFile } from "../../system/daemons.ts";
import { repositoryOf } from "../../system/paths.ts";
import type { Order } from "../../system/service.ts";

/** What a restart of the machine empties, or macOS after some days. */
const temporary = /^\/(private\/)?((var\/)?tmp|dev\/shm|run|var\/folders)\//;

/** Why a program is likely to be gone, or another, at the next start; nothing where it stays. */
export function passing({ command: [program = ""] }: Order): string | undefined {
  const folder = path.dirname(program);
  if (!Bun.isStandaloneExecutable) return "the service runs from its sources";
  if (temporary.test(`${folder}/`)) return `${program} is in a place for temporary files`;
  const isBuilt = path.basename(folder) === "dist" && repositoryOf(folder) !== undefined;
  return isBuilt ? `${program} is what a checkout builds, and changes with it` : undefined;
}

/** This program, and its short name where that stands for it. */
export function ownFiles(): string[] {
  const program = process.execPath;
  const short = path.join(path.dirname(program), "pd");
  return isSameFile(short, program) ? [program, short] : [program];
}

type Place = {
  /** Its path as a program. */
  program: string;
  /** The command that makes a copy of another program there; what it is called from then on. */
  copy(program: string): string;
  called: string;
};

/** Where programs stay: this user's own place first. */
export function placesToStay(): Place[] {
  return [
    {
      program: path.join(homeDirectory(), ".local/bin/port-daddy"),
      copy: (program) =>
        `mkdir -p ~/.local/bin && cp ${shellWord(program)} ~/.local/bin/port-daddy`,
      called: "~/.local/bin/port-daddy",
    },
    {
      program: "/usr/local/bin/port-daddy",
      copy: (program) => `sudo cp ${shellWord(program)} /usr/local/bin/port-daddy`,
      called: "/usr/local/bin/port-daddy",
    },
  ];
}

/** The hint that leads from where the program is to a place where it stays. */
export function installFrom({ copy, called }: Place, { command: [program = ""] }: Order): string {
  return `install it from where it stays: ${copy(program)} && ${called} install`;
}
