// The check of what this shell sets: whether it can be read, and whether the daemon goes by it.

import { differences, toPutInForce } from "../differences.ts";
import { note, ok, wrong, type Finding } from "./finding.ts";
import type { Subject } from "./subject.ts";

export async function settings({ config, faults, own }: Subject): Promise<Finding> {
  if (faults.length > 0) {
    const names = faults.flatMap(({ names }) => names);
    return wrong(faults.map(({ message }) => message).join("; "), `unset ${names.join(" ")}`);
  }
  // Somebody else's daemon goes by its own settings.
  const answer = config.url === undefined ? await own() : undefined;
  if (answer?.is === "up") {
    const { port = "none", range, host = "loopback", needsToken } = answer.version;
    const token = needsToken ? "set" : "none";
    const differing = differences(config, { port: String(port), range, host, token });
    if (differing.length > 0) return note(differing.join("; "), toPutInForce(config));
  }
  const names = [...config.explicit];
  return ok(names.length === 0 ? "this shell sets none" : `this shell sets ${names.join(", ")}`);
}
