// Making the daemon a service of this user, and undoing that.

import * as fs from "node:fs";
import { build } from "../../build.ts";
import { findDaemon, whileStopped, type Version } from "../../client/connect.ts";
import { ownCommand } from "../../system/self.ts";
import { daemonSettings, type Config } from "../../config.ts";
import * as paths from "../../system/paths.ts";
import * as service from "../../system/service.ts";
import type { Installed, Manager, Order } from "../../system/service.ts";
import type { Context } from "../command.ts";
import { refuseRemote, warn } from "../telling.ts";
import { asFaults, refuseForeign, refuseWrong, requireManager, unreachable } from "./refusals.ts";
import * as screens from "./screens.ts";
import type { Flags } from "./screens.ts";

/** Installs the service, or says what that would be. Throws what keeps it from that. */
export async function install(flags: Flags, context: Context): Promise<void> {
  refuseRemote(context, "install");
  const { config } = context;
  const manager = requireManager();
  const order = orderOf(config);
  const before = service.findInstalled(manager);
  refuseWrong(manager, order);
  refuseForeign(manager, before, config, "install");
  const obstacle = await service.obstacleTo(manager);
  if (flags.dryRun) {
    if (obstacle !== undefined) warn(unreachable(manager, obstacle).message, context.terminal);
    return screens.showInstall(manager, order, flags, context);
  }
  if (obstacle !== undefined) throw unreachable(manager, obstacle);
  screens.warnOfPlace(order, context);
  const text = manager.text(order);
  const running = await findDaemon(config).catch(() => undefined);
  const isDone =
    before?.text === text &&
    manager.links.every((link) => fs.existsSync(link)) &&
    running?.codeHash === build.codeHash &&
    running.pid === (await service.servicePid(manager));
  const version = isDone ? running : await takeOver(manager, text, before, context);
  const done = isDone ? "is already installed" : before ? "reinstalled" : "installed";
  screens.tellInstalled({ manager, order, version, done }, flags, context);
}

/** Removes the service; what was stored stays. */
export async function uninstall(flags: Flags, context: Context): Promise<void> {
  refuseRemote(context, "uninstall");
  const { config } = context;
  const manager = requireManager();
  const installed = service.findInstalled(manager);
  if (!installed) return screens.tellNotInstalled(flags, context);
  refuseForeign(manager, installed, config, "uninstall");
  if (flags.dryRun) return screens.showUninstall(manager, flags, context);
  const stopped = await whileStopped(
    config,
    (notice) => warn(notice, context.terminal),
    async (stopped) => {
      await asFaults(manager, () => service.remove(manager));
      fs.rmSync(paths.startReport(config.home), { force: true });
      return stopped;
    },
  );
  screens.tellUninstalled(manager, stopped, flags, context);
}

/**
 * Puts the service in the place of the daemon that runs. Where that fails, what was installed before is again, and a
 * daemon that ran is started once more.
 */
async function takeOver(
  manager: Manager,
  text: string,
  before: Installed | undefined,
  context: Context,
): Promise<Version> {
  let notice = (text: string) => warn(text, context.terminal);
  return whileStopped(
    context.config,
    (text) => notice(text),
    async (stopped, start) => {
      try {
        return await asFaults(manager, async () => {
          service.write(manager, text);
          await service.ask(manager.enable);
          return await start();
        });
      } catch (error) {
        notice = () => {}; // The first failure says more than what comes of mending it.
        await restore(manager, before).catch(notice);
        if (!before) fs.rmSync(paths.startReport(context.config.home), { force: true });
        if (stopped) await start().catch(notice);
        throw error;
      }
    },
  );
}

async function restore(manager: Manager, before: Installed | undefined): Promise<void> {
  await service.ask(manager.stop);
  if (!before) return service.remove(manager);
  service.write(manager, before.text);
  await service.ask(manager.enable);
}

function orderOf(config: Config): Order {
  const [program = "", ...rest] = ownCommand();
  return {
    command: [fs.realpathSync(program), ...rest, "daemon", "--json"],
    settings: daemonSettings(config),
  };
}
