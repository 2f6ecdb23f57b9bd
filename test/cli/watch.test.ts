// Who opens the port of a command, by processes that do. What a launch makes of it: test/binary/launch.test.ts.

import { expect, test } from "bun:test";
import { watchPort, type Told } from "../../src/cli/launch/watch.ts";
import { eventually } from "../home.ts";
import { linesOf } from "../reading.ts";

/** A server that opens a port and closes it again, each time for less than a moment, and opens it at last. */
const hesitant = `
  const listen = (port) => Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  const first = listen(0);
  first.stop(true);
  console.log(first.port);
  await Bun.stdin.text();
  for (const end = Date.now() + 600; Date.now() < end; await Bun.sleep(12)) {
    const probe = listen(first.port);
    await Bun.sleep(12);
    probe.stop(true);
  }
  console.log("for good");
  listen(first.port);
`;

test("a server that only sees whether its port is free is not ready yet", async () => {
  await using child = Bun.spawn([process.execPath, "-e", hesitant], {
    stdin: "pipe",
    stdout: "pipe",
  });
  const said = linesOf(child.stdout);
  const port = Number(await eventually("it says which", () => said[0]));
  const ready = Promise.withResolvers<string | undefined>();
  const told: Told = { ready: () => ready.resolve(said[1]), hijacked() {}, elsewhere() {} };
  const watching = watchPort({ port, root: child.pid }, told, new AbortController().signal);
  await child.stdin.end();
  expect(await ready.promise).toBe("for good");
  await watching;
});

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
