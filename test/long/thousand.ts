// A thousand rounds of one lock, by fifty processes. `npm run long`.

import { test } from "bun:test";
import { countTogether } from "../counting.ts";

test("fifty processes that add one twenty times each make a thousand", async () => {
  await countTogether(50, 20);
}, 300_000);
