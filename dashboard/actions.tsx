// What somebody does on the page: it is asked of the daemon, and said when it was done or why not. The page itself
// changes only when the daemon's event comes back.

import { asFault, Fault } from "../src/contract/faults.ts";
import type { InputOf } from "../src/contract/operations.ts";
import { call } from "./daemon.ts";
import type { Claim } from "./state.ts";
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

let lastId = 0;

export function tell(notice: Omit<Notice, "id">): void {
  const id = ++lastId;
  notices.set([...notices.get().slice(-2), { ...notice, id }]);
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

/** Does something, and says in the past tense that it was done, or why it was not. Returns whether it was. */
export async function perform(
  work: () => Promise<unknown>,
  done: string,
  undo?: () => void,
): Promise<boolean> {
  try {
    await work();
  } catch (error) {
    const { message, hint } = asFault(error);
    tell({ text: message, hint, isFailure: true });
    return false;
  }
  tell({ text: done, ...(undo && { undo }) });
  return true;
}

/** Releases a claim; taken back, it is claimed again as it was. */
export function release(claim: Claim): Promise<boolean> {
  const { id, port } = claim;
  return perform(
    async () => {
      const { released } = await call("release", { id, port });
      if (released === 0) throw new Fault("not_found", `${id} holds port ${port} no more`);
    },
    `Released ${id} (port ${port})`,
    () => void perform(() => call("claim", again(claim)), `Claimed ${id} again (port ${port})`),
  );
}

/** What a claim was made with, as far as it is known. */
function again(claim: Claim): InputOf<"claim"> {
  const { id, port, pid, agent, cmd, cwd, health, metadata, expiresAt } = claim;
  const { local: _, ...urls } = claim.urls;
  return {
    id,
    port,
    urls,
    ...(pid !== null && { pid }),
    ...(agent !== null && { agent }),
    ...(cmd !== null && { cmd }),
    ...(cwd !== null && { cwd }),
    ...(health !== null && { health }),
    ...(metadata !== null && { metadata }),
    ...(expiresAt !== null && { expires: Math.max(1_000, expiresAt - Date.now()) }),
  };
}

/** Puts text where it can be pasted. */
export function copy(text: string): Promise<boolean> {
  return perform(async () => {
    // Beyond loopback, without TLS, a page has no clipboard.
    if (!navigator.clipboard)
      throw new Fault("forbidden", "This browser lets the page copy nothing; select it by hand");
    await navigator.clipboard.writeText(text);
  }, `Copied ${text}`);
}
