// State that a daemon finds when it starts: written as it would have written it, without asking for each row.

import * as fs from "node:fs";
import * as path from "node:path";
import { open, type Database } from "../../src/store/database.ts";
import type { Home } from "../home.ts";

const channels = 100;
const targets = 100;

/** An hour ago, so that nothing is removed for its age. */
const writtenAt = () => Date.now() - 3_600_000;

/** Messages, over a hundred channels. */
export function storeMessages(home: Home, count: number): void {
  fill(home, (db) => {
    const message = db.prepare(
      "INSERT INTO messages (id, channel, payload, sender, created_at) VALUES (?, ?, ?, 'bench', ?)",
    );
    const channel = db.prepare(
      "INSERT INTO channels (channel, count, last_message_at, trimmed_to) VALUES (?, ?, ?, 0)",
    );
    const [at, payload] = [writtenAt(), JSON.stringify({ step: "build", ok: true, tookMs: 541 })];
    for (let id = 1; id <= count; id++) message.run(id, `build:${id % channels}`, payload, at);
    for (let each = 0; each < channels; each++) channel.run(`build:${each}`, count / channels, at);
  });
}

/**
 * What happened: claims and releases in turns. Every target, actor and action that a row of the bench filters by is
 * spread over all of it, and there are as many of each however long it is.
 */
export function storeActivity(home: Home, count: number, wanted: number): void {
  fill(home, (db) => {
    const entry = db.prepare(
      "INSERT INTO activity (timestamp, event, action, target_id, actor, metadata) VALUES (?, ?, ?, ?, ?, ?)",
    );
    const [at, every] = [writtenAt(), count / wanted];
    const metadata = JSON.stringify({ port: 3100, cwd: "/home/ada/shop", existing: false });
    for (let n = 0; n < count; n++) {
      const isWanted = n % every === every - 1;
      const action = isWanted ? "lock_acquire" : n % 2 === 0 ? "claim" : "release";
      const event = {
        lock_acquire: "lock.acquire",
        claim: "service.claim",
        release: "service.release",
      };
      const target = isWanted
        ? `wanted:${Math.floor(n / every) % targets}`
        : `project${n % targets}:web`;
      entry.run(
        at + n,
        event[action],
        action,
        target,
        isWanted ? "ada" : `other-${n % 9}`,
        metadata,
      );
    }
  });
}

function fill(home: Home, write: (db: Database) => void): void {
  fs.mkdirSync(home.state, { recursive: true, mode: 0o700 });
  const db = open(path.join(home.state, "port-daddy.db"));
  try {
    db.transaction(() => write(db))();
    db.run("PRAGMA wal_checkpoint(truncate)");
  } finally {
    db.close();
  }
}
