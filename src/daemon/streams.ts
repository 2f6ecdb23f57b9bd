// Streams of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). A stream reads what
// it has not sent yet from what is stored, and is told at once of what is new for as long as it keeps up. One that is
// read slowly, or never, falls back to reading what is stored: it costs a bounded buffer, and nobody waits for it.

/** A piece of a stream, encoded once for everybody who gets it. */
export type Frame = Uint8Array<ArrayBuffer>;

/** What follows an id: frames with the id up to which each reaches. `isEnd` where that is all there is at this moment. */
export type Page = { frames: { id: number; frame: Frame }[]; cursor: number; isEnd: boolean };

export type Stream = {
  response: Response;
  /** Sends a frame that is new, or leaves it to be read later; with none to send, what is stored says why. */
  push(id: number, frame: Frame | undefined): void;
};

export type Streams = ReturnType<typeof createStreams>;

/** What a stream holds for a reader that is behind. */
const bufferBytes = 256 * 1024;

/** Proxies and clients give up on a connection that is silent for longer. */
export const heartbeatEveryMs = 15_000;

/** How long a client should leave us alone before it comes back. */
const retryMs = 1_000;

const encoder = new TextEncoder();

/** A frame with an id and data; with no data it only tells the client from where to resume. */
export function frame(parts: { id?: number; event?: string; data?: unknown }): Frame {
  const lines = [
    parts.event !== undefined && `event: ${parts.event}`,
    parts.id !== undefined && `id: ${parts.id}`,
    parts.data !== undefined && `data: ${JSON.stringify(parts.data)}`,
  ];
  return encoder.encode(`${lines.filter(Boolean).join("\n")}\n\n`);
}

const heartbeatFrame = encoder.encode(":\n\n");
const retryFrame = encoder.encode(`retry: ${retryMs}\n\n`);

/** All open streams. `report` is told of what fails while one ends. */
export function createStreams(report: (error: unknown) => void) {
  const open = new Set<{ beat(): void; end(): void }>();
  return {
    count: () => open.size,
    /**
     * Opens a stream that begins with `first` and goes on after the id `after`. `read` gets what follows an id;
     * `onEnd` is called once, when the client has gone or the daemon stops.
     */
    open(parts: {
      headers: Record<string, string>;
      first: Frame[];
      after: number;
      read: (after: number) => Page;
      onEnd: () => void;
    }): Stream {
      let cursor = parts.after;
      let isCurrent = false;
      let isReading = false;
      let controller!: ReadableStreamDefaultController<Frame>;
      const hasRoom = () => (controller.desiredSize ?? 0) > 0;

      /** Sends what is stored, for as long as there is room and anything to send. */
      function readOn(): void {
        while (!isCurrent && hasRoom()) {
          const page = parts.read(cursor);
          for (const { id, frame } of page.frames) {
            if (!hasRoom()) return;
            controller.enqueue(frame);
            cursor = id;
          }
          // Where nothing was sent, the client must still know from where to go on.
          if (page.isEnd) controller.enqueue(frame({ id: page.cursor }));
          cursor = page.cursor;
          isCurrent = page.isEnd;
        }
      }
      /** What cannot be read cannot be sent: the client comes back and tries again. */
      function catchUp(): void {
        if (isReading) return; // Each frame that goes out asks for more.
        isReading = true;
        try {
          readOn();
        } catch (error) {
          if (open.delete(own)) parts.onEnd();
          controller.error(error);
        } finally {
          isReading = false;
        }
      }
      const own = {
        beat: () => void (hasRoom() && controller.enqueue(heartbeatFrame)),
        end() {
          if (!open.delete(own)) return;
          controller.close();
          parts.onEnd();
        },
      };
      open.add(own);
      const body = new ReadableStream<Frame>(
        {
          start(given) {
            controller = given;
            for (const each of [retryFrame, ...parts.first]) controller.enqueue(each);
          },
          pull: catchUp,
          cancel() {
            if (open.delete(own)) parts.onEnd();
          },
        },
        { highWaterMark: bufferBytes, size: (chunk) => chunk!.byteLength },
      );
      return {
        response: new Response(body, {
          headers: { ...parts.headers, "Content-Type": "text/event-stream" },
        }),
        push(id, each) {
          // What it has read by itself meanwhile is not told twice.
          if (!isCurrent || id <= cursor) return;
          isCurrent = hasRoom() && each !== undefined;
          if (!isCurrent) return catchUp(); // What is stored is read when there is room.
          controller.enqueue(each);
          cursor = id;
        },
      };
    },
    /** Shows every client that is waiting that we are there. */
    beat(): void {
      for (const each of open) each.beat();
    },
    endAll(): void {
      for (const each of [...open]) {
        try {
          each.end();
        } catch (error) {
          report(error); // The others end all the same.
        }
      }
    },
  };
}

export type Audience = ReturnType<typeof createAudience>;

/** Who hears what: streams by the pattern of the names they want. */
export function createAudience(matcher: (pattern: string) => (name: string) => boolean) {
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
    count(name: string): number {
      let count = 0;
      for (const { isMatch, streams } of groups.values()) if (isMatch(name)) count += streams.size;
      return count;
    },
    /** The names, without a pattern, that somebody wants. */
    names: () => [...groups.keys()].filter((pattern) => !pattern.includes("*")),
  };
}
