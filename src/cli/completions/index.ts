// For each shell the script that asks us at every TAB, and how it is put to use for good.

import bash from "./port-daddy.bash" with { type: "text" };
import fish from "./port-daddy.fish" with { type: "text" };
import powershell from "./port-daddy.ps1" with { type: "text" };
import zsh from "./port-daddy.zsh" with { type: "text" };

/** The shells, as they are named on the command line. */
export type Shell = "bash" | "zsh" | "fish" | "powershell";

export const scripts: Record<Shell, { script: string; line: string; file: string }> = {
  bash: { script: bash, line: 'eval "$(port-daddy completions bash)"', file: "~/.bashrc" },
  zsh: { script: zsh, line: 'eval "$(port-daddy completions zsh)"', file: "~/.zshrc" },
  fish: {
    script: fish,
    line: "port-daddy completions fish | source",
    file: "~/.config/fish/config.fish",
  },
  powershell: {
    script: powershell,
    line: "port-daddy completions powershell | Out-String | Invoke-Expression",
    file: "$PROFILE",
  },
};
