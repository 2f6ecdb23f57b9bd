// A process is more than its number: one that got the number of a dead one is not taken for it. In a pid namespace of
// its own, where the next number can be chosen, reuse is real.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home } from "../home.ts";

const inNamespace = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

const canChoosePids =
  Bun.which("unshare") !== null &&
  Bun.spawnSync([...inNamespace, "sh", "-c", "echo 300 >/proc/sys/kernel/ns_last_pid"]).success;

/**
 * What every script here can do: wait for something, and put another process in a dead one's place. A dead process has
 * nothing that tells it from the new one but when it started.
 */
const prelude = `
set -eu
until_so() { # <what> <command…>: tries for some seconds
  what=$1 tries=0; shift
  until "$@"; do
    tries=$((tries + 1)); [ $tries -lt 200 ] || { echo "it did not happen that $what" >&2; exit 9; }
    sleep 0.02
  done
}
kill_and_reuse() { # <pid>: kills it and starts sleepers until one has its number
  kill -9 "$1"; wait "$1" 2>/dev/null || true
  until
    echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
    sleep 1000 & [ $! = "$1" ]
  do kill -9 $!; wait $! 2>/dev/null || true; done
}
is_free() { ! port-daddy find "$1" -q | grep -q .; }
has() { port-daddy log --target "$1" -j | jq -e --arg action "$2" 'any(.entries[]; .action == $action)' >/dev/null; }
reason() { port-daddy log --target "$1" --action cleanup -j | jq -r '.entries[0].metadata.reason'; }
daemon() { port-daddy status -j | jq .pid; }
`;

async function run(script: string, settings: Record<string, string> = {}) {
  await using home = new Home(settings);
  const file = path.join(home.directory, "script");
  fs.writeFileSync(file, prelude + script);
  return await home.shell(`exec ${inNamespace.join(" ")} sh ${file}`);
}

describe.concurrent.skipIf(!canChoosePids || Bun.which("jq") === null)("a reused pid", () => {
  test("does not keep the claim of the process that had it", async () => {
    const script = `
      port-daddy start -q
      sleep 1000 & pid=$!
      port-daddy claim reuse:pid --pid $pid -q >/dev/null
      port-daddy claim reuse:alive --pid $$ -q >/dev/null
      stopped=$(daemon)
      kill -STOP $stopped # So that it never sees the number unused.
      kill_and_reuse $pid
      kill -CONT $stopped
      until_so "it is freed" is_free reuse:pid
      reason reuse:pid
      kill -0 $pid && port-daddy find -q`;
    expect(await run(script)).toEqual({ code: 0, out: "pid_died\nreuse:alive\n", err: "" });
  });

  test("is seen through a restart of the daemon", async () => {
    const script = `
      sleep 1000 & pid=$!
      port-daddy claim reuse:pid --pid $pid -q >/dev/null
      port-daddy claim reuse:alive --pid $$ -q >/dev/null
      port-daddy stop -q
      kill_and_reuse $pid
      port-daddy start -q
      until_so "it is freed" is_free reuse:pid
      reason reuse:pid
      kill -0 $pid && port-daddy find -q`;
    expect(await run(script)).toEqual({ code: 0, out: "pid_died\nreuse:alive\n", err: "" });
  });

  test("is not the server that was seen running", async () => {
    const script = `
      port=$(port-daddy claim reuse:server -q)
      ${process.execPath} -e "Bun.serve({ hostname: '127.0.0.1', port: $port, fetch: () => new Response() })" & pid=$!
      until_so "it is seen running" has reuse:server service_start
      stopped=$(daemon)
      kill -STOP $stopped
      kill_and_reuse $pid
      kill -CONT $stopped
      until_so "it is freed" is_free reuse:server
      reason reuse:server
      kill -0 $pid`;
    const result = await run(script, { PORT_DADDY_GRACE: "1500ms" });
    expect(result).toEqual({ code: 0, out: "stopped\n", err: "" });
  });
});
