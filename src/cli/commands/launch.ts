// launch: claims a port and starts what serves it.

import { Fault } from "../../contract/faults.ts";
import { boolean, check } from "../../contract/fields.ts";
import { operations } from "../../contract/operations.ts";
import { shellWord } from "../../contract/shell.ts";
import { identity } from "../../contract/values.ts";
import * as paths from "../../system/paths.ts";
import { command, type FlagValues } from "../command.ts";
import { logFlags, showLog } from "../logs.ts";
import { plain } from "../render.ts";
import { refuseRemote } from "../telling.ts";

const flags = () => {
  const { port, range, expires, health, keep, retry, restart } = operations.launch.input;
  return {
    ...{ port, range, expires, health, restart, keep, retry },
    forceNew: boolean({ summary: "End the launch that is under way, and start a new one" }),
    noInject: boolean({ summary: "Leave the command as it is: PORT alone tells it its port" }),
    verbose: boolean({ summary: "Show the command that is really run" }),
    detach: boolean({ summary: "Let it run on its own, with a log" }),
    list: boolean({ summary: "List what was launched" }),
    stop: boolean({ summary: "End what is launched: an identity or a pattern" }),
    logs: boolean({ summary: "Show what a detached one writes" }),
    ...logFlags,
  };
};
type Flags = FlagValues<ReturnType<typeof flags>>;

export const launch = command({
  name: "launch",
  args: "[...ids]",
  argsOf: "services",
  program: "optional",
  group: "Services",
  summary: "Claim a port and start what serves it",
  flags,
  examples: [
    "port-daddy launch myapp:web -- npx vite",
    "port-daddy launch myapp:web",
    "port-daddy launch myapp:web myapp:api",
    "port-daddy launch myapp:web --detach --restart on-failure",
    "port-daddy launch --logs myapp:web -f",
    "port-daddy launch --stop 'myapp:*'",
    "port-daddy launch --list",
  ],
  async run({ args, program, flags: { json, quiet, help: _, ...given } }, context) {
    refuseRemote(context, "launch");
    refuseContradiction(args, program, { json, ...given });
    const { list, stop, logs, lines, follow, detach: detached, ...wishes } = given;
    const say = { json, quiet };
    // Loaded when it is needed: every other command would load it, too, and needs none of it.
    const { showLaunches, stopLaunches } = await import("../launch/listing.ts");
    if (list) return showLaunches(args[0], say, context);
    if (args.length === 0)
      throw new Fault("invalid_input", "'launch' needs <id>", {
        hint: "see: port-daddy launch --help",
      });
    if (stop) return stopLaunches(args, say, context);
    for (const id of args) check(identity, id, "id");
    if (logs) {
      const log = paths.launchLog(context.config.home, args[0]!);
      return showLog(log, { lines, follow }, context.terminal, {
        hint: `it begins with: port-daddy launch ${args[0]} --detach`,
      });
    }
    const { start } = await import("../launch/start.ts");
    return start(args, { ...wishes, program, ...(detached && { detached }) }, say, context);
  },
});

/** Throws `invalid_input` for words that say two things. */
function refuseContradiction(
  args: string[],
  program: string[],
  given: Flags & { json: boolean | undefined },
): void {
  const asked = (["list", "stop", "logs", "detach"] as const).filter((name) => given[name]);
  const isStart = asked.length === 0 || asked[0] === "detach";
  const contradictions: [boolean, string][] = [
    [asked.length > 1, `--${asked[0]} and --${asked[1]} exclude each other`],
    [!isStart && program.length > 0, `--${asked[0]} takes no command`],
    [args.length > 1 && (given.logs || given.list) === true, `--${asked[0]} is for one`],
    [
      args.length > 1 && given.port !== undefined,
      "--port is for one service, and here are several",
    ],
    [given.json === true && asked.length === 0, "-j goes with --detach, --list and --stop"],
    [!given.logs && (given.lines ?? given.follow) !== undefined, "-n and -f go with --logs"],
  ];
  const said = contradictions.find(([isSaid]) => isSaid);
  if (said) throw new Fault("invalid_input", said[1], { hint: "see: port-daddy launch --help" });
  if (isStart && program.length === 0) refuseForgottenDashes(args);
}

/** `launch shop:web node server.js` would launch three services. */
function refuseForgottenDashes([id = "", ...words]: string[]): void {
  const command = words.find((word) => Bun.which(word) !== null || paths.isFile(word));
  if (command === undefined) return;
  throw new Fault("invalid_input", `'${plain(command)}' looks like a command, not an identity`, {
    hint: `a command goes after --: port-daddy launch ${id} -- ${words.map(shellWord).join(" ")}`,
  });
}
