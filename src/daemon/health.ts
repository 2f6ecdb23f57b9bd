// Whether a service that listens is also healthy.

import type { Service } from "../contract/entities.ts";

/** How long a health URL may take to answer. */
const answerWithinMs = 2_000;

/** How long a connection on loopback may take: with a full backlog it would take for ever. */
const connectWithinMs = 500;

/**
 * Why a service is not healthy; `undefined` where it is. It is when its port accepts a connection on either loopback
 * or, where it declares a health target, when that answers 2xx or 3xx.
 */
export async function unhealthy(
  { port, health }: Service,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (health !== null && !health.startsWith("/")) return failureOf(health, signal);
  const address = (await accepts("127.0.0.1", port))
    ? "127.0.0.1"
    : (await accepts("::1", port))
      ? "[::1]"
      : undefined;
  if (address === undefined) return `port ${port} accepts no connection on loopback`;
  return health === null ? undefined : failureOf(`http://${address}:${port}${health}`, signal);
}

/** Connections being tried. One to a full backlog cannot be called off, so there is never a second beside it. */
const attempts = new Map<string, Promise<boolean>>();

async function accepts(hostname: string, port: number): Promise<boolean> {
  const key = `${hostname} ${port}`;
  const attempt = attempts.get(key) ?? connect(hostname, port).finally(() => attempts.delete(key));
  attempts.set(key, attempt);
  return (await Promise.race([attempt, Bun.sleep(connectWithinMs)])) === true;
}

async function connect(hostname: string, port: number): Promise<boolean> {
  try {
    (await Bun.connect({ hostname, port, socket: { data() {} } })).end();
    return true;
  } catch {
    return false;
  }
}

async function failureOf(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { status, body } = await fetch(url, {
      redirect: "manual",
      decompress: false, // Only the status matters, and a body may be anything.
      proxy: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
    });
    await body?.cancel();
    return status >= 200 && status < 400 ? undefined : `${url} answers ${status}`;
  } catch {
    return `${url} does not answer`;
  }
}
