// `launch` with frameworks as people have them: installed by each package manager, or from Debian's packages.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home, isRoot } from "../home.ts";
import { npmObstacle, npmSettings } from "./checkout.ts";
import { expectWhole, launchMs, write, type Project } from "./launching.ts";

/** Next is 340 MB. */
const installingMs = 600_000;

let home: Home;
beforeAll(() => {
  home = new Home();
});
afterAll(() => home[Symbol.asyncDispose]());

type Framework = {
  name: string;
  /** Of versions that were tried, and run on the oldest Node that is maintained. */
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
  files: Record<string, string>;
  /** What its page says. */
  page: string;
};

const vite: Framework = {
  name: "Vite",
  dependencies: { vite: "8.3.8" },
  scripts: { dev: "vite" },
  files: { "index.html": "<!doctype html><title>A page of Vite</title>" },
  page: "<title>A page of Vite</title>",
};

const next: Framework = {
  name: "Next",
  dependencies: { next: "16.4.6", react: "19.3.1", "react-dom": "19.3.1" },
  scripts: { dev: "next dev" },
  files: {
    "app/layout.jsx": `export default function Layout({ children }) {
      return <html><body>{children}</body></html>;
    }`,
    "app/page.jsx": "export default function Page() { return <p>A page of Next</p>; }",
  },
  page: "<p>A page of Next</p>",
};

const astro: Framework = {
  name: "Astro",
  dependencies: { astro: "5.18.2" },
  scripts: { dev: "npm run serve", serve: "astro dev --host 127.0.0.1" },
  files: { "src/pages/index.astro": "<p>A page of Astro</p>" },
  page: "A page of Astro</p>",
};

const express: Framework = {
  name: "Express",
  dependencies: { express: "5.3.0" },
  scripts: { start: "node server.mjs" },
  files: {
    "server.mjs": `import express from "express";
      express().get("/", (_, response) => response.send("A page of Express"))
        .listen(process.env.PORT);`,
  },
  page: "A page of Express",
};

/** Package managers, of npm's packages, as a project's own lock file names them. */
const managers = { pnpm: "12.21.0", yarn: "1.22.22" };

type Case = {
  framework: Framework;
  manager?: "pnpm" | "yarn" | "bun";
  /** The command lines by which it is launched; an empty one is what the project itself says. */
  lines: string[];
};

const cases: Case[] = [
  {
    framework: vite,
    lines: ["", "npm run dev", "npm exec vite", "npx vite", "node_modules/.bin/vite"],
  },
  { framework: vite, manager: "pnpm", lines: ["", "pnpm dev", "pnpm exec vite", "pnpm vite"] },
  { framework: vite, manager: "yarn", lines: ["", "yarn dev", "yarn exec vite", "yarn vite"] },
  { framework: vite, manager: "bun", lines: ["", "bun dev", "bunx vite", "bun run vite"] },
  { framework: next, lines: ["", "npx next dev", "node_modules/.bin/next dev"] },
  { framework: astro, lines: ["", "npx astro dev", "node_modules/.bin/astro dev"] },
  { framework: express, lines: ["", "npm start", "node server.mjs"] },
];

const obstacle = npmObstacle();

describe.skipIf(obstacle !== undefined)(`from npm${obstacle ? ` (${obstacle})` : ""}`, () => {
  /** Where the package managers are, before all others. */
  let PATH: string;

  beforeAll(async () => {
    const tools = write(home, "tools", { "package.json": manifest(managers) });
    await install(["npm", "install"], tools);
    const bin = path.join(tools.directory, "node_modules/.bin");
    for (const name of ["bun", "bunx"]) fs.symlinkSync(process.execPath, path.join(bin, name));
    PATH = `${bin}:${process.env["PATH"]}`;
  }, installingMs);

  for (const { framework, manager = "npm", lines } of cases)
    describe(`${framework.name}, by ${manager},`, () => {
      const id = `${framework.name}:${manager}`;
      let project: Project;

      beforeAll(async () => {
        const { dependencies, scripts, files } = framework;
        const all = { ...files, "package.json": manifest(dependencies, scripts) };
        project = { ...write(home, id.replace(":", "-"), all), PATH };
        await install([manager, "install"], project);
      }, installingMs);

      // The project's own word comes first: what was launched in a directory is launched there again.
      test.each(lines.map((line) => [line || "as package.json says", line]))(
        "%s",
        (_, line) => expectWhole(home, id, project, wordsOf(line), framework.page),
        launchMs,
      );
    });
});

function manifest(dependencies: Record<string, string>, scripts: Record<string, string> = {}) {
  return JSON.stringify({ private: true, dependencies, scripts });
}

function wordsOf(line: string): string[] {
  return line.split(" ").filter(Boolean);
}

/** With this machine's settings and caches, rather than those of an empty home. */
async function install(words: string[], { directory, PATH }: Project): Promise<void> {
  const { HOME } = process.env;
  const env = { ...npmSettings(), ...(HOME && { HOME }), ...(PATH !== undefined && { PATH }) };
  const child = home.start(words, { cwd: directory, env });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(await child.exited, out + err).toBe(0);
}

type Other = {
  name: string;
  packages: string[];
  /** What fails where they are missing. */
  look: string[];
  files: Record<string, string>;
  lines: string[];
};

const python = "/usr/bin/python3";

/** The page of each says its name. */
const others: Other[] = [
  {
    name: "Flask",
    packages: ["python3-flask"],
    look: [python, "-c", "import flask"],
    files: {
      "app.py": `import flask
app = flask.Flask(__name__)
app.add_url_rule("/", view_func=lambda: "Flask")
`,
    },
    lines: ["/usr/bin/flask run", `${python} -m flask --app app run --reload`],
  },
  {
    name: "Django",
    packages: ["python3-django"],
    look: [python, "-c", "import django"],
    files: {
      "manage.py": `import sys
from django.core.management import execute_from_command_line
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(DEBUG=True, ROOT_URLCONF=__name__, SECRET_KEY="none", ALLOWED_HOSTS=["*"])
urlpatterns = [path("", lambda request: HttpResponse("Django"))]
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
`,
    },
    lines: [`${python} manage.py runserver`, `${python} manage.py runserver --noreload`],
  },
  {
    name: "PHP",
    packages: ["php-cli"],
    look: ["php", "--version"],
    files: { "public/index.php": "<?php echo 'PHP';" },
    lines: ["php -t public -S"],
  },
];

/** Why a program of Debian's cannot be had from here; `undefined` where it can, or has just been got. */
function debianObstacle({ packages, look }: Other): string | undefined {
  const isThere = () => Bun.which(look[0]!) !== null && Bun.spawnSync(look).exitCode === 0;
  if (isThere()) return undefined;
  const line = `apt-get install ${packages.join(" ")}`;
  if (!isRoot || Bun.which("apt-get") === null) return `missing: ${line}`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  Bun.spawnSync(["apt-get", "update", "-qq"], { env });
  Bun.spawnSync(["apt-get", "install", "-qq", "-y", "--no-install-recommends", ...packages], {
    env,
  });
  return isThere() ? undefined : `it cannot be installed: ${line}`;
}

for (const other of others) {
  const obstacle = debianObstacle(other);
  const name = `${other.name}${obstacle ? ` (${obstacle})` : ""}`;
  describe.skipIf(obstacle !== undefined)(`from Debian: ${name},`, () => {
    test.each(other.lines)(
      "%s",
      async (line) => {
        const id = `debian:${other.name}`;
        const project = write(home, other.name, other.files);
        await expectWhole(home, id, project, wordsOf(line), other.name);
      },
      launchMs,
    );
  });
}
