// Every command, in the order of help.

import type { Command } from "../command.ts";
import { log, whoami } from "./activity.ts";
import { agents, heartbeat, register, run, show, unregister } from "./agents.ts";
import { completions } from "./completions.ts";
import { dashboard } from "./dashboard.ts";
import { daemon, logs, restart, start, status, stop, version } from "./daemon.ts";
import { doctor } from "./doctor.ts";
import { install, uninstall } from "./install.ts";
import { lock, locks, unlock } from "./locks.ts";
import { channels, messages, pub, sub } from "./messages.ts";
import { env, url } from "./urls.ts";
import { wait } from "./wait.ts";
import * as webhooks from "./webhooks.ts";
import { launch } from "./launch.ts";
import { claim, find, release, who } from "./services.ts";

export const commands: readonly Command[] = [
  claim,
  launch,
  release,
  find,
  url,
  env,
  who,
  pub,
  sub,
  messages,
  channels,
  wait,
  lock,
  unlock,
  locks,
  log,
  whoami,
  agents,
  register,
  heartbeat,
  unregister,
  show,
  run,
  webhooks.add,
  webhooks.list,
  webhooks.show,
  webhooks.update,
  webhooks.remove,
  webhooks.test,
  webhooks.deliveries,
  webhooks.events,
  start,
  stop,
  restart,
  install,
  uninstall,
  status,
  dashboard,
  logs,
  doctor,
  version,
  completions,
  daemon,
] as readonly Command<any>[];
