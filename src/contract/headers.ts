// The headers that daemon and client agree on.

import { format, type Range } from "./range.ts";

export const headers = {
  /** The agent on whose behalf a request is made. */
  agent: "X-Agent-Id",
  /** Who makes it, where no agent is named. */
  caller: "X-Caller-Id",
  /** On every answer: version and code hash of the daemon. */
  build: "X-PortDaddy-Build",
  /** On every answer: the settings in force that a shell may hold a different view of. */
  settings: "X-PortDaddy-Settings",
} as const;

/** `1.0.0+0123456789ab` */
export function buildLabel({ version, codeHash }: { version: string; codeHash: string }): string {
  return `${version}+${codeHash}`;
}

/** `port=9876; range=3100-9999`; a daemon that serves its socket alone has `port=none`. */
export function settingsLabel(port: number | undefined, range: Range): string {
  return `port=${port ?? "none"}; range=${format(range)}`;
}

/** What a label of settings says, by name. */
export function readSettings(label: string): Record<string, string> {
  return Object.fromEntries(label.split("; ").map((pair) => pair.split("=") as [string, string]));
}
