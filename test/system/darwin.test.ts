// What ps and lsof print, read. The lsof text was recorded from lsof 4.95 with the very flags, its device names and the
// ps lines rewritten to the form that the manuals of macOS give.

import { expect, test } from "bun:test";
import { parseLsof, parsePs } from "../../src/system/darwin.ts";

const lsof = `p7718
u65534
f9
d0x8b1f3c9a7e5d2f01
n127.0.0.1:42157
f10
d0x8b1f3c9a7e5d2f02
n[::1]:42157
p8718
u501
f21
d0x8b1f3c9a7e5d2f03
n*:3100
`;

test("each listening socket is read with its port, user and process", () => {
  expect(parseLsof(lsof)).toEqual([
    { pid: 7718, uid: 65534, inode: "0x8b1f3c9a7e5d2f01", port: 42157 },
    { pid: 7718, uid: 65534, inode: "0x8b1f3c9a7e5d2f02", port: 42157 },
    { pid: 8718, uid: 501, inode: "0x8b1f3c9a7e5d2f03", port: 3100 },
  ]);
});

test("nothing that listens, and a line that is no socket, are read as none", () => {
  expect(parseLsof("")).toEqual([]);
  expect(parseLsof("p1\nu0\nf4\nd0x1\nnno such name\n")).toEqual([]);
});

test("a process is read with its parent, terminal, start and the name of its program", () => {
  const line =
    "  812   611   812 ttys003  S+   Sun Nov 22 17:19:52 2026 /usr/local/bin/node server\n";
  const startedAt = new Date(2026, 10, 22, 17, 19, 52).getTime();
  expect(parsePs(line, 611)).toEqual({
    pid: 812,
    name: "node server",
    state: "S",
    parent: 611,
    group: 812,
    session: 611,
    isForeground: true,
    hasTerminal: true,
    start: startedAt / 1000,
    startedAt,
  });
});

test("one without a terminal, a zombie, and none at all are told apart", () => {
  const line = "32214 32208 32208 ??       Z    Sun Nov  2 07:09:02 2026 (python3)";
  expect(parsePs(line, 1)).toMatchObject({ hasTerminal: false, state: "Z", name: "(python3)" });
  expect(parsePs("", 1)).toBeUndefined();
});
