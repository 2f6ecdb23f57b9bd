// Sends metrics to a StatsD server. Nobody may be there, nor the name resolve: that disturbs nothing here.

import * as dns from "node:dns/promises";
import type { UdpTarget } from "../../system/destinations.ts";
import type { Family, Meters } from "./meters.ts";
import { createStatsdLines, datagrams } from "./statsd.ts";

/** How often what has changed is sent. */
export const sendEveryMs = 1_000;

/** A name may lead elsewhere by then, as where a container was started anew; one that led nowhere, sooner. */
const resolveEveryMs = 60_000;
const tryAgainEveryMs = 5_000;

/**
 * How often a gauge is sent that has not changed: a datagram may be lost, and a server that was started anew, of which
 * nothing is heard, has forgotten them all.
 */
const repeatGaugesEveryMs = 60_000;

/** How long a stop waits for a name that is being resolved. */
const lastResolveMs = 500;

export type Sender = {
  /** Sends what has changed, if anything was counted, and what is repeated; where there is no way yet, the next time. */
  send(): void;
  /** Sends what is left and is silent from then on. */
  stop(): Promise<void>;
};

type Way = { address: string; socket: Bun.udp.ConnectedSocket<"buffer"> };

/** `read` gives all metrics as they are; `warn` is told, once, where the target cannot be reached by its name. */
export function createSender(
  target: UdpTarget,
  meters: Meters,
  read: () => Family[],
  warn: (message: string) => void,
): Sender {
  const { lines, forgetGauges } = createStatsdLines();
  let way: Way | undefined;
  let resolving: Promise<void> | undefined;
  let resolvedAt = Number.NEGATIVE_INFINITY;
  let sentMoves: number | undefined;
  let forgottenAt = Number.NEGATIVE_INFINITY;
  let isWarned = false;
  let isStopped = false;

  function resolve(): Promise<void> {
    return (resolving ??= findWay().finally(() => (resolving = undefined)));
  }

  async function findWay(): Promise<void> {
    resolvedAt = performance.now();
    try {
      // Servers of StatsD listen by IPv4 unless told otherwise.
      const { address } = await dns.lookup(target.host, { order: "ipv4first" });
      if (address === way?.address) return;
      const socket = await open(address, target.port);
      way?.socket.close();
      way = { address, socket };
      forget();
      if (isStopped) close();
      isWarned = false;
    } catch (error) {
      if (!isWarned && !isStopped) warn(failure(target, error));
      isWarned = true;
    }
  }

  /** From here on, whoever is there is told everything, also while nothing happens. */
  function forget(): void {
    forgetGauges();
    sentMoves = undefined;
    forgottenAt = performance.now();
  }

  function close(): void {
    way?.socket.close();
    way = undefined;
  }

  function send(): void {
    if (isStopped) return;
    const everyMs = way === undefined ? tryAgainEveryMs : resolveEveryMs;
    if (performance.now() - resolvedAt >= everyMs) void resolve();
    if (way === undefined) return;
    if (performance.now() - forgottenAt >= repeatGaugesEveryMs) forget();
    const moves = meters.moves();
    if (moves === sentMoves) return;
    sentMoves = moves;
    for (const datagram of datagrams(lines(read()))) sendOne(way, datagram);
  }

  return {
    send,
    async stop() {
      send();
      if (way === undefined) {
        await Promise.race([resolving, Bun.sleep(lastResolveMs)]);
        send();
      }
      isStopped = true;
      close();
    },
  };
}

function open(address: string, port: number): Promise<Way["socket"]> {
  return Bun.udpSocket({
    hostname: address.includes(":") ? "::" : "0.0.0.0",
    // Connected, so that the kernel lets nobody else's datagrams in.
    connect: { hostname: address, port },
    // Where it is said that nobody listens; without this it would end the daemon.
    socket: { error() {} },
  });
}

/** UDP promises nothing, and a server that is away must not be missed. */
function sendOne({ socket }: Way, datagram: string): void {
  try {
    socket.send(datagram);
  } catch {
    // What was refused before is told by the next call; what cannot be routed is lost.
  }
}

function failure({ host, port }: UdpTarget, error: unknown): string {
  return `no metrics reach PORT_DADDY_STATSD=${host}:${port}: ${(error as Error).message}`;
}
