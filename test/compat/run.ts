// What this project asks of a machine, on machines that have no more: `npm run compat [-- --short]`. The long form makes
// a clean Debian first, which takes minutes.

import * as path from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { short: { type: "boolean", default: false } } });
const files = values.short ? ["path.ts"] : ["path.ts", "debian.ts"];
const { exitCode } = Bun.spawnSync(
  [process.execPath, "test", ...files.map((file) => path.join(import.meta.dir, file))],
  { stdio: ["ignore", "inherit", "inherit"] },
);
process.exit(exitCode);
