// Tells a command its port in the command's own words, where it would not read it from PORT.

import { frameworks, type Framework } from "./frameworks.ts";
import { isManager, runOf, type Scripts } from "./scripts.ts";
import { programName, withoutWrappers } from "./wrappers.ts";

export type Injection = { program: string; added: readonly string[] };

/** A script that calls itself by another is followed so far. */
const maxDepth = 5;

/**
 * What to add at the end of a command so that the program it really runs listens on this port; `undefined` where that
 * is not known, and where the command names a port itself.
 */
export function injectionFor(
  words: readonly string[],
  port: number,
  scripts: Scripts,
  depth = 0,
): Injection | undefined {
  const [first = "", ...args] = withoutWrappers(words);
  const name = programName(first);
  if (!isManager(name)) return match(name, args, port);
  const run = depth < maxDepth ? runOf(name, args, scripts) : undefined;
  const inner = run && injectionFor(run.words, port, run.scripts, depth + 1);
  return inner && { ...inner, added: [...run.separatorFor(inner.added), ...inner.added] };
}

function match(program: string, args: readonly string[], port: number): Injection | undefined {
  // Behind a `--` no program looks for flags.
  if (args.includes("--")) return undefined;
  const row = frameworks.find((each) => each.programs.includes(program) && isMeant(each, args));
  if (!row || namesPort(row, args)) return undefined;
  return { program, added: row.add.replaceAll("{port}", String(port)).split(" ") };
}

function isMeant({ only, except = [], last }: Framework, args: readonly string[]): boolean {
  const isBare = args.every((word) => word.startsWith("-"));
  if (except.some((word) => args.includes(word))) return false;
  if (last !== undefined) return args.at(-1) === last;
  return only?.some((word) => (word === "" ? isBare : args.includes(word))) ?? true;
}

/** Whether the command says itself where to listen. */
function namesPort({ add, same = [], valued = [] }: Framework, args: readonly string[]): boolean {
  const [flag = ""] = add.split(/[ =]/);
  if (!flag.startsWith("-"))
    return args.some((word, at) => isPlace(word) && !valued.includes(args[at - 1] ?? ""));
  return [flag, ...same].some((each) =>
    args.some((word) => word === each || word.startsWith(`${each}=`) || isShort(each, word)),
  );
}

/** `8000` and `0.0.0.0:8000` */
function isPlace(word: string): boolean {
  return !word.startsWith("-") && /^(?:.*:)?\d{2,5}$/.test(word);
}

/** `-p3000` */
function isShort(flag: string, word: string): boolean {
  return flag.length === 2 && word.startsWith(flag) && /^-\w\d+$/.test(word);
}
