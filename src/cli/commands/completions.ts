// completions.

import { Fault } from "../../contract/faults.ts";
import { command } from "../command.ts";
import { findShell, shellNames, shells } from "../completions/index.ts";
import { toJson } from "../render.ts";

export const completions = command({
  name: "completions",
  args: "<shell>",
  argsOf: shellNames,
  group: "Daemon",
  summary: "Print the script by which a shell completes commands and names",
  flags: () => ({}),
  examples: [shells.bash.line, shells.fish.line, shells.powershell.line],
  async run({ args: [name = ""], flags: { json, quiet } }, { terminal }) {
    const shell = findShell(name);
    if (shell === undefined)
      throw new Fault(
        "invalid_input",
        `there is no completion for '${name}', only for ${shellNames.join(", ")}`,
        { details: { field: "shell" }, hint: "for instance: port-daddy completions bash" },
      );
    const { line, file } = shells[shell];
    const { default: script } = await shells[shell].script();
    if (json) return terminal.out(toJson({ shell, script, line, file }));
    terminal.out(script.trimEnd());
    if (terminal.isInteractive && !quiet) terminal.err(`to have it, add to ${file}: ${line}`);
  },
});
