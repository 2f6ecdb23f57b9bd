// The log, replayed as the state that must come of it, and held against the rows that are there. Both are read in one
// transaction, at any moment: a change without its event shows, and so does an event without its change.

import { Database } from "bun:sqlite";

export type Event = {
  id: number;
  event: string;
  target: string;
  actor: string;
  metadata: Record<string, any>;
};

type Row = Record<string, unknown>;

/** An event as ledgers have it. */
export function textOf({ event, target, metadata }: Event): string {
  const number = metadata["port"] ?? metadata["fence"] ?? metadata["id"];
  return number === undefined ? `${event} ${target}` : `${event} ${target} ${number}`;
}

export type Replay = ReturnType<typeof createReplay>;

export function createReplay(file: string) {
  const services = new Map<string, string>();
  const agentOf = new Map<string, string | null>();
  const remembered = new Map<string, number>();
  const locks = new Map<string, string>();
  const agents = new Map<string, string>();
  const counts = new Map<string, number>();
  const problems: string[] = [];
  let [lastEvent, lastMessage, lastFence, events] = [0, 0, 0, 0];
  /** An agent that is being unregistered: until something else happens, what it held is released. */
  let leaving: Event | undefined;

  function settleLeaving(next: Event | undefined): void {
    // What expires is released on the way, by the daemon itself.
    if (!leaving || (next && [leaving.actor, "port-daddy"].includes(next.actor))) return;
    const left = [...agentOf].filter(([, agent]) => agent === leaving!.target);
    if (left.length > 0) problems.push(`${leaving.target} is gone and ${left} still there`);
    leaving = undefined;
  }

  const apply: Record<string, (event: Event) => void> = {
    "service.claim"({ target, metadata: { port, agent = null } }) {
      services.set(target, `${port} ${agent}`);
      agentOf.set(target, agent);
      remembered.set(target, port);
    },
    "service.release"({ id, target, metadata: { port } }) {
      if (!services.get(target)?.startsWith(`${port} `))
        problems.push(`event ${id}: ${target} ${port} is released and was ${services.get(target)}`);
      services.delete(target);
      agentOf.delete(target);
    },
    "lock.acquire"({ id, target, metadata: { owner, fence } }) {
      const holder = locks.get(target);
      if (holder !== undefined)
        problems.push(`event ${id}: ${target} is acquired by ${owner} and was ${holder}'s`);
      if (fence <= lastFence) problems.push(`event ${id}: fence ${fence} after ${lastFence}`);
      lastFence = fence;
      locks.set(target, `${owner} ${fence}`);
    },
    "lock.release"({ id, target, metadata: { owner, fence } }) {
      if (locks.get(target) !== `${owner} ${fence}`)
        problems.push(
          `event ${id}: ${target} is released by ${owner} (${fence}) without having it`,
        );
      locks.delete(target);
    },
    "message.publish"({ id, target, metadata }) {
      if (metadata["id"] <= lastMessage)
        problems.push(`event ${id}: message ${metadata["id"]} after ${lastMessage}`);
      lastMessage = metadata["id"];
      counts.set(target, (counts.get(target) ?? 0) + 1);
    },
    "agent.register": ({ target }) => void agents.set(target, "active"),
    "agent.stale": ({ target }) => void agents.set(target, "stale"),
    "agent.unregister"(event) {
      agents.delete(event.target);
      leaving = event;
    },
  };

  /** What is held, as the log tells it; what is there, as the rows tell it. */
  function compare(what: string, rows: Row[], expected: Map<string, unknown>): void {
    const found = new Map(rows.map(({ key, value }) => [String(key), value]));
    for (const key of new Set([...found.keys(), ...expected.keys()])) {
      if (found.get(key) === expected.get(key)) continue;
      problems.push(
        `${what} ${key}: the row says ${String(found.get(key))}, the log ${String(expected.get(key))}`,
      );
    }
  }

  function compareAll(db: Database, messagesAfter: number, published: Event[]): void {
    const all = (sql: string) => db.query(sql).all() as Row[];
    settleLeaving(undefined);
    const agent = "coalesce(agent, 'null')";
    compare(
      "claim",
      all(`SELECT id AS key, port || ' ' || ${agent} AS value FROM services`),
      services,
    );
    compare("port of", all("SELECT id AS key, port AS value FROM port_memory"), remembered);
    const held = "SELECT id AS key, 1 AS value FROM port_memory WHERE released_at IS NULL";
    compare("is held:", all(held), new Map([...services.keys()].map((id) => [id, 1])));
    compare("lock", all("SELECT name AS key, owner || ' ' || fence AS value FROM locks"), locks);
    compare("agent", all("SELECT id AS key, status AS value FROM agents"), agents);
    compare(
      "messages of",
      all("SELECT channel AS key, count AS value FROM channels WHERE channel != ''"),
      counts,
    );
    const messages = db
      .query("SELECT id AS key, channel AS value FROM messages WHERE id > ?")
      .all(messagesAfter) as Row[];
    const told = published.map(({ target, metadata }) => [String(metadata["id"]), target] as const);
    compare("message", messages, new Map(told));
  }

  return {
    problems,
    /** Reads what is new and returns it; what does not fit is added to `problems`. */
    advance(): Event[] {
      using db = new Database(file, { readonly: true });
      db.run("PRAGMA busy_timeout = 5000");
      return db.transaction(() => {
        const messagesAfter = lastMessage;
        const rows = db
          .query(
            "SELECT id, event, target_id AS target, actor, metadata FROM activity WHERE id > ? ORDER BY id",
          )
          .all(lastEvent) as (Omit<Event, "metadata"> & { metadata: string })[];
        const fresh = rows.map((row) => ({ ...row, metadata: JSON.parse(row.metadata) }) as Event);
        for (const event of fresh) {
          settleLeaving(event);
          apply[event.event]?.(event);
        }
        lastEvent = fresh.at(-1)?.id ?? lastEvent;
        events += fresh.length;
        const published = fresh.filter(({ event }) => event === "message.publish");
        compareAll(db, messagesAfter, published);
        return fresh;
      })();
    },
    /** At the end: that nothing was taken out of the log again, and the file is whole. */
    conclude(): void {
      using db = new Database(file, { readonly: true });
      const { n } = db.query("SELECT count(*) AS n FROM activity").get() as { n: number };
      if (n !== events) problems.push(`the log had ${events} events, and has ${n}`);
      const integrity = db.query("PRAGMA integrity_check").values().flat().join("; ");
      if (integrity !== "ok") problems.push(`the database says of itself: ${integrity}`);
    },
    state: () => ({ services, locks, agents, counts }),
  };
}
