// Requests that nobody would write by hand, over every route, from one seed: what a daemon must answer, and never with
// a failure of its own.

import { Database } from "bun:sqlite";
import * as fs from "node:fs";
import * as path from "node:path";
import { faults, type FaultCode } from "../../src/contract/faults.ts";
import { operations, fillPath, pathFields, type Operation } from "../../src/contract/operations.ts";
import { Home } from "../home.ts";
import { must, type Effort } from "./experiment.ts";
import { createRandom } from "./random.ts";

export type Outcome = {
  seed: number;
  /** How many answers had each status. */
  statuses: Record<number, number>;
  /** The operations that answered with what was asked of them at least once. */
  succeeded: string[];
  /** What an answer must not be, each with the request that brought it. */
  problems: string[];
  /** What the database says of itself afterwards. */
  integrity: string[];
};

type Sent = {
  operation: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
};

/** A short form is among the tests of the binary. */
const requests = { short: 1_000, full: 20_000 };

/** Requests under way at once: each is on a connection that is kept. */
const workers = 6;

/** Longer than any of these requests may take: what waits is told to wait for a moment. */
const patienceMs = 8_000;
const waitMs = 3;

/** Every event is made into a delivery for each webhook, so that a few are plenty. */
const maxWebhooks = 3;

// Left out: what stops the daemon.
const rows = Object.entries<Operation>(operations).filter(([name]) => name !== "shutdown");

/** Sends them to a daemon of its own, stops it, and looks at what it left behind. */
export async function fuzz({ seed, requests }: { seed: number; requests: number }) {
  // Webhooks may go to this machine, to a port at which nobody is.
  await using home = new Home({ PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1" });
  const { port, pid } = await home.json(["start"]);
  const outcome: Outcome = { seed, statuses: {}, succeeded: [], problems: [], integrity: [] };
  const webhooks: string[] = [];
  const make = generator(seed, home.range.start, webhooks);
  let sent = 0;

  async function work(transport: "tcp" | "socket"): Promise<void> {
    while (sent < requests && outcome.problems.length < 10) {
      sent++;
      const request = make();
      const problem = await ask(transport, request).catch((error) => `no answer: ${error}`);
      if (problem) outcome.problems.push(`${transport} ${describe(request)} → ${problem}`);
    }
  }

  async function ask(transport: "tcp" | "socket", request: Sent): Promise<string | undefined> {
    const { operation, method, path, headers, body } = request;
    const response = await fetch(`http://localhost:${port}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
      ...(transport === "socket" && { unix: home.socket }),
      proxy: false,
      redirect: "manual",
      signal: AbortSignal.timeout(patienceMs),
    });
    outcome.statuses[response.status] = (outcome.statuses[response.status] ?? 0) + 1;
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
    if (isStream) await response.body?.cancel();
    const text = isStream || method === "HEAD" ? "{}" : await response.text();
    if (response.ok && !outcome.succeeded.includes(operation)) outcome.succeeded.push(operation);
    if (operation === "addWebhook" && response.ok) {
      const { id } = JSON.parse(text) as { id?: string };
      if (id !== undefined) webhooks.push(id);
    }
    // Those that are gone would be most of the list, and few requests would meet one that is there.
    const removed = webhooks.indexOf(path.split("/")[2]!);
    if (operation === "removeWebhook" && response.ok && removed >= 0) webhooks.splice(removed, 1);
    return problemOf(response, text, method);
  }

  await Promise.all(
    Array.from({ length: workers }, (_, n) => work(n % 2 === 0 ? "tcp" : "socket")),
  );
  const after = await home.daemonPid();
  if (after !== pid) outcome.problems.push(`daemon ${pid} is gone; now there is ${after}`);
  const { code, err } = await home.run(["stop"]);
  if (code !== 0) outcome.problems.push(`stop → ${code}: ${err}`);
  const log = fs.readFileSync(path.join(home.state, "daemon.log"), "utf8");
  for (const line of log.match(/^\S+ error .*$/gm) ?? []) outcome.problems.push(`log: ${line}`);
  outcome.integrity = integrityOf(path.join(home.state, "port-daddy.db"));
  return outcome;
}

/** What is wrong with an answer, if anything. */
function problemOf({ status, headers, ok }: Response, text: string, method: string) {
  const shown = `${status} ${text.slice(0, 300)}`;
  if (status >= 500) return shown;
  if (!headers.has("X-PortDaddy-Build")) return `no build: ${shown}`;
  if (ok || status === 303 || method === "HEAD") return undefined;
  if (/\n\s+at |\.(ts|js):\d|bunfs|SQLITE/.test(text)) return `more than a sentence: ${shown}`;
  const { error, code, stack } = JSON.parse(text) as Record<string, unknown>;
  if (typeof error !== "string" || error === "" || stack !== undefined) return shown;
  if (faults[code as FaultCode]?.status !== status) return `no fault of this status: ${shown}`;
  return undefined;
}

function integrityOf(file: string): string[] {
  const db = new Database(file);
  try {
    const found = db.query("PRAGMA integrity_check").values().flat();
    return [...found, ...db.query("PRAGMA foreign_key_check").values()].map(String);
  } finally {
    db.close();
  }
}

function describe({ method, path, headers, body }: Sent): string {
  return `${method} ${path} ${JSON.stringify(headers)} ${body ?? ""}`.slice(0, 1_500);
}

const texts = [
  ...["", " ", "\0", "a\nb", "\x7f", "é", "👩‍🚀", "\ud800", "..", ".", "../../etc/passwd", "/\\a"],
  ...["*", "**", "a:*", "%", "%00", "%2e%2e", "%zz", "a%2Fb", "//", "a//b", "?", "#", "a:b:c:d"],
  ...["'; DROP TABLE services; --", "<script>", "-1", "0", "1.5", "1e3", "0x10", "NaN", "null"],
  ...["99999999999999999999", "true", "{", "[]", '{"a":1}', "__proto__", "x".repeat(3_000)],
];
const values: unknown[] = [
  ...[null, true, false, 0, -0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, [], {}],
  ...[[[[]]], [null], { a: { a: { a: 1 } } }, { "": "" }, Array(300).fill("a"), "x".repeat(70_000)],
];
/** Bodies that are no JSON object, or hardly one. */
const bodies = [
  ...["{", "[]", "null", "1", '"text"', "{}{}", "\0", " ", '{"a":1,}', '{"a":1,"a":2}', "\ufeff{}"],
  ...['{"__proto__":{"a":1}}', '{"constructor":1}', "[".repeat(50_000), "x".repeat(300_000)],
];

/** Few names, so that requests meet: one claims what another releases. */
const names = ["a", "b", "shop:web", "shop:api", "shop:api:main", "build/x", "_", "A.b-c"];

/** Makes requests, always the same ones for a seed (but for the ids of webhooks, which are the daemon's). */
function generator(seed: number, firstPort: number, webhooks: readonly string[]): () => Sent {
  const { below, pick, isOnce: isOdd } = createRandom(seed);

  /** What a field of this name might well be. */
  function sensible(name: string): unknown {
    const port = firstPort + below(40);
    const known: Record<string, () => unknown> = {
      ids: () => Array.from({ length: 1 + below(4) }, () => pick(names)),
      port: () => port,
      range: () => `${port}-${port + below(20)}`,
      expires: () => pick(["1ms", "30m", "1d", 60_000]),
      ttl: () => pick([1, 50, 300_000]),
      pid: () => pick([...Array<number>(8).fill(process.pid), 1, 4_194_304]),
      fence: () => 1 + below(500),
      url: () => "http://127.0.0.1:1/hook",
      urls: () => ({ [pick(["dev", "prod"])]: pick(["https://a.test", "ws://b.test"]) }),
      health: () => pick(["/up", `http://localhost:${port}/`]),
      env: () => pick(["dev", "prod", "local"]),
      metadata: () => ({ a: [1, { b: null }] }),
      payload: () => pick([...values, "text", { a: 1 }]),
      events: () => pick([["lock.*"], ["service.claim", "agent.*"], ["*"]]),
      action: () => pick(["claim", "release", "cleanup"]),
      event: () => pick(["lock.*", "service.*"]),
      status: () => pick(["assigned", "running", "active", "stale", "failed"]),
      filter: () => pick(["a", "shop:*", null]),
      secret: () => "quiet",
      command: () =>
        pick([
          ["npm", "run", "dev"],
          ["sh", "-c", "a\nb"],
        ]),
      by: () => ({ pid: 1, command: "nc", cwd: null, user: null, startedAt: null }),
      restart: () => pick(["never", "always"]),
      state: () => pick(["ready", "ready", "hijacked", "restarting", "ended"]),
    };
    const numbers = ["limit", "after", "before", "since", "until", "last", "maxServices"];
    if (name in known) return known[name]!();
    if ([...numbers, "maxLocks"].includes(name)) return 1 + below(100);
    if (["dryRun", "wait", "force", "active", "whileAlive", "keep", "retry"].includes(name))
      return isOdd(0.5);
    return pick(names);
  }

  function valueOf(name: string): unknown {
    if (isOdd(0.85)) return sensible(name);
    return isOdd(0.5) ? pick(texts) : pick(values);
  }

  function segmentOf(name: string, path: string): string {
    if (path.startsWith("/webhooks/") && webhooks.length > 0 && isOdd(0.8)) return pick(webhooks);
    const text = String(isOdd(0.9) ? sensible(name) : pick(texts));
    return isOdd(0.95) ? encodeURIComponent(text.toWellFormed()) : encodeURI(text.toWellFormed());
  }

  function headersOf(): Record<string, string> {
    const headers: Record<string, string> = {};
    if (isOdd(0.3)) headers["X-Agent-Id"] = isOdd(0.9) ? pick(names) : "not one";
    if (isOdd(0.2)) headers["X-Caller-Id"] = isOdd(0.9) ? "ada@box#1" : "a b";
    if (isOdd(0.1)) headers["Content-Type"] = pick(["text/plain", "application/json", "x/y", ""]);
    if (isOdd(0.05)) headers["Last-Event-ID"] = pick(["1", "0", "-1", "zz", "99999999999999"]);
    if (isOdd(0.03)) headers["Host"] = pick(["evil.test", "localhost:1", "127.0.0.1", "[::1]"]);
    if (isOdd(0.03)) headers["Origin"] = pick(["http://evil.test", "null", "http://localhost"]);
    if (isOdd(0.03)) headers["Sec-Fetch-Site"] = pick(["same-origin", "cross-site", "none", "?"]);
    if (isOdd(0.03)) headers["Authorization"] = pick(["Bearer x", "Basic eDp5", "Bearer"]);
    if (isOdd(0.03)) headers["Cookie"] = pick(["port-daddy=x", "a=b; port-daddy=", ";;=;"]);
    if (isOdd(0.03)) headers["X-Nonsense"] = "x".repeat(below(4_000));
    return headers;
  }

  function fieldsOf([name, { input, path }]: (typeof rows)[number]): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    for (const field of Object.keys(input)) {
      if (pathFields(path).includes(field)) continue;
      if (isOdd("optional" in input[field]! ? 0.2 : 0.95)) fields[field] = valueOf(field);
    }
    if (isOdd(0.03)) fields[pick(["nonsense", "__proto__", "toString", ""])] = pick(values);
    if (name === "addWebhook" && webhooks.length >= maxWebhooks) fields["url"] = "http://10.0.0.1/";
    // It would be held for a minute or, where the time is 0, for good.
    if (name === "wait" || "wait" in fields || "timeout" in fields) fields["timeout"] = waitMs;
    return fields;
  }

  return () => {
    const row = pick(rows);
    const [name, operation] = row;
    const fields = fieldsOf(row);
    let route = fillPath(operation.path, (field) => segmentOf(field, operation.path));
    if (isOdd(0.02)) route = pick(["/", "/enter?key=x", "/nope", `${route}/`, `${route}/more`]);
    const method = isOdd(0.97)
      ? operation.method
      : pick(["GET", "PUT", "PATCH", "OPTIONS", "HEAD"]);
    const sent = { operation: name, method, headers: headersOf() };
    // The fields stand in the query or in the body, as `curl -d` and `?port=` may both be used.
    if (["GET", "HEAD"].includes(method) || isOdd(0.1)) {
      const query = new URLSearchParams(isOdd(0.1) ? [["nonsense", pick(texts)]] : []);
      for (const [field, value] of Object.entries(fields))
        for (const each of Array.isArray(value) && value.length < 20 ? value : [value])
          query.append(field, typeof each === "string" ? each.slice(0, 3_000) : textOf(each));
      return { ...sent, path: `${route}${route.includes("?") ? "&" : "?"}${query}` };
    }
    return { ...sent, path: route, body: isOdd(0.95) ? JSON.stringify(fields) : pick(bodies) };
  };
}

function textOf(value: unknown): string {
  return (JSON.stringify(value) ?? "").slice(0, 3_000);
}

/** As one of the experiments. */
export async function odd({ length, seed }: Effort): Promise<string> {
  const outcome = await fuzz({ seed, requests: requests[length] });
  const { statuses, succeeded, problems, integrity } = outcome;
  must(problems.length === 0, `${problems.length} answers were wrong`, problems);
  must(String(integrity) === "ok", "the database is not whole", integrity);
  const answers = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  return `${answers} odd requests answered (${statuses[200]} of them done, by ${succeeded.length} operations)`;
}
