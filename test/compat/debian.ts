// The README's commands in a clean Debian, to which nothing was added but Node and npm, by a user without rights.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home, isRoot } from "../home.ts";
import { everythingIn, resultOf, script } from "../binary/releases.ts";
import { cloneTo, npmObstacle, npmSettings, readmeLine } from "./checkout.ts";

/** Debian's npm is some four hundred packages. */
const bootstrapMs = 1_200_000;
const buildingMs = 300_000;

const user = 1_000;

type Mirror = { uri: string; release: string };

/** Where apt gets Debian from on this machine. */
function mirror(): Mirror | undefined {
  const format = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(LABEL)";
  const list = ["apt-get", "indextargets", "--format", format, "Created-By: Packages"];
  if (Bun.which("apt-get") === null) return undefined;
  const lines = Bun.spawnSync(list).stdout.toString().split("\n");
  const found = lines
    .map((line) => line.split(" "))
    .find(
      ([, release, component, label]) =>
        component === "main" && label === "Debian" && !release!.includes("-"),
    );
  return found && { uri: found[0]!, release: found[1]! };
}

const source = mirror();
const obstacle = !isRoot
  ? "it takes root"
  : Bun.which("debootstrap") === null
    ? "debootstrap is missing: apt-get install debootstrap"
    : source === undefined
      ? "apt has no list of Debian's packages: apt-get update"
      : npmObstacle();

describe.skipIf(obstacle !== undefined)(`a clean Debian${obstacle ? ` (${obstacle})` : ""}`, () => {
  let home: Home;
  let debian: string;

  beforeAll(async () => {
    home = new Home();
    debian = home.makeDirectory("debian");
    const words = ["--variant=minbase", "--include=ca-certificates"];
    const made = await resultOf(
      home.start(["debootstrap", ...words, source!.release, debian, source!.uri]),
    );
    expect(made.code, made.out.slice(-2_000)).toBe(0);
    // How names are resolved and whom TLS trusts is the machine's, as it is in a new installation.
    for (const file of ["etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"])
      if (fs.existsSync(`/${file}`)) fs.copyFileSync(`/${file}`, path.join(debian, file));
    // Debian's npm is too much for debootstrap, which does not put packages in order.
    const apt =
      "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nodejs npm";
    const added = await inside(apt, 0);
    expect(added.code, added.err).toBe(0);
    const clone = path.join(debian, "home/user/port-daddy");
    fs.mkdirSync(clone, { recursive: true });
    cloneTo(clone);
    Bun.spawnSync(["chown", "-R", `${user}:${user}`, path.join(debian, "home/user")]);
  }, bootstrapMs);
  afterAll(() => home[Symbol.asyncDispose]());

  /** Runs a line in it, with processes of its own: what it leaves running ends with it. */
  async function inside(line: string, uid = user) {
    const environment = {
      HOME: "/home/user",
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      PORT_DADDY_PORT: "0",
      ...npmSettings(),
    };
    const namespace = ["unshare", "--mount", "--pid", "--fork", `--mount-proc=${debian}/proc`];
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const shell = ["chroot", `--userspec=${uid}:${uid}`, debian, "env", "-i", ...variables];
    return resultOf(home.start([...namespace, ...shell, "sh", "-c", line]));
  }

  test(
    "the README's line builds, installs and claims",
    async () => {
      const { code, out, err } = await inside(`cd ~/port-daddy && ${readmeLine()}`);
      expect(code, err).toBe(0);
      expect(out).toContain("to /home/user/.local/bin/port-daddy (pd is short for it).\n");
      expect(out).toMatch(/\n\d+\n$/);
      expect(everythingIn(path.join(debian, "home/user/.local/bin"))).toEqual(["pd", "port-daddy"]);
    },
    buildingMs,
  );

  test("the binary works there as it does here", async () => {
    const { code, out, err } = await inside(`
      set -e
      PATH=~/.local/bin:$PATH
      port-daddy claim shop:api -q >/dev/null
      pd lock deploy -- port-daddy locks -q
      port-daddy pub build:api '{"ok":true}' >/dev/null
      port-daddy messages build:api -q
      port-daddy stop`);
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(out).toStartWith("deploy\n");
    expect(out).toContain("port-daddy stopped");
  });

  test("from a pipe install.sh says that nothing is there to download with", async () => {
    fs.copyFileSync(script, path.join(debian, "tmp/piped"));
    const { code, err } = await inside("sh </tmp/piped");
    expect(code).toBe(1);
    expect(err).toStartWith("install.sh: neither curl nor wget is there to download with;");
  });
});
