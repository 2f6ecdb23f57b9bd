// Values as a person reads them.

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  dateTime,
  directory,
  plain,
  plural,
  processLine,
  relative,
  table,
} from "../../src/cli/render.ts";
import { noPaint } from "../../src/cli/terminal.ts";
import { startOfTime } from "../world.ts";

describe("text from elsewhere", () => {
  test.each([
    ["\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"],
    ["one\ntwo\r\x07", "one\\u000atwo\\u000d\\u0007"],
    ["\x9b2J", "\\u009b2J"],
    ["file\u202Egnp.exe", "file\\u202egnp.exe"],
    ["\u2066in\u2069\u200b\ufeff", "\\u2066in\\u2069\\u200b\\ufeff"],
    ["tab\there", "tab\\u0009here"],
  ])("shows what would move the cursor or repaint the screen as its number: %j", (text, shown) => {
    expect(plain(text)).toBe(shown);
  });

  test("shows separators of lines and paragraphs as their numbers, so that a line is a line", () => {
    expect(plain("one\u2028two\u2029three")).toBe("one\\u2028two\\u2029three");
  });

  test("tells two invisible characters beyond the first plane apart", () => {
    expect(plain("\u{E0001}")).not.toBe(plain("\u{E0020}"));
  });

  test("leaves words of every script as they are", () => {
    expect(plain("Grüße, 世界 🎉 שלום")).toBe("Grüße, 世界 🎉 שלום");
  });

  test("holds nothing invisible, whatever it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => !/\p{Cc}|\p{Cf}/u.test(plain(text))),
    );
  });
});

describe("a table", () => {
  const show = (rows: (string | number | null)[][], columns?: number) =>
    table(["NAME", "PORT"], rows, noPaint, columns).split("\n");

  test("has columns as wide as they must be, a dash for what is empty, and no trailing blanks", () => {
    expect(
      show([
        ["a", 3100],
        ["longer", null],
        ["", 7],
      ]),
    ).toEqual(["NAME    PORT", "a       3100", "longer  -", "-       7"]);
  });

  test("takes the room from the right, from short columns last, and only where the screen ends", () => {
    const [header, row] = show([["x".repeat(50), 3100]], 20);
    expect(header).toBe(`NAME${" ".repeat(12)}PORT`);
    expect(row).toBe(`${"x".repeat(13)}…  3100`);
    expect(show([["x".repeat(50), 3100]])[1]).toBe(`${"x".repeat(50)}  3100`);
  });

  test("keeps the first column whole for as long as there is room elsewhere", () => {
    const header = ["IDENTITY", "PORT", "DIRECTORY"];
    const rows = [["myapp:api:main", 3100, "/somewhere/deep/down"]];
    expect(table(header, rows, noPaint, 32).split("\n")).toEqual([
      "IDENTITY        PORT  DIRECTORY",
      "myapp:api:main  3100  /somewher…",
    ]);
  });

  test("is one line a row, whatever the cells hold", () => {
    expect(show([["a\nb\x1b[2J", 1]])).toHaveLength(2);
    expect(show([["a\nb\x1b[2J", 1]])[1]).toBe("a\\u000ab\\u001b[2J  1");
  });

  test("is never cut in the middle of a character", () => {
    expect(show([["🎉".repeat(10), 1]], 10)[1]!.isWellFormed()).toBe(true);
  });
});

describe("instants", () => {
  test("are told in local time, to the second", () => {
    expect(dateTime(startOfTime + 999)).toBe("2026-01-02 03:04:05");
  });

  test.each([
    [-5, "just now"],
    [-59_999, "59s ago"],
    [-5_400_000, "1h ago"],
    [-86_400_000 * 40, "40d ago"],
    [0, "just now"],
    [7_200_000, "in 2h"],
  ])("are told from now: %d ms is %s", (offset, words) => {
    expect(relative(startOfTime + offset, startOfTime)).toBe(words);
  });
});

describe("a directory", () => {
  test.each([
    ["/home/ada", "~"],
    ["/home/ada/src/app", "~/src/app"],
    ["/home/adam/src", "/home/adam/src"],
    ["/srv/app", "/srv/app"],
    ["/home/ada/a\nb", "~/a\\u000ab"],
  ])("%j is shown as %s", (path, shown) => {
    expect(directory(path, "/home/ada")).toBe(shown);
  });

  test("below a home of / is not taken for one below home", () => {
    expect(directory("/srv/app", "/")).toBe("/srv/app");
  });
});

describe("a process", () => {
  const line = (process: Partial<Parameters<typeof processLine>[0]>) =>
    processLine(
      { pid: null, command: null, cwd: null, user: null, startedAt: null, ...process },
      "/home/ada",
      startOfTime,
    );

  test("is told as far as it can be seen", () => {
    expect(line({})).toBe("a process of another user that cannot be seen from here");
    expect(line({ user: "bob" })).toBe("a process of bob that cannot be seen from here");
    expect(line({ pid: 7 })).toBe("process 7");
    expect(line({ pid: 7, cwd: "/home/ada/app" })).toBe("process 7, in ~/app");
    expect(
      line({
        pid: 7,
        command: "node a.js",
        user: "ada",
        cwd: "/srv",
        startedAt: startOfTime - 60_000,
      }),
    ).toBe("process 7 (node a.js) of ada, in /srv, since 2026-01-02 03:03:05 (1m ago)");
  });

  test("is told of by its own words, whatever they are", () => {
    expect(line({ pid: 7, command: "a, of b" })).toBe("process 7 (a, of b)");
    expect(line({ pid: 7, command: "x\x1b[2J", cwd: "/a\nb" })).toBe(
      "process 7 (x\\u001b[2J), in /a\\u000ab",
    );
  });
});

test("one is singular, none and many are plural", () => {
  expect([0, 1, 2].map((count) => plural(count, "port"))).toEqual(["0 ports", "1 port", "2 ports"]);
});
