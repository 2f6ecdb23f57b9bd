// What stands in front of the program that a command really runs: npx, env, python, assignments of variables.

/** What only runs what follows it; of each the flags that take the next word. */
const wrappers: Record<string, readonly string[]> = {
  env: ["-u", "--unset", "-C", "--chdir"],
  "cross-env": [],
  time: ["-f", "-o"],
  nice: ["-n", "--adjustment"],
  ionice: ["-c", "-n"],
  exec: ["-a"],
  command: [],
  nohup: [],
  setsid: [],
  stdbuf: ["-i", "-o", "-e"],
  dotenv: ["-e", "-v"],
  "dotenvx run": ["-f", "--env-file", "-e", "--env"],
  "doppler run": ["-p", "--project", "-c", "--config"],
  "op run": ["--env-file"],
  npx: ["-p", "--package"],
  bunx: ["-p", "--package"],
  "bun x": ["-p", "--package"],
  pnpx: ["--package"],
  "pnpm exec": [],
  "pnpm dlx": ["--package"],
  "yarn dlx": ["-p", "--package"],
  "uv run": ["--with", "-p", "--python", "--extra", "--group", "--env-file"],
  "poetry run": [],
  "pipenv run": [],
  "pdm run": [],
  "hatch run": [],
  "rye run": [],
  "bundle exec": [],
  ruby: ["-I", "-r"],
};

const flagsOfNode = ["-r", "--require", "--import", "--loader", "-C", "--conditions"];
const flagsOfPython = ["-W", "-X"];

/** The words from the program on that is really run; none where a variable among them says on which port. */
export function withoutWrappers(words: readonly string[]): readonly string[] {
  for (let rest = words; ;) {
    const inner = withoutWrapper(rest);
    if (inner === undefined) return rest;
    rest = inner;
  }
}

/** The same without the first thing that only runs what follows it; `undefined` where there is none. */
function withoutWrapper(words: readonly string[]): readonly string[] | undefined {
  const [first = "", second = ""] = words;
  if (setsPort(first)) return [];
  if (isAssignment(first)) return words.slice(1);
  const name = programName(first);
  for (const [wrapper, count] of [
    [`${name} ${second}`, 2],
    [name, 1],
  ] as const)
    if (Object.hasOwn(wrappers, wrapper))
      return withoutFlags(words.slice(count), wrappers[wrapper]);
  // The name of a module stands after -m, or after some letters of which that is the last: `-um flask`.
  if (/^python[\d.]*$/.test(name)) return withoutFlags(words.slice(1), flagsOfPython);
  if (["node", "bun", "deno"].includes(name)) {
    const file = withoutFlags(words.slice(1), flagsOfNode);
    return /[/\\]|\.[cm]?js$/.test(file[0] ?? "") ? file : undefined;
  }
  return name === "php" && second === "artisan" ? words.slice(1) : undefined;
}

/** What follows the flags, and the values of those that take the next word. */
export function withoutFlags(
  words: readonly string[],
  valued: readonly string[] = [],
): readonly string[] {
  let at = 0;
  while (words[at]?.startsWith("-")) at += valued.includes(words[at]!) ? 2 : 1;
  return words.slice(at);
}

export function setsPort(word: string): boolean {
  return word.startsWith("PORT=");
}

function isAssignment(word: string): boolean {
  return /^\w+=/.test(word);
}

/** `/x/node_modules/vite/bin/vite.js` and `vite@8` → `vite`; of what Python runs the suffix is part of the name. */
export function programName(word: string): string {
  return word
    .replace(/^.*[/\\]/, "")
    .replace(/(?<=.)@[^@]*$/, "")
    .replace(/\.(?:[cm]?js|cmd|exe|rb|phar)$/, "");
}
