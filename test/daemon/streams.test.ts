// Streams by themselves: the bytes of a frame, reading what is behind, telling what is new, and how one ends.

import { expect, test } from "bun:test";
import {
  createAudience,
  createStreams,
  frame,
  type Frame,
  type Page,
  type Streams,
} from "../../src/daemon/streams.ts";
import { framesOf } from "../reading.ts";

const decoder = new TextDecoder();
const shown = (each: Frame) => decoder.decode(each);

/** A store of numbered frames, and a stream over it that reads two at a time. */
function openOver(
  streams: Streams,
  parts: { size?: number; first?: Frame[]; after?: number; onEnd?: () => void } = {},
) {
  const stored: { id: number; frame: Frame }[] = [];
  const reads: number[] = [];
  let failure: Error | undefined;
  const stream = streams.open({
    headers: { "X-Test": "yes" },
    first: parts.first ?? [],
    after: parts.after ?? 0,
    read(after): Page {
      reads.push(after);
      if (failure) throw failure;
      const next = stored.filter(({ id }) => id > after);
      const page = next.slice(0, 2);
      return {
        frames: page.map((each) => each.frame),
        cursor: page.at(-1)?.id ?? after,
        isEnd: page.length === next.length,
      };
    },
    onEnd: parts.onEnd ?? (() => {}),
  });
  const text = "x".repeat(parts.size ?? 1);
  /** Stores the next frame; what the stream is then told is as `tell` says. */
  function store(): { id: number; frame: Frame } {
    const id = stored.length + 1;
    const each = { id, frame: frame({ id, data: text }) };
    stored.push(each);
    return each;
  }
  function write(): void {
    const each = store();
    stream.push(each.id, each.frame);
  }
  const fail = (error: Error | undefined) => void (failure = error);
  return { ...stream, reads, stored, store, write, fail };
}

/** The rest of this turn of the event loop, with everything that promises still have to do in it. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const frames: [Parameters<typeof frame>[0], string][] = [
  [{ id: 7, data: { a: [1, null] } }, 'id: 7\ndata: {"a":[1,null]}\n\n'],
  [{ id: 0, data: null }, "id: 0\ndata: null\n\n"],
  [{ event: "gap", data: { after: 0 } }, 'event: gap\ndata: {"after":0}\n\n'],
  [{ id: 1, event: "snapshot", data: {} }, "event: snapshot\nid: 1\ndata: {}\n\n"],
  [{ data: null }, "data: null\n\n"],
  [{ data: "" }, 'data: ""\n\n'],
  [{ data: "a\n\nid: 9\r\r\n\0" }, 'data: "a\\n\\nid: 9\\r\\r\\n\\u0000"\n\n'],
  [{ data: "é🎈" }, 'data: "é🎈"\n\n'],
];

test("a frame is its fields line by line, and no text in it can end it early", () => {
  for (const [parts, bytes] of frames) expect(shown(frame(parts))).toBe(bytes);
});

test("a stream says how soon to come back, then what it begins with, what is stored, and where it stands", async () => {
  const streams = createStreams(() => {});
  const opened = openOver(streams, { first: [frame({ event: "hello", data: 1 })], after: 1 });
  for (let n = 0; n < 4; n++) opened.store();
  expect([...opened.response.headers]).toEqual([
    ["content-type", "text/event-stream"],
    ["x-test", "yes"],
  ]);
  const { take } = framesOf(opened.response);
  expect(await take(6)).toEqual([
    "retry: 1000\n\n",
    "event: hello\ndata: 1\n\n",
    'id: 2\ndata: "x"\n\n',
    'id: 3\ndata: "x"\n\n',
    'id: 4\ndata: "x"\n\n',
    'event: position\nid: 4\ndata: {"id":4}\n\n',
  ]);
  expect(opened.reads).toEqual([1, 3]);
});

test("where nothing is stored, the id to resume from is told at once", async () => {
  const { take } = framesOf(
    openOver(
      createStreams(() => {}),
      { after: 12 },
    ).response,
  );
  expect(await take(2)).toEqual([
    "retry: 1000\n\n",
    'event: position\nid: 12\ndata: {"id":12}\n\n',
  ]);
});

test("what is new is told without a read to a stream that keeps up, and read by one that does not yet", async () => {
  const opened = openOver(createStreams(() => {}));
  opened.write(); // before it has read at all
  const { take } = framesOf(opened.response);
  expect(await take(3)).toEqual([
    "retry: 1000\n\n",
    'id: 1\ndata: "x"\n\n',
    'event: position\nid: 1\ndata: {"id":1}\n\n',
  ]);
  opened.write();
  opened.write();
  expect(await take(2)).toEqual(['id: 2\ndata: "x"\n\n', 'id: 3\ndata: "x"\n\n']);
  expect(opened.reads).toEqual([0]);
});

test("one that is not read costs its buffer, no more reads, and gets everything once when it is", async () => {
  const size = 60 * 1024;
  const opened = openOver(
    createStreams(() => {}),
    { size },
  );
  const { next, take } = framesOf(opened.response);
  await take(2);
  const readsBefore = opened.reads.length;
  for (let n = 0; n < 100; n++) opened.write();
  await turn();
  expect(opened.reads.length).toBe(readsBefore);
  const ids: number[] = [];
  while (ids.at(-1) !== 100) {
    const each = (await next())!;
    if (each.includes("data:")) ids.push(Number(/^id: (\d+)/.exec(each)![1]));
  }
  expect(ids).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  // What was read back had not been held: of 6 MB the buffer takes 256 KiB and the frame that overflows it.
  expect(opened.reads[readsBefore]).toBeLessThanOrEqual(5);
  opened.write();
  const isOfNew = (each: string | undefined) => each?.startsWith("id: 101\ndata:");
  expect((await take(2)).some(isOfNew)).toBe(true);
});

test("one that is behind from the start reads no further than its buffer", async () => {
  const opened = openOver(
    createStreams(() => {}),
    { size: 60 * 1024 },
  );
  for (let n = 0; n < 100; n++) opened.store();
  await turn();
  expect(opened.reads).toEqual([0, 2, 4]);
});

test("a heartbeat goes to whoever reads, and does not pile up before one who does not", async () => {
  const streams = createStreams(() => {});
  const { take } = framesOf(openOver(streams).response);
  await take(2);
  streams.beat();
  expect(await take(1)).toEqual([":\n\n"]);

  const slow = openOver(streams, { size: 300 * 1024 });
  const slowReader = framesOf(slow.response);
  await slowReader.take(2);
  slow.write();
  for (let n = 0; n < 5; n++) streams.beat();
  slow.write();
  expect((await slowReader.take(2)).map((each) => each!.slice(0, 11))).toEqual([
    "id: 1\ndata:",
    "id: 2\ndata:",
  ]);
});

test("a stream ends once when its client goes, and what is told later is nobody's", async () => {
  const streams = createStreams(() => {});
  let ends = 0;
  const opened = openOver(streams, { onEnd: () => ends++ });
  const { take, cancel } = framesOf(opened.response);
  await take(2);
  expect(streams.count()).toBe(1);
  await cancel();
  expect([streams.count(), ends]).toEqual([0, 1]);
  streams.beat();
  streams.endAll();
  expect(ends).toBe(1);
});

test("one that nobody ever began to read ends like any other", async () => {
  const streams = createStreams(() => {});
  let ends = 0;
  await openOver(streams, { onEnd: () => ends++ }).response.body!.cancel();
  expect([streams.count(), ends]).toEqual([0, 1]);
});

test("at the end every stream is closed after what it holds, once", async () => {
  const streams = createStreams(() => {});
  let ends = 0;
  const onEnd = () => ends++;
  const [read, unread] = [openOver(streams, { onEnd }), openOver(streams, { onEnd })];
  await turn();
  read.write();
  streams.endAll();
  streams.endAll();
  expect([streams.count(), ends]).toEqual([0, 2]);
  expect(await framesOf(read.response).take(4)).toEqual([
    "retry: 1000\n\n",
    'event: position\nid: 0\ndata: {"id":0}\n\n',
    'id: 1\ndata: "x"\n\n',
    undefined,
  ]);
  expect(await framesOf(unread.response).take(3)).toEqual([
    "retry: 1000\n\n",
    'event: position\nid: 0\ndata: {"id":0}\n\n',
    undefined,
  ]);
});

test("an end that fails keeps no other stream open", async () => {
  const streams = createStreams(() => {});
  const bad = openOver(streams, {
    onEnd() {
      throw new Error("no");
    },
  });
  const good = openOver(streams);
  await turn();
  try {
    streams.endAll();
  } catch {
    // Whether it is told of is not the point: all must be closed.
  }
  expect(streams.count()).toBe(0);
  for (const { response } of [bad, good])
    expect(await framesOf(response).take(3)).toEqual([
      "retry: 1000\n\n",
      'event: position\nid: 0\ndata: {"id":0}\n\n',
      undefined,
    ]);
});

test("a stream whose store cannot be read breaks off and ends once; others go on", async () => {
  const streams = createStreams(() => {});
  let ends = 0;
  const broken = openOver(streams, { onEnd: () => ends++ });
  const whole = openOver(streams);
  broken.fail(new Error("no disk"));
  await expect(framesOf(broken.response).take(3)).rejects.toThrow("no disk");
  await turn();
  expect([streams.count(), ends]).toEqual([1, 1]);
  expect(await framesOf(whole.response).take(2)).toEqual([
    "retry: 1000\n\n",
    'event: position\nid: 0\ndata: {"id":0}\n\n',
  ]);
  streams.beat();
});

test("a name is told to every stream whose pattern it matches, in one frame made once", () => {
  const audience = createAudience();
  const got: string[] = [];
  const listen = (pattern: string) =>
    audience.join(pattern, {
      response: new Response(),
      show() {},
      beat() {},
      end() {},
      push: (id, each) => void got.push(`${pattern} ${id} ${shown(each!).trim()}`),
    });
  const leave = listen("a:*");
  listen("a:x");
  listen("a:x");
  listen("b");
  let made = 0;
  const make = () => {
    made++;
    return frame({ id: 5, data: 0 });
  };
  audience.tell("a:x", 5, make);
  expect([got, made]).toEqual([
    ["a:* 5 id: 5\ndata: 0", "a:x 5 id: 5\ndata: 0", "a:x 5 id: 5\ndata: 0"],
    1,
  ]);
  audience.tell("c", 5, make);
  expect([got.length, made]).toEqual([3, 1]);
  expect([audience.count("a:x"), audience.count("a"), audience.count("c")]).toEqual([3, 1, 0]);
  expect(audience.names()).toEqual(["a:x", "b"]);
  leave();
  leave();
  expect([audience.count("a:x"), audience.count("a")]).toEqual([2, 0]);
});
