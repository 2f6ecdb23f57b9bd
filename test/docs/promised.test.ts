// What was promised, followed from its first line to its last against the compiled binary.

import { test } from "bun:test";
import * as path from "node:path";
import { furnish, isEquipped } from "./house.ts";
import { readPage } from "./page.ts";
import { follow } from "./reader.ts";

const page = readPage(path.join(import.meta.dir, "promised.md"), "promised.md");

test.skipIf(!isEquipped).each(page.sections.map((each) => [each.title, each] as const))(
  "%s: every line does what was promised",
  async (_, section) => {
    await using house = furnish();
    await follow(section, house);
  },
);
