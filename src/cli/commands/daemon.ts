// start, stop, restart, status, logs, version, and the daemon itself.

import { build } from "../../build.ts";
import { findDaemon, startDaemon, stopDaemon, type Version } from "../../client/connect.ts";
import { homeDirectory } from "../../config.ts";
import { brief } from "../../contract/duration.ts";
import { asFault, Fault } from "../../contract/faults.ts";
import { buildLabel } from "../../contract/headers.ts";
import { inUrl } from "../../contract/loopback.ts";
import { pagePath } from "../../contract/pages.ts";
import * as paths from "../../system/paths.ts";
import { command, type Context } from "../command.ts";
import { logFlags, showLog } from "../logs.ts";
import { directory, plural, toJson } from "../render.ts";

export const start = command({
  name: "start",
  group: "Daemon",
  summary: "Start the daemon",
  flags: () => ({}),
  async run({ flags }, context) {
    refuseRemote(context, "start");
    const running = await findDaemon(context.config);
    const version =
      running ?? (await startDaemon(context.config, (notice) => warn(notice, context)));
    tell(version, running ? "is already running" : "started", flags, context);
  },
});

export const stop = command({
  name: "stop",
  group: "Daemon",
  summary: "Stop the daemon",
  flags: () => ({}),
  async run({ flags: { json, quiet } }, { config, terminal }) {
    const version = await stopDaemon(config);
    if (json)
      terminal.out(
        JSON.stringify({ stopped: version !== undefined, ...(version && { pid: version.pid }) }),
      );
    else if (!quiet)
      terminal.out(
        version ? `port-daddy stopped (pid ${version.pid})` : "port-daddy is not running",
      );
  },
});

export const restart = command({
  name: "restart",
  group: "Daemon",
  summary: "Restart the daemon",
  flags: () => ({}),
  async run({ flags }, context) {
    refuseRemote(context, "restart");
    const stopped = await stopDaemon(context.config);
    tell(
      await startDaemon(context.config, (notice) => warn(notice, context)),
      stopped ? "restarted" : "started",
      flags,
      context,
    );
  },
});

export const status = command({
  name: "status",
  group: "Daemon",
  summary: "Check if daemon is running",
  flags: () => ({}),
  async run({ flags: { json, quiet } }, context) {
    const { terminal, runningDaemon } = context;
    const daemon = runningDaemon();
    const [version, health] = [await daemon.call("version", {}), await daemon.call("health", {})];
    if (json) return terminal.out(toJson({ ...version, ...health }));
    if (quiet) return terminal.out("running");
    tell(version, `is running for ${brief(health.uptimeMs)}`, {}, context);
    terminal.out(`  ports      ${version.range}, ${plural(health.services, "claim")}`);
    const { agents, locks, subscribers } = health;
    terminal.out(
      `  held       ${plural(locks, "lock")}, ${plural(agents, "active agent")}, ${plural(subscribers, "subscriber")}`,
    );
  },
});

export const logs = command({
  name: "logs",
  group: "Daemon",
  summary: "Show the daemon's own log",
  flags: () => logFlags,
  async run({ flags: { lines, follow } }, { config, terminal }) {
    await showLog(paths.logFile(config.home), { lines, follow }, terminal, {
      hint: "it begins when the daemon does: port-daddy start",
    });
  },
});

export const version = command({
  name: "version",
  group: "Daemon",
  summary: "Show the version of this command and of the daemon",
  flags: () => ({}),
  async run({ flags: { json, quiet } }, { config, terminal }) {
    if (quiet) return terminal.out(build.version);
    const running = await findDaemon(config);
    if (json) return terminal.out(toJson({ ...build, daemon: running ?? null }));
    terminal.out(`port-daddy ${buildLabel(build)}`);
    terminal.out(
      running ? `daemon     ${buildLabel(running)}, pid ${running.pid}` : "daemon     not running",
    );
  },
});

export const daemon = command({
  name: "daemon",
  group: "Daemon",
  summary: "Run the daemon in the foreground, for a service manager",
  flags: () => ({}),
  async run({ flags: { json } }, context) {
    try {
      await context.runDaemon((version, notices) => {
        if (json) return context.terminal.out(JSON.stringify({ version, notices }));
        for (const notice of notices) warn(notice, context);
        tell(version, "started", {}, context);
      });
    } catch (error) {
      if (!json) throw error;
      // The command that started us reads our stdout alone: stderr is the log.
      const fault = asFault(error);
      context.terminal.out(JSON.stringify(fault.toBody()));
      context.terminal.err(`${new Date().toISOString()} error did not start: ${fault.message}`);
      return fault.exit;
    }
    return 0;
  },
});

export type Narration = { json?: boolean | undefined; quiet?: boolean | undefined };

export function warn(notice: string, { terminal }: Context): void {
  terminal.err(`warning: ${notice}`);
}

/** What is in force, a line each. */
export function tell(version: Version, what: string, flags: Narration, context: Context): void {
  const { out, paint } = context.terminal;
  if (flags.json) return out(toJson(version));
  if (flags.quiet) return;
  const socket = directory(paths.socketFile(version.home), homeDirectory());
  out(`port-daddy ${version.version} ${paint.good(what)}, pid ${version.pid}`);
  if (version.port === undefined) {
    out(`  API        ${socket} alone: another user's port-daddy has port ${version.wantedPort}`);
  } else {
    const { host, port, needsToken } = version;
    const beyond = host === undefined ? "" : `, http://${inUrl(host)}:${port} (with the token)`;
    out(`  API        http://localhost:${port}${beyond} and ${socket}`);
    out(
      `  dashboard  ${needsToken ? "port-daddy dashboard" : `http://localhost:${port}${pagePath}`}`,
    );
  }
  out(`  state      ${directory(version.home, homeDirectory())}`);
}

export function refuseRemote({ config }: Context, verb: string): void {
  if (config.url === undefined) return;
  throw new Fault(
    "invalid_input",
    `PORT_DADDY_URL names a daemon at ${config.url}, which this command cannot ${verb}`,
    {
      hint: `without it: env -u PORT_DADDY_URL port-daddy ${verb}`,
    },
  );
}
