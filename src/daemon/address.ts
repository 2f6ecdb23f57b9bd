// Where the daemon listens: a Unix socket for its own user, and both loopbacks for everything that speaks HTTP.

import * as fs from "node:fs";
import type { Config } from "../config.ts";
import { processInWords } from "../contract/entities.ts";
import { Fault } from "../contract/faults.ts";
import { headers } from "../contract/headers.ts";
import { isLoopback, isWildcard } from "../contract/loopback.ts";
import { anotherPort } from "../contract/range.ts";
import { shellWord } from "../contract/shell.ts";
import { reasonOf } from "../system/paths.ts";
import { listenersOn, usersOn } from "../system/sockets.ts";
import type { Door } from "./doors.ts";
import type { RequestEnv } from "./request.ts";

export type Serve = (request: Request, env: RequestEnv["Bindings"]) => Response | Promise<Response>;
type Server = Bun.Server<undefined>;

/** How long another daemon may take to say who it is. */
const introductionMs = 500;

/** How long a port may stay taken that no visible process has: of a daemon that was killed, its last sockets. */
const closingMs = 1_000;
const lookEveryMs = 5;

/** Larger bodies than ours are refused by the guard, with a sentence; this is where Bun itself gives up, without one. */
const limits = { development: false, maxRequestBodySize: 64 * 1024 * 1024 } as const;

export type SocketServer = Door & {
  stop(isAbrupt?: boolean): Promise<void>;
  /** Listens anew where the socket's file was removed or replaced: without it no command finds us. */
  renewIfLost(): boolean;
};

/**
 * Listens on the Unix socket, for this user alone. The caller holds the state directory's lock, so a file that is there
 * is stale. Throws `unavailable` where it cannot be made.
 */
export function listenOnSocket(file: string, serve: Serve): SocketServer {
  let server = bindSocket(file, serve);
  let inode = inodeOf(file);
  let isShut = false;
  function open(): void {
    server = bindSocket(file, serve);
    inode = inodeOf(file);
    isShut = false;
  }
  function shut(): void {
    isShut = true;
    void server.stop(); // Who is connected stays: some wait for a lock, in order.
  }
  return {
    stop: (isAbrupt) => server.stop(isAbrupt),
    shut,
    open,
    renewIfLost() {
      if (isShut || inodeOf(file) === inode) return false;
      shut();
      open();
      return true;
    },
  };
}

/** The door of a server over TCP: opened again, it is at the same address. */
export function tcpDoor(server: Server, serve: Serve): Door & Pick<Server, "stop"> {
  const { hostname, port } = server;
  let current = server;
  return {
    stop: (isAbrupt) => current.stop(isAbrupt),
    shut: () => void current.stop(),
    open() {
      const found = listenOn(hostname!, port!, serve);
      if (found instanceof Error) throw taken(port!, found);
      current = found;
    },
  };
}

export function inodeOf(file: string): number | undefined {
  return fs.statSync(file, { throwIfNoEntry: false })?.ino;
}

function bindSocket(file: string, serve: Serve): Server {
  const umask = process.umask(0o177);
  try {
    fs.rmSync(file, { force: true });
    return Bun.serve({
      ...limits,
      unix: file,
      // There `server.timeout()` has no effect, so nothing may be cut for being quiet. Its type does not know that.
      idleTimeout: 0 as never,
      fetch: (request) => serve(request, { transport: "socket" }),
    });
  } catch (error) {
    throw new Fault("unavailable", `The socket ${file} cannot be made: ${reasonOf(error)}`, {
      hint: `see what is there: ls -l ${shellWord(file)}`,
    });
  } finally {
    process.umask(umask);
  }
}

/**
 * Listens on loopback and, where a host beyond it is configured, there too. Throws as `listenOnLoopback` does, and
 * `invalid_input` for a host without a token.
 */
export async function listenOverTcp(
  { port, host, token }: Pick<Config, "port" | "host" | "token">,
  serve: Serve,
): Promise<Server[]> {
  if (host === undefined) return listenOnLoopback(port, serve);
  if (token === undefined && !isLoopback(host)) {
    throw new Fault(
      "invalid_input",
      `PORT_DADDY_HOST=${host} lets others in, so that a token is needed`,
      {
        details: { field: "PORT_DADDY_TOKEN" },
        hint: 'make one: export PORT_DADDY_TOKEN="$(openssl rand -hex 16)"',
      },
    );
  }
  // A wildcard takes loopback in, that of IPv4 its own alone.
  const inside = isWildcard(host) ? [] : await listenOnLoopback(port, serve);
  const server = listenOn(host, inside[0]?.port ?? port, serve);
  if (!(server instanceof Error)) {
    if (host !== "0.0.0.0") return [...inside, server];
    const other = listenOn("::1", server.port!, serve);
    if (!(other instanceof Error)) return [server, other];
    if (isAbsent(other)) return [server];
    await server.stop(true);
    throw taken(server.port!, other);
  }
  await Promise.all(inside.map((each) => each.stop(true)));
  const isThere = ["EADDRINUSE", "EACCES"].includes(codeOf(server));
  throw isThere ? taken(port, server) : noAddress(host);
}

function noAddress(host: string): Fault {
  return new Fault("invalid_input", `PORT_DADDY_HOST=${host} is no address of this machine`, {
    details: { field: "PORT_DADDY_HOST" },
    hint: "listen on all of them: export PORT_DADDY_HOST=0.0.0.0",
  });
}

/**
 * Listens on 127.0.0.1 and, where the machine has it, ::1. Port 0 takes one that is free on both.
 * Returns none where another user's port-daddy has the port: this one then serves its socket alone.
 * Throws `held` naming whoever else has it, at once where that can be seen.
 */
export async function listenOnLoopback(port: number, serve: Serve): Promise<Server[]> {
  const end = performance.now() + closingMs;
  for (let attempt = 0; ; attempt++) {
    const first = listenOn("127.0.0.1", port, serve);
    const second = first instanceof Error ? first : listenOn("::1", first.port!, serve);
    if (!(first instanceof Error) && !(second instanceof Error)) return [first, second];
    if (!(first instanceof Error) && isAbsent(second as Error)) return [first];
    if (!(first instanceof Error)) await first.stop(true);
    if (port === 0 && attempt < 20) continue;
    if (await isAnotherUsers(port)) return [];
    const isClosing = codeOf(second as Error) === "EADDRINUSE" && !isSeenOn(port);
    if (!isClosing || performance.now() > end) throw taken(port, second as Error);
    await Bun.sleep(lookEveryMs);
  }
}

/** Whether a process that can be seen has the port. One that was killed is gone before all of its sockets are. */
function isSeenOn(port: number): boolean {
  return listenersOn(port).some(({ pid }) => pid !== null);
}

function listenOn(hostname: string, port: number, serve: Serve): Server | Error {
  // Asking the server for port and address takes a tenth of a small request's time. Whoever reaches a loopback
  // address comes from one.
  let boundPort = port;
  const local = { remoteAddress: hostname, isLoopback: true };
  try {
    const server = Bun.serve({
      ...limits,
      hostname,
      port,
      // On unless refused, and then two daemons would share one port without either knowing.
      reusePort: false,
      fetch: (request, server) =>
        serve(request, {
          transport: "tcp",
          port: boundPort,
          ...(isLoopback(hostname) ? local : remote(server.requestIP(request)?.address)),
          hold: () => server.timeout(request, 0),
        }),
    });
    boundPort = server.port!;
    return server;
  } catch (error) {
    return error as Error;
  }
}

/** Who asks at an address beyond loopback: over a wildcard, perhaps this machine itself. */
function remote(address = "unknown"): { remoteAddress: string; isLoopback: boolean } {
  const plain = address.replace(/^::ffff:/i, "");
  return { remoteAddress: plain, isLoopback: isLoopback(plain) };
}

function isAbsent(error: Error): boolean {
  return ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error));
}

function codeOf(error: Error): string {
  return (error as { code?: string }).code ?? "";
}

/** Whether the port is a port-daddy's that runs as somebody else. */
async function isAnotherUsers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/version`, {
      proxy: false,
      signal: AbortSignal.timeout(introductionMs),
    });
    // One that asks for a token does not say; its socket does.
    const { uid = usersOn(port)[0] } = (await response.json()) as { uid?: unknown };
    return response.headers.has(headers.build) && uid !== process.getuid?.();
  } catch {
    return false;
  }
}

function taken(port: number, error: Error): Fault {
  const { code } = error as { code?: string };
  if (code !== "EADDRINUSE") {
    return new Fault("unavailable", `Port ${port} cannot be listened on: ${reasonOf(error)}`, {
      hint: "use another: PORT_DADDY_PORT=9877 port-daddy start",
    });
  }
  const process = listenersOn(port)[0] ?? null;
  return new Fault("held", `Port ${port} is in use by ${processInWords(process)}`, {
    details: { port, holder: { id: null, process } },
    hint: `use another: PORT_DADDY_PORT=${anotherPort(port)} port-daddy start`,
  });
}
