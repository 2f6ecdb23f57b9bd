// What `build.ts --release` makes: archives that come out the same wherever they are made, with their sums and manifest.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home } from "../home.ts";
import { everythingIn, platforms, programs, resultOf } from "./releases.ts";

const root = path.join(import.meta.dir, "../..");
const { version } = await Bun.file(path.join(root, "package.json")).json();

/** Two builds, each with a compression that takes its time. */
const buildingMs = 180_000;

const host = `linux-${process.arch}`;
const name = `port-daddy-${version}-${host}.tar.gz`;

let home: Home;
beforeAll(() => void (home = new Home()));
afterAll(() => home[Symbol.asyncDispose]());

/** A copy of all that a build reads, as another checkout has it. */
function checkout(directory: string): string {
  const copy = home.makeDirectory(directory);
  const sources = ["src", "dashboard", "build.ts", "package.json", "package-lock.json"];
  const modules = ["hono", "cac", "picocolors"].map((module) => `node_modules/${module}`);
  for (const source of [
    ...sources,
    "tsconfig.json",
    "LICENSE",
    "README.md",
    "install.sh",
    ...modules,
  ])
    fs.cpSync(path.join(root, source), path.join(copy, source), { recursive: true });
  return copy;
}

function build(directory: string, platform: string, env: Record<string, string> = {}) {
  const command = [process.execPath, "build.ts", "--release", "--platform", platform];
  return resultOf(home.start(command, { cwd: directory, env }));
}

const isGlibc = fs.readFileSync(process.execPath).subarray(0, 4096).includes("/ld-linux");

test.skipIf(!isGlibc)(
  "two checkouts make the same bytes, of a binary that ran",
  async () => {
    const [here, elsewhere] = [checkout("here"), checkout("some/where else")];
    for (const directory of [here, elsewhere])
      expect(await build(directory, host)).toMatchObject({ code: 0 });
    const made = path.join(here, "dist/release");
    expect(everythingIn(made)).toEqual(["SHA256SUMS", "install.sh", "manifest.json", name]);
    for (const file of everythingIn(made)) {
      const [one, two] = [made, path.join(elsewhere, "dist/release")].map((directory) =>
        fs.readFileSync(path.join(directory, file)),
      );
      expect(one!.equals(two!), file).toBe(true);
    }

    const bytes = fs.readFileSync(path.join(made, name));
    const sha256 = Bun.SHA256.hash(bytes, "hex");
    const sums = fs.readFileSync(path.join(made, "SHA256SUMS"), "utf8");
    expect(sums).toBe(`${sha256}  ${name}\n`);
    const manifest = await Bun.file(path.join(made, "manifest.json")).json();
    expect(manifest).toEqual({
      version,
      codeHash: expect.stringMatching(/^[0-9a-f]{12}$/),
      bun: Bun.version,
      archives: [{ platform: host, name, bytes: bytes.length, sha256, ran: true }],
    });

    const folder = `port-daddy-${version}-${host}`;
    const line = `TZ=UTC tar -tvzf '${path.join(made, name)}'`;
    expect((await home.shell(line)).out.replace(/ +\d+ (?=1985)/g, " ")).toBe(
      [
        `-rw-r--r-- root/root 1985-10-26 08:15 ${folder}/LICENSE`,
        `-rw-r--r-- root/root 1985-10-26 08:15 ${folder}/README.md`,
        `-rwxr-xr-x root/root 1985-10-26 08:15 ${folder}/port-daddy\n`,
      ].join("\n"),
    );
    await home.shell(`tar -xzf '${path.join(made, name)}' -C '${home.directory}'`);
    const said = await home.shell(`'${home.directory}/${folder}/port-daddy' version --json`);
    expect(JSON.parse(said.out)).toMatchObject({ version, codeHash: manifest.codeHash });
  },
  buildingMs,
);

test("a runtime that is not what the lock file pins is refused, and not kept", async () => {
  const directory = checkout("tampered");
  // What stands for npm packs something else.
  const npm = `while [ $# -gt 1 ]; do
    [ "$1" != --pack-destination ] || directory=$2
    shift
  done
  echo "$1" >asked
  echo "not Bun" >"$directory/oven-bun-darwin-aarch64-${Bun.version}.tgz"`;
  const PATH = `${programs(home, [], { npm })}:${process.env["PATH"]}`;
  const { code, err } = await build(directory, "darwin-arm64", { PATH });
  expect(code).toBe(1);
  const asked = `@oven/bun-darwin-aarch64@${Bun.version}`;
  expect(fs.readFileSync(path.join(directory, "asked"), "utf8")).toBe(`${asked}\n`);
  expect(err).toContain(`${asked} is not what package-lock.json has: sha512-`);
  expect(everythingIn(path.join(directory, "dist"))).toEqual(["runtimes"]);
});

test("what install.sh may ask for is what a release is made of", async () => {
  const { code, err } = await build(root, "amiga");
  expect(code).toBe(1);
  expect(err).toContain(`there is no platform amiga; there are ${platforms.join(", ")}\n`);
});
