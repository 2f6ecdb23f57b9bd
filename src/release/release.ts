// What install.sh downloads, and itself: an archive for each platform, their checksums, and a manifest that says how they
// came about.

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { pack } from "./archive.ts";
import { hostPlatform, type Platform } from "./platforms.ts";
import type { Workshop } from "./workshop.ts";

/** What is released, and how the binary of a platform is made. */
export type Product = {
  version: string;
  /** What the binaries have in them, and what it is over the sources at this moment. */
  codeHash: string;
  hashCode(): string;
  /** Returns the path of the binary; the next one has the same. */
  compile(platform: Platform): string;
};

/** Fills dist/release, and tells of each archive. Two runs over the same sources give the same bytes. */
export async function release(
  chosen: Platform[],
  product: Product,
  workshop: Workshop,
  tell: (line: string) => void,
): Promise<void> {
  const { root, dist, directory, readJson } = workshop;
  const { version, codeHash } = product;
  const pinned = readJson("package-lock.json").packages["node_modules/bun"].version;
  if (Bun.version !== pinned)
    throw new Error(`a release takes Bun ${pinned}, and this is ${Bun.version}: npm run release`);
  const made = path.join(directory, "release");
  fs.mkdirSync(made);
  const archives: Archive[] = [];
  for (const platform of chosen) {
    // Everything below is synchronous: here a signal is heard.
    await Bun.sleep(0);
    const archive = archiveFor(platform, product, workshop, made);
    tell(`${archive.name}  ${archive.bytes} bytes, ${archive.ran ? "ran here" : archive.reason}`);
    archives.push(archive);
  }
  if (product.hashCode() !== codeHash)
    throw new Error("the sources changed while they were being built");
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

/** Makes the archive of one platform in a directory, of a binary that runs where it can be tried. */
function archiveFor(
  platform: Platform,
  { version, codeHash, compile }: Product,
  { directory, read }: Workshop,
  outdir: string,
): Archive {
  const binary = compile(platform);
  const folder = `port-daddy-${version}-${platform}`;
  const name = `${folder}.tar.gz`;
  const bytes = pack([
    { name: `${folder}/LICENSE`, mode: 0o644, bytes: read("LICENSE") },
    { name: `${folder}/README.md`, mode: 0o644, bytes: read("README.md") },
    { name: `${folder}/port-daddy`, mode: 0o755, bytes: fs.readFileSync(binary) },
  ]);
  fs.writeFileSync(path.join(outdir, name), bytes);
  const tried = tryOut(binary, { version, codeHash }, path.join(directory, "home"));
  if (!tried.ran && platform === hostPlatform()) throw new Error(tried.reason);
  const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  return { platform, name, bytes: bytes.length, sha256, ...tried };
}

type Tried = { ran: true } | { ran: false; reason: string };

/** Runs a binary and looks whether it is what was meant to be built. Throws where it says that it is something else. */
function tryOut(binary: string, meant: { version: string; codeHash: string }, home: string): Tried {
  const reason = `${os.platform()} ${os.arch()} does not run it`;
  try {
    const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync([binary, "version", "--json"], {
      env: { HOME: home, PORT_DADDY_HOME: home },
    });
    if (exitCode !== 0) {
      const [line] = stderr.toString().replaceAll(binary, "port-daddy").split("\n");
      return { ran: false, reason: `${reason}: ${line || signalCode || exitCode}` };
    }
    const said = JSON.parse(stdout.toString());
    if (said.version === meant.version && said.codeHash === meant.codeHash) return { ran: true };
    throw new Error(`${binary} says that it is ${said.version}+${said.codeHash}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { ran: false, reason: `${reason}: ${code}` };
  }
}
