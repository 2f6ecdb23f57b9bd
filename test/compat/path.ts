// The README's commands where nothing is in PATH but Node, npm and what every system has.

import { expect, test } from "bun:test";
import * as path from "node:path";
import { Home } from "../home.ts";
import { everythingIn, needed, programs, resultOf } from "../binary/releases.ts";
import { cloneTo, npmObstacle, npmSettings, readmeLine } from "./checkout.ts";

/** It fetches 60 MB and builds. */
const buildingMs = 300_000;

const obstacle = npmObstacle();

test.skipIf(obstacle !== undefined)(
  `Node, npm and a shell are enough to build from a clone${obstacle ? ` (${obstacle})` : ""}`,
  async () => {
    await using home = new Home();
    const clone = home.makeDirectory("port daddy");
    cloneTo(clone);
    const PATH = programs(home, [...needed, "node", "npm"]);
    const env = { PATH, ...npmSettings() };
    const { code, out, err } = await resultOf(
      home.start(["sh", "-c", readmeLine()], { cwd: clone, env }),
    );
    expect(code, err).toBe(0);
    const bin = path.join(home.directory, ".local/bin");
    expect(out).toMatch(/\nInstalled port-daddy \S+ to \S+\/port-daddy \(pd is short for it\)\.\n/);
    // The claim's answer, to a program.
    expect(out).toMatch(/\n\d+\n$/);
    expect(everythingIn(bin)).toEqual(["pd", "port-daddy"]);
  },
  buildingMs,
);
