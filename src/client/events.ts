// A stream of the daemon: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) over HTTP
// or a Unix socket. It comes back by itself after the connection was lost, and resumes where it stood.

import { Fault } from "../contract/faults.ts";
import type { WireRequest } from "./calls.ts";
import { connectionFault, readAnswer, type Target } from "./failures.ts";

/** One event of a stream; `message` where the daemon gives it no name of its own. */
export type StreamEvent = { event: string; data: unknown };

export type FollowOptions = {
  /** Aborted to end the stream. */
  signal: AbortSignal;
  /** Told when it is open, the first time. */
  onOpen?: () => void;
  /** Told that the daemon is away, and when it is back. */
  onAway?: (isAway: boolean) => void;
};

/** The daemon sends a heartbeat every 15 s: past a few of them, the connection is dead though nobody says so. */
const silenceMs = 50_000;

/** How long to leave a daemon alone that has gone. */
const comeBackAfterMs = 250;

/** How long its first answer may take. */
const answerMs = 30_000;

/**
 * The events of a stream, across connections, until the signal is aborted. A daemon that cannot be reached is one that
 * is away, also at first: whoever must know that there is one asks it something before. Throws what it refuses.
 */
export async function* follow(
  target: Target,
  request: WireRequest,
  { signal, onOpen = () => {}, onAway = () => {} }: FollowOptions,
): AsyncGenerator<StreamEvent> {
  const position: Position = { id: undefined };
  let isAway = false;
  let isOpen = false;
  function setAway(away: boolean): void {
    if (isAway !== away) onAway(away);
    isAway = away;
  }
  function setOpen(): void {
    setAway(false);
    if (!isOpen) onOpen();
    isOpen = true;
  }
  while (!signal.aborted) {
    try {
      for await (const event of connection(target, request, position, signal)) {
        setOpen();
        if (event) yield event;
      }
    } catch (error) {
      // Whatever keeps it from serving may pass, but not what it refuses.
      const mayReturn =
        error instanceof Fault && (error.code === "unavailable" || error.code === "timed_out");
      if (signal.aborted) return;
      if (!mayReturn) throw error;
    }
    if (signal.aborted) return;
    setAway(true);
    await Bun.sleep(comeBackAfterMs);
  }
}

/** The last id that was seen: where to resume. */
type Position = { id: string | undefined };

/** The events of one connection; `undefined` once it stands. Ends when the daemon ends it. */
async function* connection(
  target: Target,
  { path, headers }: WireRequest,
  position: Position,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent | undefined> {
  const patience = createPatience(answerMs);
  try {
    const response = await fetch("unix" in target ? `http://localhost${path}` : target.url + path, {
      ...("unix" in target && { unix: target.unix }),
      headers: {
        ...headers,
        Accept: "text/event-stream",
        ...(position.id !== undefined && { "Last-Event-ID": position.id }),
      },
      proxy: false,
      // Bun's own limit of six minutes does not know of heartbeats.
      timeout: false,
      signal: AbortSignal.any([signal, patience.signal]),
    });
    if (response.status !== 200) {
      readAnswer(response.status, await response.text(), target);
      throw new Fault("internal", `The daemon answered ${response.status} instead of a stream`);
    }
    yield undefined;
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of response.body ?? []) {
      patience.renew(silenceMs);
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = readBlock(text.slice(0, end), position);
        text = text.slice(end + 2);
        if (event) yield event;
      }
    }
  } catch (error) {
    throw error instanceof Fault ? error : connectionFault(error, target, answerMs);
  } finally {
    patience.end();
  }
}

/** Takes one block of lines in. One without data only moves the position. */
function readBlock(block: string, position: Position): StreamEvent | undefined {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, field, value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (field === "id") position.id = value;
    else if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
  return data.length === 0 ? undefined : { event, data: JSON.parse(data.join("\n")) };
}

/** A signal that is aborted unless it is renewed in time. */
function createPatience(ms: number) {
  const controller = new AbortController();
  const lose = () => controller.abort(new Error("nothing was heard"));
  let timer = setTimeout(lose, ms);
  return {
    signal: controller.signal,
    renew(ms: number): void {
      clearTimeout(timer);
      timer = setTimeout(lose, ms);
    },
    end: () => clearTimeout(timer),
  };
}
