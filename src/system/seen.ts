// Looking at what may be gone, or not ours to look at.

import { Fault } from "../contract/faults.ts";
import { reasonOf } from "./paths.ts";

/** Failures that say nothing about what was looked at: there was nothing left to look with. */
const shortages = ["EMFILE", "ENFILE", "ENOMEM"];

/**
 * What a system call answers; `undefined` where it fails. For questions whose answer may be that nothing is there.
 * Throws `unavailable` where it could not look: what is not seen for that is not gone.
 */
export function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (shortages.includes(String((error as { code?: unknown }).code))) throw unseeable(error);
    return undefined;
  }
}

function unseeable(error: unknown): Fault {
  return new Fault("unavailable", `What runs on this machine cannot be seen: ${reasonOf(error)}`, {
    hint: "see how many files the daemon has open: port-daddy doctor",
  });
}
