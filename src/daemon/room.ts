// How many requests may be held open at once: streams, waits and those in line for a lock. Each takes a descriptor and
// some memory, of which others need a part.

import { Fault } from "../contract/faults.ts";

/** In all, where so many files may be open, and for each address beyond loopback. */
const maxHeldAnywhere = 2_048;
/** Of the files that may be open: the rest is for what is answered at once, and for the daemon's own. */
const shareOfFiles = 0.5;
/** Of those held, for the owner's socket alone: nobody else can shut the owner out. */
const shareOfOwner = 1 / 8;
const maxHeldRemotely = 64;

/** How soon to try again. */
const retryAfterMs = 5_000;

export type Room = ReturnType<typeof createRoom>;

/** `maxFiles` is how many files this process may have open. */
export function createRoom(maxFiles: number) {
  const maxHeld = Math.min(maxHeldAnywhere, Math.floor(maxFiles * shareOfFiles));
  const keptForOwner = Math.ceil(maxHeld * shareOfOwner);
  let held = 0;
  const remotely = new Map<string, number>();
  return {
    count: () => held,
    /**
     * Counts a request, by its address where that is beyond loopback, until the function that comes back is called.
     * Throws `limit_reached` where there is no room.
     */
    enter(remote: string | undefined, isOwner = false): () => void {
      const own = remote === undefined ? 0 : (remotely.get(remote) ?? 0);
      if (held >= (isOwner ? maxHeld : maxHeld - keptForOwner))
        throw full(`${maxHeld} requests are held open`);
      if (own >= maxHeldRemotely)
        throw full(`${maxHeldRemotely} requests of ${remote} are held open`);
      held++;
      if (remote !== undefined) remotely.set(remote, own + 1);
      let isLeft = false;
      return () => {
        if (isLeft) return;
        isLeft = true;
        held--;
        if (remote === undefined) return;
        const left = remotely.get(remote)! - 1;
        if (left > 0) remotely.set(remote, left);
        else remotely.delete(remote);
      };
    },
  };
}

function full(what: string): Fault {
  return new Fault("limit_reached", `${what}, which is as many as there may be`, {
    details: { retryAfterMs },
    hint: "see who holds what: port-daddy status",
  });
}
