// Changes and what is told of them.
//
// - Work runs in `commit`. Its changes and its events land together or not at all.
// - The commits of one turn of the event loop share one SQLite transaction, each under its own savepoint: a fault
//   undoes its own work and nobody else's. An answer must wait for `landed` before it leaves.
// - Listeners hear of an event after it has landed, all in the same order, by growing id. One that throws fails nobody.
// - `since` and then `listen`, in one turn of the event loop, miss nothing and repeat nothing.

import type { Database } from "bun:sqlite";
import type { ActivityEntry } from "../contract/entities.ts";
import { actionOf, type EventData, type EventName } from "../contract/events.ts";
import { asStorageFault } from "./trouble.ts";

export type Clock = {
  /** Milliseconds since 1970. */
  now(): number;
};

/** One thing that happened, as stored. */
export type Entry = ActivityEntry;
export type Listener = (entry: Entry) => void;
/** `landed` hears how long the database took to store it. */
type Watcher = { landed: (tookMs: number) => void; undone: () => void };

/** Work that ends before it returns: a promise would go on after its transaction has closed, so it has no type here. */
type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

export type Journal = ReturnType<typeof createJournal>;

export function createJournal(db: Database, clock: Clock, report: (error: unknown) => void) {
  /** Each listener with the last event that was there before it. */
  const listeners = new Map<Listener, number>();
  const companions = new Set<Listener>();
  const watchers: Watcher[] = [];
  const insert = db.prepare<null, [number, number, string, string, string, string, string]>(
    `INSERT INTO activity (id, timestamp, event, action, target_id, actor, metadata, indexed)
     VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
  );
  const [begin, land, savepoint, release, rollback] = [
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SAVEPOINT work",
    "RELEASE work",
    "ROLLBACK TO work",
  ].map((sql) => db.prepare(sql));

  // Ids are not taken again, because `prune` never takes the newest row.
  let lastId = newestId();
  let landedId = lastId;
  let depth = 0;
  let group: { entries: Entry[]; landed: PromiseWithResolvers<void>; before: number } | undefined;
  const untold: Entry[] = [];

  /**
   * Runs synchronous work; what it changes and records lands with this turn's transaction, or is undone as a whole if
   * it throws. A commit inside a commit is part of it.
   */
  function commit<T>(work: () => Synchronous<T>): T {
    const mine = (group ??= openGroup());
    const before = { count: mine.entries.length, lastId };
    savepoint!.run();
    depth++;
    try {
      return work() as T;
    } catch (error) {
      if (db.inTransaction) rollback!.run();
      mine.entries.length = before.count;
      if (group === mine) lastId = before.lastId;
      for (const { undone } of watchers) undone();
      const reason = asStorageFault(error);
      // A full disk or a failed read makes SQLite itself give up the whole transaction, with everybody's work in it.
      if (!db.inTransaction && group === mine) fail(reason);
      throw reason;
    } finally {
      depth--;
      if (db.inTransaction) release!.run();
    }
  }

  /** Records an event of the work that is being committed. Its actor is who asked for it. */
  function record<N extends EventName>(
    event: N,
    targetId: string,
    actor: string,
    data: EventData[N],
  ): void {
    if (depth === 0 || !group) throw new Error(`${event} was recorded outside a commit`);
    const entry: Entry = {
      id: ++lastId,
      timestamp: clock.now(),
      action: actionOf(event, data),
      event,
      targetId,
      actor,
      metadata: data,
    };
    insert.run(
      entry.id,
      entry.timestamp,
      event,
      entry.action,
      targetId,
      actor,
      JSON.stringify(data),
    );
    for (const companion of companions) companion(entry);
    group.entries.push(entry);
  }

  /** Ends the turn's transaction now; does nothing where none is open. Throws where it could not be stored. */
  function flush(): void {
    const mine = group;
    if (!mine) return;
    if (depth > 0) throw new Error("flushed inside a commit");
    const start = performance.now();
    try {
      land!.run();
    } catch (error) {
      if (db.inTransaction) db.run("ROLLBACK");
      const reason = asStorageFault(error);
      fail(reason);
      throw reason;
    }
    const tookMs = performance.now() - start;
    group = undefined;
    landedId = lastId;
    mine.landed.resolve();
    for (const { landed } of watchers) landed(tookMs);
    const isTelling = untold.length > 0;
    for (const entry of mine.entries) untold.push(entry);
    if (!isTelling) tellAll();
  }

  function flushLater(): void {
    try {
      flush();
    } catch {
      // `landed` has told everybody who was in it, and `report`.
    }
  }

  function openGroup() {
    try {
      begin!.run();
    } catch (error) {
      throw asStorageFault(error);
    }
    const landed = Promise.withResolvers<void>();
    // Whoever waits hears of it; but the daemon's own work is waited for by nobody.
    landed.promise.catch(report);
    setImmediate(flushLater);
    return { entries: [] as Entry[], landed, before: lastId };
  }

  function fail(reason: unknown): void {
    group?.landed.reject(reason);
    group = undefined;
    lastId = newestId();
    for (const { undone } of watchers) undone();
  }

  /** One after the other, also where a listener makes a commit of its own and lands it. */
  function tellAll(): void {
    for (let entry = untold[0]; entry; entry = untold[0]) {
      tell(entry);
      untold.shift();
    }
  }

  function tell(entry: Entry): void {
    for (const [listener, after] of listeners) {
      if (entry.id <= after) continue;
      try {
        listener(entry);
      } catch (error) {
        report(error);
      }
    }
  }

  function newestId(): number {
    return (db.query("SELECT max(id) AS id FROM activity").get() as { id: number | null }).id ?? 0;
  }

  return {
    commit,
    record,
    flush,
    /** Resolves when everything committed so far is stored; rejects where it could not be. */
    landed: (): Promise<void> => group?.landed.promise ?? Promise.resolve(),
    /** Calls `listener` after each event has landed, until the returned function is called. */
    listen(listener: Listener): () => void {
      listeners.set(listener, group ? group.before : lastId);
      return () => void listeners.delete(listener);
    },
    /** Calls `companion` inside the transaction of each event, for rows that must come and go with it. */
    accompany(companion: Listener): void {
      companions.add(companion);
    },
    /** For what is derived from rows: calls `landed` when changes are stored, `undone` when some were taken back. */
    watch(watcher: Watcher): void {
      watchers.push(watcher);
    },
    /** The events after an id that have landed, oldest first; at most `limit` of them. */
    since(id: number, limit = -1): Entry[] {
      flush();
      const rows = db
        .query(`SELECT ${entryColumns} FROM activity WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`)
        .all(id, landedId, limit); // Whoever was told of what landed may have begun something new.
      return (rows as EntryRow[]).map(toEntry);
    },
    lastId: () => lastId,
    /** The id of the newest event that has landed. */
    landedId: () => landedId,
  };
}

export const entryColumns = `id, timestamp, action, event, target_id AS targetId, actor, metadata`;
export type EntryRow = Omit<Entry, "metadata"> & { metadata: string };

export function toEntry(row: EntryRow): Entry {
  return { ...row, metadata: JSON.parse(row.metadata) };
}
