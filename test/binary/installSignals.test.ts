// install.sh that is told to end while it downloads, from a terminal (Ctrl-C) or by whoever knows its pid.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
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

const neverEnds = () =>
  new Response(new ReadableStream({ start: (controller) => controller.enqueue("x") }));
