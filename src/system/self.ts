// This program as it runs itself again.

/** What it is told to do by a first word that stands in no help. */
export const inner = {
  complete: "__complete",
  launch: "__launch",
  keep: "__keep",
  quickCheck: "__quick-check",
} as const;

/** How this program is run again: the binary, or its sources by the same Bun. */
export function ownCommand(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}
