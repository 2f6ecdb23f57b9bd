// Acknowledged means stored: the daemon is killed in the middle of a storm, again and again.

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import * as paths from "../../src/system/paths.ts";
import { eventually, Home } from "../home.ts";

/** What clients were told. Each identity has one client, so it knows what must be there after a crash. */
class Ledger {
  /** The port of each identity, from its first answer on. */
  readonly ports = new Map<string, number>();
  /** What was last acknowledged; an identity whose last request went unanswered is in none of the two. */
  readonly held = new Set<string>();
  readonly free = new Set<string>();
  answers = 0;
  /** Answers that broke the promise. */
  readonly wrong: string[] = [];

  asked(id: string): void {
    this.held.delete(id);
    this.free.delete(id);
  }

  claimed(id: string, port: number): void {
    const before = this.ports.get(id) ?? port;
    if (before !== port) this.wrong.push(`${id} had ${before} and got ${port}`);
    this.ports.set(id, port);
    this.held.add(id);
    this.answers++;
  }

  released(id: string): void {
    this.free.add(id);
    this.answers++;
  }
}

/** Claims, claims again and releases identities of its own, one request after the other, until one goes unanswered. */
async function storm(client: Client, name: string, ledger: Ledger): Promise<void> {
  for (let turn = 0; ; turn++) {
    const id = `${name}:${turn % 12}`;
    const isRelease = turn % 5 === 4;
    ledger.asked(id);
    const port = await (isRelease ? client.release(id) : client.claim(id));
    if (port === undefined) return;
    if (isRelease) ledger.released(id);
    else ledger.claimed(id, port);
  }
}

/** Both answer a port, 0 for a release; `undefined` where no answer came. */
type Client = Record<"claim" | "release", (id: string) => Promise<number | undefined>>;

function overHttp(home: Home): Client {
  async function ask(method: string, route: string): Promise<number | undefined> {
    try {
      const response = await home.fetch(route, { method });
      return response.ok ? (((await response.json()) as { port?: number }).port ?? 0) : undefined;
    } catch {
      return undefined;
    }
  }
  return {
    claim: (id) => ask("POST", `/claim/${id}`),
    release: (id) => ask("DELETE", `/release/${id}`),
  };
}

function byCommand(home: Home, isOver: () => boolean): Client {
  async function ask(...words: string[]): Promise<number | undefined> {
    if (isOver()) return undefined;
    const { code, out } = await home.run([...words, "-q"]);
    return code === 0 ? Number(out) : undefined;
  }
  return { claim: (id) => ask("claim", id), release: (id) => ask("release", id) };
}

function integrity(home: Home): unknown {
  using db = new Database(paths.databaseFile(home.state), { readonly: true });
  return db.query("PRAGMA integrity_check").all();
}

test("after kill -9 in a storm of claims, twenty times, everything acknowledged is there", async () => {
  await using home = new Home();
  const ledger = new Ledger();
  for (let round = 0; round < 20; round++) {
    // Whoever comes first after the crash brings the daemon back.
    const { pid } = await home.json(["start"]);
    const seen = ledger.answers;
    let isKilled = false;
    const clients = [
      ...["a", "b", "c", "d"].map((name) => storm(overHttp(home), `http:${name}`, ledger)),
      ...["a", "b"].map((name) =>
        storm(
          byCommand(home, () => isKilled),
          `cli:${name}`,
          ledger,
        ),
      ),
    ];
    await eventually("the storm is under way", () => ledger.answers > seen + 40 + round * 7);
    await home.kill(pid);
    isKilled = true;
    await Promise.all(clients);

    const { services } = await home.json(["find"]); // Starts it where no command of the storm has.
    const stored = new Map<string, number>(services.map((each: any) => [each.id, each.port]));
    const missing = [...ledger.held].filter((id) => stored.get(id) !== ledger.ports.get(id));
    const revived = [...ledger.free].filter((id) => stored.has(id));
    const { wrong } = ledger;
    expect({ missing, revived, wrong }).toEqual({ missing: [], revived: [], wrong: [] });
    expect(integrity(home)).toEqual([{ integrity_check: "ok" }]);
  }
  expect(ledger.answers).toBeGreaterThan(1_000);
}, 60_000);

test("a crash leaves the change and its event both there, or neither", async () => {
  await using home = new Home();
  const { pid } = await home.json(["start"]);
  const ledger = new Ledger();
  const clients = ["a", "b", "c"].map((name) => storm(overHttp(home), name, ledger));
  await eventually("the storm is under way", () => ledger.answers > 200);
  await home.kill(pid);
  await Promise.all(clients);

  const { services } = await home.json(["find"]);
  using db = new Database(paths.databaseFile(home.state), { readonly: true });
  const last = db
    .query(
      `SELECT target_id AS id, event, json_extract(metadata, '$.port') AS port, max(id) FROM activity
       WHERE event LIKE 'service.%' GROUP BY target_id`,
    )
    .all() as { id: string; event: string; port: number }[];
  const claimed = last.filter(({ event }) => event === "service.claim");
  expect(claimed.map(({ id, port }) => [id, port]).sort()).toEqual(
    services.map((each: any) => [each.id, each.port]).sort(),
  );
});

test("an identity keeps its port across release, restart, crash and whoever came in between", async () => {
  await using home = new Home();
  const claim = async (id: string) => Number((await home.run(["claim", id, "-q"])).out);
  const port = await claim("myapp:api");
  const others = [await claim("other:1"), await claim("other:2")];

  await home.run(["release", "myapp:api"]);
  others.push(await claim("other:3"));
  await home.run(["restart"]);
  others.push(await claim("other:4"));
  await home.kill((await home.daemonPid())!);
  others.push(await claim("other:5"));
  await home.run(["release", "other:*"]);
  await claim("newcomer");

  expect(others).not.toContain(port);
  expect(await claim("myapp:api")).toBe(port);
  for (const [i, other] of others.entries()) expect(await claim(`other:${i + 1}`)).toBe(other);
});
