// Whether a series of samples stays level.

/** How much a figure may rise: of its own level, and at least by so much. `most` is what no sample may exceed. */
export type Bound = { share: number; least: number; most?: number };

export type Verdict = {
  isFlat: boolean;
  /** What the trend adds from the first sample to the last. */
  rise: number;
  allowed: number;
  most: number;
};

/**
 * The trend is the median of the slopes between all pairs of samples (Theil 1950, Sen 1968): what comes and goes, such as
 * a log that is emptied whenever it is full, or a single peak, is no trend. To fall is to be flat.
 */
export function judge(samples: readonly number[], bound: Bound): Verdict {
  const slopes: number[] = [];
  for (let from = 0; from < samples.length; from++)
    for (let to = from + 1; to < samples.length; to++)
      slopes.push((samples[to]! - samples[from]!) / (to - from));
  const rise = (median(slopes) ?? 0) * (samples.length - 1);
  const allowed = Math.max(bound.least, bound.share * (median(samples) ?? 0));
  const most = samples.reduce((a, b) => Math.max(a, b), 0);
  return { isFlat: rise <= allowed && most <= (bound.most ?? most), rise, allowed, most };
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
