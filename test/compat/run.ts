// What this project asks of a machine, on machines that have no more, and real frameworks started by `launch`:
// `npm run compat [-- --short]`. The long form installs the frameworks, and makes a clean Debian, which takes minutes.

import * as path from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { short: { type: "boolean", default: false } } });
const short = ["path.ts", "servers.ts"];
const files = values.short ? short : [...short, "frameworks.ts", "debian.ts"];
const { exitCode } = Bun.spawnSync(
  [process.execPath, "test", ...files.map((file) => path.join(import.meta.dir, file))],
  { stdio: ["ignore", "inherit", "inherit"] },
);
process.exit(exitCode);
