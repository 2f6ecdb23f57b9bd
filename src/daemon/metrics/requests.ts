// Requests as they are counted: by the route that took them, never by the path that was asked for.

import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { noRoute, routeLabel } from "../../contract/metrics.ts";
import type { RequestEnv } from "../request.ts";
import { observe, type Counter, type Histogram, type Meters } from "./meters.ts";

/** What is counted of a route; each status when it is first answered. */
export type RouteMeter = {
  labels: { method: string; route: string };
  byStatus: Map<number, Counter>;
  duration: Histogram | undefined;
};

export type RequestMeter = ReturnType<typeof createRequestMeter>;

export function createRequestMeter(meters: Meters) {
  const routes = new Map<string, RouteMeter>();
  const other = meterOf(noRoute, noRoute);

  /** The meter of a route, which goes into the request's environment where it is answered. */
  function route(method: string, path: string): RouteMeter {
    const meter = meterOf(method, routeLabel(path));
    routes.set(`${method} ${path}`, meter);
    return meter;
  }

  /** Counts an answer, and how long it took unless the request was held on purpose. */
  function count(meter: RouteMeter, status: number, tookMs: number | undefined): void {
    let counter = meter.byStatus.get(status);
    if (counter === undefined) {
      const labels = { ...meter.labels, status: String(status) };
      counter = meters.counter("port_daddy_http_requests_total", labels);
      meter.byStatus.set(status, counter);
    }
    counter.value++;
    if (tookMs === undefined) return;
    meter.duration ??= meters.histogram("port_daddy_http_request_duration_seconds", meter.labels);
    observe(meter.duration, tookMs / 1_000);
  }

  /** Stands in front of everything, so that what the guard refuses is counted too. */
  const middleware: MiddlewareHandler<RequestEnv> = async function counted(c, next) {
    const start = performance.now();
    await next();
    const { env, res } = c;
    // Who was refused has reached no route, but may have asked for one.
    const meter = env.route ?? askedFor(matchedRoutes(c)) ?? other;
    count(meter, res.status, env.isHeld ? undefined : performance.now() - start);
  };

  function askedFor(matched: { method: string; path: string }[]): RouteMeter | undefined {
    return matched.map(({ method, path }) => routes.get(`${method} ${path}`)).find(Boolean);
  }

  return { route, middleware };
}

function meterOf(method: string, route: string): RouteMeter {
  return { labels: { method, route }, byStatus: new Map(), duration: undefined };
}
