// What stands where there is nothing yet: what would be here, and the command that makes it so.

import type { Child } from "hono/jsx/dom";
import { Command } from "./copy.tsx";

export function Empty({ children, command }: { children: Child; command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command && <Command text={command} />}
    </div>
  );
}
