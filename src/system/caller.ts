// What a bare command line is called: the long-lived process behind it, so that an agent that runs each command in a
// new shell is one caller, and two terminals are two.

import * as path from "node:path";
import { userName } from "../config.ts";
import { accountName } from "./accounts.ts";
import { machine, type ProcessStat } from "./machine.ts";
import { ancestors, stat } from "./processes.ts";

/** Programs that only run others. A command's caller is the first process behind it that is none of these. */
const passedOver = new Set(
  [
    [
      "sh",
      "bash",
      "dash",
      "zsh",
      "fish",
      "ksh",
      "mksh",
      "ash",
      "busybox",
      "tcsh",
      "csh",
      "pwsh",
      "nu",
      "xonsh",
    ],
    [
      "env",
      "timeout",
      "nice",
      "ionice",
      "nohup",
      "setsid",
      "stdbuf",
      "time",
      "watch",
      "xargs",
      "parallel",
      "script",
    ],
    ["sudo", "doas", "su", "runuser", "setpriv", "chroot", "unshare", "nsenter", "systemd-run"],
    ["make", "gmake", "ninja", "just", "task", "npm", "npx", "pnpm", "yarn", "bunx", "corepack"],
    [
      "direnv",
      "mise",
      "asdf",
      "nix-shell",
      "strace",
      "ltrace",
      "flock",
      "chronic",
      "unbuffer",
      "port-daddy",
      "pd",
    ],
  ].flat(),
);

/** Names of a first process that starts a machine's others and stands behind everybody. */
const inits = new Set([
  "init",
  "systemd",
  "launchd",
  "tini",
  "dumb-init",
  "docker-init",
  "s6-svscan",
  "runit",
]);

/**
 * `user@host#pid.start`: the nearest ancestor that is neither a shell nor a wrapper and, where the command has a
 * terminal, lies inside that terminal's session; else the session's leader.
 */
export function callerId(pid = process.pid): string {
  const behind = processBehind(pid);
  const user = userName() ?? accountName(process.getuid?.()) ?? "unknown";
  return `${nameOnly(user)}@${nameOnly(machine.hostName())}#${behind.pid}.${behind.start}`;
}

/** A name with what would not fit into a header, or would end the name, replaced. */
function nameOnly(text: string): string {
  return text.replace(/[^\x21-\x7e]|[@#]/gu, "_").slice(0, 100);
}

/** The long-lived process behind a command. */
export function processBehind(pid: number): Pick<ProcessStat, "pid" | "start"> {
  const self = stat(pid);
  if (!self) return { pid, start: 0 };
  for (const ancestor of ancestors(pid)) {
    if (self.hasTerminal && ancestor.session !== self.session) break;
    if (inits.has(ancestor.name)) break;
    if (!isPassedOver(ancestor)) return ancestor;
  }
  return stat(self.session) ?? { pid: self.session, start: 0 };
}

/**
 * Whether a process only runs others, by any of its names: its own (npm retitles itself `npm run dev`), its program's
 * (that of `./deploy.sh` is `sh`), and for a script of node or bun its file's.
 */
function isPassedOver(process: ProcessStat): boolean {
  const own = process.name.split(" ")[0]!.replace(/^-/, "");
  if (passedOver.has(own)) return true;
  const [program = "", script = ""] = machine.commandWords(process.pid);
  if (passedOver.has(path.basename(program).replace(/^-/, ""))) return true;
  const isScript = own === "node" || own === "bun";
  return isScript && passedOver.has(path.basename(script).replace(/(-cli)?\.[cm]?js$/, ""));
}
