// What this machine says about its ports and processes: the real `Probe` of a world.

import { birthmark } from "../system/processes.ts";
import { listeners, listenersOn } from "../system/sockets.ts";
import type { Clock, Probe } from "../world.ts";

/** How old a look at who listens may be when it is read. */
const maxAgeMs = 1_000;

/** A port may be bound for the microseconds of another daemon's probe: that is no reason to give it up. */
const secondLooks = 3;

export function createProbe(clock: Clock): Probe {
  let seen: { at: number; ports: ReadonlySet<number> } | undefined;

  function look(): ReadonlySet<number> {
    seen = { at: clock.now(), ports: new Set(listeners().map(({ port }) => port)) };
    return seen.ports;
  }

  function listening(): ReadonlySet<number> {
    // A clock that was set back makes any look an old one.
    const age = seen ? clock.now() - seen.at : -1;
    return seen && age >= 0 && age <= maxAgeMs ? seen.ports : look();
  }

  function obstacle(port: number): "in_use" | "not_permitted" | undefined {
    let found = tryBind(port);
    for (let looks = 0; found === "in_use" && looks < secondLooks; looks++) {
      if (look().has(port)) break;
      found = tryBind(port);
    }
    return found;
  }

  return { obstacle, listening, listenersOn, birthmark };
}

/**
 * Tries to bind a port for a moment. On Linux one bind of the IPv6 wildcard conflicts with a listener on any address;
 * where there is no IPv6, the IPv4 wildcard does.
 */
function tryBind(port: number): "in_use" | "not_permitted" | undefined {
  for (const hostname of wildcards) {
    const result = bind(hostname, port);
    if (result !== "no_such_address") return result;
  }
  return undefined;
}

const wildcards = ["::", "0.0.0.0"];

function bind(
  hostname: string,
  port: number,
): "in_use" | "not_permitted" | "no_such_address" | undefined {
  try {
    Bun.listen({ hostname, port, exclusive: true, socket: { data() {} } }).stop(true);
    return undefined;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EACCES" || code === "EPERM") return "not_permitted";
    if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return "no_such_address";
    return "in_use";
  }
}
