// Tells a command its port in the command's own words, where it would not read it from PORT.

import { frameworks, type Framework } from "./frameworks.ts";

/** A script of package.json by its name. */
export type Scripts = (name: string) => string | undefined;

export type Injection = { program: string; added: string[] };

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
  if (!managers.has(name)) return match(name, args, port);
  const run = packageScript(name, args, scripts);
  // `yarn vite` runs the program where there is no script of that name.
  if (!run)
    return depth < maxDepth && args.length > 0
      ? injectionFor(args, port, scripts, depth + 1)
      : undefined;
  const last = depth < maxDepth ? lastCommand(run.script) : undefined;
  const inner = last && injectionFor([...last, ...run.given], port, scripts, depth + 1);
  return inner && { ...inner, added: [...run.separator, ...inner.added] };
}

const managers = new Set(["npm", "pnpm", "yarn", "bun"]);

function match(program: string, args: readonly string[], port: number): Injection | undefined {
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
function namesPort({ add, same = [] }: Framework, args: readonly string[]): boolean {
  const [flag = ""] = add.split(/[ =]/);
  if (!flag.startsWith("-")) return args.some((word) => /^(?:.*:)?\d+$/.test(word));
  return [flag, ...same].some((each) =>
    args.some((word) => word === each || word.startsWith(`${each}=`) || isShort(each, word)),
  );
}

/** `-p3000` */
function isShort(flag: string, word: string): boolean {
  return flag.length === 2 && word.startsWith(flag) && /^-\w\d+$/.test(word);
}

/** `/x/node_modules/vite/bin/vite.js` → `vite`; of what Python runs the suffix is part of the name. */
function programName(word: string): string {
  return word.replace(/^.*[/\\]/, "").replace(/\.(?:[cm]?js|cmd|exe|rb|phar)$/, "");
}

const runners = new Set(["npx", "bunx", "pnpx", "dotenv", "nodemon", "ruby"]);
const prefixes = new Set(["env", "cross-env", "time", "nice", "exec", "nohup"]);

/** What stands in front of a program by two words: `pnpm exec vite`, `uv run flask`. */
const runnerPairs = new Set([
  ...["npm exec", "npm x", "pnpm exec", "pnpm dlx", "yarn exec", "yarn dlx", "bun x"],
  ...["uv run", "poetry run", "pipenv run", "pdm run", "hatch run", "rye run", "bundle exec"],
]);

/** The words from the program on that is really run. */
function withoutWrappers(words: readonly string[]): readonly string[] {
  for (let rest = words; ;) {
    const inner = withoutWrapper(rest);
    if (inner === undefined) return rest;
    rest = inner;
  }
}

/** The same without the first thing that only runs what follows it; `undefined` where there is none. */
function withoutWrapper([first = "", second = "", ...rest]: readonly string[]):
  readonly string[] | undefined {
  const name = programName(first);
  if (/^\w+=/.test(first)) return [second, ...rest];
  if (runnerPairs.has(`${name} ${second}`)) return withoutFlags(rest);
  if (prefixes.has(name) || runners.has(name)) return withoutFlags([second, ...rest]);
  if (/^python[\d.]*$/.test(name)) {
    const args = [second, ...rest];
    const at = args.findIndex((word) => word === "-m" || !word.startsWith("-"));
    return at < 0 ? undefined : args.slice(args[at] === "-m" ? at + 1 : at);
  }
  const runsScript = name === "node" || name === "bun" || name === "deno";
  if (runsScript && /[/\\]|\.[cm]?js$/.test(second)) return [second, ...rest];
  if (name === "php" && second === "artisan") return [second, ...rest];
  return undefined;
}

function withoutFlags(words: readonly string[]): readonly string[] {
  const at = words.findIndex((word) => !word.startsWith("-"));
  return at < 0 ? [] : words.slice(at);
}

type Run = { script: string; given: string[]; separator: string[] };

/** The package script that a command runs, what it is given, and what must stand before more. */
function packageScript(
  manager: string,
  args: readonly string[],
  scripts: Scripts,
): Run | undefined {
  const words = withoutFlags(args);
  const isRun = words[0] === "run" || words[0] === "run-script";
  const [name = "", ...given] = isRun ? withoutFlags(words.slice(1)) : words;
  // npm knows few scripts by their names alone, the others all of them.
  const script = isRun || manager !== "npm" || name === "start" ? scripts(name) : undefined;
  if (script === undefined) return undefined;
  const isOpen = manager !== "npm" || given.includes("--");
  return { script, given: given.filter((word) => word !== "--"), separator: isOpen ? [] : ["--"] };
}

/** The words of the last command of a script: what is added at its end goes there. */
function lastCommand(script: string): string[] | undefined {
  const tokens = script.match(/(?:[^\s"'&|;]|"[^"]*"|'[^']*')+|&&|\|\||[;|&]/g) ?? [];
  const before = tokens.findLastIndex((token) => /^[&|;]+$/.test(token));
  const words = tokens.slice(before + 1).map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
  return words.length > 0 ? words : undefined;
}
