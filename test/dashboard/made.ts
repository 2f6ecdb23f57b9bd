// Things of the dashboard's state, whole, of which a test says no more than what it is about.

import type { Claim } from "../../dashboard/state.ts";

/** A claim of nobody's that has nothing but a port, and was made at instant 0 for good. */
export function claimOf(facts: Pick<Claim, "id"> & Partial<Claim>): Claim {
  return {
    port: 3100,
    pid: null,
    agent: null,
    cmd: null,
    cwd: null,
    urls: {},
    health: null,
    metadata: null,
    createdAt: 0,
    expiresAt: null,
    ...facts,
  };
}
