// Several daemons on one state directory, under two names of it, while the one that has it is killed: one serves, the
// others say so and leave it alone.

import * as fs from "node:fs";
import * as path from "node:path";
import { eventually } from "../home.ts";
import { ask, must, mustSay, openHome, type Effort } from "./experiment.ts";

const rounds = { short: 3, full: 20 };
const contenders = 6;

export async function two({ length }: Effort): Promise<string> {
  const home = openHome();
  fs.mkdirSync(home.state, { mode: 0o700 });
  const link = path.join(home.directory, "link");
  fs.symlinkSync(home.state, link);
  let port: number | undefined;
  let refused = 0;
  for (let round = 0; round < rounds[length]; round++) {
    const children = Array.from({ length: contenders }, (_, n) =>
      home.spawn(["daemon"], { env: n % 2 === 0 ? {} : { PORT_DADDY_HOME: link } }),
    );
    const ended = new Map<number, number>();
    for (const { pid, exited } of children) void exited.then((code) => ended.set(pid, code));
    await eventually("all but one have given up", () => ended.size === contenders - 1);
    const winner = await eventually("one serves", () => home.daemonPid());
    must(!ended.has(winner), "the one that serves has ended");
    for (const child of children.filter(({ pid }) => pid !== winner)) {
      const [err, code] = [await new Response(child.stderr).text(), await child.exited];
      mustSay({ code, out: "", err }, { code: 4, says: /A daemon already runs with the state/ });
      refused++;
    }
    const { status, body } = await ask(home, "POST", "/claim/kept", {});
    must(status === 200 && body.port === (port ??= body.port), "the claim is not kept", body);
    await home.kill(winner);
  }
  return `${rounds[length]} rounds of ${contenders} daemons at once: one served each time, ${refused} were refused`;
}
