// What `doctor` finds in a home.

import { expect } from "bun:test";
import type { Home } from "./home.ts";

export type Line = { check: string; level: string; says: string; remedy: string | null };

export async function examine(home: Home, env: Record<string, string> = {}) {
  const { code, out, err } = await home.run(["doctor", "--json"], { env });
  expect(err).toBe("");
  const lines = JSON.parse(out) as Line[];
  return {
    code,
    lines,
    of: (check: string) => lines.find((line) => line.check === check),
    /** The checks that are not well. Other homes have daemons of this user at the same time. */
    troubles: lines
      .filter(({ check, level }) => level !== "ok" && check !== "others")
      .map(({ check, level }) => `${check} ${level}`)
      // A test's binary is in no directory of PATH.
      .filter((trouble) => trouble !== "binary note"),
  };
}
