// Launches: which command serves an identity, who watches over it, and what is launched there again. The daemon starts
// none of them: it keeps what those who do have told.

import type { Launch, ProcessInfo, RestartPolicy } from "../contract/entities.ts";
import { localUrl } from "../contract/loopback.ts";
import { Fault } from "../contract/faults.ts";
import type { InputOf } from "../contract/operations.ts";
import { matcher } from "../contract/pattern.ts";
import { daemonCaller, type Caller, type World } from "../world.ts";
import { birthmarkOf, hasDied } from "./processes.ts";

/** Of a command line, what its event keeps. */
const shownLength = 200;

/** What was last launched so long ago is forgotten. */
const keepMs = 90 * 86_400_000;

type Row = {
  id: string;
  directory: string;
  port: number;
  command: string | null;
  cmd: string;
  pid: number;
  pidMark: string;
  actor: string;
  restart: RestartPolicy;
  detached: 0 | 1;
  restarts: number;
  startedAt: number;
  begunAt: number;
  readyAt: number | null;
  endedAt: number | null;
  code: number | null;
};

const select = `
  SELECT identity AS id, directory, port, command, cmd, pid, pid_mark AS pidMark, actor, restart, detached, restarts,
         started_at AS startedAt, begun_at AS begunAt, ready_at AS readyAt, ended_at AS endedAt, code
  FROM launches`;

/** The launch of an identity that is under way. */
export function findRunning(world: World, id: string): Launch | undefined {
  const row = runningRow(world, id);
  return row && toLaunch(row);
}

/**
 * Writes down that a command is about to be started on a port; one that is given is remembered for the directory, and
 * otherwise the one that was stays. Throws `invalid_input` where `pid` is not a running process.
 */
export function begin(
  world: World,
  input: InputOf<"launch"> & { port: number },
  { actor }: Caller,
): Launch {
  const { id, directory, port, command, cmd, pid, restart = "never", detached } = input;
  return world.journal.commit(() => {
    const now = world.clock.now();
    const before = world.db
      .query(`${select} WHERE identity = ? AND directory = ?`)
      .get(id, directory) as Row | null;
    const row: Row = {
      ...{ id, directory, port, cmd, pid, actor, restart },
      command: command ? JSON.stringify(command) : (before?.command ?? null),
      pidMark: birthmarkOf(world, pid),
      detached: detached ? 1 : 0,
      // On another port it goes on to be the same launch.
      restarts: before?.pid === pid && before.endedAt === null ? before.restarts : 0,
      startedAt: now,
      begunAt: now,
      readyAt: null,
      endedAt: null,
      code: null,
    };
    endDead(world);
    write(world, row);
    world.journal.record("service.launch", id, actor, {
      ...{ port, pid, directory },
      command: cmd.slice(0, shownLength),
    });
    return toLaunch(row);
  });
}

/** What was launched: for each identity and directory the last time. What runs is what its watching process lives with. */
export function list(
  world: World,
  { pattern, directory }: InputOf<"launches">,
): { launches: Launch[]; count: number } {
  endDead(world);
  const matches = matcher(pattern ?? "*");
  const rows = world.db.query(`${select} ORDER BY started_at DESC, identity`).all() as Row[];
  const launches = rows
    .filter((row) => directory === undefined || row.directory === directory)
    .filter((row) => matches(row.id))
    .map(toLaunch);
  return { launches, count: launches.length };
}

/** The command has opened its port. */
export function markReady(world: World, id: string, { actor }: Caller): Launch {
  return change(world, id, (row) => {
    const now = world.clock.now();
    const { port, begunAt } = row;
    const afterMs = Math.max(0, now - begunAt);
    world.journal.record("service.ready", id, actor, { port, url: localUrl(port), afterMs });
    return { ...row, readyAt: now };
  });
}

/** Notes who listens on the port that the command was given. */
export function noteHijack(
  world: World,
  { id, port }: Launch,
  by: ProcessInfo | undefined,
  { actor }: Caller,
): void {
  const command = by?.command?.slice(0, shownLength) ?? null;
  world.journal.commit(() =>
    world.journal.record("service.hijacked", id, actor, { port, pid: by?.pid ?? null, command }),
  );
}

/** The command has ended and is started again. */
export function markRestarted(world: World, id: string, code: number, { actor }: Caller): Launch {
  return change(world, id, (row) => {
    world.journal.record("service.exit", id, actor, { code, restarting: true });
    const begunAt = world.clock.now();
    return { ...row, restarts: row.restarts + 1, begunAt, readyAt: null, code };
  });
}

/** The command has ended for good. */
export function markEnded(world: World, id: string, code: number, { actor }: Caller): Launch {
  return change(world, id, (row) => {
    world.journal.record("service.exit", id, actor, { code, restarting: false });
    return { ...row, endedAt: world.clock.now(), code };
  });
}

/** Ends the launches whose watching process has died: what became of their commands nobody saw. */
export function endDead(world: World): void {
  const rows = world.db.query(`${select} WHERE ended_at IS NULL`).all() as Row[];
  for (const row of rows) {
    if (!hasDied(world, row)) continue;
    world.journal.commit(() => {
      write(world, { ...row, endedAt: world.clock.now() });
      const data = { code: null, restarting: false };
      world.journal.record("service.exit", row.id, daemonCaller.actor, data);
    });
  }
}

/** Forgets what ended long ago. */
export function prune(world: World): void {
  world.journal.commit(() => {
    world.db.query("DELETE FROM launches WHERE ended_at < ?").run(world.clock.now() - keepMs);
  });
}

/** The launch that is under way. Throws `not_owner` where this process does not, or no longer, watch over it. */
export function requireOwn(world: World, { id, pid }: { id: string; pid: number }): Launch {
  const running = findRunning(world, id);
  if (running?.pid === pid) return running;
  const holder = running ? `process ${running.pid} watches over it` : "nobody does";
  throw new Fault("not_owner", `process ${pid} does not watch over ${id}: ${holder}`, {
    details: { id, pid, ...(running && { holder: running }) },
    hint: "see what is launched: port-daddy launch --list",
  });
}

/** Unless whoever watches over it has died. */
function runningRow(world: World, id: string): Row | undefined {
  const rows = world.db.query(`${select} WHERE identity = ? AND ended_at IS NULL`).all(id) as Row[];
  return rows.find((row) => !hasDied(world, row));
}

function change(world: World, id: string, next: (row: Row) => Row): Launch {
  return world.journal.commit(() => {
    const row = runningRow(world, id);
    if (!row) throw new Fault("not_found", `${id} is not launched`);
    const changed = next(row);
    write(world, changed);
    return toLaunch(changed);
  });
}

function write(world: World, row: Row): void {
  world.db
    .query(
      `INSERT OR REPLACE INTO launches (identity, directory, port, command, cmd, pid, pid_mark, actor, restart, detached,
         restarts, started_at, begun_at, ready_at, ended_at, code)
       VALUES ($id, $directory, $port, $command, $cmd, $pid, $pidMark, $actor, $restart, $detached, $restarts, $startedAt,
         $begunAt, $readyAt, $endedAt, $code)`,
    )
    .run(row);
}

function toLaunch(row: Row): Launch {
  const { pidMark: _, begunAt: __, command, detached, ...rest } = row;
  return {
    ...rest,
    command: command === null ? null : JSON.parse(command),
    detached: detached === 1,
    status: row.endedAt !== null ? "ended" : row.readyAt !== null ? "ready" : "starting",
  };
}
