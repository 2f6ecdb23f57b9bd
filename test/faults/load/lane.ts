// One client that asks for one thing after the other, keeps account of what it has, and knows what it must be answered.

import { createRandom } from "../random.ts";
import { maybe, type Asked, type Entry, type Held } from "./ledger.ts";

/** What came back; `undefined` where nothing did. */
export type Answer = { status: number; body: any } | undefined;

/** Sends a request under a tag, and returns when it is answered or lost. */
export type Ask = (request: {
  tag: string;
  method: string;
  route: string;
  body?: Record<string, unknown>;
}) => Promise<Answer>;

type Request = Omit<Parameters<Ask>[0], "tag">;

/** A thing that is asked for: its request, what a success is logged as, and what of it is known without an answer. */
type Plan = Request & { done: (body: any) => string[]; lost: string[] };

const contestedPorts = 4;
const sharedLocks = 3;
const channels = 4;
const ownIdentities = 6;

/** Locks are held, and the next thing is asked, after a moment. */
const pauseMs = 8;

export type LaneOptions = {
  name: string;
  by: "http" | "cli";
  ask: Ask;
  write: (entry: Entry) => void;
  seed: number;
  /** The last ports of the range: several identities ask for each. */
  lastPort: number;
  isOver: () => boolean;
};

/** Asks for things until it is over. */
export async function runLane(options: LaneOptions): Promise<void> {
  const { name, by, write, lastPort, isOver } = options;
  const random = createRandom(options.seed);
  const { below, pick } = random;
  const held = new Map<string, Held>();
  let turn = 0;
  const nextTag = () => `${name}.${++turn}`;

  async function ask(plan: Plan, tag = nextTag()): Promise<Answer> {
    const { method, route, body } = plan;
    const from = Date.now();
    const answer = await options.ask({ tag, method, route, ...(body && { body }) });
    const mayRepeat = by === "cli" && route.startsWith("/claim");
    const account = accountOf(answer, plan);
    write({ kind: "asked", tag, ...account, mayRepeat, from, to: Date.now() });
    if (answer && answer.status >= 500)
      write({ kind: "problem", text: `${method} ${route} → ${JSON.stringify(answer)}` });
    return answer;
  }

  /** What is had from now on, until `letGo`; had again, it is the same. */
  function hold(what: string, by: string, fence?: number): void {
    const key = `${by} ${what}`;
    if (held.has(key)) return;
    const span = { from: Date.now(), to: Infinity };
    held.set(key, { kind: "held", what, by, ...(fence !== undefined && { fence }), ...span });
  }
  /** Before it is given back: from here on, somebody else may have it. */
  function letGo(by: string, what = ""): void {
    for (const [key, entry] of [...held]) {
      if (!key.startsWith(`${by} ${what}`)) continue;
      held.delete(key);
      write({ ...entry, to: Date.now() });
    }
  }

  async function claim(id: string, more: Record<string, unknown> = {}): Promise<void> {
    // It may move, and then somebody else may have the port that it had.
    if (more["port"] !== undefined) letGo(id);
    const answer = await ask({
      ...{ method: "POST", route: `/claim/${id}`, body: { metadata: { of: name }, ...more } },
      done: ({ port }) => [`service.claim ${id} ${port}`],
      lost: [`service.claim ${id}`],
    });
    if (answer?.status === 200 && more["expires"] === undefined)
      hold(`port ${answer.body.port}`, id);
  }

  async function release(pattern: string, ids = [pattern]): Promise<void> {
    ids.forEach((id) => letGo(id));
    await ask({
      ...{ method: "DELETE", route: `/release/${encodeURIComponent(pattern)}` },
      done: ({ services }) =>
        services.map((each: any) => `service.release ${each.id} ${each.port}`),
      lost: ids.map((id) => `service.release ${id}`),
    });
  }

  async function claimSeveral(): Promise<void> {
    const ids = ["x", "y", "z"].map((part) => `${name}:set:${part}`);
    const answer = await ask({
      ...{ method: "POST", route: "/claim", body: { ids } },
      done: ({ services }) => services.map((each: any) => `service.claim ${each.id} ${each.port}`),
      lost: ids.map((id) => `service.claim ${id}`),
    });
    if (answer?.status === 200)
      for (const { id, port } of answer.body.services) hold(`port ${port}`, id);
    // All of it is there or nothing: only then is the answer to a release as long as this list, or empty.
    if (random.isOnce(0.5)) await release(`${name}:set:*`, ids);
  }

  async function lock(): Promise<void> {
    const lockName = `shared/${below(sharedLocks)}`;
    const route = `/locks/${lockName}`;
    const tag = nextTag();
    const waits = random.isOnce(0.5) ? { wait: true, timeout: 2_000 } : {};
    const acquire = {
      ...{ method: "POST", route, body: { owner: name, attempt: tag, ...waits } },
      done: ({ fence }: any) => [`lock.acquire ${lockName} ${fence}`],
      lost: [`lock.acquire ${lockName}`],
    };
    let answer = await ask(acquire, tag);
    // The same attempt again is the same acquisition; a command names its attempts itself.
    while (answer === undefined && !isOver() && by === "http") answer = await ask(acquire, tag);
    if (answer === undefined) return unlock(lockName);
    if (answer.status !== 200) return;
    const { fence } = answer.body;
    hold(`lock ${lockName}`, name, fence);
    if (random.isOnce(0.3)) {
      await ask({
        ...{ method: "PUT", route, body: { owner: name, fence } },
        done: () => [`lock.extend ${lockName} ${fence}`],
        lost: [`lock.extend ${lockName}`],
      });
    }
    await Bun.sleep(below(pauseMs));
    letGo(name, `lock ${lockName}`);
    await unlock(lockName, fence);
  }

  /** Until it is known that it is free: it would be held for minutes. */
  async function unlock(lockName: string, fence?: number): Promise<void> {
    for (let answer: Answer; answer === undefined && !isOver();) {
      answer = await ask({
        ...{ method: "DELETE", route: `/locks/${lockName}`, body: { owner: name, fence } },
        done: ({ lock }) => [`lock.release ${lockName} ${lock.fence}`],
        lost: [`lock.release ${lockName}`],
      });
    }
  }

  async function publish(): Promise<void> {
    const channel = `load:${below(channels)}`;
    const tag = nextTag();
    await ask(
      {
        ...{ method: "POST", route: `/msg/${channel}` },
        body: { payload: { tag, text: "~".repeat(below(400)) } },
        done: ({ id }) => [`message.publish ${channel} ${id}`],
        lost: [`message.publish ${channel}`],
      },
      tag,
    );
  }

  /** An agent with room for two claims: the third is refused, and with the agent both go. */
  async function liveAndDie(): Promise<void> {
    const agent = `agent-${name}`;
    const ids = [0, 1, 2].map((n) => `${name}:of-agent:${n}`);
    await ask({
      ...{ method: "POST", route: `/agents/${agent}`, body: { maxServices: 2 } },
      done: () => [`agent.register ${agent}`],
      lost: [`agent.register ${agent}`],
    });
    for (const id of ids) await claim(id, { agent });
    ids.forEach((id) => letGo(id));
    const released = (body: any) =>
      body.services.map((each: any) => `service.release ${each.id} ${each.port}`);
    await ask({
      ...{ method: "DELETE", route: `/agents/${agent}` },
      done: (body) => [`agent.unregister ${agent}`, ...released(body)],
      lost: [`agent.unregister ${agent}`, ...ids.map((id) => `${maybe}service.release ${id}`)],
    });
  }

  /** What must be refused, whoever has it, and must not be in the log. */
  async function overreach(): Promise<void> {
    const lockName = `shared/${below(sharedLocks)}`;
    const nothing = { done: () => [], lost: [] };
    await ask(
      pick([
        { method: "DELETE", route: `/locks/${lockName}`, body: { owner: "nobody" }, ...nothing },
        { method: "PUT", route: `/locks/${lockName}`, body: { owner: "nobody" }, ...nothing },
        { method: "POST", route: `/claim/${name}:odd`, body: { port: 8080 }, ...nothing },
        { method: "PUT", route: `/agents/none-${name}/heartbeat`, ...nothing },
      ]),
    );
  }

  const own = () => `${name}:${below(ownIdentities)}`;
  const rival = async () => {
    await claim(`rival:${name}`, { port: lastPort - below(contestedPorts) });
    if (random.isOnce(0.7)) await release(`rival:${name}`);
  };
  const brief = () => claim(`${name}:brief`, { expires: 100 + below(2_000) });
  const steps: (() => Promise<void>)[] = [
    ...Array.from({ length: 5 }, () => () => claim(own())),
    ...Array.from({ length: 3 }, () => () => release(own())),
    ...Array.from({ length: 4 }, () => lock),
    ...Array.from({ length: 4 }, () => publish),
    ...[claimSeveral, claimSeveral, rival, rival, brief, liveAndDie, overreach],
  ];
  while (!isOver()) {
    await pick(steps)();
    await Bun.sleep(below(pauseMs));
  }
  for (const entry of held.values()) write({ ...entry, to: Date.now() });
}

/** An answer as the ledger has it. */
function accountOf(answer: Answer, { done, lost }: Plan): Pick<Asked, "outcome" | "events"> {
  if (answer === undefined) return { outcome: "lost", events: lost };
  if (answer.status !== 200) return { outcome: "refused", events: [] };
  return { outcome: "done", events: done(answer.body) };
}
