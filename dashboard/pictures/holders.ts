// Who holds what, and who waits for it: the holders on the left, what is held on the right in the order of the holders,
// so that the curves between hardly cross.

import type { Waiting } from "../../src/contract/feed.ts";
import { byName } from "../order.ts";
import type { Claim, Hold, Member } from "../state.ts";
import { count, grouped, listed, ordinal, verb } from "../words.ts";

export type Holder = {
  key: string;
  name: string;
  kind: "agent" | "owner";
  isStale: boolean;
  holds: Held[];
  /** The locks it stands in line for, by the time since when. */
  waits: Wait[];
};

type Held = {
  key: string;
  kind: "service" | "lock";
  /** What stands for itself. */
  name: string;
  since: number;
};

type Wait = {
  lock: string;
  since: number;
  /** From 1. */
  place: number;
  /** How many stand in that line. */
  of: number;
};

type Holdables = {
  services: ReadonlyMap<string, Claim>;
  locks: ReadonlyMap<string, Hold>;
  agents: ReadonlyMap<string, Member>;
  waiting: readonly Waiting[];
};

/** Those who hold something or wait for something: registered agents first, and whoever only waits behind whom for. */
export function holdersOf({ services, locks, agents, waiting }: Holdables): Holder[] {
  const holders = new Map<string, Holder>();

  function holder(name: string, key = name): Holder {
    const found = holders.get(key);
    if (found) return found;
    const agent = agents.get(key);
    const made: Holder = {
      key,
      name,
      kind: agent ? "agent" : "owner",
      isStale: agent?.status === "stale",
      holds: [],
      waits: [],
    };
    holders.set(key, made);
    return made;
  }

  /** An agent that is registered stands for the owners that it acts as. */
  function nameOf({ agent, owner }: { agent: string | null; owner: string | null }) {
    return agent !== null && agents.has(agent) ? agent : (owner ?? agent);
  }

  for (const { id, agent, createdAt } of [...services.values()].sort(byName(({ id }) => id))) {
    if (agent === null) continue;
    holder(agent).holds.push({ key: `service ${id}`, kind: "service", name: id, since: createdAt });
  }
  for (const hold of [...locks.values()].sort(byName(({ name }) => name))) {
    const { name, owner, acquiredAt } = hold;
    const held: Held = { key: `lock ${name}`, kind: "lock", name, since: acquiredAt };
    holder(nameOf(hold) ?? owner).holds.push(held);
  }
  const lines = Map.groupBy(waiting, ({ lock }) => lock);
  for (const line of lines.values()) {
    for (const [at, waiter] of line.entries()) {
      const place = at + 1;
      const name = nameOf(waiter);
      // Whoever gave no name is somebody else each time.
      const who =
        name === null ? holder("unnamed", `unnamed ${waiter.lock} ${place}`) : holder(name);
      who.waits.push({ lock: waiter.lock, since: waiter.since, place, of: line.length });
    }
  }
  return inOrder([...holders.values()]);
}

function inOrder(holders: readonly Holder[]): Holder[] {
  const holderOfLock = new Map(
    holders.flatMap((holder) =>
      holder.holds.flatMap(({ kind, name }) => (kind === "lock" ? [[name, holder] as const] : [])),
    ),
  );
  // Whoever only waits stands behind the holder of that lock, where both are of a kind; else at the end.
  const placed = holders.map((holder) => {
    const holds = holder.holds.length > 0;
    const before = holds ? holder : holderOfLock.get(holder.waits[0]?.lock ?? "");
    const anchor = before?.kind === holder.kind ? before.name : undefined;
    return { holder, anchor, place: holds ? 0 : (holder.waits[0]?.place ?? 0) };
  });
  return placed
    .sort(
      (one, other) =>
        Number(one.holder.kind === "owner") - Number(other.holder.kind === "owner") ||
        Number(one.anchor === undefined) - Number(other.anchor === undefined) ||
        byAnchor(one, other) ||
        one.place - other.place ||
        byKey(one, other),
    )
    .map(({ holder }) => holder);
}

const byAnchor = byName(({ anchor }: { anchor: string | undefined }) => anchor ?? "");
const byKey = byName(({ holder }: { holder: Holder }) => holder.key);

/** What stands on the right: one thing, or several of one holder together. */
export type Node = { key: string; kind: "service" | "lock"; y: number; label: string } & (
  | { isGroup: false; name: string }
  /** What `holder` has of `project`; where that is missing, all of that kind. */
  | { isGroup: true; of: number; holder: string; project?: string }
);

/** A line from a holder to a node, both by their place in the lists. */
type Curve = { holder: number; node: number; kind: "service" | "lock" };
type Dashes = { holder: number; node: number; place?: string };

export type Holdings = {
  left: { holder: Holder; y: number }[];
  right: Node[];
  holds: Curve[];
  waits: Dashes[];
  height: number;
};

/** So many nodes on the right can still be taken in; with more, services are grouped. */
export const maxNodes = 60;

/** Pixels from one node to the next. */
export const nodePitch = 24;

/** Each `y` is the middle of a node, counted from the top. */
export function layOutHoldings(holders: readonly Holder[]): Holdings {
  const waited = new Set(holders.flatMap(({ waits }) => waits.map(({ lock }) => lock)));
  const columns = [each, byProject, byKind].map((grouping) => columnOf(holders, waited, grouping));
  const { right, holds } = columns.find(({ right }) => right.length <= maxNodes) ?? columns.at(-1)!;

  const nodeOfLock = new Map(
    right.flatMap((node, at) =>
      node.kind === "lock" && !node.isGroup ? [[node.name, at] as const] : [],
    ),
  );
  const waits = holders.flatMap(({ waits }, holder) =>
    waits.map(({ lock, place, of }): Dashes => {
      const node = nodeOfLock.get(lock)!;
      return { holder, node, ...(of > 1 && { place: ordinal(place) }) };
    }),
  );
  const wanted = holders.map((_, at) => {
    const own = holds.filter(({ holder }) => holder === at);
    const linked = own.length > 0 ? own : waits.filter(({ holder }) => holder === at);
    return mean(linked.map(({ node }) => right[node]!.y));
  });
  const height = Math.max(holders.length, right.length) * nodePitch;
  const ys = spread(wanted, nodePitch, height);
  const left = holders.map((holder, at) => ({ holder, y: ys[at]! }));
  return { left, right, holds, waits, height };
}

/** How the things of one holder are put together: those of one text are one node, those of none stay by themselves. */
type Grouping = (held: Held, waited: ReadonlySet<string>) => string | undefined;

const each: Grouping = () => undefined;

const byProject: Grouping = ({ kind, name }) => (kind === "service" ? projectOf(name) : undefined);

/** A lock that somebody waits for is the point of the picture and stays by itself. */
const byKind: Grouping = ({ kind, name }, waited) =>
  kind === "lock" && waited.has(name) ? undefined : "";

function columnOf(
  holders: readonly Holder[],
  waited: ReadonlySet<string>,
  grouping: Grouping,
): Pick<Holdings, "right" | "holds"> {
  const right: Node[] = [];
  const holds: Curve[] = [];
  const add = (node: DistributiveOmit<Node, "y">) =>
    right.push({ ...node, y: (right.length + 0.5) * nodePitch }) - 1;

  for (const [holder, { key, name, holds: all }] of holders.entries()) {
    const together = Map.groupBy(all, (held) => {
      const group = grouping(held, waited);
      return group === undefined ? held.key : `${held.kind} of ${group}`;
    });
    for (const [group, things] of together) {
      const [first] = things;
      if (!first) continue;
      const { kind } = first;
      const node = add(
        things.length === 1
          ? { key: first.key, kind, isGroup: false, name: first.name, label: first.name }
          : groupOf(
              { key: `${key} ${group}`, kind, holder: name },
              things,
              grouping(first, waited),
            ),
      );
      holds.push({ holder, node, kind });
    }
  }
  const shown = new Set(right.map(({ key }) => key));
  // Freed a moment ago, and not yet given on.
  for (const lock of [...waited].sort(byName((lock) => lock)))
    if (!shown.has(`lock ${lock}`))
      add({ key: `lock ${lock}`, kind: "lock", isGroup: false, name: lock, label: lock });
  return { right, holds };
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function groupOf(
  group: { key: string; kind: "service" | "lock"; holder: string },
  things: readonly Held[],
  project: string | undefined,
): DistributiveOmit<Node, "y"> {
  const of = things.length;
  const node = { ...group, isGroup: true as const, of };
  if (project) return { ...node, project, label: `${project} · ${count(of, "service")}` };
  if (group.kind === "lock") return { ...node, label: count(of, "lock") };
  const projects = new Set(things.map(({ name }) => projectOf(name))).size;
  return { ...node, label: `${count(of, "service")} · ${count(projects, "project")}` };
}

function projectOf(identity: string): string {
  return identity.split(":", 1)[0]!;
}

/**
 * Places as near as may be to what is wanted, in that order, at least `gap` apart and inside of `height`: pushed down
 * from the top, then up from the bottom.
 */
export function spread(wanted: readonly number[], gap: number, height: number): number[] {
  const places: number[] = [];
  for (const place of wanted) places.push(Math.max(place, (places.at(-1) ?? -gap / 2) + gap));
  let most = height - gap / 2;
  for (let at = places.length - 1; at >= 0; at--) {
    places[at] = Math.min(places[at]!, most);
    most = places[at]! - gap;
  }
  return places;
}

/** `4 agents hold 12 services and 3 locks; 2 wait; 31 services belong to no agent.` */
export function summaryOfHoldings(
  holders: readonly Holder[],
  { services, agents }: Pick<Holdables, "services" | "agents">,
): string {
  const held = holders.flatMap(({ holds }) => holds);
  const holding = holders.filter(({ holds }) => holds.length > 0);
  const waiting = holders.filter(({ waits }) => waits.length > 0).length;
  const stale = holders.filter(({ isStale }) => isStale).length;
  const agentCount = holding.filter(({ kind }) => kind === "agent").length;
  const who = [
    ...(agentCount > 0 ? [count(agentCount, "agent")] : []),
    ...(holding.length > agentCount ? [count(holding.length - agentCount, "other owner")] : []),
  ];
  const serviceCount = held.filter(({ kind }) => kind === "service").length;
  const what = [
    ...(serviceCount > 0 ? [count(serviceCount, "service")] : []),
    ...(held.length > serviceCount ? [count(held.length - serviceCount, "lock")] : []),
  ];
  const idle = agents.size - holders.filter(({ kind }) => kind === "agent").length;
  const free = [...services.values()].filter(({ agent }) => agent === null).length;
  const facts = [
    holding.length === 0
      ? "No agent holds anything"
      : `${listed(who)} ${verb(holding.length, "holds", "hold")} ${listed(what)}`,
    ...(waiting > 0 ? [`${grouped(waiting)} ${verb(waiting, "waits", "wait")} for a lock`] : []),
    ...(stale > 0 ? [`${grouped(stale)} ${verb(stale, "is", "are")} stale`] : []),
    ...(idle > 0 && holding.length > 0
      ? [`${grouped(idle)} more ${verb(idle, "agent holds", "agents hold")} nothing`]
      : []),
    ...(free > 0
      ? [`${count(free, "service")} ${verb(free, "belongs", "belong")} to no agent`]
      : []),
  ];
  return `${facts.join("; ")}.`;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
}
