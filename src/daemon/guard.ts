// Stands in front of every route: what a web page, or a name that was rebound to this machine, sends is refused before
// anything else looks at it; then who has no token where one is set, and who asks too often. Over the Unix socket
// nothing of this applies: no browser can open it, and only its owner.

import * as os from "node:os";
import type { MiddlewareHandler } from "hono";
import type { Config } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { isWildcard, loopbackNames } from "../contract/loopback.ts";
import { maxBodyBytes, type RequestEnv } from "./address.ts";
import { pagePaths, type Access } from "./access.ts";
import { createRates } from "./rates.ts";

type TcpRequest = Extract<RequestEnv["Bindings"], { transport: "tcp" }>;

/** How often a remote address may ask in a second, where nothing else is set; on loopback, without bound. */
const remoteRequestsPerSecond = 100;

/** Refuses what did not come from this machine's own programs, our own pages, or somebody with the token. */
export function guard(config: Config, access: Access): MiddlewareHandler<RequestEnv> {
  const names = namesOf(config.host);
  const rates = createRates();
  return async function guard(c, next) {
    const length = Number(c.req.header("content-length") ?? 0);
    if (length > maxBodyBytes)
      throw new Fault("too_large", `A body may hold ${maxBodyBytes} bytes; this one has ${length}`);
    if (c.env.transport === "tcp") {
      const { raw, path } = c.req;
      limitRate(c.env);
      refuseForeign(raw, path, c.env.port, names);
      access.require(raw.headers, path);
    }
    await next();
  };

  function limitRate({ remoteAddress, isLoopback }: TcpRequest): void {
    const perSecond = config.rateLimit ?? (isLoopback ? 0 : remoteRequestsPerSecond);
    if (perSecond === 0) return;
    const retryAfterMs = rates.take(remoteAddress, perSecond);
    if (retryAfterMs === 0) return;
    throw new Fault(
      "limit_reached",
      `More than ${perSecond} requests a second came from ${remoteAddress}`,
      {
        details: { retryAfterMs },
      },
    );
  }
}

/** What a request may call us: loopback, and the host that is configured; of a wildcard every name of this machine. */
function namesOf(host: string | undefined): readonly string[] {
  if (host === undefined) return loopbackNames;
  if (!isWildcard(host)) return [...loopbackNames, inUrl(host)];
  const addresses = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
  const names = [os.hostname().toLowerCase(), `${os.hostname().toLowerCase()}.local`];
  return [...loopbackNames, ...names, ...addresses.map(({ address }) => inUrl(address))];
}

function inUrl(host: string): string {
  return host.includes(":") ? `[${host.toLowerCase()}]` : host.toLowerCase();
}

function refuseForeign(
  { headers, method }: Request,
  path: string,
  port: number,
  names: readonly string[],
): void {
  const host = headers.get("host") ?? "";
  if (!names.includes(hostName(host))) throw foreign("Host", host, port);

  const origin = headers.get("origin");
  if (origin !== null && !names.some((name) => origin === `http://${name}:${port}`))
    throw foreign("Origin", origin, port);

  // Fetch Metadata: "none" is the address bar or a bookmark (https://www.w3.org/TR/fetch-metadata/).
  const site = headers.get("sec-fetch-site");
  const isOwn = site === null || site === "same-origin" || site === "none";
  if (!isOwn && !isLink(headers, method, path)) throw foreign("Sec-Fetch-Site", site, port);

  // A page of our own says what it sends. Without these headers it is a program such as curl, which need not.
  const isBrowser = origin !== null || site !== null;
  const type = headers.get("content-type");
  if (isBrowser && type !== null && !/^application\/json\b/i.test(type))
    throw foreign("Content-Type", type, port);
}

/** Whether somebody follows a link to one of our pages: the page from which it came can read nothing of it. */
function isLink(headers: Headers, method: string, path: string): boolean {
  return (
    method === "GET" &&
    pagePaths.includes(path) &&
    headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document"
  );
}

function hostName(host: string): string {
  return host.replace(/:\d{1,5}$/, "").toLowerCase();
}

function foreign(header: string, value: string, port: number): Fault {
  return new Fault(
    "forbidden",
    `Refused: the ${header} ${JSON.stringify(value.slice(0, 200))} is not this daemon's`,
    {
      details: { header },
      hint: `ask from this machine: curl http://localhost:${port}/health`,
    },
  );
}
