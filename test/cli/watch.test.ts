// Who opens the port of a command, by processes that do. What a launch makes of it: test/binary/launch.test.ts.

import { expect, test } from "bun:test";
import { watchPort, type Told } from "../../src/cli/launch/watch.ts";
import { eventually } from "../home.ts";
import { linesOf } from "../reading.ts";

test("another port that was open before anybody looked is told of as well", async () => {
  const server = `console.log(Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }).port)`;
  await using child = Bun.spawn([process.execPath, "-e", server], { stdout: "pipe" });
  const said = linesOf(child.stdout);
  const opened = Number(await eventually("it listens", () => said[0]));
  const stop = new AbortController();
  const { promise: elsewhere, resolve } = Promise.withResolvers<number[]>();
  const told: Told = { ready() {}, hijacked() {}, elsewhere: resolve };
  const watching = watchPort({ port: 1, root: child.pid }, told, stop.signal);
  expect(await elsewhere).toEqual([opened]);
  stop.abort();
  await watching;
});
