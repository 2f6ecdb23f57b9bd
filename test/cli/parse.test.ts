// From words to a command with its arguments and flags: what is read as it was meant, and what is refused.

import { describe, expect, test } from "bun:test";
import { commands } from "../../src/cli/commands/index.ts";
import { parse } from "../../src/cli/parse.ts";
import { Fault } from "../../src/contract/faults.ts";

/** Reads a line of words; arguments that hold spaces are given as a list. */
function read(line: string | string[]) {
  const words = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
  const { command, args, flags, helpFor } = parse(words, commands);
  return {
    command: command?.name,
    args,
    flags: flags as Record<string, unknown>,
    ...(helpFor !== undefined && { helpFor }),
  };
}

function refusal(line: string | string[]): Fault {
  try {
    read(line);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(line)} → ${JSON.stringify(read(line))}`);
}

describe("flags are read by their fields", () => {
  test.each([
    [["--agent", "007"], { agent: "007" }],
    [["--agent=007"], { agent: "007" }],
    [["--agent", "1e3"], { agent: "1e3" }],
    [["--agent=0x10"], { agent: "0x10" }],
    [["--cmd", "1e3"], { cmd: "1e3" }],
    [["--cmd", "true"], { cmd: "true" }],
    [["--cmd=npm run dev -- --port=3"], { cmd: "npm run dev -- --port=3" }],
    [["--cmd", " "], { cmd: " " }],
    [["--cmd=-x"], { cmd: "-x" }],
    [["--cmd=$& $1"], { cmd: "$& $1" }],
  ])("text stays the text it is: %j", (flags, expected) => {
    expect(read(["claim", "a", ...flags])).toEqual({
      command: "claim",
      args: ["a"],
      flags: expected,
    });
  });

  test.each(["--port=3200", "--port 3200", "-p 3200", "-p3200", "-p=3200"])(
    "a number is a number however it is written: %s",
    (flag) => {
      const expected = { command: "claim", args: ["a"], flags: { port: 3200 } };
      expect(read(`claim a ${flag}`)).toEqual(expected);
      expect(read(`claim ${flag} a`)).toEqual(expected);
    },
  );

  test("a span is milliseconds and JSON is what it stands for", () => {
    expect(read("claim a --expires 1h30m").flags).toEqual({ expires: 5_400_000 });
    expect(read(["claim", "a", "--metadata", '{"a":[1]}']).flags).toEqual({ metadata: { a: [1] } });
  });

  test.each(["0", "65536", "-1", "1e3", "0x10", "+5", "3200x", " 3200", "3200.0", "", "3200=1"])(
    "a port that is none is refused by the name of its flag: %j",
    (value) => {
      const fault = refusal(["claim", "a", `--port=${value}`]);
      expect(fault.code).toBe("invalid_input");
      expect(fault.message).toStartWith("--port must be a whole number from 1 to 65535, not ");
    },
  );

  test("a span without its unit is refused", () => {
    expect(refusal("claim a --expires 5").message).toStartWith("--expires must be a span with its");
  });

  test.each(["claim a --port", "claim a -p", "claim a --port --json", "claim --port -- a"])(
    "a flag that needs a value and has none is refused: %s",
    (line) => {
      expect(refusal(line).message).toContain("--port");
      expect(refusal(line).hint).toBe("see: port-daddy claim --help");
    },
  );

  test("a value that starts with a dash is never taken for the value of the flag before it", () => {
    expect(refusal("claim a --cmd -x").message).toContain("write --cmd=-x");
    expect(refusal("claim a --port -1").message).toContain("--port needs a value");
  });

  test.each(["-p 1 -p 2", "--port 3200 --port 3200", "-p 1 --port 2", "--port=1 -p2"])(
    "a flag that is given twice is refused rather than half believed: %s",
    (flags) => {
      expect(refusal(`claim a ${flags}`).message).toBe("--port is given 2 times");
    },
  );

  test("a fault about a flag names its field the same way whatever is wrong with it", () => {
    expect(refusal("claim a --port 1 --port 2").details).toEqual(
      refusal("claim a --port x").details,
    );
  });
});

describe("boolean flags", () => {
  test.each(["007", "1e3", "true", "false", "0x10"])(
    "one before an argument leaves it the text it is: %s",
    (id) => {
      expect(read(`claim -q ${id}`)).toEqual({
        command: "claim",
        args: [id],
        flags: { quiet: true },
      });
      expect(read(`claim --json ${id}`).args).toEqual([id]);
    },
  );

  test("one of two words takes no argument either", () => {
    const expected = { command: "release", args: ["myapp:*"], flags: { dryRun: true } };
    expect(read("release myapp:* --dry-run")).toEqual(expected);
    expect(read("release --dry-run myapp:*")).toEqual(expected);
  });

  test.each(["--json", "-j", "--quiet --json", "-qj"])(
    "they may stand before the command: %s",
    (line) => {
      expect(read(`${line} claim a`)).toMatchObject({ command: "claim", args: ["a"] });
      expect(read(`${line} claim a`).flags["json"]).toBe(true);
    },
  );

  test("letters may be joined, and said twice they are said once", () => {
    expect(read("find -jq 007")).toEqual({
      command: "find",
      args: ["007"],
      flags: { json: true, quiet: true },
    });
    expect(read("claim a -q -q").flags).toEqual({ quiet: true });
    expect(read("claim a -qp 3200").flags).toEqual({ quiet: true, port: 3200 });
  });

  test("--no- says no, and the last word counts", () => {
    expect(read("release a --no-dry-run").flags).toEqual({ dryRun: false });
    expect(read("release a --dry-run --no-dry-run").flags).toEqual({ dryRun: false });
    expect(read("claim a --no-json").flags).toEqual({ json: false });
    expect(refusal("claim a --no-port").message).toBe("unknown option --no-port");
    expect(refusal("claim a --no-such").message).toContain("unknown option");
  });

  test.each(["--json=b", "--quiet=b", "-j=b", "--json=1", "--quiet="])(
    "one with a value never turns that value into an argument: %s",
    (flag) => {
      expect(refusal(`claim a ${flag}`).code).toBe("invalid_input");
    },
  );
});

describe("what is not known", () => {
  test.each([
    ["claim a --prot 3200", "unknown option --prot (did you mean --port?)"],
    ["claim a --PORT 3200", "unknown option --PORT (did you mean --port?)"],
    ["find --staus running", "unknown option --staus (did you mean --status?)"],
    ["claim a --zzz", "unknown option --zzz"],
    ["claim a -z", "unknown option -z"],
    ["whoami --port 1", "unknown option --port"],
  ])("an option is refused with the nearest one: %s", (line, message) => {
    expect(refusal(line).message).toBe(message);
  });

  test("an option of two words is named as it was written and as help writes it", () => {
    expect(refusal("release a --dry-rnu").message).toBe(
      "unknown option --dry-rnu (did you mean --dry-run?)",
    );
  });

  test.each(["__proto__", "constructor", "toString", "prototype"])(
    "an option named like something of every object is unknown too: --%s",
    (name) => {
      expect(refusal(`claim a --${name}`).message).toStartWith("unknown option");
      expect(refusal(`claim a --${name} x`).message).toStartWith("unknown option");
    },
  );

  test.each([
    ["clam myapp", "clam", "did you mean: port-daddy claim"],
    ["fnd", "fnd", "did you mean: port-daddy find"],
    ["relaese x", "relaese", "did you mean: port-daddy release"],
    ["PS", "PS", "did you mean: port-daddy ps"],
    ["xyzzy", "xyzzy", "see them all: port-daddy --help"],
    ["myapp", "myapp", "see them all: port-daddy --help"],
    ["constructor", "constructor", "see them all: port-daddy --help"],
  ])("a command is refused with the nearest one: %s", (line, name, hint) => {
    expect(refusal(line)).toMatchObject({
      code: "invalid_input",
      exit: 2,
      message: `there is no command '${name}'`,
      hint,
    });
  });

  test.each(["--agent claim myapp", "-p claim myapp", "--port claim myapp", "--cmd claim myapp"])(
    "a slip never claims: %s",
    (line) => {
      expect(refusal(line).code).toBe("invalid_input");
    },
  );

  test("a span below nothing is refused rather than answered with help", () => {
    expect(refusal("log --since -1h").code).toBe("invalid_input");
  });
});

describe("arguments", () => {
  test("an alias is its command", () => {
    expect(read("ps x")).toEqual({ command: "find", args: ["x"], flags: {} });
    expect(read("ps ps").args).toEqual(["ps"]);
    expect(read("claim claim").args).toEqual(["claim"]);
  });

  test.each(["claim", "release", "who", "claim --cmd x", "claim -q", "release --port 3200"])(
    "too few are refused: %s",
    (line) => {
      expect(refusal(line).message).toMatch(/<(id|port)>/);
      expect(refusal(line).hint).toMatch(/^see: port-daddy (claim|release|who) --help$/);
    },
  );

  test.each([
    ["find a b", "'b'"],
    ["release a 007 1e3", "'007', '1e3'"],
    ["whoami x", "'x'"],
    ["status x", "'x'"],
  ])("too many are refused by name: %s", (line, named) => {
    expect(refusal(line).message).toBe(`too many arguments: ${named}`);
  });

  test("an empty one is an argument, for its field to refuse", () => {
    expect(read(["claim", ""]).args).toEqual([""]);
    expect(read(["find", "a"]).args).toEqual(["a"]);
    expect(refusal(["", "claim"]).message).toBe("there is no command ''");
  });

  test("words after -- are arguments, whatever they look like", () => {
    expect(read("find -- a").args).toEqual(["a"]);
    expect(read("claim a -- -b 007 --json")).toEqual({
      command: "claim",
      args: ["a", "-b", "007", "--json"],
      flags: {},
    });
    expect(read("claim -- 007").args).toEqual(["007"]);
  });

  test("words after -- are counted with the others", () => {
    expect(refusal("find a -- b").message).toBe("too many arguments: 'b'");
    expect(refusal("release -- a b").message).toBe("too many arguments: 'b'");
  });
});

test("help is asked for anywhere, of one command or of all, whatever else is wrong", () => {
  expect(read("claim -h")).toMatchObject({ command: "claim", helpFor: "claim" });
  expect(read("claim --help --zzz")).toMatchObject({ helpFor: "claim" });
  expect(read("ps --help")).toMatchObject({ helpFor: "find" });
  expect(read("--help")).toMatchObject({ helpFor: "" });
  expect(read([])).toMatchObject({ command: undefined, helpFor: "" });
});
