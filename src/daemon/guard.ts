// Stands in front of every route: what a web page, or a name that was rebound to this machine, sends is refused before
// anything else looks at it; then who has no token where one is set, and who asks too often. Over the Unix socket
// nothing of this applies: no browser can open it, and only its owner.

import * as os from "node:os";
import type { MiddlewareHandler } from "hono";
import type { Config } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { inUrl, isWildcard, loopbackNames } from "../contract/loopback.ts";
import { maxBodyBytes, type RequestEnv } from "./request.ts";
import { pagePaths, type Access } from "./access.ts";
import { expand } from "./targets.ts";
import { createRates } from "./rates.ts";

type TcpRequest = Extract<RequestEnv["Bindings"], { transport: "tcp" }>;

/** How often a remote address may ask in a second, where nothing else is set; on loopback, without bound. */
const remoteRequestsPerSecond = 100;

/** Refuses what did not come from this machine's own programs, our own pages, or somebody with the token. */
export function guard(config: Config, access: Access): MiddlewareHandler<RequestEnv> {
  const isOurName = nameRule(config.host);
  const rates = createRates();
  return async function guard(c, next) {
    const length = Number(c.req.header("content-length") ?? 0);
    if (length > maxBodyBytes)
      throw new Fault("too_large", `A body may hold ${maxBodyBytes} bytes; this one has ${length}`);
    // RFC 9112 3.2; over the socket as well, where it would be read as a part of the path.
    if (!/^[\w.:[\]-]*$/.test(c.req.header("host") ?? ""))
      throw new Fault("invalid_input", "The Host is not one name", { details: { field: "Host" } });
    if (c.env.transport === "tcp") {
      const { raw, path } = c.req;
      limitRate(c.env);
      refuseForeign(raw, path, c.env.port, isOurName);
      access.require(raw.headers, path);
    }
    await next();
  };

  function limitRate({ remoteAddress, isLoopback }: TcpRequest): void {
    const perSecond = config.rateLimit ?? (isLoopback ? 0 : remoteRequestsPerSecond);
    if (perSecond === 0) return;
    const retryAfterMs = rates.take(networkOf(remoteAddress), perSecond);
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

/** Whose an address is: of IPv6 a whole /64 is one's own. */
function networkOf(address: string): string {
  return address.includes(":") ? expand(address).slice(0, 4).join(":") : address;
}

/** Whether a request may call us so: as loopback, or the host that is configured; of a wildcard by any name we have. */
function nameRule(host: string | undefined): (name: string) => boolean {
  const names = new Set(host === undefined ? loopbackNames : [...loopbackNames, inUrl(host)]);
  if (host === undefined || !isWildcard(host)) return (name) => names.has(name);
  // Asked for where it is not known: the machine may have got another address.
  return (name) => names.has(name) || ownNames().includes(name);
}

function ownNames(): string[] {
  const addresses = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
  const name = os.hostname().toLowerCase();
  return [name, `${name}.local`, ...addresses.map(({ address }) => inUrl(address))];
}

function refuseForeign(
  { headers, method }: Request,
  path: string,
  port: number,
  isOurName: (name: string) => boolean,
): void {
  const host = headers.get("host") ?? "";
  if (!isOurName(hostName(host))) throw foreign("Host", host, port);

  const origin = headers.get("origin");
  if (origin !== null && !isOurOrigin(origin, port, isOurName))
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

/** Whether a page that is ours asks: by http, a name of ours and our port, which is left out where it is 80. */
function isOurOrigin(origin: string, port: number, isOurName: (name: string) => boolean): boolean {
  const url = URL.parse(origin);
  return (
    url !== null &&
    url.origin === origin &&
    url.protocol === "http:" &&
    Number(url.port || 80) === port &&
    isOurName(url.hostname)
  );
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
