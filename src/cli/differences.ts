// How a running daemon's settings differ from those of this shell.

import * as fs from "node:fs";
import type { Config } from "../config.ts";
import { format } from "../contract/range.ts";
import * as paths from "../system/paths.ts";

/**
 * A clause for each setting that is in force in another way, by the names in force. A shell that does not set a thing
 * has no opinion on it: it takes the daemon as it is.
 */
export function differences(config: Config, inForce: Record<string, string>): string[] {
  return Object.entries(wanted(config, inForce)).flatMap(([name, ours]) => {
    const theirs = inForce[name];
    if (ours === undefined || theirs === undefined || theirs === ours) return [];
    return [`the daemon's ${name} is ${theirs}, this shell's settings say ${ours}`];
  });
}

function wanted(
  { port, host, range, explicit }: Config,
  inForce: Record<string, string>,
): Record<string, string | undefined> {
  // Where another user's daemon has the port, a restart would not change that; `status` tells of it.
  const isPortOurs = explicit.has("PORT_DADDY_PORT") && port !== 0 && inForce["port"] !== "none";
  const isRangeOurs =
    explicit.has("PORT_DADDY_RANGE_START") || explicit.has("PORT_DADDY_RANGE_END");
  return {
    port: isPortOurs ? String(port) : undefined,
    range: isRangeOurs ? format(range) : undefined,
    host: explicit.has("PORT_DADDY_HOST") ? (host ?? "loopback") : undefined,
    token: explicit.has("PORT_DADDY_TOKEN") ? "set" : undefined,
  };
}

/** The command that gives the daemon this shell's settings. A service starts with those it was installed with. */
export function toPutInForce({ home }: Config): string {
  return `port-daddy ${fs.existsSync(paths.startReport(home)) ? "install" : "restart"}`;
}
