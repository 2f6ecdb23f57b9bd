// What launching changes beside the launch itself: the claim it is for, and the message that tells of it.

import { processInWords, type Launch, type Launched } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { localUrl } from "../contract/loopback.ts";
import type { InputOf } from "../contract/operations.ts";
import { channelName } from "../contract/values.ts";
import * as launches from "../domain/launches.ts";
import * as messages from "../domain/messages.ts";
import * as services from "../domain/services.ts";
import type { Caller, World } from "../world.ts";

/**
 * Claims a port for a command that is about to be started. Throws `held` where the identity is launched or served
 * already, and where a stranger has its port and no other one is to be taken; then nothing has changed.
 */
export function launch(world: World, input: InputOf<"launch">, caller: Caller): Launched {
  return world.journal.commit(() => {
    world.probe.listening(0);
    refuseSecond(world, input);
    const claimed = claimFor(world, input, caller);
    return { ...claimed, launch: launches.begin(world, { ...input, port: claimed.port }, caller) };
  });
}

function refuseSecond(world: World, { id, pid }: InputOf<"launch">): void {
  const running = launches.findRunning(world, id);
  const service = services.find(world, { id });
  const isServed = service?.status === "running" && service.listener?.stranger !== true;
  if (running?.pid === pid || (!running && !isServed)) return;
  const { port, urls, listener = null } = service ?? {};
  throw new Fault("held", `${id} is running already`, {
    details: { id, port, url: urls?.["local"], launch: running ?? null, process: listener },
    hint: running
      ? `to put a new one in its place: port-daddy launch ${id} --force-new`
      : `see who serves it: port-daddy who ${port}`,
  });
}

function claimFor(world: World, input: InputOf<"launch">, caller: Caller) {
  const { directory, command: _, restart: __, detached: ___, keep, retry, pid, ...wanted } = input;
  const claim = () =>
    services.claim(world, { ...wanted, cwd: directory, ...(!keep && { pid }) }, caller);
  const claimed = claim();
  const { id, port, listener } = claimed;
  if (!listener?.stranger) return claimed;
  if (!retry)
    throw new Fault("held", `port ${port} of ${id} is in use by ${processInWords(listener)}`, {
      details: { port, holder: { id, process: listener } },
      hint: `to take another port: port-daddy launch ${id} --retry`,
    });
  services.release(world, { id, port }, caller);
  return claim();
}

/** Writes down how a launch goes on. Throws `not_owner` where it is not the caller's. */
export function report(
  world: World,
  { id, pid, state, code = 0 }: InputOf<"reportLaunch">,
  caller: Caller,
): Launch {
  return world.journal.commit(() => {
    const running = launches.requireOwn(world, { id, pid });
    return reports[state](world, { running, code }, caller);
  });
}

type Report = { running: Launch; code: number };

const reports: Record<
  InputOf<"reportLaunch">["state"],
  (world: World, report: Report, caller: Caller) => Launch
> = {
  ready(world, { running }, caller) {
    const { id, status } = running;
    if (status === "ready") return running;
    const { port } = services.get(world, { id });
    const channel = channelName.accept(`service:${id}:ready`, "channel");
    // Of an identity too long for a channel there is the event alone.
    if (channel !== undefined) {
      const payload = { id, port, url: localUrl(port) };
      messages.publish(world, { channel, payload }, caller);
    }
    return launches.markReady(world, id, port, caller);
  },
  hijacked(world, { running }, caller) {
    const { port } = services.get(world, { id: running.id });
    launches.noteHijack(world, running.id, port, caller);
    return running;
  },
  restarting: (world, { running, code }, caller) =>
    launches.markRestarted(world, running.id, code, caller),
  ended(world, { running, code }, caller) {
    const { id, pid } = running;
    const service = services.find(world, { id });
    // A claim that is somebody else's, or to be kept, does not live with us.
    if (service?.pid === pid) services.release(world, { id, port: service.port }, caller);
    return launches.markEnded(world, id, code, caller);
  },
};
