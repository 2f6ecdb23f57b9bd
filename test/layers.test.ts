// The direction of the arrows between folders, by the table in src/README.md.

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";

const root = path.join(import.meta.dir, "..");

/** What each layer may import, as src/README.md has it: the table there is the rule. */
const mayImport = new Map(
  [...fs.readFileSync(path.join(root, "src/README.md"), "utf8").matchAll(tableRow())].map(
    ([, layer, allowed]) => [layer!, [...allowed!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)],
  ),
);

/** | `layer/` | what it says | `what/`, `it/` may import | */
function tableRow(): RegExp {
  return /^\| `([\w./]+)` +\|[^|]*\|([^|]*)\|$/gm;
}

type Rule = { from: RegExp; mayNotImport: RegExp; because: string };

/** What the table is too coarse for. */
const rules: Rule[] = [
  {
    from: /^src\/contract\//,
    mayNotImport: /^(node|bun)\b/,
    because: "the dashboard loads it in a browser",
  },
  {
    from: /^dashboard\//,
    mayNotImport: /^src\/client\/(?!(calls|http|failures)\.ts$)|^(node|bun)\b/,
    because: "it runs in a browser",
  },
];

/** The nouns that need another one. Others change together in handlers or reaper, where one can see it. */
const nouns: [from: RegExp, to: RegExp][] = [
  [/./, /^(processes|registry)$/],
  [/^lock/, /^lock/],
  [/^(claims|services|liveness|endings|serviceRows)$/, /^(ports|endings|serviceRows|listeners)$/],
  [/^registry$/, /^serviceRows$/],
  [/^deliveries$/, /^webhooks$/],
  [/^messages$/, /^channels$/],
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

/** Every import of one file by another, as `[file, target]`. */
const imports = (
  await Promise.all(
    files.map(async (file) => {
      const source = await Bun.file(path.join(root, file)).text();
      return importsOf(file, source).map((target) => [file, target] as const);
    }),
  )
).flat();

/** Of a file that is imported it is the path, of a package or a part of the runtime its name. */
function isPackage(target: string): boolean {
  return !/\.(tsx?|css|svg|html|json)$/.test(target);
}

/** `src/cli/launch/start.ts` → `cli/`, `src/config.ts` → `config.ts`, and nothing for a package. */
function layerOf(file: string): string | undefined {
  return /^(?:src\/)?([\w-]+(?:\/|\.ts$))/.exec(file)?.[1];
}

test.each([...new Set(files.map((file) => layerOf(file)!))])(
  "%s imports what the table in src/README.md says, and nothing else of ours",
  (layer) => {
    const allowed = mayImport.get(layer);
    expect(allowed, `${layer} has no row in the table`).toBeDefined();
    const broken = imports.filter(([file, target]) => {
      if (layerOf(file) !== layer || isPackage(target)) return false;
      return ![layer, ...allowed!].includes(layerOf(target)!);
    });
    expect(broken, "the way between command, page and daemon is HTTP; see src/README.md").toEqual(
      [],
    );
  },
);

test.each(rules.map((rule) => [rule.from.source, rule.mayNotImport.source, rule] as const))(
  "%s may not import %s",
  (_, __, { from, mayNotImport, because }) => {
    const broken = imports.filter(([file, target]) => from.test(file) && mayNotImport.test(target));
    expect(broken, because).toEqual([]);
  },
);

test("a noun of the domain imports another only where that is named here", () => {
  const name = (file: string) => /^src\/domain\/(\w+)\.ts$/.exec(file)?.[1];
  const unnamed = imports.filter(([file, target]) => {
    const [from, to] = [name(file), name(target)];
    if (from === undefined || to === undefined) return false;
    return !nouns.some(([ofOne, ofOther]) => ofOne.test(from) && ofOther.test(to));
  });
  expect(unnamed).toEqual([]);
});

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
