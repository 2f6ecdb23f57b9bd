// Thousands of requests that nobody would write by hand: `npm run faults` sends many more.

import { expect, test } from "bun:test";
import { operations } from "../../src/contract/operations.ts";
import { fuzz } from "../faults/fuzz.ts";

test("whatever is asked of whatever route, the daemon answers, lives, and its database is whole", async () => {
  const { statuses, succeeded, ...outcome } = await fuzz({ seed: 20_261_124, requests: 3_000 });
  expect(outcome).toEqual({ seed: outcome.seed, problems: [], integrity: ["ok"] });
  // Most of it means something: every operation is done, but for waiting, as nothing here becomes healthy.
  const left = ["shutdown", "wait"];
  expect(succeeded).toContainAllValues(
    Object.keys(operations).filter((name) => !left.includes(name)),
  );
  expect(Object.keys(statuses)).toEqual(
    expect.arrayContaining(["200", "400", "403", "404", "408", "409", "413"]),
  );
});
