// The shells that complete our words: the script of each, how it is put to use for good, and what it asks with.

type Completion = {
  /** The script that asks us at every TAB. Loaded when it is printed: no other command needs it. */
  script(): Promise<{ default: string }>;
  /** What is added to which file for good. */
  line: string;
  file: string;
  /** What its script hands over: the words up to the cursor, or the line, which we then take apart. */
  asksWith: "words" | "line";
};

export const shells = {
  bash: {
    script: () => import("./port-daddy.bash", { with: { type: "text" } }),
    line: 'eval "$(port-daddy completions bash)"',
    file: "~/.bashrc",
    asksWith: "line",
  },
  zsh: {
    script: () => import("./port-daddy.zsh", { with: { type: "text" } }),
    line: 'eval "$(port-daddy completions zsh)"',
    file: "~/.zshrc",
    asksWith: "words",
  },
  fish: {
    script: () => import("./port-daddy.fish", { with: { type: "text" } }),
    line: "port-daddy completions fish | source",
    file: "~/.config/fish/config.fish",
    asksWith: "words",
  },
  powershell: {
    script: () => import("./port-daddy.ps1", { with: { type: "text" } }),
    line: "port-daddy completions powershell | Out-String | Invoke-Expression",
    file: "$PROFILE",
    asksWith: "line",
  },
} satisfies Record<string, Completion>;

export type Shell = keyof typeof shells;
export const shellNames = Object.keys(shells) as Shell[];

/** The shell of that name; `undefined` where we know none. */
export function findShell(name: string | undefined): Shell | undefined {
  return shellNames.find((shell) => shell === name);
}
