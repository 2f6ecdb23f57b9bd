// What launching changes beside the launch itself: the claim it is for, and the message that tells of it.

import { processInWords, type Claimed, type Launch, type Launched } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { localUrl } from "../contract/loopback.ts";
import type { InputOf } from "../contract/operations.ts";
import { channelName } from "../contract/values.ts";
import * as launches from "../domain/launches.ts";
import * as messages from "../domain/messages.ts";
import { claim } from "../domain/claims.ts";
import * as services from "../domain/services.ts";
import type { Caller, World } from "../world.ts";

/**
 * Claims a port for a command that is about to be started. Throws `held` where the identity is launched or served
 * already, and where a stranger has its port and no other one is to be taken; then nothing has changed.
 */
export function launch(world: World, input: InputOf<"launch">, caller: Caller): Launched {
  return world.journal.commit(() => {
    world.probe.listening(0); // What was seen a second ago may be a server that was just ended.
    refuseSecond(world, input);
    const claimed = claimFor(world, input, caller);
    return { ...claimed, launch: launches.begin(world, { ...input, port: claimed.port }, caller) };
  });
}

function refuseSecond(world: World, { id, pid }: InputOf<"launch">): void {
  const running = launches.findRunning(world, id);
  if (running?.pid === pid) return;
  const service = services.find(world, { id });
  const isServed = service?.status === "running" && service.listener?.stranger !== true;
  const port = running?.port ?? (isServed ? service.port : undefined);
  if (port === undefined) return;
  throw new Fault("held", `${id} is running already`, {
    details: { id, port, url: localUrl(port), launch: running ?? null },
    hint: running
      ? `to put a new one in its place: port-daddy launch ${id} --force-new`
      : `see who serves it: port-daddy who ${port}`,
  });
}

function claimFor(world: World, input: InputOf<"launch">, caller: Caller): Claimed {
  const { directory, command: _, restart: __, detached: ___, keep, retry, pid, ...wanted } = input;
  const lifetime = keep ? {} : { pid };
  const asked = { ...wanted, cwd: directory, elsewhere: retry, ...lifetime };
  const claimed = claimOrRetry(world, asked, caller);
  const { id, port, listener } = claimed;
  if (!listener?.stranger) return claimed;
  throw new Fault("held", `port ${port} of ${id} is in use by ${processInWords(listener)}`, {
    details: { port, holder: { id, process: listener } },
    hint: `to take another port: port-daddy launch ${id} --retry`,
  });
}

/** Whoever would take another port is not held up by one that cannot be had. */
function claimOrRetry(
  world: World,
  { port, ...wanted }: Parameters<typeof claim>[1],
  caller: Caller,
): Claimed {
  try {
    return claim(world, { ...wanted, ...(port !== undefined && { port }) }, caller);
  } catch (error) {
    const isHeld = error instanceof Fault && error.code === "held";
    if (!isHeld || !wanted.elsewhere || port === undefined) throw error;
    return claim(world, wanted, caller);
  }
}

/** Writes down how a launch goes on. Throws `not_owner` where it is not the caller's. */
export function report(
  world: World,
  { id, pid, state, ...news }: InputOf<"reportLaunch">,
  caller: Caller,
): Launch {
  return world.journal.commit(() =>
    reports[state](world, launches.requireOwn(world, { id, pid }), news, caller),
  );
}

type News = Pick<InputOf<"reportLaunch">, "code" | "by">;

const reports: Record<
  InputOf<"reportLaunch">["state"],
  (world: World, running: Launch, news: News, caller: Caller) => Launch
> = {
  ready(world, running, _, caller) {
    const { id, status, port } = running;
    if (status === "ready") return running;
    const channel = channelName.accept(`service:${id}:ready`, "channel");
    // Of an identity too long for a channel there is the event alone.
    if (channel !== undefined) {
      const payload = { id, port, url: localUrl(port) };
      messages.publish(world, { channel, payload }, caller);
    }
    return launches.markReady(world, id, caller);
  },
  hijacked(world, running, { by }, caller) {
    launches.noteHijack(world, running, by, caller);
    return running;
  },
  restarting(world, { id }, { code = 0 }, caller) {
    services.expectAgain(world, id);
    return launches.markRestarted(world, id, code, caller);
  },
  ended(world, { id, pid }, { code = 0 }, caller) {
    const service = services.find(world, { id });
    // A claim that is somebody else's, or to be kept, does not live with us.
    if (service?.pid === pid) services.release(world, { id, port: service.port }, caller);
    return launches.markEnded(world, id, code, caller);
  },
};
