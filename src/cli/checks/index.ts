// Every check, in the order of `doctor`: a row is a name and a function. Each has its own deadline, and none can keep
// another from being made.

import { Fault } from "../../contract/faults.ts";
import { reasonOf } from "../../system/paths.ts";
import { clock } from "./clock.ts";
import { range, socket, tcp, url, version } from "./daemon.ts";
import { disk } from "./disk.ts";
import { wrong, type Finding } from "./finding.ts";
import { binary, descriptors, others, proxies, service } from "./machine.ts";
import { settings } from "./settings.ts";
import { database, state } from "./state.ts";
import type { Subject } from "./subject.ts";

export { subjectOf } from "./subject.ts";

type Check = {
  name: string;
  /** Nothing where there is nothing to look at. Changes nothing, and starts no daemon. */
  run(subject: Subject): Promise<Finding | undefined> | Finding | undefined;
};

export const checks: readonly Check[] = [
  { name: "binary", run: binary },
  { name: "settings", run: settings },
  { name: "socket", run: socket },
  { name: "tcp", run: tcp },
  { name: "url", run: url },
  { name: "version", run: version },
  { name: "state", run: state },
  { name: "disk", run: disk },
  { name: "database", run: database },
  { name: "range", run: range },
  { name: "clock", run: clock },
  { name: "proxies", run: proxies },
  { name: "service", run: service },
  { name: "descriptors", run: descriptors },
  { name: "others", run: others },
];

/** How long one check may take: a daemon that hangs is asked twice within it. */
const deadlineMs = 4_000;

export type Examined = Finding & { check: string };

/** Makes all checks at once. */
export async function examine(
  subject: Subject,
  all: readonly Check[] = checks,
  withinMs = deadlineMs,
): Promise<Examined[]> {
  const findings = await Promise.all(all.map((check) => make(check, subject, withinMs)));
  return findings.flatMap((finding, at) => (finding ? [{ check: all[at]!.name, ...finding }] : []));
}

async function make(
  { run }: Check,
  subject: Subject,
  withinMs: number,
): Promise<Finding | undefined> {
  const late = Bun.sleep(withinMs).then(() =>
    wrong(`this is not known after ${withinMs / 1000} s`, "port-daddy logs"),
  );
  try {
    return await Promise.race([(async () => run(subject))(), late]);
  } catch (error) {
    if (error instanceof Fault) return wrong(error.message, commandIn(error.hint));
    return wrong(`this cannot be known: ${reasonOf(error)}`, "port-daddy logs");
  }
}

/** A hint ends in a command, after what it is for. */
function commandIn(hint = "port-daddy logs"): string {
  return hint.slice(hint.lastIndexOf(": ") + 1).trim();
}
