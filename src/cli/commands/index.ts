// Every command, in the order of help.

import type { Command } from "../command.ts";
import { log, whoami } from "./activity.ts";
import { daemon, logs, restart, start, status, stop, version } from "./daemon.ts";
import { env, url } from "./urls.ts";
import { wait } from "./wait.ts";
import { claim, find, release, who } from "./services.ts";

export const commands: readonly Command[] = [
  claim,
  release,
  find,
  url,
  env,
  who,
  wait,
  log,
  whoami,
  start,
  stop,
  restart,
  status,
  logs,
  version,
  daemon,
] as readonly Command<any>[];
