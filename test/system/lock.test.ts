// A lock that the kernel holds: it excludes every other process and cannot be left behind.

import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { tryLock } from "../../src/system/lock.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
const file = path.join(directory, "test.lock");
const program = path.join(directory, "holder.ts");
const children: Bun.Subprocess[] = [];

beforeAll(() => {
  const source = path.join(import.meta.dir, "../../src/system/lock.ts");
  fs.writeFileSync(
    program,
    `import { tryLock } from ${JSON.stringify(source)};
     console.log(tryLock(process.argv[2]!) ? "held" : "refused");
     setInterval(() => {}, 60_000);`,
  );
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  fs.rmSync(directory, { recursive: true });
});

/** Another process that tries the lock, says how it went and lives on. */
async function another() {
  const child = Bun.spawn([process.execPath, program, file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  return { child, said: new TextDecoder().decode(value).trim() };
}

test("it excludes another process until it is freed", async () => {
  const held = tryLock(file)!;
  expect((await another()).said).toBe("refused");
  held.free();
  expect((await another()).said).toBe("held");
  await Promise.all(
    children.map((child) => {
      child.kill("SIGKILL");
      return child.exited;
    }),
  );
});

test("it is refused at once while another process holds it, and freed by that one's kill -9", async () => {
  const { child, said } = await another();
  expect(said).toBe("held");
  expect(tryLock(file)).toBeUndefined();
  child.kill("SIGKILL");
  await child.exited;
  const held = tryLock(file);
  expect(held).toBeDefined();
  held!.free();
});

test("it excludes the process that has it, too", () => {
  const held = tryLock(file)!;
  expect(tryLock(file)).toBeUndefined();
  held.free();
  tryLock(file)!.free();
});

test("a refusal leaves no open file behind", () => {
  const held = tryLock(file)!;
  for (let i = 0; i < 10; i++) expect(tryLock(file)).toBeUndefined();
  expect(descriptorsOf(file)).toBe(1);
  held.free();
  expect(descriptorsOf(file)).toBe(0);
});

/** How many descriptors of this process are open on a file. */
function descriptorsOf(target: string): number {
  return fs.readdirSync("/proc/self/fd").filter((descriptor) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${descriptor}`) === target;
    } catch {
      return false; // Closed since the listing.
    }
  }).length;
}

test("its file is this user's alone, and stays: removing it would let two hold it", () => {
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
});

test("it is free at once when it is freed, though the holder is starting a process at that moment", async () => {
  for (let i = 0; i < 40; i++) {
    const held = tryLock(file)!;
    // Between fork and exec the new process shares what the holder has open.
    const child = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore"] });
    children.push(child);
    held.free();
    const again = tryLock(file);
    expect(again).toBeDefined();
    again!.free();
    child.kill("SIGKILL");
    await child.exited;
  }
});
