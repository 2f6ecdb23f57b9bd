// The direction of the arrows between folders. A broken one says why it is not allowed.

import { expect, test } from "bun:test";
import * as path from "node:path";

const root = path.join(import.meta.dir, "..");

type Rule = { from: RegExp; mayNotImport: RegExp; unless?: RegExp; because: string };

const rules: Rule[] = [
  {
    from: /^src\/contract\//,
    mayNotImport: /^src\/(?!contract\/)|^(node|bun):/,
    because: "the dashboard loads it in a browser",
  },
  {
    from: /^(src\/cli|src\/client|dashboard)\//,
    mayNotImport: /^src\/(daemon|domain|store)\//,
    because: "command and daemon are two processes: the only road between them is HTTP",
  },
  {
    from: /^dashboard\//,
    mayNotImport: /^src\/(?!contract\/|client\/(calls|http|failures)\.ts$)|^(node|bun)\b/,
    because: "it runs in a browser",
  },
  {
    from: /^src\/(daemon|domain|store|system)\//,
    mayNotImport: /^src\/(cli|client)\/|^dashboard\//,
    because: "the daemon knows nothing of who asks it",
  },
  {
    from: /^src\/domain\//,
    mayNotImport: /^src\/(domain|daemon|system)\//,
    unless:
      /→ src\/domain\/(processes|registry).ts$|domain\/lock\w*.ts → src\/domain\/lock|domain\/deliveries.ts → src\/domain\/webhooks.ts$|domain\/messages.ts → src\/domain\/channels.ts$|domain\/registry.ts → src\/domain\/serviceRows.ts$|domain\/(claims|services|liveness|endings|serviceRows).ts → src\/domain\/(ports|endings|serviceRows|listeners).ts$/,
    because: "nouns that change together do so in handlers or reaper, where one can see it",
  },
  {
    from: /^src\/store\//,
    mayNotImport: /^src\/(domain|daemon|system)\//,
    because: "what is stored does not depend on the rules that store it",
  },
  {
    from: /^(src\/(?!release\/)|dashboard\/)/,
    mayNotImport: /^src\/release\//,
    because: "what makes the binary is not in it",
  },
  {
    from: /^src\/release\//,
    mayNotImport: /^src\/(?!release\/)/,
    because: "a build runs before there is anything of ours to run",
  },
];

function filesOf(folder: string): string[] {
  return [...new Bun.Glob(`${folder}/**/*.{ts,tsx}`).scanSync({ cwd: root })].sort();
}

/** What a file imports, types included: an arrow that only the type checker follows is one all the same. */
function importsOf(file: string, source: string): string[] {
  const specifiers = [
    ...source.matchAll(/^(?:import|export)\b[^"';]*\bfrom "([^"]+)"/gm),
    ...source.matchAll(/\bimport\("([^"]+)"\)/g),
  ];
  return specifiers.map(([, target]) =>
    target!.startsWith(".") ? path.join(path.dirname(file), target!) : target!,
  );
}

/** A file without its comments and types. */
async function codeOf(file: string): Promise<string> {
  const source = await Bun.file(path.join(root, file)).text();
  return new Bun.Transpiler({ loader: "tsx" }).transformSync(source);
}

const files = [...filesOf("src"), ...filesOf("dashboard")];

for (const { from, mayNotImport, unless, because } of rules) {
  test(`${from.source} may not import ${mayNotImport.source}, because ${because}`, async () => {
    const broken: string[] = [];
    for (const file of files.filter((file) => from.test(file))) {
      for (const target of importsOf(file, await Bun.file(path.join(root, file)).text())) {
        const arrow = `${file} → ${target}`;
        if (mayNotImport.test(target) && !unless?.test(arrow)) broken.push(arrow);
      }
    }
    expect(broken, because).toEqual([]);
  });
}

test("only config.ts reads the environment, so that there is one place to look", async () => {
  const readers: string[] = [];
  for (const file of files) {
    const code = await codeOf(file);
    if (/\b(process|Bun|import\.meta)\.env\b/.test(code)) readers.push(file);
  }
  expect(readers).toEqual(["src/config.ts"]);
});

test("only the terminal writes to the screen, so that screens can be tested", async () => {
  const writers: string[] = [];
  for (const file of files) {
    const code = await codeOf(file);
    if (/\bconsole\.\w+\(|\bprocess\.std(out|err)\b|\bwriteSync\(/.test(code)) writers.push(file);
  }
  // The daemon's log is its stderr.
  expect(writers).toEqual(["src/cli/terminal.ts", "src/daemon/log.ts"]);
});
