// HTTP: the guard, a route for each operation, one mapper of faults.

import { Hono } from "hono";
import { getPath } from "hono/utils/url";
import { asFault, Fault } from "../contract/faults.ts";
import { checkShape, checkText, type Field } from "../contract/fields.ts";
import { agentId, callerId } from "../contract/values.ts";
import { buildLabel, headers, settingsLabel } from "../contract/headers.ts";
import {
  operations,
  routePattern,
  type Operation,
  type OperationName,
} from "../contract/operations.ts";
import { assetsPath, enterPath, pagePath } from "../contract/pages.ts";
import type { Range } from "../contract/range.ts";
import * as agents from "../domain/agents.ts";
import type { Caller } from "../world.ts";
import { asStorageFault } from "../store/trouble.ts";
import { socketFile } from "../system/paths.ts";
import { assetFor } from "./assets.ts";
import type { Daemon } from "./daemon.ts";
import { guard } from "./guard.ts";
import { handlers } from "./handlers.ts";
import { inputReader, type ReadInput } from "./input.ts";
import { contentType } from "./metrics/exposition.ts";
import type { HeldRequest, RequestContext, RequestEnv } from "./request.ts";

export function createApp(daemon: Daemon): Hono<RequestEnv> {
  const app = new Hono<RequestEnv>({ getPath: pathOf });
  const { requests } = daemon.metrics;
  app.use(requests.middleware);
  app.use(guard(daemon.world.config, daemon.access));
  const enterMeter = requests.route("GET", enterPath);
  // A browser follows this once: what is in the address bar afterwards opens nothing.
  app.get(enterPath, (c) => {
    c.env.route = enterMeter;
    // Whoever only looks where the link leads does not use it up.
    if (c.req.method === "HEAD") return reply(daemon, {}, 200);
    const cookie = daemon.access.enter(c.req.query("key") ?? "");
    const headers = { ...daemon.answerHeaders, "Set-Cookie": cookie, Location: pagePath };
    return new Response(null, { status: 303, headers });
  });
  for (const path of [pagePath, `${assetsPath}*`]) {
    const meter = requests.route("GET", path);
    app.get(path, (c) => {
      c.env.route = meter;
      const asset = assetFor(c.req.path, c.req.raw.headers);
      if (!asset) return c.notFound();
      for (const name of [headers.build, headers.settings])
        asset.headers.set(name, daemon.answerHeaders[name]!);
      return asset;
    });
  }
  for (const name of Object.keys(operations) as OperationName[]) {
    const { method, path, answersIn } = operations[name];
    const meter = requests.route(method, path);
    const readInput = inputReader(operations[name]);
    app.on(method, path, (c) => {
      c.env.route = meter;
      // Asked for its headers alone, a stream would stay open with nobody to read it.
      if (answersIn === "events" && c.req.method === "HEAD") return reply(daemon, {}, 200);
      return answer(daemon, name, readInput, c);
    });
  }
  app.notFound((c) => {
    throw noRoute(c.req.raw, daemon);
  });
  app.onError((error) => {
    const fault = asFault(asStorageFault(error));
    // A refusal is the caller's to know; what nobody foresaw, or the disk refused, is ours.
    if (fault.code === "internal" || fault.cause !== undefined) daemon.log.failure(error);
    return refusal(daemon, fault);
  });
  return app;
}

/** The path of a request; without a Host, which HTTP/1.0 need not send, that is all there is of its URL. */
function pathOf(request: Request): string {
  return request.url.startsWith("/") ? request.url.replace(/[?#].*$/, "") : getPath(request);
}

type AnyHandler = (daemon: Daemon, input: unknown, caller: Caller, request: HeldRequest) => unknown;

/** Checks the input, asks the domain, and answers when what it changed is stored. */
async function answer(
  daemon: Daemon,
  name: OperationName,
  readInput: ReadInput,
  c: RequestContext,
): Promise<Response> {
  const operation: Operation = operations[name];
  if (operation.isLocal && c.env.transport !== "socket") throw notLocal(daemon);
  const given = await readInput(c);
  const caller = callerOf(c);
  let stored: Promise<void> | undefined;
  let response: Response | undefined;
  try {
    const handler = handlers[name] as AnyHandler;
    const input = checkShape(operation.input, given);
    daemon.catchUp();
    hear(daemon, operation, input, caller);
    const result = handler(daemon, input, caller, heldRequest(daemon, caller, c));
    // Asked for at once: when somebody else's work has failed the turn, its promise is the one that says so. An
    // operation that waits sees to that itself, for the turn in which it ends.
    stored = result instanceof Promise ? Promise.resolve() : daemon.world.journal.landed();
    response = replyIn(daemon, operation.answersIn, await result);
    return response;
  } finally {
    // Also before a refusal leaves: it may rest on a change of this turn that is not stored yet.
    await (stored ?? daemon.world.journal.landed()).catch(async (error) => {
      await response?.body?.cancel(); // A stream that is refused must not stay open.
      throw error;
    });
  }
}

function notLocal({ world }: Daemon): Fault {
  return new Fault("forbidden", "What is launched is told over the daemon's Unix socket alone", {
    hint: `ask there: curl --unix-socket ${socketFile(world.config.home)}`,
  });
}

/** Whoever does something, or listens, is there. What an agent does to itself as an agent notes that on its own. */
function hear(
  { world }: Daemon,
  { method, path, answersIn }: Operation,
  input: Record<string, unknown>,
  { agent }: Caller,
): void {
  const isSign = method !== "GET" || answersIn === "events";
  const isOnItself = path.startsWith("/agents/") && input["id"] === agent;
  if (agent !== undefined && isSign && !isOnItself) agents.hear(world, agent);
}

function heldRequest(daemon: Daemon, { agent }: Caller, c: RequestContext): HeldRequest {
  return {
    get signal() {
      return c.req.raw.signal;
    },
    get lastEventId() {
      const id = c.req.header("last-event-id") || undefined;
      return id === undefined ? undefined : checkText(lastEventId, id, "Last-Event-ID");
    },
    hold() {
      c.env.isHeld = true;
      const remote =
        c.env.transport === "tcp" && !c.env.isLoopback ? c.env.remoteAddress : undefined;
      const leave = daemon.room.enter(remote, c.env.transport === "socket");
      if (c.env.transport === "tcp") c.env.hold();
      try {
        const letGo = agent === undefined ? () => {} : daemon.presence.enter(agent);
        return () => {
          leave();
          letGo();
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}

const lastEventId = operations.subscribe.input.after;

function reply(daemon: Daemon, body: unknown, status: number): Response {
  return new Response(JSON.stringify(body) + "\n", { status, headers: daemon.answerHeaders });
}

/** A stream comes as the response that it is. */
function replyIn(daemon: Daemon, kind: Operation["answersIn"], answer: unknown): Response {
  if (answer instanceof Response) return answer;
  if (kind !== "text") return reply(daemon, answer, 200);
  const headers = { ...daemon.answerHeaders, "Content-Type": contentType };
  return new Response(answer as string, { headers });
}

function refusal(daemon: Daemon, fault: Fault): Response {
  const response = reply(daemon, fault.toBody(), fault.status);
  const { retryAfterMs } = fault.details;
  if (typeof retryAfterMs === "number")
    response.headers.set("Retry-After", String(Math.ceil(retryAfterMs / 1000)));
  if (fault.code === "unauthorized") response.headers.set("WWW-Authenticate", "Bearer");
  return response;
}

/** The headers that every answer carries; made once. */
export function answerHeaders(build: Daemon["build"], port: number | undefined, range: Range) {
  return {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    [headers.build]: buildLabel(build),
    [headers.settings]: settingsLabel(port, range),
  };
}

function callerOf(c: RequestContext): Caller {
  const agent = readHeader(c, headers.agent, agentId);
  const caller = readHeader(c, headers.caller, callerId);
  const address = c.env.transport === "tcp" ? c.env.remoteAddress : undefined;
  return { agent, id: caller, actor: agent ?? caller ?? address ?? "local" };
}

function readHeader(c: RequestContext, name: string, field: Field<string>): string | undefined {
  const value = c.req.header(name);
  return value === undefined ? undefined : checkText(field, value, name);
}

function noRoute({ method, url }: Request, { port, world }: Daemon): Fault {
  // Still percent-encoded, so that it can be shown and pasted.
  const path = (URL.parse(url)?.pathname ?? "/").slice(0, 200).replaceAll("'", "%27");
  const methods = Object.values<Operation>(operations)
    .filter((operation) => routePattern(operation.path).test(path))
    .map((operation) => operation.method);
  const curl = port === undefined ? `curl --unix-socket ${socketFile(world.config.home)}` : "curl";
  const origin = `http://localhost${port === undefined ? "" : `:${port}`}`;
  return new Fault("not_found", `There is no ${method} ${path}`, {
    hint:
      methods.length > 0
        ? `this route takes ${methods.join(" or ")}: ${curl} -X ${methods[0]} '${origin}${path}'`
        : `all routes: ${curl} ${origin}/openapi.json`,
  });
}
