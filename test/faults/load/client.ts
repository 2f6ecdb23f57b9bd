// A process of the storm: some lanes, over the daemon's socket or through the command line.

import * as fs from "node:fs";
import { exchange } from "../../../src/client/socket.ts";
import { runLane, type Answer, type Ask } from "./lane.ts";
import { openLedger } from "./ledger.ts";

export type ClientSettings = {
  name: string;
  by: "http" | "cli";
  /** The program of the command line. */
  binary: string;
  socket: string;
  ledger: string;
  /** A file that is there when it is over. */
  over: string;
  seed: number;
  lanes: number;
  lastPort: number;
};

/** Longer than any of these may take: what hangs is a problem. */
const hangsAfterMs = 20_000;
/** How soon a daemon that is not there is looked for again. */
const againAfterMs = 3;

const settings = JSON.parse(process.argv[2]!) as ClientSettings;
const write = openLedger(settings.ledger);
const isOver = () => fs.existsSync(settings.over);

const overSocket: Ask = async ({ tag, method, route, body }) => {
  const headers = { "X-Caller-Id": tag, "Content-Type": "application/json" };
  const text = body && JSON.stringify(body);
  const request = { method, path: route, headers, ...(text && { body: text }) };
  while (true) {
    try {
      const { status, body } = await exchange(settings.socket, request, hangsAfterMs);
      return { status, body: JSON.parse(body) };
    } catch (error) {
      const { code = "", name } = error as { code?: string; name?: string };
      if (name === "TimeoutError")
        write({ kind: "problem", text: `${method} ${route} of ${tag} was never answered` });
      // Nobody was there to be asked.
      if (!["ECONNREFUSED", "ENOENT"].includes(code) || isOver()) return undefined;
      await Bun.sleep(againAfterMs);
    }
  }
};

const statuses: Record<number, number> = { 0: 200, 2: 400, 3: 404, 4: 409, 5: 429 };

const byCommand: Ask = async (request) => {
  const child = Bun.spawn([settings.binary, ...wordsFor(request), "--json"], {
    env: { ...process.env, PORT_DADDY_AGENT: request.tag },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hangs = setTimeout(() => child.kill("SIGKILL"), hangsAfterMs);
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(hangs);
  return answerOf(request, { code, out, err });
};

/** What a command's end tells: of 6 and 7, that nothing is known of what was asked. */
function answerOf(
  { tag, method, route }: Parameters<Ask>[0],
  { code, out, err }: { code: number; out: string; err: string },
): Answer {
  const status = statuses[code];
  if (status !== undefined) return { status, body: code === 0 ? JSON.parse(out) : {} };
  if (code !== 6 && code !== 7)
    write({ kind: "problem", text: `${method} ${route} of ${tag} ended with ${code}: ${err}` });
  return undefined;
}

function wordsFor({ method, route, body = {} }: Parameters<Ask>[0]): string[] {
  const [, noun, ...rest] = decodeURIComponent(route).split("/");
  const name = rest.join("/");
  const has = (field: string, ...words: string[]) => (body[field] === undefined ? [] : words);
  const fence = has("fence", "--fence", String(body["fence"]));
  const owner = ["--owner", String(body["owner"])];
  const verbs: Record<string, () => string[]> = {
    "POST claim": () => [
      ...["claim", ...(name ? [name] : (body["ids"] as string[]))],
      ...has("port", "--port", String(body["port"])),
      ...has("expires", "--expires", `${String(body["expires"])}ms`),
    ],
    "DELETE release": () => ["release", name],
    "POST locks": () => [
      ...["lock", name, ...owner],
      ...(body["wait"] ? ["--timeout", `${String(body["timeout"])}ms`] : ["--no-wait"]),
    ],
    "PUT locks": () => ["lock", name, "--extend", ...owner],
    "DELETE locks": () => ["unlock", name, ...owner, ...fence],
    "POST msg": () => ["pub", name, JSON.stringify(body["payload"])],
    "POST agents": () => ["agent", "register", name, "--max-services", String(body["maxServices"])],
    "PUT agents": () => ["agent", "heartbeat", rest[0]!],
    "DELETE agents": () => ["agent", "unregister", name],
  };
  return verbs[`${method} ${noun}`]!();
}

await Promise.all(
  Array.from({ length: settings.lanes }, (_, n) =>
    runLane({
      ...settings,
      name: `${settings.name}${"abcd"[n]}`,
      seed: settings.seed + n,
      ask: settings.by === "http" ? overSocket : byCommand,
      write,
      isOver,
    }),
  ),
);
