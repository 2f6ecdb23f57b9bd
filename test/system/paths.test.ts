// Where things lie, and what is said where they cannot.

import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Fault } from "../../src/contract/faults.ts";
import * as paths from "../../src/system/paths.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "pd-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function refusal(work: () => void): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("accepted");
}

const modeOf = (file: string) => fs.statSync(file).mode & 0o777;

describe("the socket's path", () => {
  const room = 107 - "/daemon.sock".length;

  test.if(process.platform === "linux")("may be as long as the kernel takes", () => {
    expect(paths.socketFile(`/${"h".repeat(room - 1)}`)).toHaveLength(107);
    expect(() => paths.socketFile(`/${"h".repeat(room)}`)).toThrow("too deep for a Unix socket");
  });

  test.if(process.platform === "linux")("is one that can be bound at its longest", () => {
    const deep = path.join(directory, "d".repeat(room - directory.length - 1));
    fs.mkdirSync(deep);
    const server = Bun.listen({ unix: paths.socketFile(deep), socket: { data() {} } });
    expect(fs.statSync(paths.socketFile(deep)).isSocket()).toBe(true);
    server.stop(true);
  });

  test("is measured in bytes, not in characters", () => {
    const fault = refusal(() => paths.socketFile(`/${"ü".repeat(50)}`));
    expect(fault).toMatchObject({ code: "invalid_input", details: { field: "PORT_DADDY_HOME" } });
    expect(fault.hint).toContain("export PORT_DADDY_HOME=");
  });
});

describe("the state directory", () => {
  test("is made, with all above it, for this user alone", () => {
    const home = path.join(directory, "a/b/c");
    paths.makeHome(home);
    expect(modeOf(home)).toBe(0o700);
    paths.makeHome(home);
    expect(modeOf(home)).toBe(0o700);
  });

  test("is closed to others where it was open, with what it holds kept", () => {
    const home = path.join(directory, "open");
    fs.mkdirSync(home);
    fs.chmodSync(home, 0o755);
    paths.makeHome(home);
    expect(modeOf(home)).toBe(0o700);
    fs.chmodSync(home, 0o755);
    fs.writeFileSync(paths.databaseFile(home), "");
    paths.makeHome(home);
    expect(modeOf(home)).toBe(0o700);
    expect(fs.existsSync(paths.databaseFile(home))).toBe(true);
  });

  test("that holds other things and is open to others is refused, and left as it was", () => {
    const home = path.join(directory, "shared");
    fs.mkdirSync(home);
    fs.chmodSync(home, 0o755);
    fs.writeFileSync(path.join(home, "theirs"), "");
    expect(refusal(() => paths.makeHome(home)).message).toEndWith(
      "it holds other things and is open to other users",
    );
    expect(modeOf(home)).toBe(0o755);
  });

  test.each([
    ["file", "it is a file, not a directory"],
    ["file/below", "part of the path is a file, not a directory"],
  ])("that cannot be made is refused with the reason: %s", (place, reason) => {
    fs.writeFileSync(path.join(directory, "file"), "");
    const home = path.join(directory, place);
    expect(refusal(() => paths.makeHome(home))).toMatchObject({
      code: "unavailable",
      exit: 7,
      message: `The state directory ${home} cannot be used: ${reason}`,
      hint: "name another: export PORT_DADDY_HOME=<directory>",
    });
  });

  // Root may write everywhere, so there is a place where even root may not.
  test.if(process.platform === "linux")("where nobody may write is refused with the reason", () => {
    expect(refusal(() => paths.makeHome("/proc/port-daddy")).code).toBe("unavailable");
  });
});

test("the reason of a failure is in words, without the call and the path", () => {
  expect(paths.reasonOf({ code: "EACCES", message: "x" })).toBe("permission denied");
  expect(paths.reasonOf({ code: "ENOSPC", message: "x" })).toBe("the disk is full");
  expect(paths.reasonOf({ code: "EWHATEVER", message: "so it is" })).toBe("so it is");
  expect(paths.reasonOf("text")).toBe("text");
});

test("everything that lies in the state directory has a name of its own", () => {
  const { databaseFile, logFile, daemonLock, startLock, warningStamp, socketFile } = paths;
  const files = [databaseFile, logFile, daemonLock, startLock, warningStamp, socketFile].map(
    (place) => place("/h"),
  );
  expect(new Set(files).size).toBe(files.length);
  for (const file of files) expect(path.dirname(file)).toBe("/h");
});
