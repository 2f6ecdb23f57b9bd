// Launches that go on without their command line: each has a launcher of its own, with a log.

import { firstLine, ownCommand } from "../../client/connect.ts";
import { asFault, Fault, type FaultBody } from "../../contract/faults.ts";
import type { Launch, Launched } from "../../contract/entities.ts";
import { birthmark, commandOf } from "../../system/processes.ts";
import * as paths from "../../system/paths.ts";
import { endMs, send } from "../../system/trees.ts";
import type { Context } from "../command.ts";
import type { Plan } from "./attempt.ts";
import * as launcher from "./launcher.ts";
import { openLog } from "./output.ts";
import { launcherWord } from "./tree.ts";

/** How long a launcher may take to say that it has the port, the start of a daemon included. */
const introductionMs = 25_000;

/** How long a launch may take to be over: its commands are killed well before. */
const goneMs = 2 * endMs;

const lookEveryMs = 20;

type Errand = { plan: Plan; caller: string };

/** Starts a launcher that outlives us. Returns when it has the port; throws what kept it from that. */
export async function detach(plan: Plan, context: Context): Promise<Launched> {
  const { home } = context.config;
  const errand: Errand = { plan, caller: context.callerId() };
  const child = Bun.spawn([...ownCommand(), launcherWord, JSON.stringify(errand)], {
    detached: true,
    cwd: plan.directory,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const first = await Promise.race([firstLine(child.stdout), Bun.sleep(introductionMs)]);
  child.unref();
  if (!first) {
    child.kill();
    throw new Fault("internal", `The launcher of ${plan.id} did not say that it has started`, {
      hint: `see what it says: port-daddy launch --logs ${plan.id}`,
      details: { log: paths.launchLog(home, plan.id) },
    });
  }
  const said = JSON.parse(first) as FaultBody | Launched;
  if ("error" in said) throw Fault.fromBody(said, 0);
  return said;
}

/** What such a launcher does: says on its output whether it has the port, and from then on writes to its log alone. */
export async function serve(
  text: string,
  say: (line: string) => void,
  open: (log: Pick<Context["terminal"], "out" | "err">, caller: () => string) => Context,
): Promise<number> {
  const { plan, caller } = JSON.parse(text) as Errand;
  const { id } = plan;
  let write: ((line: string) => void) | undefined;
  const early: string[] = [];
  const note = (line: string) => (write ? write(line) : early.push(line));
  const context = open({ out: note, err: note }, () => caller);
  let launched: Launched;
  try {
    launched = await launcher.claim(plan, context);
  } catch (error) {
    say(JSON.stringify(asFault(error).toBody()));
    return asFault(error).exit;
  }
  write = openLog(paths.launchLog(context.config.home, id));
  const tell = (_: string, line: string) => note(`port-daddy: ${line}`);
  tell(
    id,
    `${new Date().toISOString()} launched on port ${launched.port}: ${plan.words.join(" ")}`,
  );
  early.forEach((line) => tell(id, line));
  say(JSON.stringify(launched));
  try {
    const output = { tell, take: (_: string, line: string) => note(line) };
    const code = await launcher.run([{ plan, launched }], context, output);
    tell(id, `${new Date().toISOString()} ended with ${code}`);
    return code;
  } catch (error) {
    tell(id, `error: ${asFault(error).message}`);
    throw error;
  }
}

/** Ends a launch, with all that its command has started; returns when it is over. Throws `timed_out` where it is not. */
export async function stop({ id, pid }: Launch): Promise<void> {
  const isOver = () => birthmark(pid) === undefined || !isLauncher(pid);
  if (!isOver()) send(pid, "SIGTERM");
  const end = performance.now() + goneMs;
  while (!isOver()) {
    if (performance.now() > end)
      throw new Fault("timed_out", `The launcher of ${id} (pid ${pid}) did not end`, {
        hint: `end it: kill -9 ${pid}`,
      });
    await Bun.sleep(lookEveryMs);
  }
}

/** A number that belongs to another process by now is never sent a signal. */
function isLauncher(pid: number): boolean {
  return commandOf(pid).some((each) => each === launcherWord || each === "launch");
}
