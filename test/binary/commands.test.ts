// What every command has in common: exit codes, help, and an answer to slips of the hand.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { flagText } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/index.ts";
import { Home } from "../home.ts";

let home: Home;
beforeAll(() => void (home = new Home()));
afterAll(() => home[Symbol.asyncDispose]());

describe("help", () => {
  test("port-daddy alone prints it, and so do --help, -h and help", async () => {
    const { code, out, err } = await home.run([]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    for (const { name, summary } of commands)
      expect(out).toMatch(new RegExp(`^  ${name}\\b.+  ${RegExp.escape(summary)}$`, "m"));
    for (const words of [["--help"], ["-h"], ["help"]])
      expect(await home.run(words)).toEqual({ code: 0, out, err: "" });
  });

  test.each(commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]))(
    "%s --help names its flags and does nothing",
    async (name) => {
      const command = commands.find((each) => each.name === name || each.aliases?.includes(name))!;
      const { code, out, err } = await home.run([name, "--help"]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toStartWith(command.summary);
      for (const [flag, field] of Object.entries(command.flags))
        expect(out).toContain(`  ${flagText(flag, field)} `);
      expect(await home.run(["help", name])).toEqual({ code, out, err });
      expect(home.daemons()).toEqual([]);
    },
  );
});

describe("an exit code says what happened", () => {
  test.each<[number, string, string[], Record<string, string>?]>([
    [0, "it is done", ["claim", "codes"]],
    [0, "there was nothing to release", ["release", "codes:nobody"]],
    [2, "the identity is none", ["claim", "not an identity"]],
    [2, "the argument is missing", ["claim"]],
    [2, "a flag's value is nonsense", ["claim", "codes", "--expires", "5"]],
    [2, "everything would be released", ["release", "*"]],
    [2, "a setting is nonsense", ["ps"], { PORT_DADDY_RANGE_START: "many" }],
    [3, "nobody has the port", ["who", "1"]],
    [4, "somebody else has the port", ["claim", "codes:late", "-p", "HELD"]],
    [5, "no port is left", ["claim", "codes:full", "--range", "HELD-HELD"]],
    [7, "there is no daemon", ["ps"], { PORT_DADDY_URL: "http://127.0.0.1:1" }],
  ])("%i when %s", async (code, _, words, env = {}) => {
    const held = (await home.json(["claim", "codes"])).port;
    const given = words.map((word) => word.replaceAll("HELD", held));
    const result = await home.run(given, { env });
    expect(result.code, result.err).toBe(code);
    if (code === 0 || code === 3) return;
    expect(result.out).toBe("");
    expect(result.err).toMatch(/^error: .+\n/);
  });

  test("a range without a free port names who has been idle longest", async () => {
    const { port } = await home.json(["claim", "codes"]);
    const { err } = await home.run(["claim", "codes:full", "--range", `${port}-${port}`]);
    expect(err).toMatch(/^error: No port is left in .+\nhint: .*port-daddy release codes\n$/);
  });
});

describe("a slip of the hand", () => {
  test.each([
    [["clam", "myapp"], "hint: did you mean: port-daddy claim"],
    [["relase", "myapp"], "hint: did you mean: port-daddy release"],
    [["claim", "myapp", "--prot", "3100"], "did you mean --port?"],
    [["claim", "myapp", "--expire", "2h"], "did you mean --expires?"],
    [["claim", "myapp", "-x"], "see: port-daddy claim --help"],
    [["status", "now"], "hint: see: port-daddy status --help"],
  ])("%j is refused with what was meant, and claims nothing", async (words, meant) => {
    const { code, out, err } = await home.run(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toStartWith("error: ");
    expect(err).toContain(meant);
    expect((await home.json(["find", "myapp"])).count).toBe(0);
  });

  test("in an identity to release is answered with the nearest one", async () => {
    await home.run(["claim", "shop:api:main"]);
    const { code, out, err } = await home.run(["release", "shop:apj:main"]);
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(err).toEndWith("\nhint: see what there is: port-daddy find shop:api:main\n");
  });
});
