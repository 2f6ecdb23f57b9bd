// What a package manager is told to run: a script of package.json, or a program that a package has.

import { setsPort, withoutFlags } from "./wrappers.ts";

/** A script of package.json by its name. */
export type Scripts = (name: string) => string | undefined;

export type Run = {
  /** The words of the command that it comes to. */
  words: readonly string[];
  /** The scripts of the directory in which that runs. */
  scripts: Scripts;
  /** What must stand before some words at the end, so that they get as far as that command. */
  separatorFor: (added: readonly string[]) => readonly string[];
};

const managers: readonly string[] = ["npm", "pnpm", "yarn", "bun"];

/** Flags with which another directory's package is meant, or a command that is one word. */
const elsewhere: readonly string[] = [
  ...["-C", "--prefix", "--cwd", "--dir", "-w", "--workspace", "-ws", "--workspaces"],
  ...["-F", "--filter", "-r", "--recursive", "-c", "--call"],
];

export function isManager(name: string): boolean {
  return managers.includes(name);
}

/** What `npm run dev` comes to; `undefined` where that is not known. */
export function runOf(manager: string, args: readonly string[], scripts: Scripts): Run | undefined {
  const words = withoutFlags(args);
  const [verb = "", ...rest] = words;
  const isRun = verb === "run" || verb === "run-script";
  const isExec = verb === "exec" || (manager === "npm" && verb === "x");
  const keepsFlags = manager === "npm" || isExec;
  const own = keepsFlags ? untilDashes(args) : args.slice(0, args.length - words.length);
  if (own.some((word) => elsewhere.includes(word.split("=")[0]!))) return undefined;

  const told = isRun || isExec ? rest : words;
  const [name = "", ...given] = keepsFlags ? withoutOwnFlags(told) : withoutFlags(told);
  const passed = keepsFlags || manager === "pnpm" ? given : withoutDashes(given);
  function separatorFor(added: readonly string[]): readonly string[] {
    if (manager === "pnpm" || told.includes("--")) return [];
    return keepsFlags || added[0] === "--" ? ["--"] : [];
  }
  // npm knows few scripts by their names alone, the others all of them.
  const mayBeScript = !isExec && (isRun || manager !== "npm" || name === "start");
  const script = mayBeScript ? scripts(name) : undefined;
  if (script !== undefined) {
    const last = lastCommand(script);
    if (!last) return undefined;
    const there = last.isHere ? scripts : () => undefined;
    return { words: [...last.words, ...passed], scripts: there, separatorFor };
  }
  // `yarn vite` and `bun run vite` run the program where there is no script of that name.
  const mayBeProgram = isExec || manager !== "npm";
  return mayBeProgram ? { words: [name, ...passed], scripts, separatorFor } : undefined;
}

/** What npm and `yarn exec` pass on: no flags but those behind a `--`. */
function withoutOwnFlags(words: readonly string[]): readonly string[] {
  const before = untilDashes(words);
  return [...before.filter((word) => !word.startsWith("-")), ...words.slice(before.length + 1)];
}

/** What yarn and bun pass on: pnpm alone leaves a `--` where it is. */
function withoutDashes(words: readonly string[]): readonly string[] {
  const before = untilDashes(words);
  return [...before, ...words.slice(before.length + 1)];
}

function untilDashes(words: readonly string[]): readonly string[] {
  const at = words.indexOf("--");
  return at < 0 ? words : words.slice(0, at);
}

/** A word with what is quoted in it, a redirection's `&` included; or what stands between commands. */
const tokens = /(?:[^\s"'&|;\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*'|(?<=[<>])&|&(?=>))+|&&|\|\||[;|&]/g;

/** What would not reach the command from behind it: it stands in parentheses, or before a comment. */
const closed = /[()`{}]|^#/;

/** The words of the last command of a script, to which goes what is added at the script's end. */
function lastCommand(script: string): { words: string[]; isHere: boolean } | undefined {
  const all = script.match(tokens) ?? [];
  const before = all.findLastIndex((token) => /^[&|;]+$/.test(token));
  const words = all.slice(before + 1);
  const isKnown = !words.some((word) => closed.test(withoutQuoted(word))) && !all.some(setsPort);
  if (words.length === 0 || !isKnown) return undefined;
  return { words: words.map(unquoted), isHere: !all.some((token) => /^(?:cd|pushd)$/.test(token)) };
}

function withoutQuoted(word: string): string {
  return word.replace(/"(?:\\.|[^"\\])*"|'[^']*'|\$\{[^}]*\}/g, "");
}

function unquoted(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'/g, "$1$2");
}
