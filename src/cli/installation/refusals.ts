// What keeps the daemon from being a service, or a service from being changed, and what there is to do about it.

import * as fs from "node:fs";
import { homeDirectory, type Config } from "../../config.ts";
import { Fault } from "../../contract/faults.ts";
import { shellWord } from "../../contract/shell.ts";
import { accountName } from "../../system/accounts.ts";
import { reasonOf } from "../../system/paths.ts";
import { managerHere, type Installed, type Manager, type Order } from "../../system/service.ts";
import { installFrom, placesToStay } from "./place.ts";

/** Throws `unsupported` where no service manager is known. */
export function requireManager(): Manager {
  const manager = managerHere();
  if (manager) return manager;
  throw new Fault("unsupported", `No service manager of ${process.platform} is known`, instead);
}

/** What there is without a service. */
const instead = {
  hint: "without a service, commands start the daemon as they need it; to see to it yourself: port-daddy daemon",
};

/** That the manager cannot be asked. */
export function unreachable({ name, reach, linger }: Manager, obstacle: string): Fault {
  const user = accountName(process.getuid?.()) ?? "";
  // It may only be that nobody is logged in as this user.
  const mayLinger = Bun.which(reach[0]!) !== null && linger && fs.existsSync(linger.machine);
  return new Fault(
    "unsupported",
    `There is no ${name} of this user to install it in: ${obstacle}`,
    mayLinger
      ? { hint: `let yours run without a login, and try again: sudo ${linger.enable(user)}` }
      : instead,
  );
}

/** Throws `invalid_input` for what the manager could not run, or not for this user. */
export function refuseWrong(manager: Manager, order: Order): void {
  refuseUnsayable(manager, order);
  const home = homeDirectory();
  const owner = fs.statSync(home, { throwIfNoEntry: false })?.uid;
  if (owner !== undefined && owner !== process.getuid?.() && process.getuid?.() === 0)
    throw new Fault(
      "invalid_input",
      `This is root in the home of ${accountName(owner)}, and a service is its own user's`,
      { hint: "without sudo: port-daddy install" },
    );
}

function refuseUnsayable(manager: Manager, order: Order): void {
  const texts = [...order.command, ...Object.values(order.settings)];
  const cannot = "port-daddy cannot be installed";
  // The file of no manager can say them, and neither could a hint.
  if (texts.some((text) => /\p{Cc}/u.test(text)))
    throw new Fault("invalid_input", `${cannot}: a path has a control character in it`);
  const objection = manager.objection(order);
  if (objection === undefined) return;
  const place = placesToStay().find(
    ({ program }) => manager.objection({ ...order, command: [program] }) === undefined,
  );
  throw new Fault("invalid_input", `${cannot}: ${objection}`, {
    ...(place && { hint: installFrom(place, order) }),
  });
}

/** Throws `held` where one user's one service is for another state directory: it is not ours to change. */
export function refuseForeign(
  { file }: Manager,
  installed: Installed | undefined,
  { home }: Config,
  verb: "install" | "uninstall",
): void {
  const theirs = installed?.settings["PORT_DADDY_HOME"];
  if (!installed || theirs === home) return;
  if (theirs === undefined)
    throw new Fault("held", `${file} was not written by port-daddy install`, {
      hint: `move it out of the way: mv ${shellWord(file)} ${shellWord(`${file}.old`)}`,
    });
  throw new Fault("held", `The service is that of the state directory ${theirs}`, {
    hint: `${verb === "install" ? "remove that one first" : "to remove it"}: PORT_DADDY_HOME=${shellWord(theirs)} port-daddy uninstall`,
    details: { home: theirs },
  });
}

/** What the manager refuses is a failure of this machine rather than of ours. */
export async function asFaults<T>(manager: Manager, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("unavailable", `${manager.name} could not be told of it: ${reasonOf(error)}`, {
      hint: `see how it is: ${manager.show}`,
    });
  }
}
