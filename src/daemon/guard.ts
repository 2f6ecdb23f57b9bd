// Stands in front of every route: what a web page, or a name that was rebound to this machine, sends is refused before
// anything else looks at it. Over the Unix socket nothing of this applies: no browser can open it.

import type { MiddlewareHandler } from "hono";
import { Fault } from "../contract/faults.ts";
import { maxBodyBytes, type RequestEnv } from "./address.ts";
import { loopbackNames } from "../contract/loopback.ts";

/** Refuses with `forbidden` what did not come from this machine's own programs or our own pages. */
export function guard(): MiddlewareHandler<RequestEnv> {
  return async function guard(c, next) {
    const length = Number(c.req.header("content-length") ?? 0);
    if (length > maxBodyBytes)
      throw new Fault("too_large", `A body may hold ${maxBodyBytes} bytes; this one has ${length}`);
    if (c.env.transport === "tcp") refuseForeign(c.req.raw.headers, c.env.port);
    await next();
  };
}

function refuseForeign(headers: Headers, port: number): void {
  const host = headers.get("host") ?? "";
  if (!loopbackNames.includes(hostName(host))) throw foreign("Host", host, port);

  const origin = headers.get("origin");
  if (origin !== null && !loopbackNames.some((name) => origin === `http://${name}:${port}`)) {
    throw foreign("Origin", origin, port);
  }

  // Fetch Metadata: "none" is the address bar or a bookmark (https://www.w3.org/TR/fetch-metadata/).
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none")
    throw foreign("Sec-Fetch-Site", site, port);

  // A page of our own says what it sends. Without these headers it is a program such as curl, which need not.
  const isBrowser = origin !== null || site !== null;
  const type = headers.get("content-type");
  if (isBrowser && type !== null && !/^application\/json\b/i.test(type))
    throw foreign("Content-Type", type, port);
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
