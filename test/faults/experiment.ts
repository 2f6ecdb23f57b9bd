// What every experiment is made of: something is done to the compiled binary in a home of its own, and what must hold is
// looked at.

import { Home, isRoot, type Result } from "../home.ts";

/** `short` is what a change must pass, in a few seconds each. */
export type Effort = { length: "short" | "full"; seed: number };

/** Returns what was seen, in one line. Throws where a promise did not hold, and `Skipped` where it cannot be made here. */
export type Experiment = (effort: Effort) => Promise<string>;

export class Skipped extends Error {}

/** Says why an experiment cannot be made, unless the tests have root. */
export function requireRoot(): void {
  if (!isRoot) throw new Skipped("it takes root");
}

/** Throws the sentence, with what was seen, where something does not hold. */
export function must(holds: unknown, sentence: string, seen?: unknown): asserts holds {
  if (holds) return;
  throw new Error(seen === undefined ? sentence : `${sentence}: ${JSON.stringify(seen)}`);
}

/** What is to be undone at the end, or when a signal ends us: the newest first. */
const undo: (() => unknown)[] = [];

export function atEnd(step: () => unknown): void {
  undo.push(step);
}

/** Ends what an experiment has started, and removes what it has made. */
export async function cleanUp(): Promise<void> {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
}

/** A home that is removed at the end. */
export function openHome(...settings: ConstructorParameters<typeof Home>): Home {
  const home = new Home(...settings);
  atEnd(() => home[Symbol.asyncDispose]());
  return home;
}

/** Mounts a small file system of its own at a directory, until the end. */
export async function mountSmall(directory: string, size: string): Promise<void> {
  const options = `size=${size},mode=700`;
  const { exitCode, stderr } = Bun.spawnSync([
    ...["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory],
  ]);
  if (exitCode !== 0) throw new Skipped(`nothing can be mounted here: ${stderr}`.trim());
  atEnd(() => Bun.spawnSync(["umount", "--lazy", directory]));
}

/**
 * That a command failed as a person can bear: by this exit code, in one sentence that says this, with a hint that ends in
 * a command, and without a trace of the program's inside.
 */
export function mustSay({ code, err }: Result, expected: { code: number; says: RegExp }): void {
  must(code === expected.code, `the exit code is ${code} and not ${expected.code}`, err);
  must(expected.says.test(err), `the message does not say ${expected.says}`, err);
  must(/^error: \S.*\nhint: .*(: |^)\S+.*\n$/m.test(err), "there is no hint with a command", err);
  must(!/\n\s+at |SQLITE|bunfs|undefined|\[object/.test(err), "the message shows our inside", err);
}

export type Answer = { status: number; body: any };

/** Asks the daemon of a home over its socket. */
export async function ask(
  home: Home,
  method: string,
  route: string,
  body?: unknown,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await home.fetch(route, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...init,
  });
  return { status: response.status, body: await response.json() };
}
