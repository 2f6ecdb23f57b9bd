// How often each may ask: a token bucket for each name, which holds a second's worth (ITU-T I.371, "leaky bucket as a
// meter").

/** Names that have not asked for a while are forgotten when there are so many. */
const maxNames = 10_000;

type Bucket = { left: number; at: number };

export function createRates(now: () => number = () => performance.now()) {
  const buckets = new Map<string, Bucket>();
  function forget(): void {
    const since = now() - 1_000; // By then every bucket is full again.
    for (const [name, { at }] of buckets) if (at < since) buckets.delete(name);
  }
  return {
    /** Counts a request. Returns 0, or in how many milliseconds there is room for another. */
    take(name: string, perSecond: number): number {
      if (buckets.size >= maxNames) forget();
      const { left: before, at } = buckets.get(name) ?? { left: perSecond, at: now() };
      const left = Math.min(perSecond, before + ((now() - at) * perSecond) / 1_000);
      if (left < 1) return Math.ceil(((1 - left) * 1_000) / perSecond);
      buckets.set(name, { left: left - 1, at: now() });
      return 0;
    },
  };
}
