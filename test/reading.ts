// What comes by a stream, for tests that look at it while it comes.

/** The lines that have come so far, the last of them once it has ended. */
export function linesOf(stream: ReadableStream<Uint8Array>): string[] {
  const lines: string[] = [];
  void (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const whole = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = whole.pop()!;
      lines.push(...whole);
    }
  })();
  return lines;
}

/** The frames of server-sent events, each with the empty line that ends it, as a client asks for them. */
export function framesOf({ body }: Response) {
  const [reader, decoder] = [body!.getReader(), new TextDecoder()];
  let text = "";
  /** `undefined` at the end. */
  async function next(): Promise<string | undefined> {
    while (!text.includes("\n\n")) {
      const { value, done } = await reader.read();
      if (done) return undefined;
      text += decoder.decode(value, { stream: true });
    }
    const end = text.indexOf("\n\n") + 2;
    const each = text.slice(0, end);
    text = text.slice(end);
    return each;
  }
  return { next, take: taking(next), cancel: () => reader.cancel() };
}

/** Takes one after the other, as many as it is asked for. */
export function taking<T>(next: () => Promise<T>): (count: number) => Promise<T[]> {
  return async (count) => {
    const taken: T[] = [];
    while (taken.length < count) taken.push(await next());
    return taken;
  };
}
