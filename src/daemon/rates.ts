// How often each may ask: a token bucket for each name, which holds a second's worth (ITU-T I.371, "leaky bucket as a
// meter").

/** Beyond so many, the one that has been quiet for longest is forgotten. */
const maxNames = 10_000;

type Bucket = { left: number; at: number };

export function createRates(now: () => number = () => performance.now()) {
  const buckets = new Map<string, Bucket>();
  return {
    /** Counts a request. Returns 0, or in how many milliseconds there is room for another. */
    take(name: string, perSecond: number): number {
      const { left: before, at } = buckets.get(name) ?? { left: perSecond, at: now() };
      const left = Math.min(perSecond, before + ((now() - at) * perSecond) / 1_000);
      if (left < 1) return Math.ceil(((1 - left) * 1_000) / perSecond);
      // Whoever asked last stands last: the first has been quiet for longest.
      buckets.delete(name);
      buckets.set(name, { left: left - 1, at: now() });
      if (buckets.size > maxNames) buckets.delete(buckets.keys().next().value!);
      return 0;
    },
  };
}
