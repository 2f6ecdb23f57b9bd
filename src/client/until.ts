// Waiting for what nobody tells of.

const lookEveryMs = 5;

/** Turns of a loop that looks again every few milliseconds, with the time that is left, until it is over. */
export async function* until(ms: number): AsyncGenerator<number> {
  const end = performance.now() + ms;
  for (let leftMs = ms; leftMs > 0; leftMs = end - performance.now()) {
    yield leftMs;
    await Bun.sleep(lookEveryMs);
  }
}
