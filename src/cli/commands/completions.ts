// completions.

import { Fault } from "../../contract/faults.ts";
import { command } from "../command.ts";
import type { Shell } from "../completions/index.ts";
import { toJson } from "../render.ts";

const shells: readonly Shell[] = ["bash", "zsh", "fish", "powershell"];

export const completions = command({
  name: "completions",
  args: "<shell>",
  argsOf: shells,
  group: "Daemon",
  summary: "Print the script by which a shell completes commands and names",
  flags: () => ({}),
  examples: [
    'eval "$(port-daddy completions bash)"',
    "port-daddy completions fish | source",
    "port-daddy completions powershell | Out-String | Invoke-Expression",
  ],
  async run({ args: [name = ""], flags: { json, quiet } }, { terminal }) {
    const shell = shells.find((each) => each === name);
    if (shell === undefined)
      throw new Fault(
        "invalid_input",
        `there is no completion for '${name}', only for ${shells.join(", ")}`,
        { details: { field: "shell" }, hint: "for instance: port-daddy completions bash" },
      );
    // No other command needs them.
    const { scripts } = await import("../completions/index.ts");
    const { script, line, file } = scripts[shell];
    if (json) return terminal.out(toJson({ shell, script, line, file }));
    terminal.out(script.trimEnd());
    if (terminal.isInteractive && !quiet) terminal.err(`to have it, add to ${file}: ${line}`);
  },
});
