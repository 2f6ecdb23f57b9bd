// What a process is, and whether it is still the same: with real ones.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { accountName } from "../../src/system/accounts.ts";
import { machine } from "../../src/system/machine.ts";
import {
  ancestors,
  birthmark,
  describe as describeProcess,
  stat,
} from "../../src/system/processes.ts";

const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "pd-")));
const children: ReturnType<typeof Bun.spawn>[] = [];

/** A process that waits to be ended, in the temporary directory. */
function spawn(command: string[]) {
  const child = Bun.spawn(command, { cwd: directory, stdio: ["ignore", "ignore", "ignore"] });
  children.push(child);
  return child;
}

async function end(child: ReturnType<typeof Bun.spawn>): Promise<void> {
  child.kill("SIGKILL");
  await child.exited;
}

/** Waits for what the kernel or another process is about to do. */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !isSo(); await Bun.sleep(1))
    if (Date.now() > end) throw new Error("it never came to be");
}

/** No process has this number: it is above the kernel's own limit. */
const nobody = 4_194_305;

let sleeper: ReturnType<typeof Bun.spawn>;
beforeAll(() => void (sleeper = spawn(["sleep", "60"])));
afterAll(async () => {
  await Promise.all(children.map(end));
  fs.rmSync(directory, { recursive: true });
});

describe("what the kernel tells of a process", () => {
  test("is read right though its name looks like the fields behind it", async () => {
    const program = path.join(directory, "a) R 1 (b");
    fs.copyFileSync(Bun.which("sleep")!, program);
    const child = spawn([program, "60"]);
    await until(() => stat(child.pid)?.name === "a) R 1 (b");
    expect(stat(child.pid)).toMatchObject({ pid: child.pid, parent: process.pid });
    expect(stat(child.pid)!.session).toBe(stat(process.pid)!.session);
    expect(stat(child.pid)!.start).toBeGreaterThanOrEqual(stat(process.pid)!.start);
  });

  test("is nothing where there is no such process", () => {
    for (const pid of [nobody, 0, -1]) {
      expect(stat(pid)).toBeUndefined();
      expect(birthmark(pid)).toBeUndefined();
    }
  });
});

describe("a birthmark", () => {
  test("stays the same for a process, and is not that of another", async () => {
    const mark = birthmark(sleeper.pid)!;
    expect(birthmark(sleeper.pid)).toBe(mark);
    // Two that start within one tick of the clock share their start; the number tells them apart.
    await Bun.sleep(20);
    const later = spawn(["sleep", "60"]);
    expect(birthmark(later.pid)).not.toBe(mark);
    expect(birthmark(later.pid) === mark).toBe(false);
    expect(birthmark(sleeper.pid) === mark).toBe(true);
  });

  test("is of this boot: the same start in another one is another process", () => {
    const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    expect(birthmark(process.pid)).toBe(`${boot}/${stat(process.pid)!.start}`);
  });

  test("is gone with the process", async () => {
    const child = spawn(["sleep", "60"]);
    const mark = birthmark(child.pid)!;
    await end(child);
    expect(birthmark(child.pid)).toBeUndefined();
    expect(birthmark(child.pid) === mark).toBe(false);
  });

  test("is gone with a process that nobody has waited for yet", async () => {
    // The shell starts a child and becomes a sleep, which never waits: the child stays a zombie.
    const shell = Bun.spawn(["sh", "-c", "sleep 60 & echo $!; exec sleep 61"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    children.push(shell);
    const { value } = await shell.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    await until(() => machine.commandWords(shell.pid)[0] === "sleep");
    expect(birthmark(pid)).toBeString();
    process.kill(pid, "SIGKILL");
    await until(() => stat(pid)?.state === "Z");
    expect(birthmark(pid)).toBeUndefined();
  });
});

describe("a description", () => {
  test("has the command line, the directory, the user and the start", async () => {
    await until(() => machine.commandWords(sleeper.pid)[0] === "sleep");
    const described = describeProcess(sleeper.pid);
    expect(described).toEqual({
      pid: sleeper.pid,
      command: "sleep 60",
      cwd: directory,
      user: accountName(process.getuid!())!,
      startedAt: expect.any(Number),
    });
    // The kernel counts from the boot in hundredths of a second, and tells the boot to the second.
    expect(Math.abs(described.startedAt! - Date.now())).toBeLessThan(10_000);
  });

  test("has its name where there is no command line, and nothing where there is no process", async () => {
    const nothing = { command: null, cwd: null, user: null, startedAt: null };
    expect(describeProcess(nobody)).toEqual({ pid: nobody, ...nothing });
    expect(machine.commandWords(nobody).join("")).toBe("");
  });

  test("has every word of the command line, blanks and empty ones included", async () => {
    const child = spawn(["sh", "-c", "kill -STOP $$", "a b", "", "c"]);
    await until(() => machine.commandWords(child.pid)[0] === "sh");
    expect(machine.commandWords(child.pid).slice(3)).toEqual(["a b", "", "c"]);
  });
});

test("the processes behind one start with its parent and end with the first of the machine", () => {
  const behind = [...ancestors(sleeper.pid)].map(({ pid }) => pid);
  expect(behind[0]).toBe(process.pid);
  expect(behind).toEqual([process.pid, ...[...ancestors(process.pid)].map(({ pid }) => pid)]);
  expect([...ancestors(nobody)]).toEqual([]);
});

test("a user has a name by its number, or its number where there is none", () => {
  expect(accountName(0)).toBe("root");
  expect(accountName(4_000_000_000)).toBe("4000000000");
  expect(accountName(undefined)).toBeUndefined();
});

test("the machine has the name that it gives itself", () => {
  expect(machine.hostName()).toBe(os.hostname());
});
