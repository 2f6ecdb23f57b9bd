// `lock NAME -- command`: a command that runs while it has the lock, and only then.

import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { ended, eventually, Home, isGone } from "../home.ts";
import { setUp } from "./lockSide.ts";

const { home, find, isFree, startWaiting } = setUp();

/** Starts a command with a lock. Its program does `first`, tells its pid, and goes on until it is let end: with 5. */
async function startHolding(name: string, { first = "", words = [] as string[], at = home } = {}) {
  const file = path.join(at.directory, name);
  const script = `${first}\necho $$ >"$0"; until [ -e "$0.end" ]; do sleep 0.05; done; echo over; exit 5`;
  const child = at.spawn(["lock", name, ...words, "--", "sh", "-c", script, file]);
  const pid = await eventually("the program runs", () =>
    fs.existsSync(file) ? Number(fs.readFileSync(file, "utf8")) : 0,
  );
  return { child, pid, letEnd: () => fs.writeFileSync(`${file}.end`, "") };
}

/** How often a lock was acquired, by its log. */
async function acquisitions(name: string, at = home): Promise<number> {
  return (await at.json(["log", "--target", name, "--action", "lock_acquire"])).count;
}

describe.concurrent("lock NAME -- command", () => {
  test("ends as the command ends, and frees the lock", async () => {
    const plain = path.join(home.directory, "not-executable");
    fs.writeFileSync(plain, "");
    const programs: [string[], number][] = [
      [["true"], 0],
      [["sh", "-c", "exit 3"], 3],
      [["sh", "-c", "kill -TERM $$"], 143],
      [["sh", "-c", "kill -KILL $$"], 137],
      [["no-such-program"], 127],
      [["./no/such/program"], 127],
      [[plain], 126],
      // Its flags are its own.
      [["sh", "-c", "exit $#", "--", "--json", "-q", "--"], 3],
    ];
    for (const [words, code] of programs) {
      const result = await home.run(["lock", "ends", "--", ...words]);
      expect({ words, code: result.code, out: result.out }).toEqual({ words, code, out: "" });
      expect(await find("ends")).toBeUndefined();
    }
  });

  test("is 125 where the lock cannot be had, and nothing is run", async () => {
    await home.run(["lock", "busy", "--owner", "ada"]);
    const mark = path.join(home.directory, "busy.mark");
    const { code, out, err } = await home.run(["lock", "busy", "--no-wait", "--", "touch", mark]);
    expect({ code, out }).toEqual({ code: 125, out: "" });
    expect(err).toStartWith("error: busy is held by ada ");
    expect(fs.existsSync(mark)).toBe(false);
  });

  test("tells the command its lock, which carries the pid of the command from the start", async () => {
    const script = 'echo "$$ $PORT_DADDY_LOCK $PORT_DADDY_FENCE"; port-daddy locks told --json';
    const { out } = await home.shell(`port-daddy lock told -- sh -c '${script}'`);
    const [told, locks] = out.split("\n");
    const { pid, name, fence } = JSON.parse(locks!).locks[0];
    expect(told).toBe(`${pid} ${name} ${fence}`);
  });

  test("gives it the input, the output and the terminal", async () => {
    expect(await home.shell("echo hello | port-daddy lock io -- cat")).toEqual({
      code: 0,
      out: "hello\n",
      err: "",
    });
    const large = "head -c 3000000 /dev/zero | port-daddy lock io:large -- cat | wc -c";
    expect((await home.shell(large)).out.trim()).toBe("3000000");
    const isTerminal = "port-daddy lock io:tty -- sh -c 'test -t 0 && test -t 1 && echo yes'";
    expect(await home.onTerminal(isTerminal)).toMatchObject({ code: 0, out: "yes\n" });
  });

  test.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)("passes %s on", async (signal) => {
    const name = `passed:${signal}`;
    const first = `trap 'echo caught; exit 9' ${signal.slice("SIG".length)}`;
    const { child } = await startHolding(name, { first });
    child.kill(signal);
    expect(await ended(child)).toEqual({ code: 9, out: "caught\n", err: "" });
    expect(await find(name)).toBeUndefined();
  });

  test("is over when the command is killed", async () => {
    const { child, pid } = await startHolding("killed:program");
    process.kill(pid, "SIGKILL");
    expect(await ended(child)).toEqual({ code: 137, out: "", err: "" });
    expect(await find("killed:program")).toBeUndefined();
  });

  test("that is killed itself leaves the lock with its command, until that ends", async () => {
    const { child, pid, letEnd } = await startHolding("killed:self");
    child.kill("SIGKILL");
    await child.exited;
    const { code } = await home.run(["lock", "killed:self", "--timeout", "3s"]);
    expect(code).toBe(6);
    expect(await find("killed:self")).toMatchObject({ pid });
    letEnd();
    await isGone(pid);
    await isFree("killed:self");
    const log = ["log", "--target", "killed:self", "--action", "cleanup"];
    expect((await home.json(log)).entries[0].metadata.reason).toBe("pid_died");
  });

  test("ends what the command has started as well, when the lock is lost", async () => {
    const pidFile = path.join(home.directory, "grandchild");
    const line = `sh -c 'echo $$ >${pidFile}; exec sleep 60'; echo survived`;
    const child = home.spawn(["lock", "lost:tree", "--", "sh", "-c", line]);
    const pid = await eventually("the grandchild runs", () =>
      fs.existsSync(pidFile) ? Number(fs.readFileSync(pidFile, "utf8")) : 0,
    );
    await home.run(["unlock", "lost:tree", "--force"]);
    expect(await child.exited).toBe(124);
    await isGone(pid);
    expect(await new Response(child.stdout).text()).toBe("");
  });

  test("ends a command that lost its lock, at last by force, and is 124", async () => {
    const gentle = await startHolding("lost:gentle");
    const hard = await startHolding("lost:hard", { first: "trap 'echo asked' TERM" });
    for (const name of ["lost:gentle", "lost:hard"])
      await home.run(["unlock", name, "--force", "--owner", "bob"]);
    await home.run(["lock", "lost:gentle", "--owner", "bob"]);
    const lost = await ended(gentle.child);
    expect(lost).toMatchObject({ code: 124, out: "" });
    expect(lost.err).toContain("error: the lock lost:gentle was lost");
    // Whoever has it now keeps it.
    expect(await find("lost:gentle")).toMatchObject({ owner: "bob" });
    expect(await ended(hard.child)).toMatchObject({ code: 124, out: "asked\n" });
    for (const { pid } of [gentle, hard]) await isGone(pid);
  });

  test("renews a lock that would lapse before its command ends", async () => {
    const script = "sleep 4; port-daddy locks renewed --json";
    const line = `port-daddy lock renewed --ttl 1500 -- sh -c '${script}'`;
    const { code, out } = await home.shell(line);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ count: 1 });
    expect(await acquisitions("renewed")).toBe(1);
    expect(await find("renewed")).toBeUndefined();
  });

  const interruptions: [string, (at: Home) => Promise<unknown>][] = [
    ["restarted", (at) => at.run(["restart"])],
    ["killed", async (at) => at.kill((await at.daemonPid())!)],
  ];
  test.each(interruptions)("keeps its lock while the daemon is %s", async (_, interrupt) => {
    await using at = new Home();
    const { child, pid, letEnd } = await startHolding("db", { words: ["--ttl", "3s"], at });
    const { fence } = await find("db", at);
    const waiter = await startWaiting("db", "bob", ["--timeout", "0", "-q"], at);
    await interrupt(at);
    // A renewal by the new daemon: the lock goes on for longer than what a start allows everybody.
    await eventually("it is renewed", async () => {
      const query = "/activity?action=lock_extend&targetId=db&limit=1";
      const { entries } = (await at.fetch(query).then(
        (answer) => answer.json(),
        () => ({ entries: [] }),
      )) as any;
      const { entries: starts } = await at.json(["log", "--action", "daemon_start"]);
      return starts.length === 2 && entries[0]?.id > starts[0].id;
    });
    expect(await find("db", at)).toMatchObject({ fence, pid, waiting: 1 });
    expect(child.exitCode).toBeNull();
    letEnd();
    expect(await ended(child)).toEqual({ code: 5, out: "over\n", err: "" });
    const { code, out } = await ended(waiter);
    expect(code).toBe(0);
    expect(Number(out)).toBeGreaterThan(fence);
    expect(await acquisitions("db", at)).toBe(2);
  });
});
