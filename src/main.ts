// Where the binary starts. A command line never loads the daemon, which is most of the code.

import { runCommandLine } from "./cli/cli.ts";
import { openTerminal } from "./cli/terminal.ts";
import { readConfig } from "./config.ts";

const terminal = await openTerminal();
const code = await runCommandLine(process.argv.slice(2), terminal, async (onReady) => {
  const { run } = await import("./daemon/run.ts");
  await run(readConfig(), onReady);
});
process.exit(code);
