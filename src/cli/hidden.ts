// What is called by scripts and by ourselves alone: it stands in no help, and may change with any version.

import { inner } from "../system/self.ts";
import { commands } from "./commands/index.ts";
import type { Context } from "./command.ts";
import type { Terminal } from "./terminal.ts";

/** What a command works with; on behalf of another caller where one is named. */
export type Opener = (terminal: Terminal, caller?: Context["callerId"]) => Context;

/** Returns the exit code; none is 0. */
type Hidden = (words: string[], terminal: Terminal, open: Opener) => Promise<number | void>;

export const hidden: ReadonlyMap<string | undefined, Hidden> = new Map<string, Hidden>([
  [
    inner.complete,
    async (words, { out }) => {
      const { complete } = await import("./complete.ts");
      for (const line of await complete(words, commands)) out(line);
    },
  ],
  [
    inner.launch,
    async (_, terminal, open) => {
      const { serve } = await import("./launch/errand.ts");
      return serve(terminal, (log, caller) => open({ ...terminal, ...log }, caller));
    },
  ],
  [
    inner.keep,
    async (words, { err }) => {
      const { keep } = await import("./launch/keeper.ts");
      return keep(words, err);
    },
  ],
  [
    // In a process of its own, because SQLite cannot be interrupted in ours.
    inner.quickCheck,
    async ([file = ""], { out }) => {
      const { quickCheck } = await import("../system/integrity.ts");
      out(JSON.stringify(quickCheck(file)));
    },
  ],
]);
