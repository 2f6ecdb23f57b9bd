// Checks of the daemon: whether it can be reached on each of its ways, and what it says of itself.

import { build } from "../../build.ts";
import { homeDirectory } from "../../config.ts";
import { badPorts } from "../../contract/badPorts.ts";
import { processInWords } from "../../contract/entities.ts";
import { buildLabel, headers } from "../../contract/headers.ts";
import { anotherPort, contains, format, parse, type Range } from "../../contract/range.ts";
import { shellWord } from "../../contract/shell.ts";
import { daemonOf } from "../../system/daemons.ts";
import { machine } from "../../system/machine.ts";
import * as paths from "../../system/paths.ts";
import { stat } from "../../system/processes.ts";
import { listenersOn, usersOn } from "../../system/sockets.ts";
import { directory } from "../render.ts";
import { note, ok, wrong, type Finding } from "./finding.ts";
import { answerMs, type Subject } from "./subject.ts";

export async function socket({ config, own }: Subject): Promise<Finding> {
  const answer = await own();
  if (answer.is === "up") {
    const file = directory(paths.socketFile(config.home), homeDirectory());
    return ok(`the daemon, process ${answer.version.pid}, answers at ${file}`);
  }
  const pid = daemonOf(config.home);
  const { message } = answer.fault;
  if (answer.is === "absent") {
    if (pid !== undefined)
      return note(`process ${pid} has the state directory, but no socket yet`, "port-daddy logs");
    if (config.url !== undefined)
      return ok("no daemon of this user runs, and commands ask another");
    return note(message, "port-daddy start");
  }
  if (pid === undefined) return wrong(message, `ls -l ${shellWord(paths.socketFile(config.home))}`);
  // `T` is a process that was stopped by a signal, as Ctrl-Z does.
  return stat(pid)?.state === "T"
    ? wrong(`the daemon, process ${pid}, is suspended`, `kill -CONT ${pid}`)
    : wrong(`the daemon, process ${pid}: ${message}`, `kill -9 ${pid} && port-daddy start`);
}

export async function tcp({ config, own }: Subject): Promise<Finding | undefined> {
  const answer = await own();
  if (answer.is !== "up") return config.url === undefined ? tcpBefore(config) : undefined;
  const { port, wantedPort, pid } = answer.version;
  if (port === undefined) return socketAlone(wantedPort, "restart");
  const found = await introductionOn(port);
  if (found === undefined)
    return wrong(`http://localhost:${port} does not answer`, "port-daddy restart");
  // One with a token does not say who it is.
  const isIt = found.isOurs && (found.pid === undefined || found.pid === pid);
  if (!isIt) return wrong(`http://localhost:${port} is something else`, `port-daddy who ${port}`);
  return ok(
    `it answers at http://localhost:${port}${found.pid === undefined ? ", with its token" : ""}`,
  );
}

/** Whether a daemon that is not there yet could have its port. */
async function tcpBefore({ port, home }: Subject["config"]): Promise<Finding> {
  if (port === 0) return ok("the daemon will take any port that is free");
  const [holder] = listenersOn(port);
  if (!holder) return ok(`port ${port} is free for the daemon`);
  if (holder.pid !== null && holder.pid === daemonOf(home)) return ok(`port ${port} is its own`);
  const found = await introductionOn(port);
  // One that asks for a token does not say whose it is; its socket does.
  if (found?.isOurs && (found.uid ?? usersOn(port)[0]) !== process.getuid?.())
    return socketAlone(port, "start");
  return wrong(
    `port ${port} is in use by ${processInWords(holder)}, so the daemon cannot start`,
    `PORT_DADDY_PORT=${anotherPort(port)} port-daddy start`,
  );
}

function socketAlone(port: number, verb: string): Finding {
  return note(
    `another user's port-daddy has port ${port}, so the daemon serves its socket alone`,
    `PORT_DADDY_PORT=${anotherPort(port)} port-daddy ${verb}`,
  );
}

type Introduction = { isOurs: boolean; pid: number | undefined; uid: number | undefined };

/** What answers on a port of this machine; `undefined` where nothing does. */
async function introductionOn(port: number): Promise<Introduction | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/version`, {
      proxy: false,
      redirect: "manual",
      signal: AbortSignal.timeout(answerMs),
    });
    const isOurs = response.headers.has(headers.build);
    const { pid, uid } = (isOurs ? await response.json() : {}) as Record<string, unknown>;
    const number = (value: unknown) => (typeof value === "number" ? value : undefined);
    return { isOurs, pid: number(pid), uid: number(uid) };
  } catch {
    return undefined;
  }
}

export async function url({ config, asked }: Subject): Promise<Finding | undefined> {
  if (config.url === undefined) return undefined;
  const answer = await asked();
  if (answer.is === "up")
    return ok(`commands ask the daemon at ${withoutUser(config.url)} (PORT_DADDY_URL)`);
  return wrong(`PORT_DADDY_URL: ${withoutUser(answer.fault.message)}`, "unset PORT_DADDY_URL");
}

/** A URL may carry a password. */
function withoutUser(text: string): string {
  return text.replace(/\/\/[^/@\s]*@/, "//");
}

export async function version({ config, asked }: Subject): Promise<Finding> {
  const answer = await asked();
  const own = buildLabel(build);
  if (answer.is !== "up") return ok(`this command is ${own}`);
  const theirs = buildLabel(answer.version);
  if (theirs === own) return ok(`command and daemon are ${own}`);
  return note(
    `the daemon is ${theirs}, this command ${own}`,
    config.url === undefined ? "port-daddy restart" : "port-daddy version",
  );
}

/** Below this share of free ports somebody should know; 700 of the usual range. */
const fewShare = 0.1;

export async function range({ config, asked }: Subject): Promise<Finding> {
  const answer = await asked();
  if (answer.is !== "up") {
    const aside = ", claims aside, which the daemon knows";
    return told(config.range, leftIn(config.range, neverGiven(config)), aside);
  }
  const { services } = await answer.call("services", {});
  const inForce = parse(answer.version.range) ?? config.range;
  const taken = [answer.version.port ?? 0, ...services.map(({ port }) => port)];
  return told(inForce, leftIn(inForce, new Set([...neverGiven(config), ...taken])), "");
}

/** The ports that no claim is given unasked. Of a machine elsewhere we see no listeners. */
function neverGiven({ url, reserved }: Subject["config"]): Set<number> {
  const listening = url === undefined ? machine.listeners().map(({ port }) => port) : [];
  return new Set([...listening, ...reserved, ...badPorts]);
}

function told(range: Range, { size, left }: ReturnType<typeof leftIn>, aside: string): Finding {
  const share = Math.floor((left / size) * 100);
  const says = `${left} of ${size} ports of ${format(range)} are free (${share} %)${aside}`;
  if (left === 0) return wrong(`${says}: nothing more can be claimed`, "port-daddy find");
  return left / size < fewShare
    ? note(`${says}; release what is not needed`, "port-daddy find")
    : ok(says);
}

function leftIn(range: Range, taken: ReadonlySet<number>): { size: number; left: number } {
  const size = range.end - range.start + 1;
  return { size, left: size - [...taken].filter((port) => contains(range, port)).length };
}
