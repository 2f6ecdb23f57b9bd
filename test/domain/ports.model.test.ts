// Random claims, releases, moves and waits over a few ports, against a plain model of the rules. The model keeps no
// index and asks no database; where the two disagree, one of them is wrong.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { Fault } from "../../src/contract/faults.ts";
import { parse } from "../../src/contract/range.ts";
import * as claims from "../../src/domain/claims.ts";
import * as services from "../../src/domain/services.ts";
import { reap } from "../../src/daemon/reaper.ts";
import { makeWorld, type TestWorld } from "../world.ts";

const [first, last, reserved] = [3100, 3110, 3104];
const ids = ["a", "b:web", "c", "d:api:x", "e", "f", "g", "h", "i", "j", "k", "l"];
const caller = { actor: "tester" };

type Wish = { port?: number; range?: string; expires?: number };

type Model = {
  now: number;
  held: Map<string, { port: number; expiresAt: number; expires: number }>;
  memory: Map<string, { port: number; releasedAt: number | undefined }>;
  /** Where foreign processes, or the services themselves, listen. */
  bound: Set<number>;
};

/** The port that the rules give, or the fault; changes the model only where there is a port. */
function expected(model: Model, id: string, wish: Wish): number | string {
  expire(model);
  const outcome = ruled(model, id, wish);
  if (typeof outcome !== "number") return outcome;
  const expires = wish.expires ?? model.held.get(id)?.expires ?? Infinity;
  model.held.set(id, { port: outcome, expires, expiresAt: model.now + expires });
  model.memory.set(id, { port: outcome, releasedAt: undefined });
  return outcome;
}

function ruled(model: Model, id: string, wish: Wish): number | string {
  const { held, memory, bound } = model;
  const { start, end } = parse(wish.range ?? `${first}-${last}`)!;
  const isIn = (port: number) => port >= start && port <= end;
  const isHeld = (port: number) =>
    [...held].some(([other, claim]) => other !== id && claim.port === port);
  const isFree = (port: number) => port !== reserved && !bound.has(port) && !isHeld(port);

  const current = held.get(id)?.port;
  if (current !== undefined) {
    const stays = wish.port === undefined ? !wish.range || isIn(current) : wish.port === current;
    if (stays) return current;
    if (bound.has(current)) return "held";
  }
  if (wish.port === reserved) return "invalid_input";
  if (wish.port !== undefined) return isFree(wish.port) ? wish.port : "held";

  const own = memory.get(id)?.port;
  if (own !== undefined && (!wish.range || isIn(own)) && isFree(own)) return own;

  const within = Array.from({ length: end - start + 1 }, (_, n) => start + n).filter(isFree);
  const lastReleased = (port: number) =>
    Math.max(
      ...[...memory.values()]
        .filter((each) => each.port === port)
        .map(({ releasedAt }) => releasedAt ?? Infinity),
    );
  const fresh = within.find((port) => lastReleased(port) === -Infinity);
  const oldest = within.toSorted((a, b) => lastReleased(a) - lastReleased(b) || a - b)[0];
  return fresh ?? oldest ?? "no_port";
}

function free(model: Model, id: string): void {
  if (!model.held.delete(id)) return;
  model.memory.get(id)!.releasedAt = model.now;
}

function expire(model: Model): void {
  for (const [id, { expiresAt }] of model.held) if (expiresAt <= model.now) free(model, id);
}

type Pair = { world: TestWorld; model: Model };
type Step = { run: (pair: Pair) => void };

/** A step that a counterexample shows as its words. */
function step(words: string, run: Step["run"]): Step {
  return Object.assign({ run }, { [fc.toStringMethod]: () => words });
}

function claimStep(id: string, wish: Wish): Step {
  return step(`claim ${id} ${JSON.stringify(wish)}`, ({ world, model }) => {
    const before = model.memory.get(id)?.port;
    const wasHeld = model.held.get(id);
    const outcome = attempt(() => claims.claim(world, { id, ...wish }, caller));
    const wanted = expected(model, id, wish);
    expect(typeof outcome === "string" ? outcome : outcome.port).toBe(wanted);
    if (typeof outcome === "string") return;
    expect(outcome.existing).toBe(wasHeld !== undefined && wasHeld.expiresAt > model.now);
    if (wish.port === undefined && before !== undefined && before !== wanted)
      expect(outcome.movedFrom?.port).toBe(before);
    if (before === wanted) expect(outcome.movedFrom).toBeUndefined();
  });
}

function attempt<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

const anyId = fc.constantFrom(...ids);
const anyPort = fc.integer({ min: first - 2, max: last + 2 });

const anyWish: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Wish>({}) },
  { weight: 3, arbitrary: anyPort.map((port) => ({ port })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(anyPort, anyPort)
      .map(([a, b]) => ({ range: `${Math.min(a, b)}-${Math.max(a, b)}` })),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000 }).map((expires) => ({ expires })) },
);

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(anyId, anyWish).map(([id, wish]) => claimStep(id, wish)),
  },
  {
    weight: 4,
    arbitrary: anyId.map((id) =>
      step(`release ${id}`, ({ world, model }) => {
        const claim = model.held.get(id);
        const { released } = services.release(world, { id }, caller);
        expect(released).toBe(claim && claim.expiresAt > model.now ? 1 : 0);
        if (released) free(model, id);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 2_000 }).map((ms) =>
      step(`advance ${ms}`, ({ world, model }) => {
        world.advance(ms);
        model.now += ms;
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: anyPort.map((port) =>
      step(`toggle a listener on ${port}`, ({ world, model }) => {
        if (model.bound.delete(port)) world.machine.bound.delete(port);
        else {
          model.bound.add(port);
          world.machine.listen(port);
        }
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constant(step("next turn", ({ world }) => world.journal.flush())),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      step("reap", ({ world, model }) => {
        reap(world);
        expire(model);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(anyId, anyPort).map(([id, port]) =>
      step(`claim ${id} on ${port}, undone`, ({ world }) => {
        const undone = new Error("undone");
        const outcome = () =>
          world.journal.commit(() => {
            attempt(() => claims.claim(world, { id, port }, caller));
            throw undone;
          });
        expect(outcome).toThrow(undone);
      }),
    ),
  },
);

function checkInvariants({ world, model }: Pair): void {
  const shown = services.list(world, {}).services.map(({ id, port }) => [id, port]);
  const live = [...model.held].filter(([, { expiresAt }]) => expiresAt > model.now);
  expect(shown).toEqual(live.map(([id, { port }]) => [id, port]).sort(byText));
  expect(new Set(shown.map(([, port]) => port)).size).toBe(shown.length);
  expect(services.count(world)).toBe(shown.length);
}

function byText([a]: (string | number)[], [b]: (string | number)[]): number {
  return a! < b! ? -1 : 1;
}

test("whatever is claimed, released and moved, the ports are those of the rules", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 60 }), (steps) => {
      const world = makeWorld({
        PORT_DADDY_RANGE_START: String(first),
        PORT_DADDY_RANGE_END: String(last),
        PORT_DADDY_RESERVED: String(reserved),
      });
      const now = world.clock.now();
      const pair: Pair = {
        world,
        model: { now, held: new Map(), memory: new Map(), bound: new Set() },
      };
      for (const step of steps) {
        step.run(pair);
        checkInvariants(pair);
      }
      world.db.close();
    }),
    { numRuns: 400 },
  );
});
