// What claims and locks ask of the registry of agents.

import { Fault } from "../contract/faults.ts";
import type { World } from "../world.ts";

/** Whether an agent is registered and has been heard from. A name that nobody registered is just a label. */
export function isActive(world: World, agent: string): boolean {
  return limitsOf(world, agent) !== null;
}

/** Throws `limit_reached` where a registered agent already holds as many services or locks as it may. */
export function requireRoom(world: World, agent: string | null, what: "services" | "locks"): void {
  const limits = agent === null ? null : limitsOf(world, agent);
  if (agent === null || limits === null) return;
  const held = countOf(world, agent, what);
  if (held < limits[what]) return;
  throw new Fault("limit_reached", `The agent ${agent} holds ${held} of ${limits[what]} ${what}`, {
    details: { agent, held, limit: limits[what] },
    hint:
      what === "services"
        ? "release one first; see them: port-daddy find"
        : "unlock one first; see them: port-daddy locks",
  });
}

/** How many services or locks an agent holds at this moment. */
export function countOf(world: World, agent: string, what: "services" | "locks"): number {
  const sql = {
    services:
      "SELECT count(*) AS n FROM services WHERE agent = ? AND (expires_at IS NULL OR expires_at > ?)",
    locks: "SELECT count(*) AS n FROM locks WHERE agent = ? AND expires_at > ?",
  };
  return (world.db.query(sql[what]).get(agent, world.clock.now()) as { n: number }).n;
}

function limitsOf(world: World, agent: string): { services: number; locks: number } | null {
  return world.db
    .query(
      "SELECT max_services AS services, max_locks AS locks FROM agents WHERE id = ? AND status = 'active'",
    )
    .get(agent) as { services: number; locks: number } | null;
}
