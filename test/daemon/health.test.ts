// What healthy means, asked of real servers on ports of the kernel's choice.

import { afterEach, expect, test } from "bun:test";
import * as os from "node:os";
import type { Service } from "../../src/contract/entities.ts";
import { unhealthy } from "../../src/daemon/health.ts";

const hasIpv6 = Object.values(os.networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Answer = (request: Request) => Response | Promise<Response>;

function serve(fetch: Answer, hostname = "127.0.0.1"): number {
  const server = Bun.serve({ hostname, port: 0, fetch, idleTimeout: 0 });
  stops.push(() => server.stop(true));
  return server.port!;
}

/** A port that accepts connections and says nothing. */
function accept(hostname: string): number {
  const listener = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  stops.push(() => listener.stop(true));
  return listener.port;
}

const never = new AbortController().signal;

function look(port: number, health: string | null = null, signal = never) {
  return unhealthy({ port, health } as Service, signal);
}

for (const hostname of ["127.0.0.1", "0.0.0.0", "::1", "::"]) {
  test.skipIf(hostname.includes(":") && !hasIpv6)(
    `a server that only accepts connections, at ${hostname}, is healthy`,
    async () => expect(await look(accept(hostname))).toBeUndefined(),
  );
}

test("a port on which nothing listens is not", async () => {
  const port = accept("127.0.0.1");
  await stops.pop()!();
  const reason = `port ${port} accepts no connection on loopback`;
  expect(await look(port)).toBe(reason);
  expect(await look(port, "/health")).toBe(reason);
});

for (const status of [200, 204, 206, 299, 301, 302, 304, 399])
  test(`one whose path answers ${status} is healthy`, async () => {
    const headers = { location: "http://127.0.0.1:1/" }; // Nothing is there: it is not followed.
    const port = serve(() => new Response(null, { status, headers }));
    expect(await look(port, "/health")).toBeUndefined();
  });

for (const status of [400, 401, 404, 500, 503])
  test(`one whose path answers ${status} is not, and the answer is told`, async () => {
    const port = serve(() => new Response("no", { status }));
    expect(await look(port, "/health")).toBe(`http://127.0.0.1:${port}/health answers ${status}`);
    expect(await look(port)).toBeUndefined();
  });

test("the path is asked for as it was given, query and all, once", async () => {
  const asked: string[] = [];
  const port = serve((request) => {
    asked.push(`${request.method} ${request.url}`);
    return new Response();
  });
  await look(port, "/a/%2e/b?ready=1&x=%20");
  expect(asked).toEqual([
    expect.stringMatching(/^GET http:\/\/127\.0\.0\.1:\d+\/a\/.*b\?ready=1&x=%20$/),
  ]);
});

test.skipIf(!hasIpv6)(
  "a path of a server that only listens on ::1 is asked for there",
  async () => {
    const port = serve(({ url }) => new Response(url), "::1");
    expect(await look(port, "/health")).toBeUndefined();
    await stops.pop()!();
    const failing = serve(() => new Response("", { status: 500 }), "::1");
    expect(await look(failing, "/x")).toBe(`http://[::1]:${failing}/x answers 500`);
  },
);

test("a loopback URL of another port is asked instead of the service's own", async () => {
  const ready = serve(() => new Response());
  const failing = serve(() => new Response("", { status: 500 }));
  const port = accept("127.0.0.1");
  expect(await look(port, `http://127.0.0.1:${ready}/health`)).toBeUndefined();
  expect(await look(port, `http://localhost:${ready}/health`)).toBeUndefined();
  const url = `http://127.0.0.1:${failing}/health`;
  expect(await look(port, url)).toBe(`${url} answers 500`);
});

test("one that accepts but ends the connection without an answer is not healthy", async () => {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end() },
  });
  stops.push(() => listener.stop(true));
  expect(await look(listener.port, "/")).toBe(`http://127.0.0.1:${listener.port}/ does not answer`);
});

test("one that accepts but speaks something else than HTTP is not healthy by its path", async () => {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n") },
  });
  stops.push(() => listener.stop(true));
  expect(await look(listener.port, "/")).toEndWith("does not answer");
});

test("one that never answers is not healthy", async () => {
  const port = serve(() => new Promise<Response>(() => {}));
  expect(await look(port, "/hangs")).toBe(`http://127.0.0.1:${port}/hangs does not answer`);
});

test("an answer whose body never ends is an answer all the same", async () => {
  const endless = new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1)) });
  const port = serve(() => new Response(endless));
  expect(await look(port, "/")).toBeUndefined();
});

test("a look ends when nobody waits for it any more", async () => {
  const { promise: asked, resolve: setAsked } = Promise.withResolvers<void>();
  const { promise: ended, resolve: setEnded } = Promise.withResolvers<void>();
  const port = serve(({ signal }) => {
    signal.addEventListener("abort", () => setEnded());
    setAsked();
    return new Promise<Response>(() => {});
  });
  const caller = new AbortController();
  const looking = look(port, "/hangs", caller.signal);
  await asked;
  caller.abort();
  expect(await looking).toEndWith("does not answer");
  await ended;
});

test("a proxy of the environment is not asked", async () => {
  const names = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
  const before = names.map((name) => [name, process.env[name]] as const);
  const proxied: string[] = [];
  const proxy = serve(({ url }) => {
    proxied.push(url);
    return new Response("", { status: 502 });
  });
  try {
    for (const name of names) process.env[name] = `http://127.0.0.1:${proxy}`;
    const port = serve(() => new Response());
    expect(await look(port, "/health")).toBeUndefined();
    expect(proxied).toEqual([]);
  } finally {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
});
