// The users of this machine by number.

import * as fs from "node:fs";

/** The name of a user, from /etc/passwd; the number itself where it has none there. */
export function accountName(uid: number | undefined): string | undefined {
  if (uid === undefined) return undefined;
  const row = accounts()
    .split("\n")
    .find((line) => line.split(":")[2] === String(uid));
  return row?.split(":")[0] ?? String(uid);
}

function accounts(): string {
  try {
    return fs.readFileSync("/etc/passwd", "utf8");
  } catch {
    return "";
  }
}
