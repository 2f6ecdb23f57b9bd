// A checkout as somebody gets it who has just cloned this, and what the README then tells them to type.

import * as fs from "node:fs";
import * as path from "node:path";

const root = path.join(import.meta.dir, "../..");

/** Copies what git knows or would add: no modules, nothing that was built. */
export function cloneTo(directory: string): void {
  const list = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { stdout, exitCode } = Bun.spawnSync(list, { cwd: root });
  if (exitCode !== 0) throw new Error(`${list.join(" ")} failed in ${root}`);
  const files = stdout.toString().split("\0").filter(Boolean);
  for (const file of files.filter((file) => fs.existsSync(path.join(root, file))))
    fs.cpSync(path.join(root, file), path.join(directory, file));
}

/** The README's first line of shell that installs. */
export function readmeLine(): string {
  const readme = fs.readFileSync(path.join(root, "README.md"), "utf8");
  const line = /^(?:sh install\.sh|.*&& sh install\.sh).*$/m.exec(readme)?.[0];
  if (line === undefined) throw new Error("the README no longer says how to install");
  return line;
}

/** Why packages of npm's cannot be had from here; `undefined` where they can. */
export function npmObstacle(): string | undefined {
  if (Bun.which("npm") === null) return "npm is missing";
  const { exitCode } = Bun.spawnSync(["npm", "view", "hono", "version"], { timeout: 30_000 });
  return exitCode === 0 ? undefined : "npm reaches no registry";
}

/** How npm is set up here to reach its registry, as variables for where its files of settings are not. */
export function npmSettings(): Record<string, string> {
  const settings = ["registry", "cafile", "proxy", "https-proxy"].flatMap((name) => {
    const value = Bun.spawnSync(["npm", "config", "get", name]).stdout.toString().trim();
    return ["", "null", "undefined"].includes(value)
      ? []
      : [[`npm_config_${name.replace("-", "_")}`, value]];
  });
  return Object.fromEntries(settings);
}
