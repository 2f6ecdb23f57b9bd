// What was promised, followed from its first line to its last against the compiled binary.

import { test } from "bun:test";
import * as path from "node:path";
import { furnish } from "./house.ts";
import { readPage } from "./page.ts";
import { follow } from "./reader.ts";

const page = readPage(path.join(import.meta.dir, "promised.md"), "promised.md");

/** What can't be run as it stands. */
const instead = {
  "git clone https://github.com/erichowens/port-daddy.git": {
    because: "a test does not go to the internet; npm run compat begins with a clean checkout",
    type: "true",
  },
  "port-daddy install": {
    because: "this home has no service manager; test/binary/service.test.ts has one",
    type: "port-daddy install --dry-run",
  },
  "port-daddy uninstall": { because: "likewise", type: "port-daddy uninstall --dry-run" },
};

test.each(page.sections.map((each) => [each.title, each] as const))(
  "%s: every line does what was promised",
  async (_, section) => {
    await using house = furnish();
    await follow(section, { ...house, instead });
  },
);
