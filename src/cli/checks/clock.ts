// The check of the clock, by which claims expire, locks lapse and messages are kept.

import * as fs from "node:fs";
import { brief } from "../../contract/duration.ts";
import * as paths from "../../system/paths.ts";
import { seen } from "../../system/seen.ts";
import { dateTime } from "../render.ts";
import { note, ok, wrong, type Finding } from "./finding.ts";
import type { Subject } from "./subject.ts";

/** What two looks at one clock may differ by, on a machine that is busy. */
const toleranceMs = 2_000;

/** No clock is right that says it is before this program was written. */
const writtenAt = Date.UTC(2025, 0, 1);

const seeClock = process.platform === "darwin" ? "sudo sntp -sS time.apple.com" : "timedatectl";

export async function clock({ config, asked }: Subject): Promise<Finding> {
  const now = Date.now();
  if (now < writtenAt)
    return wrong(`this machine's clock says ${dateTime(now)}, which is past`, seeClock);
  const answer = await asked();
  if (answer.is === "up" && Math.abs(answer.aheadMs) > toleranceMs) {
    const where = answer.aheadMs > 0 ? "ahead of" : "behind";
    return wrong(
      `the daemon's clock is ${brief(Math.abs(answer.aheadMs))} ${where} this command's`,
      config.url === undefined ? "port-daddy restart" : seeClock,
    );
  }
  const written = lastWritten(config.home);
  if (written > now + toleranceMs)
    return note(
      `the clock was set back: the state was written ${brief(written - now)} from now`,
      seeClock,
    );
  return ok(answer.is === "up" ? "the daemon's and this command's agree" : dateTime(now));
}

/** When the state was last written, by the clock of that time; 0 where there is none. */
function lastWritten(home: string): number {
  const database = paths.databaseFile(home);
  const files = [database, `${database}-wal`, paths.logFile(home)];
  return Math.max(...files.map((file) => seen(() => fs.statSync(file).mtimeMs) ?? 0));
}
