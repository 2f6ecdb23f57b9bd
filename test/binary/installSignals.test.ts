// install.sh that is told to end while it downloads, from a terminal (Ctrl-C) or by whoever knows its pid.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, Home } from "../home.ts";
import {
  everythingIn,
  machine,
  nameOf,
  program,
  programs,
  Releases,
  resultOf,
  startInstall,
} from "./releases.ts";

const ours = nameOf("1.2.3", "linux-x64");

let releases: Releases;
beforeAll(async () => {
  releases = await Releases.of("1.2.3", program("1.2.3"));
  releases.files.set(ours, neverEnds);
});
afterAll(() => releases[Symbol.asyncDispose]());
beforeEach(() => void (releases.asked.length = 0));

const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

describe.each(["dash", "bash", "zsh", "busybox sh"])("a signal to %s", (name) => {
  const shell = name.split(" ");
  const testWith = test.skipIf(Bun.which(shell[0]!) === null);

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    testWith(`${signal} ends the download and leaves nothing`, async () => {
      await using home = new Home({ PORT_DADDY_RELEASES: releases.url });
      const PATH = `${programs(home, [], machine)}:${process.env["PATH"]}`;
      const before = everythingIn(home.directory);
      const child = startInstall(home, { shell, env: { PATH } });
      await eventually("the archive is asked for", () => releases.asked.includes(ours));
      child.kill(signal);
      const { code, out } = await resultOf(child);
      expect(code).toBe(signals[signal]);
      expect(out).not.toContain("Installed");
      const added = everythingIn(home.directory).filter((name) => !before.includes(name));
      expect(added).toEqual([".local", ".local/bin"]);
    });
  }
});

test("a signal does not wait for an older one that does not answer", async () => {
  await using others = await Releases.of("1.2.3", program("1.2.3"));
  await using home = new Home({ PORT_DADDY_RELEASES: others.url });
  const older = path.join(home.makeDirectory(".local/bin"), "port-daddy");
  const pidFile = path.join(home.directory, "pid");
  const hangs = `#!/bin/sh\ntrap '' TERM\necho $$ >'${pidFile}'\nexec sleep 60\n`;
  fs.writeFileSync(older, hangs, { mode: 0o755 });
  const child = startInstall(home);
  const pid = await eventually("it is asked", () =>
    fs.existsSync(pidFile) ? Number(fs.readFileSync(pidFile, "utf8")) : 0,
  );
  child.kill("SIGTERM");
  expect((await resultOf(child)).code).toBe(143);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(fs.readFileSync(older, "utf8")).toBe(hangs);
});

const neverEnds = () =>
  new Response(new ReadableStream({ start: (controller) => controller.enqueue("x") }));
