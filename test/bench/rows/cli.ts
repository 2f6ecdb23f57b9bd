// A whole command, from its start to its end, against what the same request costs without us.

import * as path from "node:path";
import { compile } from "../compile.ts";
import { compareTimes, inTurns, type Line, type Options } from "../measure.ts";
import { Rig } from "../rig.ts";

const pairs = 400;

export async function cli({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const { home } = rig;
  const minimal = path.join(home.directory, "minimal");
  compile("minimal.ts", minimal);
  const env = home.environment();
  const body = JSON.stringify({ cwd: home.directory });
  let claimed = 0;

  /** Microseconds that a program takes; it prints the port. */
  function timed(command: (id: string) => string[], port: (out: string) => unknown) {
    return async () => {
      const words = command(`bench:${++claimed}`);
      const start = performance.now();
      const { exitCode, stdout, stderr } = Bun.spawnSync(words, {
        cwd: home.directory,
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      const took = (performance.now() - start) * 1_000;
      if (exitCode !== 0 || !(Number(port(stdout.toString())) > 0))
        throw new Error(`${words.join(" ")} → ${exitCode}: ${stdout}${stderr}`);
      return took;
    };
  }
  const ours = timed((id) => [binary, "claim", id], Number);
  const curl = timed(
    (id) => [
      ...["curl", "--silent", "--show-error", "--unix-socket", home.socket, "--request", "POST"],
      ...["--header", "Content-Type: application/json", "--header", "X-Caller-Id: bench"],
      ...["--data", body, `http://localhost/claim/${id}`],
    ],
    (out) => JSON.parse(out).port,
  );
  const compiled = timed((id) => [minimal, home.socket, id, body], Number);

  const rounds = Math.ceil(pairs * effort.share);
  const toCurl = await inTurns(rounds, ours, curl);
  const toMinimal = await inTurns(rounds, ours, compiled);
  return [
    compareTimes("claim by the CLI, to curl", toCurl, 1, "pairs"),
    compareTimes("claim by the CLI, to a minimal compiled client", toMinimal, 1.25, "pairs"),
  ];
}
