// What was launched, as it is listed and ended.

import { homeDirectory } from "../../config.ts";
import type { Launch } from "../../contract/entities.ts";
import type { Context, Say } from "../command.ts";
import { nearest } from "../nearest.ts";
import { clipped, directory, plain, relative, table, toJson } from "../render.ts";
import { end } from "./ending.ts";

export async function showLaunches(
  pattern: string | undefined,
  { json, quiet }: Say,
  { daemon, terminal }: Context,
): Promise<void> {
  const answer = await daemon.call("launches", pattern === undefined ? {} : { pattern });
  if (json) return terminal.out(toJson(answer));
  if (quiet) return answer.launches.forEach(({ id }) => terminal.out(id));
  if (answer.count === 0) {
    terminal.err(pattern === undefined ? "Nothing was launched" : `No launch matches ${pattern}`);
    return terminal.err("hint: launch something: port-daddy launch myapp:web -- npm run dev");
  }
  terminal.out(launchTable(answer.launches, terminal));
}

/** How much of a command a table shows. */
const commandColumns = 40;

function launchTable(launches: Launch[], { paint, columns }: Context["terminal"]): string {
  const now = Date.now();
  return table(
    ["IDENTITY", "PORT", "STATUS", "PROCESS", "SINCE", "COMMAND", "DIRECTORY"],
    launches.map((launch) => [
      launch.id,
      launch.endedAt === null ? launch.port : null,
      statusOf(launch),
      launch.endedAt === null ? launch.pid : null,
      relative(launch.endedAt ?? launch.startedAt, now),
      clipped(plain(launch.cmd), commandColumns),
      directory(launch.directory, homeDirectory()),
    ]),
    paint,
    columns(),
  );
}

function statusOf({ status, code, restarts }: Launch): string {
  if (status === "ended") return code === null ? "lost" : `ended (${code})`;
  return restarts === 0 ? status : `${status} (restarted ${restarts}×)`;
}

export async function stopLaunches(
  patterns: string[],
  { json, quiet }: Say,
  { daemon, terminal }: Context,
): Promise<void> {
  const stopped: string[] = [];
  for (const pattern of patterns) {
    const { launches } = await daemon.call("launches", { pattern });
    const running = launches.filter(({ endedAt }) => endedAt === null);
    await Promise.all(running.map(end));
    stopped.push(...running.map(({ id }) => id));
    if (!json && !quiet) for (const { id } of running) terminal.out(`Stopped ${id}`);
    if (running.length === 0 && !json) await tellNothing(pattern, daemon, terminal);
  }
  if (json) terminal.out(toJson({ stopped }));
}

async function tellNothing(
  pattern: string,
  daemon: Context["daemon"],
  { err }: Context["terminal"],
): Promise<void> {
  err(`Nothing to stop: ${plain(pattern)} is not launched`);
  const { launches } = await daemon.call("launches", {});
  const running = launches.filter(({ endedAt }) => endedAt === null).map(({ id }) => id);
  const meant = nearest(pattern, running);
  if (meant !== undefined) err(`hint: did you mean: port-daddy launch --stop ${meant}`);
}
