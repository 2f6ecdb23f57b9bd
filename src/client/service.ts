// Starting and stopping the daemon by the service manager, where it is installed there as this user's service.

import * as fs from "node:fs";
import { daemonSettings, type Config } from "../config.ts";
import { Fault, type FaultBody } from "../contract/faults.ts";
import * as paths from "../system/paths.ts";
import { ask, findInstalled, managerOf, obstacleTo, type Manager } from "../system/service.ts";
import { until } from "./until.ts";

/** How long the daemon's word is waited for after its manager has started it, or says that it had before. */
const reportMs = 1_000;

/** The manager to ask for the daemon of this state directory; `undefined` where there is none, or it does not answer. */
export async function reach(
  config: Config,
  notice: (text: string) => void,
): Promise<Manager | undefined> {
  const manager = config.url === undefined ? managerOf(config.home) : undefined;
  const obstacle = manager && (await obstacleTo(manager));
  if (obstacle === undefined) return manager;
  notice(`the service cannot be asked (${obstacle}), so the daemon runs without it`);
  return undefined;
}

/**
 * Has the manager start the service. Returns what the daemon says of its start; nothing where it has not said it yet, or
 * had before. Throws `unavailable` where the manager could not start it.
 */
export async function start(
  manager: Manager,
  config: Config,
  withinMs: number,
  notice: (text: string) => void,
): Promise<string | undefined> {
  const report = paths.startReport(config.home);
  fs.writeFileSync(report, "", { mode: 0o600 });
  const refusal = await refusalOf(ask(manager.start, withinMs));
  for await (const _ of until(reportMs)) {
    const [first = "", rest] = fs.readFileSync(report, "utf8").split("\n", 2);
    if (rest !== undefined) {
      tellDifferences(manager, config, notice);
      return first;
    }
    if (refusal !== undefined) throw notStarted(manager, refusal);
  }
  return undefined;
}

/** Has the manager stop the service, if it is one; the daemon that was there is told of. */
export async function stop<T>(
  config: Config,
  find: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const manager = await reach(config, () => {}); // Whoever runs without it is stopped without it.
  if (!manager) return undefined;
  const running = await find().catch(() => undefined); // One that hangs is stopped all the same.
  await ask(manager.stop);
  return running;
}

/** What kept the daemon from starting, and what to do about it here: the service has settings of its own. */
export function faultOf(body: FaultBody): Fault {
  const hint = body.hint?.replace(/port-daddy (re)?start$/, "port-daddy install");
  return Fault.fromBody({ ...body, hint }, 0);
}

/** A shell that does not set a thing has no opinion on it. */
function tellDifferences(manager: Manager, config: Config, notice: (text: string) => void): void {
  const theirs = findInstalled(manager)?.settings ?? {};
  const names = Object.entries(daemonSettings(config)).flatMap(([name, value]) =>
    theirs[name] === value ? [] : [name],
  );
  if (names.length === 0) return;
  notice(
    `the service was installed with other settings than this shell's (${names.join(", ")}); to change them: port-daddy install`,
  );
}

function notStarted(manager: Manager, refusal: string): Fault {
  const program = findInstalled(manager)?.program;
  const isGone = program !== undefined && !fs.existsSync(program);
  return new Fault(
    "unavailable",
    isGone
      ? `The service does not start: its program ${program} is not there`
      : `The service does not start: ${refusal}`,
    { hint: isGone ? "install it from here: port-daddy install" : `see why: ${manager.show}` },
  );
}

async function refusalOf(work: Promise<void>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
