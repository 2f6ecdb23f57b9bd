// Builds the binary: `bun build.ts [--outfile FILE]`.

import * as fs from "node:fs";
import * as path from "node:path";
import * as zlib from "node:zlib";
import { parseArgs } from "node:util";

const root = import.meta.dir;
const { values } = parseArgs({
  options: { outfile: { type: "string", default: "dist/port-daddy" } },
});

/** 12 hex digits over everything the binary is made of: the sources, the lock file and this script. */
function codeHash(): string {
  const hash = new Bun.CryptoHasher("sha256");
  const files = [
    ...new Bun.Glob("{src,dashboard}/**/*").scanSync({ cwd: root }),
    "build.ts",
    "package-lock.json",
  ];
  for (const file of files.sort())
    hash.update(`${file}\0`).update(fs.readFileSync(path.join(root, file)));
  return hash.digest("hex").slice(0, 12);
}

const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const outfile = path.resolve(values.outfile);
// Built beside its source maps, which are in the binary too.
const dist = path.join(root, "dist");
fs.mkdirSync(dist, { recursive: true });
const workshop = fs.mkdtempSync(path.join(dist, "build-"));
const built = path.join(workshop, "port-daddy");

const dashboard = path.join(workshop, "dashboard");
await buildDashboard(dashboard);

const { exitCode } = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    "--production",
    "--minify",
    "--sourcemap",
    "--splitting",
    "--bytecode",
    "--format=esm",
    // A directory that somebody works in must not run code in the binary, nor set it up.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--compile-exec-argv=--disallow-code-generation-from-strings=strict",
    "--define",
    `PORT_DADDY_VERSION=${JSON.stringify(version)}`,
    "--define",
    `PORT_DADDY_CODE_HASH=${JSON.stringify(codeHash())}`,
    "--asset",
    dashboard,
    path.join(root, "src/main.ts"),
    "--outfile",
    built,
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
if (exitCode === 0) {
  replace(outfile, built);
  // For a daemon that runs from its sources.
  fs.rmSync(path.join(dist, "dashboard"), { recursive: true, force: true });
  fs.renameSync(dashboard, path.join(dist, "dashboard"));
}
fs.rmSync(workshop, { recursive: true });
process.exit(exitCode);

/** The page with its script, style and icon, each also compressed as far as it goes: they are made once and sent often. */
async function buildDashboard(directory: string): Promise<void> {
  await Bun.build({
    entrypoints: [path.join(root, "dashboard/index.html")],
    outdir: directory,
    target: "browser",
    minify: true,
    publicPath: "/assets/",
    naming: { entry: "[name].[ext]", chunk: "[name]-[hash].[ext]", asset: "[name]-[hash].[ext]" },
  });
  for (const name of fs.readdirSync(directory)) {
    const file = path.join(directory, name);
    const bytes = fs.readFileSync(file);
    const quality = { [zlib.constants.BROTLI_PARAM_QUALITY]: zlib.constants.BROTLI_MAX_QUALITY };
    fs.writeFileSync(`${file}.br`, zlib.brotliCompressSync(bytes, { params: quality }));
    fs.writeFileSync(`${file}.gz`, zlib.gzipSync(bytes, { level: 9 }));
  }
}

/** By a rename within one directory: whoever runs the file meanwhile gets the old one whole or the new one whole. */
function replace(file: string, by: string): void {
  const beside = `${file}.${process.pid}`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.copyFileSync(by, beside);
  fs.renameSync(beside, file);
}
