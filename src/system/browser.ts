// The user's browser: what opens it here, and opening it.

import type { Desktop } from "../config.ts";
import { reasonOf } from "./paths.ts";

/** What is started to open a browser may fail within this time; one that still runs then is the browser itself. */
const failsWithinMs = 1_000;

/** Opens a URL where the user sits. Returns what stands in the way; nothing where it is open. */
export async function open(url: string, desktop: Desktop): Promise<string | undefined> {
  const found = openers(desktop, process.platform);
  if ("obstacle" in found) return found.obstacle;
  const failures: string[] = [];
  for (const command of found.commands) {
    const failure = await start(wordsOf(command, url));
    if (failure === undefined) return undefined;
    failures.push(failure);
  }
  return failures.join(", and ");
}

export type Openers = { commands: string[] } | { obstacle: string };

/**
 * The commands that open a browser, each for where the one before it fails, or why there is none. What the user has
 * named goes before all else: an editor that is attached from elsewhere names one that opens it there.
 */
export function openers(desktop: Desktop, platform: NodeJS.Platform): Openers {
  const { browser, display, isSsh, isWsl } = desktop;
  const named = (browser ?? "").split(":").filter((command) => command.trim() !== "");
  if (named.length > 0) return { commands: named };
  const isMac = platform === "darwin";
  // Over SSH only X11 shows its windows where the user sits.
  if (isSsh && (isMac || display !== "x11")) return { obstacle: "this is an SSH session" };
  if (isMac) return { commands: ["open"] };
  const commands = [...(isWsl ? ["wslview"] : []), ...(display ? ["xdg-open"] : [])];
  return commands.length > 0 ? { commands } : { obstacle: "there is no display" };
}

/**
 * The words of a command as `BROWSER` has them: `%s` stands for the URL, `%%` for a percent sign, and without `%s` the
 * URL comes last (xdg-open(1)); quotes hold words together, and a last `&` means nothing (Python's webbrowser).
 */
export function wordsOf(command: string, url: string): string[] {
  const quoted = command.replace(/&\s*$/, "").match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  const words = quoted
    .map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"))
    .map((word) => word.replace(/%([s%])/g, (_, mark) => (mark === "s" ? url : "%")));
  const hasPlace = command.replaceAll("%%", "").includes("%s");
  return hasPlace ? words : [...words, url];
}

/** Starts a program that goes on without us. Returns why it could not, or at once did not; nothing where it does. */
async function start(words: string[]): Promise<string | undefined> {
  const [program = ""] = words;
  if (Bun.which(program) === null) return `there is no program '${program}'`;
  try {
    const child = Bun.spawn(words, { detached: true, stdio: ["ignore", "ignore", "ignore"] });
    child.unref();
    const code = await Promise.race([child.exited, Bun.sleep(failsWithinMs)]);
    return code ? `'${program}' exited with ${code}` : undefined;
  } catch (error) {
    return `'${program}' cannot be started: ${reasonOf(error)}`;
  }
}
