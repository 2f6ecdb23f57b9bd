// What a command line is called, by real processes: the same name for one who asks twice, two names for two.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { binary } from "../home.ts";

const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "pd-")));
const program = path.join(directory, "program.ts");
const whoami = path.join(directory, "port-daddy") + " whoami";

beforeAll(() => {
  if (!fs.existsSync(binary)) {
    const build = path.join(import.meta.dir, "../../build.ts");
    expect(Bun.spawnSync([process.execPath, build]).exitCode).toBe(0);
  }
  fs.symlinkSync(binary, path.join(directory, "port-daddy"));
  fs.writeFileSync(
    path.join(directory, "package.json"),
    JSON.stringify({ scripts: { who: whoami } }),
  );
  // A long-lived program that runs each line of shell it is given in a process of its own, and writes down what it saw.
  fs.writeFileSync(
    program,
    `const [file, ...lines] = process.argv.slice(2);
     const run = (line: string) =>
       Bun.spawnSync(line.split("|"), { stdin: "ignore", stderr: "inherit" }).stdout.toString();
     await Bun.write(file!, JSON.stringify({ pid: process.pid, said: lines.map(run) }));`,
  );
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

function environment(extra: Record<string, string> = {}) {
  return {
    PATH: process.env["PATH"]!,
    HOME: directory,
    USER: "ada",
    SHELL: "/bin/sh",
    PORT_DADDY_HOME: path.join(directory, "state"),
    ...extra,
  };
}

async function run(command: string[], env?: Record<string, string>): Promise<string[]> {
  const child = Bun.spawn(command, {
    cwd: directory,
    env: environment(env),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return text.split(/\r?\n/).filter((line) => line.includes("#"));
}

/** Who the lines that a shell runs take themselves for; without a terminal. */
const withoutTerminal = (lines: string, env?: Record<string, string>) =>
  run(["setsid", "--wait", "sh", "-c", `${lines}; :`], env);

/** The same on a terminal of its own. */
const onTerminal = (lines: string) => run(["script", "-qec", `${lines}; :`, "/dev/null"]);

let count = 0;

/** A program that runs each of the commands (words with `|` between them), and who they took themselves for. */
async function programRunning(commands: string[], hasTerminal: boolean) {
  const file = path.join(directory, `said-${count++}`);
  const words = [process.execPath, program, file, ...commands];
  await run(
    hasTerminal
      ? ["script", "-qec", words.map((word) => `'${word}'`).join(" "), "/dev/null"]
      : ["setsid", "--wait", ...words],
  );
  const { pid, said } = JSON.parse(fs.readFileSync(file, "utf8"));
  return { pid: pid as number, callers: (said as string[]).map((text) => text.trim()) };
}

const one = (callers: string[]) => [...new Set(callers)].length === 1;

test("a caller is told by user, machine, and number and start of a process", async () => {
  const [caller] = await withoutTerminal(whoami);
  expect(caller).toMatch(/^ada@[^\s@#]+#\d+\.\d+$/);
  expect(caller).toContain(`@${os.hostname()}#`);
});

test("a caller is one printable word that a header can carry, whatever the user is called", async () => {
  for (const USER of ["Ada Lovelace", "Grüße", "a#b@c\x1b[2J", "世"]) {
    const [caller] = await withoutTerminal(whoami, { USER });
    expect(caller).toMatch(/^[\x21-\x7e]{1,300}$/);
  }
});

describe.each([
  ["without a terminal", withoutTerminal],
  ["on a terminal", onTerminal],
])("%s", (_, shell) => {
  test("two commands of one shell are one caller", async () => {
    const callers = await shell(`${whoami}; ${whoami}; ( ${whoami} ); sh -c '${whoami}; :'`);
    expect(callers).toHaveLength(4);
    expect(one(callers), callers.join(" ")).toBe(true);
  });

  test.each([
    ["timeout", `timeout 20 ${whoami}`],
    ["env", `env A=b ${whoami}`],
    ["nice", `nice ${whoami}`],
    ["nohup", `nohup ${whoami} 2>/dev/null | cat`],
    ["xargs", `echo | xargs ${whoami}`],
    ["several of them", `timeout 20 env nice sh -c '${whoami}; :'`],
    ["npm run", "npm run --silent who"],
  ])("a command behind %s is the same caller as without", async (_, wrapped) => {
    const callers = await shell(`${whoami}; ${wrapped}`);
    expect(callers).toHaveLength(2);
    expect(one(callers), callers.join(" ")).toBe(true);
  });

  test("a command in a file of shell is the same caller as without, whatever the file is called", async () => {
    const script = path.join(directory, "deploy.sh");
    fs.writeFileSync(script, `#!/bin/sh\n${whoami}\n:\n`, { mode: 0o755 });
    const callers = await shell(`${whoami}; sh ${script}; ${script}`);
    expect(callers).toHaveLength(3);
    expect(one(callers), callers.join(" ")).toBe(true);
  });
});

test("two terminals are two callers", async () => {
  const [first, second] = await Promise.all([
    onTerminal(`${whoami}; ${whoami}`),
    onTerminal(`${whoami}; ${whoami}`),
  ]);
  expect([one(first), one(second)]).toEqual([true, true]);
  expect(first[0]).not.toBe(second[0]!);
});

describe.each([
  ["without a terminal", false],
  ["with a terminal", true],
])("a program %s that runs each command in a new shell", (_, hasTerminal) => {
  test("is the caller itself, whatever shell and session it runs them in", async () => {
    const { pid, callers } = await programRunning(
      [
        `sh|-c|${whoami}; :`,
        `bash|-c|${whoami}; :`,
        `sh|-c|timeout 20 ${whoami}; :`,
        `setsid|--wait|sh|-c|${whoami}; :`,
        whoami.replace(" ", "|"),
      ],
      hasTerminal,
    );
    expect(callers).toHaveLength(5);
    expect(one(callers), callers.join(" ")).toBe(true);
    expect(callers[0]).toContain(`#${pid}.`);
  });
});

test("two programs are two callers", async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(() => programRunning([`sh|-c|${whoami}; :`], false)),
  );
  expect(first!.callers).not.toEqual(second!.callers);
});

test("a command whose shell and program are gone still has a name", async () => {
  const file = path.join(directory, "orphan");
  await run([
    "setsid",
    "--wait",
    "sh",
    "-c",
    `( sleep 0.1; ${whoami} > ${file}.part; mv ${file}.part ${file} ) &`,
  ]);
  for (const end = Date.now() + 5000; !fs.existsSync(file) && Date.now() < end;) await Bun.sleep(5);
  expect(fs.readFileSync(file, "utf8")).toMatch(/^ada@\S+#\d+\.\d+\n$/);
});
