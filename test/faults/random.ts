// Numbers that look like chance and are the same for a seed.

export type Random = {
  /** A whole number from 0 to below a limit. */
  below(limit: number): number;
  pick<T>(from: readonly T[]): T;
  isOnce(chance: number): boolean;
};

/** Mulberry32, small and good enough: https://github.com/cprosche/mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: (from) => from[below(from.length)]!, isOnce: (chance) => next() < chance };
}
