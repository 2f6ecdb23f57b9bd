// What claims and locks ask of the registry of agents.

import type { AgentStatus } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { countRows } from "../store/queries.ts";
import type { World } from "../world.ts";
import { isLive } from "./serviceRows.ts";

/** Whether an agent is registered and has been heard from. A name that nobody registered is just a label. */
export function isActive(world: World, agent: string): boolean {
  return limitsOf(world, agent)?.status === "active";
}

/** Throws `limit_reached` where a registered agent already holds as many as it may; a stale one may hold nothing. */
export function requireRoom(world: World, agent: string | null, what: "services" | "locks"): void {
  const limits = agent === null ? null : limitsOf(world, agent);
  if (agent === null || limits === null) return;
  if (limits.status === "stale") {
    throw new Fault("limit_reached", `The agent ${agent} is stale, so nothing can be held for it`, {
      details: { agent },
      hint: `if it is there after all: port-daddy agent heartbeat ${agent}`,
    });
  }
  const held = countOf(world, agent, what);
  if (held < limits[what]) return;
  throw new Fault("limit_reached", `The agent ${agent} holds ${held} of ${limits[what]} ${what}`, {
    details: { agent, held, limit: limits[what] },
    hint: `it must give one back first; see it: port-daddy agent show ${agent}`,
  });
}

/** How many services or locks an agent holds at this moment. */
export function countOf(world: World, agent: string, what: "services" | "locks"): number {
  const held = {
    services: `services WHERE agent = ? AND ${isLive}`,
    locks: "locks WHERE agent = ? AND expires_at > ?",
  };
  return countRows(world.db, held[what], agent, world.clock.now());
}

type Limits = { services: number; locks: number; status: AgentStatus };

function limitsOf(world: World, agent: string): Limits | null {
  return world.db
    .query("SELECT max_services AS services, max_locks AS locks, status FROM agents WHERE id = ?")
    .get(agent) as Limits | null;
}
