// start, stop, restart, status, logs, version, and the daemon itself.

import { build } from "../../build.ts";
import { findDaemon, startDaemon, stopDaemon, whileStopped } from "../../client/connect.ts";
import { brief } from "../../contract/duration.ts";
import { asFault } from "../../contract/faults.ts";
import { buildLabel } from "../../contract/headers.ts";
import * as paths from "../../system/paths.ts";
import { command } from "../command.ts";
import { logFlags, showLog } from "../logs.ts";
import { plural, toJson } from "../render.ts";
import { refuseRemote, tell, warn } from "../telling.ts";

export const start = command({
  name: "start",
  group: "Daemon",
  summary: "Start the daemon",
  flags: () => ({}),
  async run({ flags }, context) {
    refuseRemote(context, "start");
    const running = await findDaemon(context.config);
    const version =
      running ?? (await startDaemon(context.config, (notice) => warn(notice, context.terminal)));
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
    const notice = (text: string) => warn(text, context.terminal);
    await whileStopped(context.config, notice, async (stopped, start) =>
      tell(await start(), stopped ? "restarted" : "started", flags, context),
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
        for (const notice of notices) warn(notice, context.terminal);
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
