// So many operations a second, evenly: whoever is late catches up, and what was done is counted.

export class Pace {
  /** Operations that were answered. */
  done = 0;
  /** The longest that one of them took since somebody last asked, in milliseconds. */
  private slowestMs = 0;
  private readonly everyMs: number;
  private nextAt = performance.now();
  private readonly end: number;

  constructor(perSecond: number, forMs: number) {
    this.everyMs = 1_000 / perSecond;
    this.end = this.nextAt + forMs;
  }

  get isOver(): boolean {
    return performance.now() >= this.end;
  }

  /** Does one operation when it is its turn. */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    const at = (this.nextAt += this.everyMs);
    const early = at - performance.now();
    if (early > 0) await Bun.sleep(early);
    const start = performance.now();
    const answer = await operation();
    this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
    this.done++;
    return answer;
  }

  /** The longest since the last call. */
  takeSlowest(): number {
    const slowest = this.slowestMs;
    this.slowestMs = 0;
    return slowest;
  }
}
