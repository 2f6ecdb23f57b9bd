// `launch` with the frameworks that are here already, and two checkouts of one project.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home } from "../home.ts";
import { expectWhole, Launch, launchMs, write, type Project } from "./launching.ts";

const packages = path.join(import.meta.dir, "../../node_modules");

let home: Home;
beforeAll(() => {
  home = new Home();
});
afterAll(() => home[Symbol.asyncDispose]());

/** A project that has the packages of this one. */
function project(name: string, files: Record<string, string>): Project {
  const project = write(home, name, files);
  link(project);
  return project;
}

/** What is written beside the packages, such as a cache, stays with the project. */
function link({ directory }: Project): void {
  fs.mkdirSync(path.join(directory, "node_modules"));
  for (const name of [".bin", "vite", "express"])
    fs.symlinkSync(path.join(packages, name), path.join(directory, "node_modules", name));
}

const page = (title: string) => `<!doctype html><title>${title}</title>`;
const scriptsOf = (scripts: Record<string, string>) => JSON.stringify({ scripts });

test.concurrent.each([
  ["from package.json", []],
  ["by npx", ["npx", "vite"]],
  ["by itself", ["node_modules/.bin/vite"]],
])(
  "Vite %s",
  async (name, words) => {
    const id = `vite:${name.replaceAll(/\W/g, "-")}`;
    const files = { "package.json": scriptsOf({ dev: "vite" }), "index.html": page(name) };
    await expectWhole(
      home,
      id,
      project(id.replace(":", "-"), files),
      words,
      `<title>${name}</title>`,
    );
  },
  launchMs,
);

test.concurrent(
  "Express from package.json",
  async () => {
    const files = {
      "package.json": scriptsOf({ start: "node server.mjs" }),
      "server.mjs": `import express from "express";
        express().get("/", (_, response) => response.send("a page")).listen(process.env.PORT);`,
    };
    await expectWhole(home, "express:api", project("express", files), [], "a page");
  },
  launchMs,
);

test.concurrent(
  "two checkouts of one project run side by side, each with its own page",
  async () => {
    const files = {
      "package.json": scriptsOf({ dev: "vite" }),
      "index.html": page("main"),
      ".gitignore": "node_modules\n",
    };
    const main = project("checkouts", files);
    const feature = { directory: path.join(home.directory, "checkouts-feature") };
    await git(main, "init", "-q", "-b", "main");
    await git(main, "add", ".");
    await git(main, "-c", "user.name=Ada", "-c", "user.email=ada@localhost", "commit", "-qm", "x");
    await git(main, "worktree", "add", "-q", "-b", "feature", feature.directory);
    link(feature);
    fs.writeFileSync(path.join(feature.directory, "index.html"), page("feature"));

    const [first, second] = await Promise.all([
      Launch.of(home, "app:web:main", main),
      Launch.of(home, "app:web:feature", feature),
    ]);
    expect(first.port).not.toBe(second.port);
    expect(await first.page()).toContain("<title>main</title>");
    expect(await second.page()).toContain("<title>feature</title>");

    const nothing = { processes: [], isPortFree: true, service: undefined };
    expect(await first.end()).toEqual(nothing);
    expect(await second.page()).toContain("<title>feature</title>");
    const again = await Launch.of(home, "app:web:main", main);
    expect(again.port).toBe(first.port);
    expect([await again.end(), await second.end()]).toEqual([nothing, nothing]);
  },
  launchMs,
);

async function git({ directory }: Project, ...args: string[]): Promise<void> {
  const git = home.start(["git", ...args], { cwd: directory });
  expect(await git.exited, await new Response(git.stderr).text()).toBe(0);
}
