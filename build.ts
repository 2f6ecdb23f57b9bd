// Builds the binary: `bun build.ts [--outfile FILE]`. With `--release [--platform NAME …]` it fills dist/release with
// what install.sh downloads, and itself: an archive for each platform, their checksums, and a manifest that says how they
// came about.

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as zlib from "node:zlib";
import { parseArgs } from "node:util";

/** What a release is for, by the names that install.sh derives from `uname` and the C library. */
const platforms = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-arm64",
  "darwin-x64",
] as const;
type Platform = (typeof platforms)[number];

/** The instant that npm gives to what it packs, for what archives hold. Zero would do, but GNU tar warns of 1970. */
const madeAt = Date.UTC(1985, 9, 26, 8, 15) / 1000;

const root = import.meta.dir;
const { values } = parseArgs({
  options: {
    outfile: { type: "string", default: "dist/port-daddy" },
    release: { type: "boolean", default: false },
    platform: { type: "string", multiple: true, default: [...platforms] },
  },
});

/** 12 hex digits over everything the binary is made of: the sources, the lock file and this script. */
function hashCode(): string {
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

const { version } = readJson("package.json");
const lockFile = readJson("package-lock.json");
const codeHash = hashCode();
const dist = path.join(root, "dist");
fs.mkdirSync(dist, { recursive: true });
// Built beside its source maps, which are in the binary too.
const workshop = fs.mkdtempSync(path.join(dist, "build-"));
const built = path.join(workshop, "port-daddy");
const dashboard = path.join(workshop, "dashboard");
process.on("exit", () => fs.rmSync(workshop, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

await buildDashboard(dashboard);
if (values.release) {
  await release(values.platform.map(asPlatform));
} else {
  compile();
  replace(path.resolve(values.outfile), built);
  // For a daemon that runs from its sources.
  fs.rmSync(path.join(dist, "dashboard"), { recursive: true, force: true });
  fs.renameSync(dashboard, path.join(dist, "dashboard"));
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

/** Makes `built`, for this machine or for another platform. */
function compile(platform?: Platform): void {
  const foreign =
    platform === undefined || platform === hostPlatform()
      ? []
      : [`--target=bun-${platform}`, "--compile-executable-path", runtime(platform)];
  run(
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
    built,
  );
}

/** By a rename within one directory: whoever runs the file meanwhile gets the old one whole or the new one whole. */
function replace(file: string, by: string): void {
  const beside = `${file}.${process.pid}`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.copyFileSync(by, beside);
  fs.renameSync(beside, file);
}

/** Fills dist/release. Two runs over the same sources give the same bytes. */
async function release(chosen: Platform[]): Promise<void> {
  const pinned = lockFile.packages["node_modules/bun"].version;
  if (Bun.version !== pinned)
    throw new Error(`a release takes Bun ${pinned}, and this is ${Bun.version}: npm run release`);
  const made = path.join(workshop, "release");
  fs.mkdirSync(made);
  const archives: Archive[] = [];
  for (const platform of chosen) {
    // Everything below is synchronous: here a signal is heard.
    await Bun.sleep(0);
    compile(platform);
    const folder = `port-daddy-${version}-${platform}`;
    const name = `${folder}.tar.gz`;
    // gzip, because every stock system unpacks it; xz is a quarter smaller (40 MB for 53), and minimal systems lack it.
    // Of the gzips at hand libdeflate makes the smaller file in less time, and writes no time and no system into it.
    const bytes = Bun.gzipSync(
      tar([
        { name: `${folder}/LICENSE`, mode: 0o644, bytes: read("LICENSE") },
        { name: `${folder}/README.md`, mode: 0o644, bytes: read("README.md") },
        { name: `${folder}/port-daddy`, mode: 0o755, bytes: fs.readFileSync(built) },
      ]),
      { library: "libdeflate", level: 9 },
    );
    fs.writeFileSync(path.join(made, name), bytes);
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    const tried = tryOut();
    if (!tried.ran && platform === hostPlatform()) throw new Error(tried.reason);
    console.log(`${name}  ${bytes.length} bytes, ${tried.ran ? "ran here" : tried.reason}`);
    archives.push({ platform, name, bytes: bytes.length, sha256, ...tried });
  }
  if (hashCode() !== codeHash) throw new Error("the sources changed while they were being built");
  const sums = archives.map(({ sha256, name }) => `${sha256}  ${name}\n`);
  fs.writeFileSync(path.join(made, "SHA256SUMS"), sums.join(""));
  fs.copyFileSync(path.join(root, "install.sh"), path.join(made, "install.sh"));
  const manifest = { version, codeHash, bun: Bun.version, archives };
  fs.writeFileSync(path.join(made, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

  const outdir = path.join(dist, "release");
  fs.rmSync(outdir, { recursive: true, force: true });
  fs.renameSync(made, outdir);
}

type Archive = { platform: Platform; name: string; bytes: number; sha256: string } & Tried;

type Tried = { ran: true } | { ran: false; reason: string };

/** Runs `built` and looks whether it is what was meant to be built. Throws where it says that it is something else. */
function tryOut(): Tried {
  const home = path.join(workshop, "home");
  const reason = `${os.platform()} ${os.arch()} does not run it`;
  try {
    const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync([built, "version", "--json"], {
      env: { HOME: home, PORT_DADDY_HOME: home },
    });
    if (exitCode !== 0) {
      const [line] = stderr.toString().replaceAll(built, "port-daddy").split("\n");
      return { ran: false, reason: `${reason}: ${line || signalCode || exitCode}` };
    }
    const said = JSON.parse(stdout.toString());
    if (said.version === version && said.codeHash === codeHash) return { ran: true };
    throw new Error(`${built} says that it is ${said.version}+${said.codeHash}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { ran: false, reason: `${reason}: ${code}` };
  }
}

/**
 * The Bun of another platform: its npm package, of the version that package-lock.json pins and with the checksum that
 * it has there. What was fetched is kept in dist/runtimes, and checked anew each time.
 */
function runtime(platform: Platform): string {
  const name = `bun-${platform.replace("arm64", "aarch64")}`;
  const { version, integrity } = lockFile.packages[`node_modules/@oven/${name}`];
  const kept = path.join(dist, "runtimes");
  const file = path.join(kept, `oven-${name}-${version}.tgz`);
  if (!fs.existsSync(file)) {
    fs.mkdirSync(kept, { recursive: true });
    const fetched = path.join(workshop, path.basename(file));
    run("npm", "pack", "--silent", "--pack-destination", workshop, `@oven/${name}@${version}`);
    replace(file, fetched);
  }
  const hash = new Bun.CryptoHasher("sha512").update(fs.readFileSync(file)).digest("base64");
  if (`sha512-${hash}` !== integrity) {
    fs.rmSync(file);
    throw new Error(`@oven/${name}@${version} is not what package-lock.json has: sha512-${hash}`);
  }
  const directory = path.join(workshop, name);
  fs.mkdirSync(directory);
  run("tar", "-xzf", file, "-C", directory, "package/bin/bun");
  return path.join(directory, "package/bin/bun");
}

/** The platform whose Bun this is. */
function hostPlatform(): string {
  const start = Buffer.alloc(4096);
  const file = fs.openSync(process.execPath, "r");
  fs.readSync(file, start);
  fs.closeSync(file);
  // A program of ELF names its loader near its start, and that of musl says so.
  const isMusl = start.includes("/lib/ld-musl-");
  return `${os.platform()}-${os.arch()}${isMusl ? "-musl" : ""}`;
}

type Member = { name: string; mode: number; bytes: Uint8Array };

/** An archive in the ustar format of POSIX pax(1), in which everything belongs to root and was made at one instant. */
function tar(members: Member[]): Uint8Array<ArrayBuffer> {
  const blocks = members.flatMap(({ name, mode, bytes }) => [
    header(name, mode, bytes.length),
    bytes,
    new Uint8Array(-bytes.length & 511),
  ]);
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

function header(name: string, mode: number, size: number): Uint8Array {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, "0"), at);
  block.write(name, 0);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(madeAt, 136, 11);
  block.write("        0", 148); // The sum is taken over spaces in its own place; the 0 after them is "a plain file".
  block.write("ustar\x0000root", 257);
  block.write("root", 297);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block[154] = 0;
  return block;
}

function asPlatform(name: string): Platform {
  const platform = platforms.find((known) => known === name);
  if (platform === undefined)
    throw new Error(`there is no platform ${name}; there are ${platforms.join(", ")}`);
  return platform;
}

/** Ends the build, with what the command printed above it, where it fails. */
function run(...command: string[]): void {
  const { exitCode } = Bun.spawnSync(command, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode !== 0) process.exit(exitCode || 1);
}

function read(file: string): Buffer {
  return fs.readFileSync(path.join(root, file));
}

function readJson(file: string): any {
  return JSON.parse(read(file).toString());
}
