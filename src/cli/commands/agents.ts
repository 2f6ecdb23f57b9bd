// agent register, heartbeat, unregister, show, run; agents.

import type { Client } from "../../client/client.ts";
import type { Agent } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { operations } from "../../contract/operations.ts";
import { processBehind } from "../../system/caller.ts";
import { command, type Context } from "../command.ts";
import {
  NotStarted,
  pidAt,
  prepare,
  requireProgram,
  warnUnlessAway,
  type Program,
} from "../program.ts";
import { dateTime, plain, relative, table, toJson } from "../render.ts";

/** What may be said of an agent beside its id. */
function registration() {
  const { id: _, ...flags } = operations.registerAgent.input;
  return flags;
}

export const register = command({
  name: "agent register",
  args: "<id>",
  argsOf: "agents",
  group: "Agents",
  summary: "Register an agent, which lives as long as the process behind it",
  flags: registration,
  examples: [
    `port-daddy agent register claude-1 --name "API Builder" --type claude`,
    "port-daddy agent register ci --pid $$ --max-services 10",
  ],
  async run({ args: [id = ""], flags: { json, quiet, ...given } }, { config, daemon, terminal }) {
    const pid = pidAt(config, processBehind(process.pid).pid);
    const answer = await daemon.call("registerAgent", { id, ...pid, ...given });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return terminal.out(id);
    terminal.out(`${answer.registered ? "Registered" : "Updated"} the agent ${id}`);
    if (config.agent !== id) terminal.err(`to act as it: export PORT_DADDY_AGENT=${id}`);
  },
});

export const heartbeat = command({
  name: "agent heartbeat",
  args: "[id]",
  argsOf: "agents",
  group: "Agents",
  summary: operations.heartbeat.summary,
  flags: () => ({}),
  async run({ args: [id], flags: { json, quiet } }, context) {
    const { daemon, terminal } = context;
    const answer = await daemon.call("heartbeat", { id: id ?? ownAgent(context) });
    if (json) return terminal.out(toJson(answer));
    if (!quiet) terminal.out(`Heard from the agent ${answer.id}`);
  },
});

export const unregister = command({
  name: "agent unregister",
  args: "[id]",
  argsOf: "agents",
  group: "Agents",
  summary: operations.unregisterAgent.summary,
  flags: () => ({}),
  async run({ args: [given], flags: { json, quiet } }, context) {
    const { daemon, terminal } = context;
    const id = given ?? ownAgent(context);
    const answer = await daemon.call("unregisterAgent", { id });
    if (json) return terminal.out(toJson(answer));
    if (quiet) return;
    terminal.out(`Unregistered the agent ${id}`);
    for (const { id, port } of answer.services) terminal.out(`Released ${id} (port ${port})`);
    for (const { name } of answer.locks) terminal.out(`Unlocked ${name}`);
  },
});

export const show = command({
  name: "agent show",
  args: "[id]",
  argsOf: "agents",
  group: "Agents",
  summary: operations.agent.summary,
  flags: () => ({}),
  async run({ args: [id], flags: { json, quiet } }, context) {
    const { daemon, terminal } = context;
    const agent = await daemon.call("agent", { id: id ?? ownAgent(context) });
    if (json) return terminal.out(toJson(agent));
    if (quiet) return terminal.out(agent.status);
    for (const [label, value] of details(agent)) terminal.out(`${label.padEnd(11)}${value}`);
  },
});

export const run = command({
  name: "agent run",
  args: "<id>",
  argsOf: "agents",
  program: "required",
  group: "Agents",
  summary: "Run a command as a registered agent",
  flags: () => {
    const { pid: _, ...flags } = registration();
    return flags;
  },
  examples: ["port-daddy agent run claude-1 --type claude -- claude"],
  async run({ args: [id = ""], program: words, flags }, context) {
    const { json: _, quiet: __, help: ___, ...given } = flags;
    const program = await startAs(id, words, given, context);
    const running = context.runningDaemon();
    const tell = (work: () => Promise<unknown>) => warnUnlessAway(context, work);
    const beats = setInterval(
      () => void tell(() => running.call("heartbeat", { id })),
      beatEveryMs,
    );
    const code = await program.ended;
    clearInterval(beats);
    await tell(() => leaveAs(id, program, context));
    return code;
  },
});

/** Twice in the time after which a silent agent is stale, though its process speaks for it as well. */
const beatEveryMs = 60_000;

/** Starts the program when its process is registered as the agent. Throws `NotStarted` with what prevented it. */
async function startAs(
  id: string,
  words: string[],
  given: object,
  { config, daemon }: Context,
): Promise<Program> {
  let program: Program | undefined;
  try {
    requireProgram(words);
    const before = await findAgent(id, daemon);
    if (before?.status === "active" && before.pid !== null) throw isThere(before);
    program = prepare(words, { PORT_DADDY_AGENT: id });
    await daemon.call("registerAgent", { id, ...given, ...pidAt(config, program.pid) });
    program.begin();
    return program;
  } catch (error) {
    await program?.end();
    throw new NotStarted(error);
  }
}

function isThere({ id, pid }: Agent): Fault {
  return new Fault("held", `The agent ${id} is there already, as process ${pid}`, {
    details: { id, pid },
    hint: `see it: port-daddy agent show ${id}`,
  });
}

/** Unregisters the agent, unless another process goes by its name by now. */
async function leaveAs(id: string, program: Program, { config, runningDaemon }: Context) {
  const daemon = runningDaemon();
  const agent = await findAgent(id, daemon);
  const isOurs = agent && agent.pid === (pidAt(config, program.pid).pid ?? null);
  // Its process has ended, so that it may be stale by now: then it holds nothing.
  if (isOurs || agent?.status === "stale") await daemon.call("unregisterAgent", { id });
}

async function findAgent(id: string, daemon: Client): Promise<Agent | undefined> {
  const { agents } = await daemon.call("agents", {});
  return agents.find((agent) => agent.id === id);
}

export const agents = command({
  name: "agents",
  aliases: ["agent list"],
  group: "Agents",
  summary: operations.agents.summary,
  flags: () => ({ status: operations.agents.input.status }),
  examples: ["port-daddy agents --status active", "port-daddy agent list --quiet"],
  async run({ flags: { json, quiet, ...given } }, { daemon, terminal }) {
    const answer = await daemon.call("agents", given);
    if (json) return terminal.out(toJson(answer));
    if (quiet) return answer.agents.forEach(({ id }) => terminal.out(id));
    if (answer.count === 0)
      return terminal.err(
        given.status === undefined ? "No agent is registered" : `No agent is ${given.status}`,
      );
    const now = Date.now();
    terminal.out(
      table(
        ["AGENT", "STATUS", "NAME", "TYPE", "SERVICES", "LOCKS", "HEARD"],
        answer.agents.map((agent) => [
          agent.id,
          agent.status,
          agent.name,
          agent.type,
          agent.services,
          agent.locks,
          relative(agent.lastHeartbeatAt, now),
        ]),
        terminal.paint,
        terminal.columns(),
      ),
    );
  },
});

function details(agent: Agent): [string, string][] {
  const now = Date.now();
  const { id, name, type, pid, status, metadata } = agent;
  const words: [string, string | null][] = [
    ["agent", id],
    ["status", `${status}, heard ${relative(agent.lastHeartbeatAt, now)}`],
    ["name", name],
    ["type", type],
    ["process", pid === null ? null : String(pid)],
    ["services", `${agent.services} of ${agent.maxServices}`],
    ["locks", `${agent.locks} of ${agent.maxLocks}`],
    ["registered", dateTime(agent.registeredAt)],
    ["metadata", metadata === null ? null : toJson(metadata)],
  ];
  return words.flatMap(([label, value]) => (value === null ? [] : [[label, plain(value)]]));
}

/** The agent that this shell acts as. Throws `invalid_input` where it is none. */
function ownAgent({ config }: Context): string {
  if (config.agent !== undefined) return config.agent;
  throw new Fault("invalid_input", "no agent is named, and PORT_DADDY_AGENT is not set", {
    hint: "see who is registered: port-daddy agents",
  });
}
