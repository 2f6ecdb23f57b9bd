// What is called by scripts and by ourselves alone: it stands in no help, and may change with any version.

import { commands } from "./commands/index.ts";
import type { Terminal } from "./terminal.ts";

type Hidden = (words: string[], terminal: Terminal) => Promise<void>;

export const hidden: ReadonlyMap<string | undefined, Hidden> = new Map([
  [
    "__complete",
    async (words, { out }) => {
      const { complete } = await import("./complete.ts");
      for (const line of await complete(words, commands)) out(line);
    },
  ],
  [
    // In a process of its own, because SQLite cannot be interrupted in ours.
    "__quick-check",
    async ([file = ""], { out }) => {
      const { quickCheck } = await import("../system/integrity.ts");
      out(JSON.stringify(quickCheck(file)));
    },
  ],
]);
