// What somebody does on the page: it is asked of the daemon, and said when it was done or why not. The page itself
// changes only when the daemon's event comes back.

import { ConnectionLost } from "../src/client/failures.ts";
import { asFault } from "../src/contract/faults.ts";
import { createValue } from "./value.ts";

export type Notice = {
  id: number;
  text: string;
  /** A fault's hint: what to do, ending in a command. */
  hint?: string | undefined;
  isFailure?: boolean;
  undo?: () => void;
};

export const notices = createValue<readonly Notice[]>([]);

/** Long enough to read it and to reach for the undo. */
const shownForMs = 10_000;

/** More would cover the page. */
const shownAtOnce = 3;

let lastId = 0;

export function tell(notice: Omit<Notice, "id">): void {
  const id = ++lastId;
  notices.set([...notices.get(), { ...notice, id }].slice(-shownAtOnce));
  setTimeout(() => dismiss(id), shownForMs);
}

export function dismiss(id: number): void {
  notices.set(notices.get().filter((each) => each.id !== id));
}

/** Takes back what was done last, where that can be. */
export function undoLast(): void {
  const last = notices.get().findLast(({ undo }) => undo);
  if (!last) return;
  dismiss(last.id);
  last.undo?.();
}

/**
 * Does something, and says in the past tense that it was done, or why it was not. Returns whether it was. `undo` takes it
 * back.
 */
export async function perform<T>(
  work: () => Promise<T>,
  done: string | ((answer: T) => string),
  undo?: () => void,
): Promise<boolean> {
  try {
    const answer = await work();
    const text = typeof done === "string" ? done : done(answer);
    tell({ text, ...(undo && { undo }) });
    return true;
  } catch (error) {
    const { message, hint } = asFault(error);
    // What the browser says of a connection that was lost is of no use to anybody.
    const isAway = error instanceof ConnectionLost;
    tell(
      isAway
        ? { text: "The daemon is away", hint: "start it: port-daddy start", isFailure: true }
        : { text: message, hint, isFailure: true },
    );
    return false;
  }
}
