// Who is let in when no more files can be opened.

import { expect, test } from "bun:test";
import { createDoors, type Door } from "../../src/daemon/doors.ts";
import { createRoom } from "../../src/daemon/room.ts";

/** Doors that tell what is done with them, at a number of files that can be opened. */
function makeDoors(free: { files: number }, ...names: string[]) {
  const told: string[] = [];
  const tell = (text: string) => void told.push(text);
  const doors = names.map((name): Door => ({
    shut: () => tell(`shut ${name}`),
    open: () => tell(`open ${name}`),
  }));
  const log = { info() {}, warn() {}, error() {}, failure() {} };
  const { look } = createDoors(doors, log, (count) => count <= free.files);
  return (times = 1) => {
    for (let n = 0; n < times; n++) look();
    return told.splice(0);
  };
}

test("while files can be opened, every door stays as it is", () => {
  const look = makeDoors({ files: 1 }, "TCP", "socket");
  expect(look(3)).toEqual([]);
});

test("one door after the other is shut until that helps, the owner's last, and all open when there is room", () => {
  const free = { files: 0 };
  const look = makeDoors(free, "TCP", "socket");
  expect(look()).toEqual(["shut TCP"]);
  expect(look(3)).toEqual(["shut socket"]);
  // A few that are free would be gone at once.
  free.files = 3;
  expect(look()).toEqual([]);
  free.files = 1_000;
  expect(look()).toEqual(["open socket", "open TCP"]);
  expect(look()).toEqual([]);
});

test("half of the files that may be open are for requests that are held", () => {
  const room = createRoom(32);
  const leave = Array.from({ length: 14 }, () => room.enter(undefined));
  expect(() => room.enter(undefined)).toThrow("16 requests are held open");
  for (let n = 0; n < 2; n++) room.enter(undefined, true);
  expect(() => room.enter(undefined, true)).toThrow("16 requests are held open");
  leave[0]!();
  room.enter(undefined, true);
});
