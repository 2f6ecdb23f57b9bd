// install, uninstall. What they do is loaded when it is asked for: no other command needs it.

import { boolean } from "../../contract/fields.ts";
import { command } from "../command.ts";

const flags = () => ({
  dryRun: boolean({ summary: "Only print what would be written and run" }),
});

export const install = command({
  name: "install",
  group: "Daemon",
  summary: "Install as system service",
  flags,
  examples: ["port-daddy install", "port-daddy install --dry-run"],
  run: async ({ flags }, context) =>
    (await import("../installation/installation.ts")).install(flags, context),
});

export const uninstall = command({
  name: "uninstall",
  group: "Daemon",
  summary: "Remove system service",
  flags,
  examples: ["port-daddy uninstall"],
  run: async ({ flags }, context) =>
    (await import("../installation/installation.ts")).uninstall(flags, context),
});
