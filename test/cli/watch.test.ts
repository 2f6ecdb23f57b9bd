// Who opens the port of a command, by processes that do. What a launch makes of it: test/binary/launch.test.ts.

import { afterEach, expect, mock, spyOn, test } from "bun:test";
import { watchPort, type Told } from "../../src/cli/launch/watch.ts";
import { machine } from "../../src/system/machine.ts";
import { eventually } from "../home.ts";
import { linesOf } from "../reading.ts";

afterEach(() => void mock.restore());

test("a server that only sees whether its port is free is not ready yet", async () => {
  // Each look sees another socket, until one is there twice.
  const looks = ["1", "2", undefined, "3", "4", "4"];
  let looked = 0;
  spyOn(machine, "listeners").mockImplementation(() => {
    const inode = looks[looked++];
    return inode === undefined ? [] : [{ port: 1, uid: 0, inode }];
  });
  spyOn(machine, "owningProcesses").mockImplementation(
    (sockets) => new Map(sockets.map(({ inode }) => [inode, [process.pid]])),
  );
  const said: string[] = [];
  const told: Told = {
    ready: () => void said.push("ready"),
    hijacked: () => void said.push("hijacked"),
    elsewhere() {},
  };
  await watchPort({ port: 1, root: process.pid }, told, new AbortController().signal);
  expect([said, looked]).toEqual([["ready"], looks.length]);
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
