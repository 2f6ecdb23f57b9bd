// A launcher of its own: one that goes on without its command line, with a log, or one of several beside each other. It
// is told by a pipe when to begin; where it is attached, that pipe also tells that whoever started it has gone.

import * as fs from "node:fs";
import { asFault, Fault, type FaultBody } from "../../contract/faults.ts";
import type { Launched } from "../../contract/entities.ts";
import * as paths from "../../system/paths.ts";
import { inner, ownCommand } from "../../system/self.ts";
import { send } from "../../system/trees.ts";
import type { Context } from "../command.ts";
import { exitCodeOf } from "../program.ts";
import type { Whereabouts } from "../shells.ts";
import type { Output, Plan } from "./attempt.ts";
import { lifeline } from "./keeper.ts";
import * as launcher from "./launcher.ts";
import { linesOf, openLog } from "./output.ts";

/** How long a launcher may take to say that it has the port, the start of a daemon included. */
const introductionMs = 25_000;

type Errand = { plan: Plan; caller: string; isQuiet: boolean };

/** A launcher that has the port and waits to begin. */
export type Launcher = {
  plan: Plan;
  launched: Launched;
  /** Lets it start the command, beside those. A detached one goes on by itself from then on. */
  begin(together: readonly Whereabouts[]): void;
  /** Has it give the port back. */
  dismiss(): void;
  pass(signal: NodeJS.Signals): void;
  /** Its exit code: that of its command. */
  ended: Promise<number>;
};

/** Starts a launcher. Returns when it has the port; throws what kept it from that. */
export async function startLauncher(
  plan: Plan,
  context: Context,
  isQuiet: boolean,
  take: Output["take"],
): Promise<Launcher> {
  const errand: Errand = { plan, caller: context.callerId(), isQuiet };
  const child = Bun.spawn([...ownCommand(), inner.launch, plan.id], {
    detached: true,
    cwd: plan.directory,
    // Its errand may be longer than a word of a command line.
    stdio: [Buffer.from(JSON.stringify(errand)), "pipe", take ? "pipe" : "ignore", "pipe"],
  });
  const lines = linesOf(child.stdout as ReadableStream<Uint8Array>);
  const first = await Promise.race([lines.next(), Bun.sleep(introductionMs)]);
  if (!first || first.done) {
    child.kill();
    throw new Fault("internal", `The launcher of ${plan.id} did not say that it has started`, {
      hint: `see how it is: port-daddy launch --list ${plan.id}`,
    });
  }
  const said = JSON.parse(first.value) as FaultBody | Launched;
  if ("error" in said) throw Fault.fromBody(said, 0);
  const door = child.stdio[3] as number;
  async function drain(from: "out" | "err", stream: AsyncIterable<string>): Promise<void> {
    try {
      for await (const line of stream) take?.(line, from);
    } catch {
      send(child.pid, "SIGTERM"); // Nobody reads it any more.
    }
  }
  const drained = take
    ? [drain("out", lines), drain("err", linesOf(child.stderr as ReadableStream<Uint8Array>))]
    : [];
  return {
    plan,
    launched: said,
    begin(together) {
      const where = together.map(({ id, port, urls }) => ({ id, port, urls }));
      fs.writeFileSync(door, `${JSON.stringify(where)}\n`);
      if (take) return;
      fs.closeSync(door);
      child.unref();
    },
    dismiss: () => fs.closeSync(door),
    pass: (signal) => send(child.pid, signal),
    ended: Promise.all([child.exited, ...drained]).then(() => exitCodeOf(child)),
  };
}

type Screen = Pick<Context["terminal"], "out" | "err">;

/** What such a launcher does: says on its output whether it has the port, and begins when it may. */
export async function serve(
  screen: Screen,
  open: (screen: Screen, caller: () => string) => Context,
): Promise<number> {
  const { plan, caller, isQuiet } = JSON.parse(await Bun.stdin.text()) as Errand;
  const isDetached = plan.wanted.detached === true;
  const log = later();
  const context = open(isDetached ? { out: log.write, err: log.write } : screen, () => caller);
  let launched: Launched | undefined;
  try {
    launched = await launcher.claim(plan, context);
    if (isDetached) log.open(openLog(paths.launchLog(context.config.home, plan.id)));
  } catch (error) {
    if (launched) await launcher.giveUp(plan, context);
    screen.out(JSON.stringify(asFault(error).toBody()));
    return asFault(error).exit;
  }
  screen.out(JSON.stringify(launched));
  const together = await toldToBegin(isDetached);
  if (!together) {
    await launcher.giveUp(plan, context);
    return 0;
  }
  const { port, launch } = launched;
  const run = (output: Output) => launcher.run(plan, port, context, output, together);
  if (isDetached) return logged(`launched on port ${port}: ${launch.cmd}`, run, log.write);
  const { out, err } = screen;
  const tell = (line: string) => void (isQuiet || err(line));
  const take = (line: string, from: "out" | "err") => (from === "out" ? out : err)(line);
  const code = await run({ tell, take });
  tell(`ended with ${code}`);
  return code;
}

/** A log that is written from the moment on that it is there, also what was said before. */
function later() {
  const early: string[] = [];
  let write = (line: string): void => void early.push(line);
  return {
    write: (line: string) => write(line),
    open(to: (line: string) => void) {
      write = to;
      early.forEach(to);
    },
  };
}

async function logged(
  first: string,
  run: (output: Output) => Promise<number>,
  write: (line: string) => void,
): Promise<number> {
  const tell = (line: string) => write(`port-daddy: ${line}`);
  const now = () => new Date().toISOString();
  tell(`${now()} ${first}`);
  try {
    const code = await run({ tell, take: write });
    tell(`${now()} ended with ${code}`);
    return code;
  } catch (error) {
    tell(`error: ${asFault(error).message}`);
    throw error;
  }
}

/**
 * Waits until whoever started us says that we may begin, and beside whom; `undefined` where they have gone instead.
 * Where one that is attached goes later, we end as well.
 */
async function toldToBegin(isDetached: boolean): Promise<Whereabouts[] | undefined> {
  const lines = linesOf(Bun.file(lifeline).stream());
  const { value, done } = await lines.next();
  if (done) return undefined;
  if (!isDetached) void lines.next().then(() => process.kill(process.pid, "SIGTERM"));
  return JSON.parse(value) as Whereabouts[];
}
