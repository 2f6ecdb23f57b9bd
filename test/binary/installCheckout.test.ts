// install.sh in a checkout builds from the sources. npm and Bun are played by scripts here; `npm run compat` runs them.

import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home } from "../home.ts";
import {
  everythingIn,
  needed,
  program,
  programs,
  Releases,
  resultOf,
  script,
  startInstall,
} from "./releases.ts";

let home: Home;
let checkout: string;
let target: string;
beforeEach(() => {
  home = new Home();
  checkout = home.makeDirectory("check out");
  target = path.join(home.directory, ".local/bin");
  fs.copyFileSync(script, path.join(checkout, "install.sh"));
  fs.writeFileSync(path.join(checkout, "build.ts"), "");
});
afterEach(() => home[Symbol.asyncDispose]());

const bun = "node_modules/.bin/bun";

/** Runs install.sh there; `building` is what Bun does when it is told to build to "$3". */
function start(
  building: string,
  npm = "mkdir -p node_modules/.bin && cp pinned node_modules/.bin/bun",
) {
  const pinned = `#!/bin/sh\n[ "$1" = --version ] || { [ "$1 $2" = "build.ts --outfile" ] && ${building}; }\n`;
  fs.writeFileSync(path.join(checkout, "pinned"), pinned, { mode: 0o755 });
  const PATH = programs(home, [...needed, "cp"], { npm });
  return home.start(["sh", "check out/install.sh"], { env: { PATH } });
}

const built = `printf '%s' '${program("3.2.1").replaceAll("'", "'\\''")}' >"$3" && chmod 755 "$3"`;

test("a checkout builds with the Bun that npm fetched, and installs what came of it", async () => {
  const { code, out, err } = await resultOf(start(built));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toStartWith(
    "Fetching what the build needs ...\nBuilding ...\nInstalled port-daddy 3.2.1 to ",
  );
  expect(everythingIn(target)).toEqual(["pd", "port-daddy"]);
});

test.each([
  ["npm that fails", built, "echo no network; exit 1", "no network\n", "this failed: npm ci"],
  [
    "a build that fails",
    "{ echo wrong here; exit 1; }",
    undefined,
    "wrong here\n",
    `this failed: ${bun} build.ts`,
  ],
  [
    "a binary that fails",
    'echo "exit 3" >"$3" && chmod 755 "$3"',
    undefined,
    "",
    "the binary that was built does not run",
  ],
])("%s shows what it printed, and leaves nothing", async (_, building, npm, printed, sentence) => {
  const { code, out, err } = await resultOf(start(building, npm));
  expect(code).toBe(1);
  expect(err).toStartWith(`${printed}install.sh: ${sentence}`);
  expect(out).not.toContain("Installed");
  expect(everythingIn(target)).toEqual([]);
});

test("without npm it says how to get it", async () => {
  const env = { PATH: programs(home, needed) };
  const { code, err } = await resultOf(home.start(["sh", "check out/install.sh"], { env }));
  expect(code).toBe(1);
  expect(err).toBe(
    "install.sh: npm is missing; install Node.js with npm first, for instance: apt-get install npm\n",
  );
});

test("a build that is told to end leaves nothing, and none of its processes", async () => {
  const child = start('{ echo $$ >"$3"; exec sleep 60; }');
  const pid = await eventually("it builds", () => {
    const file = everythingIn(target).find((name) => name.endsWith("/port-daddy"));
    return file === undefined ? 0 : Number(fs.readFileSync(path.join(target, file), "utf8"));
  });
  child.kill("SIGTERM");
  expect((await resultOf(child)).code).toBe(143);
  expect(everythingIn(target)).toEqual([]);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("where releases are named, a checkout downloads", async () => {
  await using releases = await Releases.of("1.2.3", program("1.2.3"));
  const env = { PORT_DADDY_RELEASES: releases.url };
  const { out } = await resultOf(home.start(["sh", "check out/install.sh"], { env }));
  expect(out).toContain("\nInstalled port-daddy 1.2.3 to ");
});

test("from a pipe nothing is built, whatever the directory holds: the newest release is fetched", async () => {
  const own = {
    npm: `touch '${home.directory}/built'`,
    curl: 'for last; do :; done; echo "$last" >&2; exit 6',
    uname: "case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac",
  };
  const names = needed.filter((name) => name !== "uname");
  const env = { PATH: programs(home, names, own) };
  const { code, err } = await resultOf(startInstall(home, { cwd: checkout, env }));
  expect(code).toBe(1);
  expect(err).toStartWith(
    "https://github.com/erichowens/port-daddy/releases/latest/download/SHA256SUMS\n",
  );
  expect(everythingIn(home.directory)).not.toContain("built");
});
