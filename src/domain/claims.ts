// A claim: how an identity comes to its port, is confirmed in it, and moves to another.

import { processInWords, type Claimed, type Moved, type Service } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import { contains, parse } from "../contract/range.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import { end, releaseExpired } from "./endings.ts";
import * as listeners from "./listeners.ts";
import * as ports from "./ports.ts";
import { birthmarkOf, hasDied } from "./processes.ts";
import { isActive, requireRoom } from "./registry.ts";
import { findRow, live, mergedUrls, neverSeen, toService, write, type Row } from "./serviceRows.ts";

/** `elsewhere`: where a stranger has its port, take another. */
type Wanted = InputOf<"claim"> & { elsewhere?: boolean | undefined };

/**
 * Claims a port for an identity, or confirms the one it holds (`existing`). What is given replaces what was there.
 * Throws `held`, `invalid_input` or `no_port` (see `ports.choose`); then nothing has changed.
 */
export function claim(world: World, input: Wanted, caller: Caller): Claimed {
  return world.journal.commit(() => {
    releaseExpired(world);
    const row = findLiving(world, input.id);
    if (row && input.onlyIfFree) throw heldAlready(row);
    const claimed = row ? repeat(world, row, input, caller) : begin(world, input, caller);
    world.journal.record("service.claim", input.id, caller.actor, withoutNulls(claimed));
    return claimed;
  });
}

function heldAlready({ id, port, agent }: Row): Fault {
  return new Fault("held", `${id} is claimed already: it holds port ${port}`, {
    details: { port, holder: { id, agent } },
    hint: `see it: port-daddy find ${id}`,
  });
}

/** Claims several: all or none. */
export function claimAll(
  world: World,
  { ids, ...shared }: InputOf<"claimAll">,
  caller: Caller,
): { services: Claimed[] } {
  return world.journal.commit(() => ({
    services: ids.map((id) => claim(world, { id, ...shared }, caller)),
  }));
}

function begin(world: World, input: InputOf<"claim">, caller: Caller): Claimed {
  const agent = input.agent ?? caller.agent ?? null;
  requireRoom(world, agent, "services");
  const last = ports.remembered(world, input.id);
  const { server, ...choice } = choose(world, input, last);
  const now = world.clock.now();
  const row: Row = {
    id: input.id,
    ...blank,
    claimer: caller.id ?? null,
    createdAt: now,
    ...given(world, input, now),
    agent,
    // It has been there all along, so it has not started.
    ...(server && {
      claimer: server.claimer,
      seenPid: server.pid,
      seenMark: server.mark,
      seenAt: now,
    }),
    port: choice.port,
    lastSeenAt: now,
  };
  write(world, row, input.urls);
  ports.remember(world, row.id, row.port, last);
  // Else it was bound a moment ago, so nothing listens there, whatever an earlier look has seen.
  const service = toService(
    world,
    row,
    input.urls ?? {},
    server ? undefined : { status: "assigned", listener: null },
  );
  return { ...service, existing: false, ...choice };
}

/** Chooses a port; one that belongs to the dead is free, though nobody has come by yet to say so. */
function choose(world: World, input: InputOf<"claim">, last: number | undefined): ports.Choice {
  const wanted = input.port ?? last;
  const owner = wanted === undefined ? undefined : live(world, "port = ?", wanted)[0];
  if (owner && hasDied(world, owner)) end(world, owner, "pid_died", daemonCaller);
  return ports.choose(world, input.id, input, last);
}

/** The claim of an identity, unless its process has died meanwhile: then it ends here rather than at the next round. */
function findLiving(world: World, id: string): Row | undefined {
  const row = findRow(world, id);
  if (!row || !hasDied(world, row)) return row;
  end(world, row, "pid_died", daemonCaller);
  return undefined;
}

/** The identity holds a port: confirm it, or move it where another was asked for. */
function repeat(world: World, held: Row, input: Wanted, caller: Caller): Claimed {
  const isLost = input.elsewhere && listeners.view(world, held).listener?.stranger === true;
  const choice = isLost
    ? leave(world, held, input)
    : mustMove(held, input)
      ? move(world, held, input)
      : { port: held.port };
  const { agent } = held;
  const isAnothers = agent !== null && agent !== caller.agent && isActive(world, agent);
  const now = world.clock.now();
  const row: Row = {
    ...held,
    ...(choice.port === held.port && isServed(world, held) ? {} : neverSeen),
    ...(caller.id !== undefined && { claimer: caller.id }),
    ...renewal(held, now),
    ...given(world, input, now),
    ...(isAnothers && { ...keptFor(held), ...renewal(held, now) }),
    port: choice.port,
    lastSeenAt: now,
  };
  write(world, row, input.urls);
  if (row.port !== held.port) ports.remember(world, row.id, row.port, held.port);
  const service = toService(world, row, mergedUrls(held, input));
  const ignored = isAnothers && ["agent", "pid", "expires"].filter((name) => name in input);
  return {
    ...service,
    existing: true,
    ...useWarning(service, input),
    ...(ignored && ignored.length > 0 && { warning: othersWarning(held, ignored) }),
    ...choice,
  };
}

function othersWarning({ id, agent }: Row, ignored: string[]): string {
  return `${id} belongs to the agent ${agent}, so its ${ignored.join(" and ")} did not change`;
}

/** Whoever repeats a claim takes it over neither from an agent that is there nor decides when that loses it. */
function keptFor({ agent, claimer, pid, pidMark, expiresAt, expiresMs }: Row): Partial<Row> {
  return { agent, claimer, pid, pidMark, expiresAt, expiresMs };
}

/** Where something listens already that whoever claims may not know of: a stranger, or its own server elsewhere. */
function useWarning({ id, port, listener }: Service, { cwd }: Wanted): { warning?: string } {
  if (listener?.stranger)
    return { warning: `port ${port} is in use by a stranger: ${processInWords(listener)}` };
  const from = listener?.cwd;
  if (!from || cwd === undefined || listeners.contains(cwd, from) || listeners.contains(from, cwd))
    return {};
  return { warning: `${id} is served already, from ${from}: ${processInWords(listener)}` };
}

/** Whether its own server, seen before, listens at this very moment. */
function isServed(world: World, row: Row): boolean {
  if (row.seenAt === null) return false;
  world.probe.listening(0);
  return listeners.view(world, row).own !== undefined;
}

function mustMove(held: Row, { port, range }: InputOf<"claim">): boolean {
  if (port !== undefined) return port !== held.port;
  return range !== undefined && !contains(parse(range)!, held.port);
}

function move(world: World, held: Row, input: InputOf<"claim">): ports.Choice {
  const isInUse = world.probe.obstacle(held.port) === "in_use";
  if (isInUse && !listeners.view(world, held).listener?.stranger) {
    const process = world.probe.listenersOn(held.port)[0]?.process ?? null;
    throw new Fault(
      "held",
      `${held.id} cannot move from port ${held.port} while it is in use by ${processInWords(process)}`,
      {
        details: { port: held.port, holder: { id: held.id, process } },
        hint: `stop it first, or keep the port: port-daddy claim ${held.id}`,
      },
    );
  }
  const movedFrom: Moved = { port: held.port, reason: "requested", holder: null };
  const { server: _, ...choice } = choose(world, input, held.port);
  return { ...choice, movedFrom };
}

/** Another port than the one that a stranger has. */
function leave(world: World, { id, port: taken }: Row, { port, ...input }: Wanted): ports.Choice {
  const isAsked = port !== undefined && port !== taken;
  const wanted = { ...input, id, ...(isAsked && { port }) };
  const { server: _, ...choice } = choose(world, wanted, taken);
  return choice;
}

const blank = {
  pid: null,
  pidMark: null,
  agent: null,
  cmd: null,
  cwd: null,
  health: null,
  metadata: null,
  expiresAt: null,
  expiresMs: null,
  ...neverSeen,
  urls: "{}",
};

/** The columns that the input sets; those it does not mention are left out. */
function given(world: World, input: InputOf<"claim">, now: number): Partial<Row> {
  const { pid, agent, cmd, cwd, health, metadata, expires } = input;
  return {
    ...(pid !== undefined && { pid, pidMark: birthmarkOf(world, pid) }),
    ...(agent !== undefined && { agent }),
    ...(cmd !== undefined && { cmd }),
    ...(cwd !== undefined && { cwd }),
    ...(health !== undefined && { health }),
    ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }),
    ...(expires !== undefined && { expiresAt: now + expires, expiresMs: expires }),
  };
}

/** A repeat without `expires` renews the span that was given before. */
function renewal({ expiresMs }: Row, now: number): Partial<Row> {
  return expiresMs === null ? {} : { expiresAt: now + expiresMs };
}

/** The same without what is null: what an event keeps. */
function withoutNulls(claimed: Claimed): Claimed {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(claimed)) if (value !== null) kept[name] = value;
  return kept as Claimed;
}
