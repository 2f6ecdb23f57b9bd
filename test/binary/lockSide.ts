// What tests of locks begin with: a daemon of their own, and how its locks and those who wait for them are seen.

import { afterAll, beforeAll } from "bun:test";
import { eventually, Home } from "../home.ts";

/** Starts a daemon before the tests of a file and ends it after. Called at the top of the file. */
export function setUp() {
  const home = new Home();
  beforeAll(() => home.run(["start"]));
  afterAll(() => home[Symbol.asyncDispose]());

  /** What the daemon shows of a lock; `undefined` where nobody has it. */
  async function find(name: string, at = home): Promise<any> {
    const { lock } = (await (await at.fetch(`/locks/${name}`)).json()) as any;
    return lock ?? undefined;
  }

  function isFree(name: string, at = home): Promise<boolean> {
    return eventually(`${name} is free`, async () => (await find(name, at)) === undefined);
  }

  /** Starts a command that waits for a lock, and returns when it stands in line. */
  async function startWaiting(name: string, owner: string, words: string[], at = home) {
    const before = (await find(name, at)).waiting;
    const child = at.spawn(["lock", name, "--owner", owner, ...words]);
    await eventually(
      `${owner} waits`,
      async () => (await find(name, at)).waiting === before + 1,
      5_000,
    );
    return child;
  }

  return { home, find, isFree, startWaiting };
}
