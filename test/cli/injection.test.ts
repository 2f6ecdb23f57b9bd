// What a command is told besides PORT: its words and the scripts of its package, and what is added at its end.

import { describe, expect, test } from "bun:test";
import { injectionFor } from "../../src/cli/launch/injection.ts";

/** What is added to a line, of which the words have no spaces; nothing where it is left as it is. */
function added(line: string, scripts: Record<string, string> = {}): string | undefined {
  const injection = injectionFor(line.split(" "), 3123, (name) => scripts[name]);
  return injection?.added.join(" ");
}

const viteFlags = "--port 3123 --strictPort";

describe("a program that does not read PORT is told by a flag:", () => {
  test.each([
    ["vite", viteFlags],
    ["vite preview", viteFlags],
    ["astro dev", "--port 3123"],
    ["vitepress", "--port 3123"],
    ["vitepress dev docs", "--port 3123"],
    ["webpack --mode development serve", "--port 3123"],
    ["rsbuild", "--port 3123"],
    ["flask --app shop run", "--port 3123"],
    ["uvicorn shop:app", "--port 3123"],
    ["hypercorn shop:app", "--bind localhost:3123"],
    ["mkdocs serve", "--dev-addr localhost:3123"],
    ["php -t public -S", "localhost:3123"],
    ["php artisan serve", "--port=3123"],
    ["hugo server", "--port 3123"],
    ["jekyll s", "--port 3123"],
  ])("%s", (line, flags) => expect(added(line)).toBe(flags));
});

describe("a command is left as it is", () => {
  test.each([
    ["that reads PORT", "next dev"],
    ["that is not known", "node server.js"],
    ["that serves nothing", "vite build"],
    ["that serves nothing by default", "astro"],
    ["that names its port", "vite --port 4000"],
    ["that names its port with a sign between", "vite --port=4000"],
    ["that names its port in short", "storybook dev -p 6006"],
    ["that names its port in short without a space", "flask run -p4000"],
    ["that names its port with an address", "python manage.py runserver 0.0.0.0:8000"],
    ["that names its port alone", "python3 -m http.server 8000"],
    ["that names its port behind a flag", "python manage.py runserver --noreload 8000"],
    ["that names its address", "php -S localhost:8000"],
    ["that names its address in short", "hypercorn -b 0.0.0.0:80 shop:app"],
    ["that sets PORT itself", "cross-env PORT=4000 vite"],
    ["that takes no flags at its end", "npx vite -- --host"],
    ["that is one word", "npm exec -c vite"],
    ["that has no words after its wrappers", "npx --yes"],
  ])("%s: %s", (_, line) => expect(added(line)).toBeUndefined());
});

describe("the program is found behind what stands before it:", () => {
  test.each([
    "node_modules/.bin/vite",
    "node /srv/shop/node_modules/vite/bin/vite.js --host",
    "node --require ./first.cjs --inspect node_modules/.bin/vite",
    "bun --bun node_modules/.bin/vite",
    "npx vite",
    "npx --yes vite@8 --host",
    "npx -p vite vite",
    "bunx --bun vite",
    "pnpm exec vite",
    "pnpm dlx vite@latest",
    "pnpm vite",
    "yarn vite",
    "yarn run vite",
    "bun x vite",
    "bun run vite",
    "env NODE_ENV=development vite",
    "env -u CI vite",
    "NODE_ENV=development vite",
    "cross-env NODE_ENV=development API_PORT=4000 vite",
    "dotenv -e .env.local -- vite",
    "nice -n 5 nohup vite",
  ])("%s", (line) => expect(added(line)).toBe(viteFlags));

  test.each([
    ["python manage.py runserver", "3123"],
    ["python3.12 -W ignore manage.py runserver --noreload", "3123"],
    ["python3 -m http.server --directory public", "3123"],
    // Numbers that are no ports.
    ["python manage.py runserver -v 2", "3123"],
    ["python manage.py runserver --workers 4", "3123"],
    ["python manage.py runserver --pythonpath 2024 --settings=shop:80", "3123"],
    ["python3 -m http.server --bind ::1", "3123"],
    ["python3 -m http.server --bind fe80::22 -d 2024", "3123"],
    ["python3 -um flask run", "--port 3123"],
    ["poetry run python -m uvicorn shop:app", "--port 3123"],
    ["uv run --with flask -- flask run", "--port 3123"],
    ["bundle exec jekyll serve", "--port 3123"],
  ])("%s", (line, flags) => expect(added(line)).toBe(flags));
});

describe("a package manager passes it on to the script:", () => {
  const scripts = { dev: "vite", start: "vite preview", next: "next dev" };
  test.each([
    ["npm run dev", `-- ${viteFlags}`],
    ["npm run-script dev", `-- ${viteFlags}`],
    ["npm run --silent dev", `-- ${viteFlags}`],
    ["npm start", `-- ${viteFlags}`],
    ["npm run dev -- --host", viteFlags],
    ["npm run dev --silent", `-- ${viteFlags}`],
    // These are for npm: the script never sees them.
    ["npm run dev --port 4000", `-- ${viteFlags}`],
    ["pnpm dev", viteFlags],
    ["pnpm run dev --host", viteFlags],
    ["yarn dev", viteFlags],
    ["yarn run dev -- --host", viteFlags],
    ["bun dev", viteFlags],
    ["bun run --bun dev", viteFlags],
  ])("%s", (line, flags) => expect(added(line, scripts)).toBe(flags));

  test.each([
    ["npm run dev -- --port 4000"],
    ["pnpm dev --port 4000"],
    // It leaves the dashes where they are, and Vite reads no flags behind them.
    ["pnpm run dev -- --host"],
    ["npm run dev -- --host -- more"],
    ["npm run next"],
    ["npm run missing"],
    ["npm dev"],
    // Of another directory, where the script of that name may be another.
    ["npm run dev -w web"],
    ["npm --prefix web run dev"],
    ["npm run dev --workspace=web"],
    ["pnpm --filter web dev"],
    ["pnpm -C web dev"],
    ["yarn --cwd web dev"],
    ["yarn workspace web dev"],
  ])("not with %s", (line) => expect(added(line, scripts)).toBeUndefined());

  test("and to a program of a package, where it would keep flags for itself", () => {
    expect(added("npm exec vite")).toBe(`-- ${viteFlags}`);
    expect(added("npm exec -- vite --host")).toBe(viteFlags);
    expect(added("npm x --yes vite")).toBe(`-- ${viteFlags}`);
    expect(added("yarn exec vite")).toBe(`-- ${viteFlags}`);
  });
});

describe("a script that runs another script", () => {
  const inner = { vite: "vite --host" };
  test.each([
    ["npm run dev", "npm run vite", `-- -- ${viteFlags}`],
    ["npm run dev", "yarn vite", `-- ${viteFlags}`],
    ["yarn dev", "yarn vite", viteFlags],
    // It takes the first dashes away.
    ["yarn dev", "npm run vite", `-- -- ${viteFlags}`],
    ["bun run dev", "npm run vite", `-- -- ${viteFlags}`],
    ["pnpm dev", "npm run vite", `-- ${viteFlags}`],
    ["npm run dev", "npm run vite -- --open", `-- ${viteFlags}`],
  ])("%s: %s", (line, dev, flags) => expect(added(line, { ...inner, dev })).toBe(flags));

  test("and that itself again, is given up", () => {
    expect(added("npm run dev", { dev: "npm run dev" })).toBeUndefined();
    expect(added("npm run dev", { dev: "yarn start", start: "yarn dev" })).toBeUndefined();
  });
});

describe("what is added goes to the last command of a script:", () => {
  test.each([
    "tsc -b && vite",
    "npm run check; vite",
    "node api.js & vite",
    "cd web && vite",
    "NODE_ENV=development vite --open",
    '"node_modules/.bin/vite" --host',
    "vite --mode 'a && b'",
    'vite --define "a;b" --host',
    "vite --mode ${MODE}",
    "vite >vite.log 2>&1",
    "vite &>vite.log",
  ])("%s", (dev) => expect(added("npm run dev", { dev })).toBe(`-- ${viteFlags}`));

  test.each([
    ["that is not the server", "vite & node api.js"],
    ["that is not the server but reads it", "vite | tee log"],
    ["that is not there", "vite &"],
    ["that ends before the script does", "(cd web && vite --host)"],
    ["that ends before the script does, in braces", "{ vite; }"],
    ["with a comment behind it", "vite --host # for the phone"],
    ["that starts several", "concurrently vite 'node api.js'"],
    ["that is quoted for another", "sh -c 'vite'"],
    ["that names its port", 'vite "--port" 4000'],
    ["whose port is a variable", "vite --port ${PORT:-4000}"],
    ["that sets PORT itself", "PORT=4000 vite"],
    ["for which PORT was set before", "export PORT=4000 && vite"],
  ])("not to one %s: %s", (_, dev) => expect(added("npm run dev", { dev })).toBeUndefined());

  test("not where that runs a script of another directory", () => {
    const scripts = { dev: "cd web && npm run start", start: "vite" };
    expect(added("npm run dev", scripts)).toBeUndefined();
    expect(added("npm run start", scripts)).toBe(`-- ${viteFlags}`);
  });
});

test("it is said which program it is that does not read PORT", () => {
  expect(injectionFor(["npx", "vite@8"], 3123, () => undefined)?.program).toBe("vite");
});
