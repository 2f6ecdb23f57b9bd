// The steps of the schema, oldest first. `user_version` counts the steps a database has had; a released one is never
// edited.

export const migrations: readonly string[] = [
  `
  -- What happened: the activity log, and the replay of every stream.
  CREATE TABLE activity (
    id        INTEGER PRIMARY KEY,
    timestamp INTEGER NOT NULL,
    event     TEXT NOT NULL,
    action    TEXT NOT NULL,
    target_id TEXT NOT NULL,
    actor     TEXT NOT NULL,
    metadata  TEXT NOT NULL
  ) STRICT;
  CREATE INDEX activity_by_action ON activity (action, id);
  CREATE INDEX activity_by_target ON activity (target_id, id);
  CREATE INDEX activity_by_actor ON activity (actor, id);

  -- The claims in force.
  CREATE TABLE services (
    id           TEXT PRIMARY KEY,
    port         INTEGER NOT NULL UNIQUE,
    pid          INTEGER,
    -- Tells the process from a later one of the same number.
    pid_mark     TEXT,
    agent        TEXT,
    cmd          TEXT,
    cwd          TEXT,
    health       TEXT,
    metadata     TEXT,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER,
    -- The span that a repeated claim renews.
    expires_ms   INTEGER,
    -- The caller id that claimed it, if one was given: its last part is the process behind the command.
    claimer      TEXT,
    -- The process of its own that was last seen listening, and since when one has been; NULL before the first.
    seen_pid     INTEGER,
    seen_mark    TEXT,
    seen_at      INTEGER,
    -- Since when the port has been silent after that; NULL while something of its own listens.
    silent_since INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX services_by_expiry ON services (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX services_by_pid ON services (pid) WHERE pid IS NOT NULL;
  CREATE INDEX services_by_agent ON services (agent) WHERE agent IS NOT NULL;

  -- URLs of a claim beside the local one.
  CREATE TABLE endpoints (
    service_id  TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    url         TEXT NOT NULL,
    PRIMARY KEY (service_id, environment)
  ) STRICT, WITHOUT ROWID;

  -- The port each identity had last, for good.
  CREATE TABLE port_memory (
    id          TEXT PRIMARY KEY,
    port        INTEGER NOT NULL,
    -- NULL while the identity holds it.
    released_at INTEGER,
    -- The process that served it then, if any: while that listens, the port is in use by nobody else.
    server_pid  INTEGER,
    server_mark TEXT,
    server_claimer TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX port_memory_by_port ON port_memory (port);
  CREATE INDEX port_memory_by_release ON port_memory (released_at, port) WHERE released_at IS NOT NULL;
  `,
  `
  CREATE TABLE locks (
    name        TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    agent       TEXT,
    pid         INTEGER,
    pid_mark    TEXT,
    fence       INTEGER NOT NULL,
    acquired_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- The span that an extension renews.
    ttl_ms      INTEGER NOT NULL,
    metadata    TEXT,
    -- What its holder calls the attempt by which it was acquired.
    attempt     TEXT,
    -- Whether that was made again after it was granted.
    asked_again INTEGER NOT NULL,
    -- Whether it is extended by itself while its process lives.
    while_alive INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX locks_by_agent ON locks (agent) WHERE agent IS NOT NULL;

  CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    channel    TEXT NOT NULL,
    -- As JSON.
    payload    TEXT NOT NULL,
    sender     TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
  ) STRICT;
  CREATE INDEX messages_by_channel ON messages (channel, id);
  CREATE INDEX messages_by_expiry ON messages (expires_at) WHERE expires_at IS NOT NULL;

  -- The channels that have, or lately had, messages. The one without a name stands for all that are no longer listed.
  CREATE TABLE channels (
    channel         TEXT PRIMARY KEY,
    count           INTEGER NOT NULL,
    last_message_at INTEGER,
    -- The newest id that was ever removed: a subscriber who has seen less has missed something.
    trimmed_to      INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE agents (
    id                TEXT PRIMARY KEY,
    name              TEXT,
    type              TEXT,
    pid               INTEGER,
    pid_mark          TEXT,
    metadata          TEXT,
    max_services      INTEGER NOT NULL,
    max_locks         INTEGER NOT NULL,
    status            TEXT NOT NULL,
    registered_at     INTEGER NOT NULL,
    last_heartbeat_at INTEGER NOT NULL,
    -- When it goes stale, unless it is heard from before; of a stale one, since when it is.
    stale_at          INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX agents_by_staleness ON agents (status, stale_at);
  `,
  `
  CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    -- A JSON list of names and patterns.
    events     TEXT NOT NULL,
    filter     TEXT,
    secret     TEXT,
    active     INTEGER NOT NULL,
    -- Why nothing is sent at the moment; NULL where it is.
    paused     TEXT,
    -- Events that failed for good since one arrived.
    failures   INTEGER NOT NULL,
    -- Events that went by while it was paused.
    dropped    INTEGER NOT NULL,
    -- What was waiting when it was last resumed: it may work that off before it counts as behind.
    backlog    INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE deliveries (
    -- The order in which they are made.
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL,
    webhook     TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event       TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    body        TEXT NOT NULL,
    status      TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    next_at     INTEGER,
    http_status INTEGER,
    duration_ms INTEGER,
    response    TEXT,
    error       TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
  ) STRICT;
  CREATE INDEX deliveries_by_webhook ON deliveries (webhook, number);
  CREATE INDEX deliveries_pending ON deliveries (webhook, number) WHERE status = 'pending';
  `,
  `
  -- What was last launched for an identity in a directory, which is also what is launched there again.
  CREATE TABLE launches (
    identity   TEXT NOT NULL,
    directory  TEXT NOT NULL,
    port       INTEGER NOT NULL,
    -- A JSON list of words; NULL where package.json says what to run.
    command    TEXT,
    cmd        TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    pid_mark   TEXT NOT NULL,
    actor      TEXT NOT NULL,
    restart    TEXT NOT NULL,
    detached   INTEGER NOT NULL,
    restarts   INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- When the command that runs now was started, and when its port was first listened on since.
    begun_at   INTEGER NOT NULL,
    ready_at   INTEGER,
    ended_at   INTEGER,
    code       INTEGER,
    PRIMARY KEY (identity, directory)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX launches_running ON launches (identity) WHERE ended_at IS NULL;
  `,
  `
  -- Whether the indices know of an entry: they follow behind the log (logIndex.ts).
  ALTER TABLE activity ADD COLUMN indexed INTEGER NOT NULL DEFAULT 1;
  DROP INDEX activity_by_action;
  DROP INDEX activity_by_target;
  DROP INDEX activity_by_actor;
  CREATE INDEX activity_by_action ON activity (action, id) WHERE indexed;
  CREATE INDEX activity_by_target ON activity (target_id, id) WHERE indexed;
  CREATE INDEX activity_by_actor ON activity (actor, id) WHERE indexed;
  `,
];
