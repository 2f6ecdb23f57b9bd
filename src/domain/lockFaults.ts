// Why a lock cannot be had, extended or freed, in sentences that name its holder.

import * as duration from "../contract/duration.ts";
import type { UnlockReason } from "../contract/events.ts";
import { Fault } from "../contract/faults.ts";
import { findNewest } from "../store/logIndex.ts";
import type { World } from "../world.ts";
import { countWaiting, type Row } from "./lockRows.ts";

/** Why a lock cannot be had: somebody has it, or those who came before have not been served yet. */
export function held(world: World, name: string, row: Row | undefined, as?: string): Fault {
  const waiting = countWaiting(world, name);
  const hint = `wait for it: port-daddy lock ${name} --wait`;
  if (!row) {
    return new Fault("held", `${name} is promised to the next of ${waiting} who wait for it`, {
      details: { name, holder: null, heldSince: null, expiresAt: null, waiting },
      hint,
    });
  }
  const now = world.clock.now();
  const { owner, acquiredAt, expiresAt, fence } = row;
  const [heldMs, leftMs] = [Math.max(1_000, now - acquiredAt), expiresAt - now + 999];
  const span = `for ${duration.brief(heldMs)} now; it lapses in ${duration.brief(leftMs)} unless extended`;
  const who = owner === as ? `${owner}, which is you,` : owner;
  return new Fault("held", `${name} is held by ${who} ${span}`, {
    details: { name, holder: owner, heldSince: acquiredAt, expiresAt, fence, waiting },
    hint: owner === as ? `keep it longer: port-daddy lock ${name} --extend` : hint,
  });
}

/** Throws `not_owner` for anybody but the holder, and for another fence than the current one. */
export function requireOwner(
  { name, owner, fence }: Row,
  as: string | undefined,
  given?: number,
): void {
  if (as !== owner) {
    const you = as === undefined ? "you gave no name" : `you are ${as}`;
    throw new Fault("not_owner", `${name} is held by ${owner}, and ${you}`, {
      details: { name, holder: owner, caller: as ?? null },
      hint:
        as === undefined
          ? `say who you are: port-daddy unlock ${name} --owner <id>`
          : `see who has what: port-daddy locks ${name}`,
    });
  }
  if (given === undefined || given === fence) return;
  throw new Fault("not_owner", `${name} is held by ${owner} with fence ${fence}, not ${given}`, {
    details: { name, holder: owner, caller: as, fence },
    hint: `see it: port-daddy locks ${name}`,
  });
}

/** Throws `not_found`, with how and when it was freed where that is known. */
export function notHeld(world: World, name: string): never {
  const last = findNewest<{ timestamp: number; reason: UnlockReason; owner: string }>(
    world.db,
    "timestamp, metadata ->> 'reason' AS reason, metadata ->> 'owner' AS owner",
    "target_id = ? AND event = 'lock.release'",
    name,
  );
  const ending =
    last &&
    `: ${last.reason === "expired" ? "it lapsed" : "it was freed"} at ${new Date(last.timestamp).toISOString()} (${last.reason})`;
  throw new Fault("not_found", `${name} is not held${ending ?? ""}`, {
    details: last
      ? { name, lastOwner: last.owner, freedAt: last.timestamp, reason: last.reason }
      : { name },
    hint: `acquire it: port-daddy lock ${name}`,
  });
}
