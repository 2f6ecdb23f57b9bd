// The names that somebody may mean, each with a word on what it is, as the daemon knows them at the moment.

import type { Call } from "../client/calls.ts";
import { clientOf } from "../client/connect.ts";
import type { Config } from "../config.ts";
import { noteOf, type Candidate } from "./candidates.ts";
import type { Noun } from "./command.ts";
import { plural, relative } from "./render.ts";

/**
 * Asks for names, never starting a daemon. It says neither who asks nor for which agent: a key that was pressed is no
 * sign of life. Throws what keeps the daemon from answering within the deadline.
 */
export function namesOf(noun: Noun, config: Config, deadlineMs: number): Promise<Candidate[]> {
  const { call } = clientOf(config);
  return lists[noun]((name, input) => call(name, input, { deadlineMs }));
}

const lists: Record<Noun, (ask: Call) => Promise<Candidate[]>> = {
  async services(ask) {
    const { services } = await ask("services", {});
    return services.map(({ id, port, status }) => [id, noteOf(`port ${port}, ${status}`)]);
  },
  async ports(ask) {
    const { services } = await ask("services", {});
    return services.map(({ id, port }) => [String(port), noteOf(id)]);
  },
  async environments(ask) {
    const { services } = await ask("services", {});
    const names = new Set(["local", ...services.flatMap(({ urls }) => Object.keys(urls))]);
    return [...names].map((name) => [name]);
  },
  async locks(ask) {
    const { locks } = await ask("locks", {});
    const now = Date.now();
    return locks.map(({ name, expiresAt }) => [name, `held, lapses ${relative(expiresAt, now)}`]);
  },
  async channels(ask) {
    const { channels } = await ask("channels", {});
    return channels.map(({ channel, count }) => [channel, plural(count, "message")]);
  },
  async agents(ask) {
    const { agents } = await ask("agents", {});
    return agents.map(({ id, status }) => [id, noteOf(status)]);
  },
  async webhooks(ask) {
    const { webhooks } = await ask("webhooks", {});
    // The rest of a URL may be a secret.
    return webhooks.map(({ id, url }) => [id, noteOf(`to ${URL.parse(url)?.host ?? "?"}`)]);
  },
};
