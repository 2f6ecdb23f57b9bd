// Streams of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A stream reads what
// it has not sent yet from what is stored, and is told at once of what is new for as long as it keeps up. One that is
// read slowly, or never, falls back to reading what is stored: it costs a bounded buffer, and nobody waits for it.

import type { Position } from "../contract/feed.ts";
import { isPattern, matcher } from "../contract/pattern.ts";

/** A piece of a stream, encoded once for everybody who gets it. */
export type Frame = Uint8Array<ArrayBuffer>;

/** What follows an id: frames, and how far they reach. `isEnd` where that is all there is at this moment. */
export type Page = { frames: Frame[]; cursor: number; isEnd: boolean };

export type Stream = {
  response: Response;
  /** Sends a frame that is new, or leaves it to be read later; with none to send, what is stored says why. */
  push(id: number, frame: Frame | undefined): void;
  /** Sends a frame that stands beside what is stored; whoever is behind gets one like it with the end of its page. */
  show(frame: Frame): void;
  /** Shows a client that is waiting that we are there. */
  beat(): void;
  end(): void;
};

/** What a stream is over. */
export type Source = {
  headers: Record<string, string>;
  /** Sent before anything else. */
  first: Frame[];
  /** The id after which it begins. */
  after: number;
  /** Gets what follows an id: a page of a size that the stream's buffer can take. */
  read: (after: number) => Page;
  /** Called once, when the client has gone or the daemon stops. */
  onEnd: () => void;
};

/** What a stream holds for a reader that is behind, and about what a page should hold at most. */
export const bufferBytes = 256 * 1024;

/** Proxies and clients give up on a connection that is silent for longer. */
export const heartbeatEveryMs = 15_000;

/** How long a client should leave us alone before it comes back. */
const retryMs = 1_000;

const encoder = new TextEncoder();

/** An event as it is sent; without a name it is a `message`. */
export function frame({ id, event, data }: { id?: number; event?: string; data: unknown }): Frame {
  const name = event === undefined ? "" : `event: ${event}\n`;
  const position = id === undefined ? "" : `id: ${id}\n`;
  return encoder.encode(`${name}${position}data: ${JSON.stringify(data)}\n\n`);
}

/** Tells a client from where to go on, though there was nothing for it. Clients differ on an id without data. */
function positionFrame(id: number): Frame {
  const data: Position = { id };
  return frame({ id, event: "position", data });
}

const heartbeatFrame = encoder.encode(":\n\n");
const retryFrame = encoder.encode(`retry: ${retryMs}\n\n`);

export type Streams = ReturnType<typeof createStreams>;

/** Is told how streams fare: of each that is cut off because its reader is slow, and of each that ends. */
export type StreamWatch = { onSlow: () => void; onEnd: () => void };

/** All open streams. `report` is told of what fails where nobody waits for it. */
export function createStreams(
  report: (error: unknown) => void,
  watch: StreamWatch = { onSlow() {}, onEnd() {} },
) {
  const streams = new Set<Stream>();
  return {
    count: () => streams.size,
    open(source: Source): Stream {
      const onEnd = () => {
        if (!streams.delete(stream)) return;
        attempt(source.onEnd, report);
        watch.onEnd();
      };
      const stream = createStream(source, report, { onSlow: watch.onSlow, onEnd });
      streams.add(stream);
      return stream;
    },
    beat(): void {
      for (const stream of streams) stream.beat();
    },
    endAll(): void {
      for (const stream of [...streams]) stream.end();
    },
  };
}

function createStream(
  source: Source,
  report: (error: unknown) => void,
  { onSlow, onEnd }: StreamWatch,
): Stream {
  let cursor = source.after;
  let isCurrent = false;
  let isReading = false;
  let isOver = false;
  let controller!: ReadableStreamDefaultController<Frame>;
  const hasRoom = () => !isOver && (controller.desiredSize ?? 0) > 0;

  /** Reads a page of what is stored, if there is room; a longer way is gone in further turns. */
  function catchUp(): void {
    if (isReading || isCurrent || !hasRoom()) return;
    isReading = true; // Each frame that goes out asks for more.
    try {
      sendPage(source.read(cursor));
    } catch (error) {
      // What cannot be read cannot be sent: the client comes back and tries again.
      report(error);
      isOver = true;
      controller.error(error);
      onEnd();
    } finally {
      isReading = false;
    }
    if (!isCurrent && hasRoom()) setImmediate(catchUp);
  }

  function sendPage(page: Page): void {
    for (const frame of page.frames) controller.enqueue(frame);
    if (page.isEnd) controller.enqueue(positionFrame(page.cursor));
    cursor = page.cursor;
    isCurrent = page.isEnd;
  }

  const body = new ReadableStream<Frame>(
    {
      start(given) {
        controller = given;
        for (const frame of [retryFrame, ...source.first]) controller.enqueue(frame);
      },
      pull: catchUp,
      cancel() {
        isOver = true;
        onEnd();
      },
    },
    { highWaterMark: bufferBytes, size: (chunk) => chunk!.byteLength },
  );
  return {
    response: new Response(body, {
      headers: { ...source.headers, "Content-Type": "text/event-stream" },
    }),
    push(id, frame) {
      // What it has read by itself meanwhile is not told twice.
      if (!isCurrent || id <= cursor) return;
      const isKeepingUp = hasRoom();
      isCurrent = isKeepingUp && frame !== undefined;
      if (!isKeepingUp) onSlow();
      if (!isCurrent) return catchUp();
      controller.enqueue(frame);
      cursor = id;
    },
    show(frame) {
      if (!isCurrent) return;
      isCurrent = hasRoom();
      if (isCurrent) controller.enqueue(frame);
      else onSlow();
    },
    beat() {
      if (hasRoom()) controller.enqueue(heartbeatFrame);
    },
    end() {
      if (!isOver) controller.close();
      isOver = true;
      onEnd();
    },
  };
}

function attempt(work: () => void, report: (error: unknown) => void): void {
  try {
    work();
  } catch (error) {
    report(error);
  }
}

export type Audience = ReturnType<typeof createAudience>;

/** Who hears what: streams by the pattern of the names they want. */
export function createAudience() {
  const groups = new Map<string, { isMatch: (name: string) => boolean; streams: Set<Stream> }>();
  return {
    /** Adds a stream; the function that comes back takes it out. */
    join(pattern: string, stream: Stream): () => void {
      const group = groups.get(pattern) ?? { isMatch: matcher(pattern), streams: new Set() };
      groups.set(pattern, group);
      group.streams.add(stream);
      return () => {
        group.streams.delete(stream);
        if (group.streams.size === 0) groups.delete(pattern);
      };
    },
    /** Sends a frame to all who want the name; it is made if there is anybody. */
    tell(name: string, id: number, make: () => Frame | undefined): void {
      let made: Frame | undefined;
      for (const { isMatch, streams } of groups.values()) {
        if (!isMatch(name)) continue;
        made ??= make();
        for (const stream of streams) stream.push(id, made);
      }
    },
    /** Whether somebody wants all there is. */
    isWatched: () => groups.has("*"),
    /** Sends a frame that is no entry of the log to those who want all there is. */
    show(frame: Frame): void {
      for (const stream of groups.get("*")?.streams ?? []) stream.show(frame);
    },
    count(name: string): number {
      let count = 0;
      for (const { isMatch, streams } of groups.values()) if (isMatch(name)) count += streams.size;
      return count;
    },
    /** How many streams there are, of all groups. */
    size: () => [...groups.values()].reduce((sum, { streams }) => sum + streams.size, 0),
    /** The names, without a pattern, that somebody wants. */
    names: () => [...groups.keys()].filter((pattern) => !isPattern(pattern)),
  };
}
