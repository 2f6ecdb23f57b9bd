// What a release is for, and the Bun that runs it there.

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { replace, type Workshop } from "./workshop.ts";

/** By the names that install.sh derives from `uname` and the C library. */
export const platforms = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-arm64",
  "darwin-x64",
] as const;
export type Platform = (typeof platforms)[number];

export function asPlatform(name: string): Platform {
  const platform = platforms.find((known) => known === name);
  if (platform === undefined)
    throw new Error(`there is no platform ${name}; there are ${platforms.join(", ")}`);
  return platform;
}

/** The platform whose Bun this is. */
export function hostPlatform(): string {
  const start = Buffer.alloc(4096);
  const file = fs.openSync(process.execPath, "r");
  fs.readSync(file, start);
  fs.closeSync(file);
  // A program of ELF names its loader near its start, and that of musl says so.
  const isMusl = start.includes("/lib/ld-musl-");
  return `${os.platform()}-${os.arch()}${isMusl ? "-musl" : ""}`;
}

/**
 * The path of another platform's Bun: from its npm package, of the version that package-lock.json pins and with the
 * checksum that it has there. What was fetched is kept in dist/runtimes, and checked anew each time.
 */
export function runtime(platform: Platform, { dist, directory, readJson, run }: Workshop): string {
  const name = `bun-${platform.replace("arm64", "aarch64")}`;
  const { packages } = readJson("package-lock.json");
  const { version, integrity } = packages[`node_modules/@oven/${name}`];
  const kept = path.join(dist, "runtimes");
  const file = path.join(kept, `oven-${name}-${version}.tgz`);
  if (!fs.existsSync(file)) {
    fs.mkdirSync(kept, { recursive: true });
    const fetched = path.join(directory, path.basename(file));
    run("npm", "pack", "--silent", "--pack-destination", directory, `@oven/${name}@${version}`);
    replace(file, fetched);
  }
  const hash = new Bun.CryptoHasher("sha512").update(fs.readFileSync(file)).digest("base64");
  if (`sha512-${hash}` !== integrity) {
    fs.rmSync(file);
    throw new Error(`@oven/${name}@${version} is not what package-lock.json has: sha512-${hash}`);
  }
  const unpacked = path.join(directory, name);
  fs.mkdirSync(unpacked);
  run("tar", "-xzf", file, "-C", unpacked, "package/bin/bun");
  return path.join(unpacked, "package/bin/bun");
}
