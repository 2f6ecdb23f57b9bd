// Which domain call answers which operation: a line each.

import type { InputOf, OperationName, OutputOf } from "../contract/operations.ts";
import { format } from "../contract/range.ts";
import * as activity from "../domain/activity.ts";
import * as services from "../domain/services.ts";
import type { Caller } from "../world.ts";
import type { Daemon } from "./daemon.ts";
import { openapi } from "./openapi.ts";
import type { HeldRequest } from "./address.ts";
import { untilHealthy } from "./waiting.ts";

type Handler<N extends OperationName> = (
  daemon: Daemon,
  input: InputOf<N>,
  caller: Caller,
  request: HeldRequest,
) => OutputOf<N> | Promise<OutputOf<N>>;

export const handlers: { [N in OperationName]: Handler<N> } = {
  health: (daemon) => ({
    status: "ok",
    version: daemon.build.version,
    pid: process.pid,
    uptimeMs: daemon.world.clock.now() - daemon.startedAt,
    services: services.count(daemon.world),
  }),
  version,
  activity: ({ world }, input) => activity.list(world, input),
  openapi: ({ build }) => openapi(build.version),
  shutdown: (daemon) => {
    daemon.stop("asked to by POST /shutdown");
    return { stopping: true, pid: process.pid };
  },

  claim: ({ world }, input, caller) => services.claim(world, input, caller),
  claimAll: ({ world }, input, caller) => services.claimAll(world, input, caller),
  release: ({ world }, input, caller) => services.release(world, input, caller),
  services: ({ world }, input) => services.list(world, input),
  service: ({ world }, input) => services.get(world, input),
  setEndpoint: ({ world }, input, caller) => services.setEndpoint(world, input, caller),
  unsetEndpoint: ({ world }, input, caller) =>
    services.setEndpoint(world, { ...input, url: null }, caller),
  wait: (daemon, input, _, request) => untilHealthy(daemon, input, request),
  port: ({ world }, input) => services.report(world, input),
};

/** What is in force: version, code, and the settings that a shell may hold a different view of. */
export function version({
  build,
  startedAt,
  port,
  world: { config },
}: Daemon): OutputOf<"version"> {
  return {
    ...build,
    api: 1,
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    startedAt,
    ...(port !== undefined && { port }),
    wantedPort: config.port,
    range: format(config.range),
    home: config.home,
  };
}
