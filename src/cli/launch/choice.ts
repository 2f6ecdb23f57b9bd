// Which command a launch runs: the one that is given, else the one last launched here, else the project's own.

import * as fs from "node:fs";
import * as path from "node:path";
import { Fault } from "../../contract/faults.ts";
import { isFile, repositoryOf } from "../../system/paths.ts";
import type { Context } from "../command.ts";
import { directory as shownDirectory } from "../render.ts";
import { homeDirectory } from "../../config.ts";
import type { Scripts } from "./scripts.ts";

export type Choice = {
  words: string[];
  /** Whether it was given or remembered, rather than found in package.json. */
  isAsked: boolean;
};

/** The scripts of package.json that start a project, the first that there is. */
const startingScripts = ["dev", "start"];

/** Whose lock file it is; the first that there is, in the nearest directory that has one. */
const lockFiles: Record<string, string> = {
  "package-lock.json": "npm",
  "npm-shrinkwrap.json": "npm",
  "pnpm-lock.yaml": "pnpm",
  "yarn.lock": "yarn",
  "bun.lock": "bun",
  "bun.lockb": "bun",
};

/** Throws `invalid_input` where nothing says what to run. */
export async function chooseCommand(
  id: string,
  given: string[],
  here: string,
  { daemon }: Pick<Context, "daemon">,
): Promise<Choice> {
  if (given.length > 0) return { words: given, isAsked: true };
  const { launches } = await daemon.call("launches", { pattern: id, directory: here });
  const remembered = launches[0]?.command;
  if (remembered) return { words: remembered, isAsked: true };
  const scripts = scriptsOf(here);
  const script = startingScripts.find((name) => scripts(name) !== undefined);
  if (script !== undefined) return { words: [packageManager(here), "run", script], isAsked: false };
  throw new Fault(
    "invalid_input",
    `there is nothing to launch for ${id} in ${shownDirectory(here, homeDirectory())}: no command was given or launched here before, and there is no package.json with a dev or start script`,
    { hint: `name the command: port-daddy launch ${id} -- <command>` },
  );
}

/** The scripts of the package that a directory is in. */
export function scriptsOf(here: string): Scripts {
  const file = nearest(here, ["package.json"]);
  const scripts = file === undefined ? undefined : readPackage(file)["scripts"];
  return (name) => {
    if (typeof scripts !== "object" || scripts === null || !Object.hasOwn(scripts, name))
      return undefined;
    const script = (scripts as Record<string, unknown>)[name];
    return typeof script === "string" ? script : undefined;
  };
}

/** By the lock file; else as package.json says; else npm. */
function packageManager(here: string): string {
  const lock = nearest(here, Object.keys(lockFiles));
  if (lock !== undefined) return lockFiles[path.basename(lock)]!;
  const file = nearest(here, ["package.json"]);
  const named = file === undefined ? undefined : readPackage(file)["packageManager"];
  return /^(npm|pnpm|yarn|bun)@/.exec(String(named))?.[1] ?? "npm";
}

/** Throws `invalid_input` where it is no JSON. */
function readPackage(file: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch (error) {
    throw new Fault("invalid_input", `${file} cannot be read: ${(error as Error).message}`, {
      hint: "name the command instead: port-daddy launch <id> -- <command>",
    });
  }
}

/** The first of some files in the nearest directory that has one: here, or above as far as the repository goes. */
function nearest(here: string, names: string[]): string | undefined {
  const top = repositoryOf(here) ?? here;
  for (let directory = here; ; directory = path.dirname(directory)) {
    const found = names.map((name) => path.join(directory, name)).find(isFile);
    if (found !== undefined || directory === top) return found;
  }
}
