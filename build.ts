// Builds the binary: `bun build.ts [--outfile FILE]`. With `--release [--platform NAME …]` it fills dist/release with
// what install.sh downloads (src/release).

import * as fs from "node:fs";
import * as path from "node:path";
import * as zlib from "node:zlib";
import { parseArgs } from "node:util";
import {
  asPlatform,
  hostPlatform,
  platforms,
  runtime,
  type Platform,
} from "./src/release/platforms.ts";
import { release } from "./src/release/release.ts";
import { openWorkshop, replace } from "./src/release/workshop.ts";

const { values } = parseArgs({
  options: {
    outfile: { type: "string", default: "dist/port-daddy" },
    release: { type: "boolean", default: false },
    platform: { type: "string", multiple: true, default: [...platforms] },
  },
});

const root = import.meta.dir;
const workshop = openWorkshop(root);
const { version } = workshop.readJson("package.json");
const codeHash = hashCode();
const dashboard = path.join(workshop.directory, "dashboard");

await buildDashboard(dashboard);
if (values.release) {
  const product = { version, codeHash, hashCode, compile };
  await release(values.platform.map(asPlatform), product, workshop, console.log);
} else {
  replace(path.resolve(values.outfile), compile());
  // For a daemon that runs from its sources.
  const shared = path.join(workshop.dist, "dashboard");
  fs.rmSync(shared, { recursive: true, force: true });
  fs.renameSync(dashboard, shared);
}

/** 12 hex digits over everything the binary is made of: the sources, the lock file and this script. */
function hashCode(): string {
  const hash = new Bun.CryptoHasher("sha256");
  const files = [
    ...new Bun.Glob("{src,dashboard}/**/*").scanSync({ cwd: root }),
    "build.ts",
    "package-lock.json",
  ];
  for (const file of files.sort()) hash.update(`${file}\0`).update(workshop.read(file));
  return hash.digest("hex").slice(0, 12);
}

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

/** Makes the binary, for this machine or for another platform, beside its source maps, which are in it too. */
function compile(platform?: Platform): string {
  const binary = path.join(workshop.directory, "port-daddy");
  const foreign =
    platform === undefined || platform === hostPlatform()
      ? []
      : [`--target=bun-${platform}`, "--compile-executable-path", runtime(platform, workshop)];
  workshop.run(
    process.execPath,
    "build",
    "--compile",
    ...foreign,
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
    `PORT_DADDY_CODE_HASH=${JSON.stringify(codeHash)}`,
    "--asset",
    dashboard,
    path.join(root, "src/main.ts"),
    "--outfile",
    binary,
  );
  return binary;
}
