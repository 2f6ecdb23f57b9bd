// What the timeline makes of the log, and where in a window it lies.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { ActivityEntry } from "../../src/contract/entities.ts";
import { askFor, noRequest } from "../../dashboard/pictures/history.ts";
import {
  barsPath,
  fewLanes,
  lastingOf,
  layOutLanes,
  nearest,
  sentenceOfDots,
  sentenceOfSpan,
  type LaneKind,
} from "../../dashboard/pictures/lanes.ts";
import { storyOf } from "../../dashboard/pictures/story.ts";
import { dragged, instantAt, move, ticks, xOf, zoom } from "../../dashboard/pictures/window.ts";
import type { Hold, Seen } from "../../dashboard/state.ts";
import { clockTime } from "../../dashboard/time.tsx";
import { claimOf } from "./made.ts";

describe("the story of the log", () => {
  test("from claim to release is a span, in it what ran", () => {
    expect(
      spans([
        [10, "service.claim", "shop:api", { existing: false, agent: "ada" }],
        [20, "service.start", "shop:api"],
        [30, "service.stop", "shop:api"],
        [35, "service.start", "shop:api"],
        [40, "service.release", "shop:api", { reason: "released" }],
      ]),
    ).toMatchObject([
      {
        ...{ kind: "service", name: "shop:api", who: "ada", from: 10, to: 40, ending: "ended" },
        running: [
          { from: 20, to: 30 },
          { from: 35, to: 40 },
        ],
      },
    ]);
  });

  test("a repeated claim goes on with the span, a fresh one begins another", () => {
    expect(
      spans([
        [10, "service.claim", "a", { existing: false }],
        [20, "service.claim", "a", { existing: true, createdAt: 10 }],
        [30, "service.release", "a", { reason: "released" }],
        [40, "service.claim", "a", { existing: false }],
        [50, "service.release", "a", { reason: "released" }],
      ]),
    ).toMatchObject([
      { from: 10, to: 30 },
      { from: 40, to: 50 },
    ]);
  });

  test("a fresh claim ends the one before, though its release was not told", () => {
    expect(
      spans(
        [
          [10, "service.claim", "a", { existing: false }],
          [40, "service.claim", "a", { existing: false }],
        ],
        { services: [["a", 40]] },
      ),
    ).toMatchObject([
      { from: 10, to: 40 },
      { from: 40, to: undefined },
    ]);
  });

  test("what ends without having begun began before anything known", () => {
    expect(
      spans([
        [10, "service.release", "a", { reason: "released" }],
        [20, "lock.release", "build", { owner: "ada", reason: "released" }],
      ]),
    ).toMatchObject([
      { name: "a", from: undefined, to: 10 },
      { name: "build", who: "ada", from: undefined, to: 20 },
    ]);
  });

  test("a server that is seen to stop ran from the beginning of what is known", () => {
    expect(spans([[10, "service.stop", "a"]], { services: [["a", 5]] })).toMatchObject([
      { from: 5, to: undefined, running: [{ from: undefined, to: 10 }] },
    ]);
  });

  test("what is held and has no entry goes on from when it was taken", () => {
    expect(spans([], { services: [["a", 5, "running"]], locks: [["build", 7]] })).toMatchObject([
      { name: "a", from: 5, to: undefined, ending: "held", running: [{ from: 5, to: undefined }] },
      { name: "build", who: "ada", from: 7, to: undefined, ending: "held", running: [] },
    ]);
  });

  test("a lock that changes hands is a span for each of its owners", () => {
    expect(
      spans(
        [
          [10, "lock.acquire", "build", { owner: "ada" }],
          [20, "lock.release", "build", { owner: "ada", reason: "released" }],
          [20, "lock.acquire", "build", { owner: "bea" }],
        ],
        { locks: [["build", 20]] },
      ),
    ).toMatchObject([
      { who: "ada", from: 10, to: 20 },
      { who: "bea", from: 20, to: undefined },
    ]);
  });

  test("a release by force and a cleanup are told from an ordinary end", () => {
    expect(
      spans([
        [10, "lock.release", "a", { owner: "ada", reason: "forced" }],
        [10, "lock.release", "b", { owner: "ada", reason: "expired" }, "cleanup"],
        [10, "lock.release", "c", { owner: "ada", reason: "released" }],
      ]).map(({ ending }) => ending),
    ).toEqual(["forced", "cleanup", "ended"]);
  });

  test("a span that is no longer held ends with the last that was told of it", () => {
    expect(spans([[10, "lock.acquire", "build", { owner: "ada" }]])).toMatchObject([
      { from: 10, to: 10 },
    ]);
  });

  test("an event of a later version is passed over", () => {
    expect(spans([[10, "toString", "a"]])).toEqual([]);
  });

  test("an event of another version without its facts is told as far as it goes", () => {
    const events = ["service.claim", "service.start", "service.release"].map((event, at): Told => [
      at,
      event,
      "a",
    ]);
    expect(spans(events)).toMatchObject([{ who: "local", from: 0, to: 2, reason: undefined }]);
    expect(
      spans([
        [10, "lock.acquire", "a"],
        [20, "lock.extend", "a"],
        [30, "lock.release", "a"],
      ]),
    ).toMatchObject([{ who: "local", from: 10, to: 30, ending: "ended" }]);
    const { dots } = storyOf([entry(10, "message.publish", "chat")], held());
    expect(dots).toEqual([{ channel: "chat", who: "local", at: 10, preview: "" }]);
  });
});

describe("the lanes", () => {
  const window = { from: 100, to: 200 };

  test("a bar reaches from its beginning to its end", () => {
    expect(
      lanesOf([
        [110, "lock.acquire"],
        [150, "lock.release"],
      ]),
    ).toMatchObject([{ name: "build", bars: [{ x1: 100, x2: 500, isOver: true }] }]);
  });

  test("a bar that began before the window begins at the left edge", () => {
    expect(
      lanesOf([
        [50, "lock.acquire"],
        [150, "lock.release"],
      ])[0]?.bars,
    ).toMatchObject([{ x1: 0, x2: 500 }]);
    expect(lanesOf([[150, "lock.release"]])[0]?.bars).toMatchObject([{ x1: 0, x2: 500 }]);
  });

  test("what is still held goes on to the right edge, and its end is not in the window", () => {
    const story = storyOf([], held({ locks: [["build", 150]] }));
    const [section] = layOutLanes(story, window, 1_000, new Set());
    expect(section?.lanes[0]?.bars).toMatchObject([{ x1: 500, x2: 1_000, isOver: false }]);
  });

  test("what lies wholly outside of the window has no lane", () => {
    expect(
      lanesOf([
        [50, "lock.acquire"],
        [99, "lock.release"],
      ]),
    ).toEqual([]);
    expect(
      lanesOf([
        [201, "lock.acquire"],
        [300, "lock.release"],
      ]),
    ).toEqual([]);
  });

  test("the shortest hold is seen, at the right edge too", () => {
    for (const at of [100, 150, 200]) {
      const [bar] = lanesOf([
        [at, "lock.acquire"],
        [at, "lock.release"],
      ])[0]!.bars;
      expect(bar!.x2 - bar!.x1).toBeGreaterThanOrEqual(2);
      expect(bar!.x2).toBeLessThanOrEqual(1_000);
    }
  });

  test("dots within four pixels are one larger dot", () => {
    const [lane] = lanesOf([150, 150.2, 150.4, 151].map((at) => [at, "message.publish"]));
    const [many, one] = lane!.clusters;
    expect(lane!.clusters.map(({ dots }) => dots.length)).toEqual([3, 1]);
    expect(many!.radius).toBeGreaterThan(one!.radius);
  });

  test("a steady stream of dots is not one dot", () => {
    const [lane] = lanesOf(
      Array.from({ length: 100 }, (_, at) => [120 + at / 5, "message.publish"]),
    );
    const xs = lane!.clusters.map(({ x }) => x);
    for (let at = 1; at < xs.length; at++) expect(xs[at]! - xs[at - 1]!).toBeGreaterThan(4);
    expect(xs.length).toBeGreaterThan(20);
  });

  test("of many lanes the most recently active are shown, by name; all of them when asked for", () => {
    const many = Array.from({ length: 30 }, (_, at) =>
      entry(110 + at, "message.publish", `c${String(99 - at)}`),
    );
    const few = layOutLanes(storyOf(many, held()), window, 1_000, new Set());
    expect(few).toMatchObject([{ kind: "channel", total: 30 }]);
    expect(few[0]!.lanes.map(({ name }) => name)).toEqual(
      Array.from({ length: fewLanes }, (_, at) => `c${70 + at}`),
    );
    const all = layOutLanes(storyOf(many, held()), window, 1_000, new Set<LaneKind>(["channel"]));
    expect(all[0]!.lanes).toHaveLength(30);
  });

  test("thousands of holds in one pixel are drawn once", () => {
    const sliver = { x1: 10, x2: 12 };
    expect(
      barsPath(
        Array.from({ length: 5_000 }, () => ({ ...sliver })),
        0,
        10,
      ),
    ).toBe(barsPath([sliver], 0, 10));
    expect(barsPath([sliver, { x1: 20, x2: 40 }], 0, 10).match(/M/g)).toHaveLength(2);
  });

  test("the nearest bar is the one under the pointer, and none that is far", () => {
    const [lane] = lanesOf([
      [110, "lock.acquire"],
      [120, "lock.release"],
      [121, "lock.acquire"],
      [130, "lock.release"],
    ]);
    expect(nearest(lane!, 203)).toBe(lane!.bars[0]!);
    expect(nearest(lane!, 208)).toBe(lane!.bars[1]!);
    expect(nearest(lane!, 400)).toBeUndefined();
  });

  function lanesOf(told: [at: number, event: string][]) {
    const entries = told.map(([at, event]) =>
      entry(at, event, "build", { owner: "ada", reason: "released" }),
    );
    return layOutLanes(storyOf(entries, held()), window, 1_000, new Set()).flatMap(
      ({ lanes }) => lanes,
    );
  }
});

describe("the readout", () => {
  const at = new Date(2025, 10, 22, 14, 2, 11).getTime();
  const hold = { owner: "ada", reason: "released" };

  test("a hold is told with its owner, its times and how long it was", () => {
    const [span] = spans([
      [at, "lock.acquire", "build", hold],
      [at + 56_000, "lock.release", "build", hold],
    ]);
    expect(sentenceOfSpan(span!, at + 60_000)).toBe("lock build · ada · 14:02:11 – 14:03:07 · 56s");
  });

  test("what goes on says so, and so does what began before anything known", () => {
    const [going] = spans([], { locks: [["build", at]] });
    expect(sentenceOfSpan(going!, at + 65_000)).toBe("lock build · ada · 14:02:11 – now · 1m5s");
    const [old] = spans([[at, "lock.release", "build", { owner: "ada", reason: "expired" }]]);
    expect(sentenceOfSpan(old!, at)).toBe("lock build · ada · before – 14:02:11 · it expired");
  });

  test("a reason that only a later version knows goes without words", () => {
    const [span] = spans([[at, "lock.release", "build", { owner: "ada", reason: "recalled" }]]);
    expect(sentenceOfSpan(span!, at)).toBe("lock build · ada · before – 14:02:11");
  });

  test("one message is told with its beginning, many with their number", () => {
    const dots = [0, 1, 2].map((second) => ({
      ...{ channel: "chat", who: "ada", at: at + second * 1_000, preview: '"hi"' },
    }));
    expect(sentenceOfDots(dots.slice(0, 1), at)).toBe('channel chat · ada · 14:02:11 · "hi"');
    expect(sentenceOfDots(dots, at)).toBe("channel chat · ada · 3 messages · 14:02:11 – 14:02:13");
  });

  test("how long it was is told as finely as anybody would look for", () => {
    const lasting = (ms: number) => lastingOf({ from: at, to: at + ms }, at);
    expect([940, 239_999, 7_530_000, 0].map(lasting)).toEqual(["940ms", "3m59s", "2h5m", "0ms"]);
    expect(lastingOf({ from: undefined, to: at }, at)).toBe("");
  });

  test("an instant of another day has its date", () => {
    const [span] = spans([], { locks: [["build", at]] });
    expect(sentenceOfSpan(span!, at + 86_400_000)).toContain("22/11/2025, 14:02:11 – now · 1d");
  });
});

describe("the window", () => {
  const window = { from: 1_000_000, to: 2_000_000 };
  const now = 10_000_000;

  test("zooming in halves it around its middle, zooming out undoes that", () => {
    expect(zoom(window, 0.5, now)).toEqual({ from: 1_250_000, to: 1_750_000 });
    expect(zoom(zoom(window, 0.5, now), 2, now)).toEqual(window);
  });

  test("neither zooming nor moving goes beyond now, nor changes the length for it", () => {
    expect(zoom({ from: 0, to: 1_000 }, 2, 1_000)).toEqual({ from: -1_000, to: 1_000 });
    expect(move({ from: 0, to: 1_000 }, 0.5, 1_100)).toEqual({ from: 100, to: 1_100 });
  });

  test("an arrow moves it by a part of its length", () => {
    expect(move(window, -0.25, now)).toEqual({ from: 750_000, to: 1_750_000 });
  });

  test("there is an end to zooming, in and out", () => {
    let [near, far] = [window, window];
    for (let times = 0; times < 60; times++) {
      near = zoom(near, 0.5, now);
      far = zoom(far, 2, now);
    }
    expect(near.to - near.from).toBe(100);
    expect(far.to - far.from).toBe(30 * 86_400_000);
  });

  test("a drag shows what it went over, whichever way it went", () => {
    const span = { from: 1_100_000, to: 1_300_000 };
    expect(dragged(window, 100, 300, 1_000)).toEqual(span);
    expect(dragged(window, 300, 100, 1_000)).toEqual(span);
  });

  test("a drag beyond the plot ends at its edge, and a click is no drag", () => {
    expect(dragged(window, 900, 1_500, 1_000)).toEqual({ from: 1_900_000, to: 2_000_000 });
    expect(dragged(window, 100, -50, 1_000)).toEqual({ from: 1_000_000, to: 1_100_000 });
    expect(dragged(window, 100, 103, 1_000)).toBeUndefined();
    expect(dragged(window, 1_200, 1_500, 1_000)).toBeUndefined();
  });

  test("an instant and its place are each other's inverse", () => {
    fc.assert(
      fc.property(fc.nat(2_000), (x) => {
        expect(xOf(instantAt(x, window, 900), window, 900)).toBeCloseTo(x, 6);
      }),
    );
  });
});

describe("the ticks", () => {
  const noon = new Date(2025, 10, 22, 12, 0, 0).getTime();

  test("a quarter of an hour has whole minutes of the reader's clock", () => {
    const labels = ticks({ from: noon - 900_000, to: noon }, 900).map(({ label }) => label);
    expect(labels).toEqual([
      "11:46",
      "11:48",
      "11:50",
      "11:52",
      "11:54",
      "11:56",
      "11:58",
      "12:00",
    ]);
  });

  test("a day has hours, and at midnight the date", () => {
    const labels = ticks({ from: noon - 86_400_000, to: noon }, 900).map(({ label }) => label);
    expect(labels).toEqual([
      "12:00",
      "15:00",
      "18:00",
      "21:00",
      "22 Nov",
      "03:00",
      "06:00",
      "09:00",
      "12:00",
    ]);
  });

  test("a few seconds have seconds, less has parts of them", () => {
    const labels = (spanMs: number) =>
      ticks({ from: noon, to: noon + spanMs }, 900).map(({ label }) => label);
    expect(labels(20_000)[1]).toBe(clockTime(noon + 2_000));
    expect(labels(1_000)[1]).toBe(`${clockTime(noon)}.1`);
  });

  test("whatever the window, labels have room and there are some", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_000, max: 30 * 86_400_000 }),
        fc.integer({ min: 160, max: 2_000 }),
        (spanMs, width) => {
          const window = { from: noon - spanMs, to: noon };
          const xs = ticks(window, width).map(({ at }) => xOf(at, window, width));
          for (let at = 1; at < xs.length; at++)
            expect(xs[at]! - xs[at - 1]!).toBeGreaterThanOrEqual(77.99);
          expect(xs.length).toBeGreaterThanOrEqual(Math.floor(width / 300));
        },
      ),
    );
  });
});

describe("history", () => {
  const ask = (from: number, coveredSince: number, last = noRequest) =>
    askFor({ from, to: 3_000 }, coveredSince, last);

  test("is asked for where the window begins before what is there", () => {
    expect(ask(500, 1_000).isAsking).toBeTrue();
    expect(ask(500, Infinity).isAsking).toBeTrue();
    expect(ask(1_000, 1_000).isAsking).toBeFalse();
    expect(ask(500, 0).isAsking).toBeFalse();
  });

  test("is asked for once for each start, and not again as the window moves on", () => {
    const { request } = ask(500, 1_000);
    expect(ask(500, 1_000, request).isAsking).toBeFalse();
    expect(ask(501, 1_000, request).isAsking).toBeFalse();
    expect(ask(499, 1_000, request).isAsking).toBeTrue();
  });

  test("is asked for again where a part of it came, or the log began anew", () => {
    const { request } = ask(500, 1_000);
    expect(ask(500, 800, request).isAsking).toBeTrue();
    expect(ask(501, Infinity, request).isAsking).toBeTrue();
    expect(ask(500, 500, request).isAsking).toBeFalse();
  });
});

type Told = [at: number, event: string, target: string, data?: object, action?: string];
type Held = {
  services?: [id: string, createdAt: number, status?: Seen["status"]][];
  locks?: [name: string, acquiredAt: number][];
};

function entry(
  timestamp: number,
  event: string,
  targetId: string,
  metadata: object = {},
  action = event,
): ActivityEntry {
  return {
    id: timestamp,
    timestamp,
    action,
    event,
    targetId,
    actor: "local",
    metadata: { ...metadata },
  };
}

function held({ services = [], locks = [] }: Held = {}) {
  return {
    services: new Map(
      services.map(([id, createdAt, status = "assigned"]): [string, Seen] => [
        id,
        { ...claimOf({ id, createdAt }), status, listener: null },
      ]),
    ),
    locks: new Map(
      locks.map(([name, acquiredAt]): [string, Hold] => [
        name,
        { name, owner: "ada", agent: null, pid: null, fence: 1, acquiredAt, expiresAt: Infinity },
      ]),
    ),
  };
}

function spans(told: Told[], state: Held = {}) {
  return storyOf(
    told.map((each) => entry(...each)),
    held(state),
  ).spans;
}
