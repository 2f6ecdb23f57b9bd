import { expect, test } from "bun:test";
import { makeSide } from "../scenario.ts";

test("a claim gives the lowest port of the range and records it", async () => {
  const { play } = makeSide();
  await play({
    method: "POST",
    path: "/claim/myapp:api",
    answer: { id: "myapp:api", port: 3100, existing: false, status: "assigned" },
    events: ["service.claim myapp:api"],
  });
  await play({
    method: "POST",
    path: "/claim/myapp:api",
    answer: { port: 3100, existing: true },
    events: ["service.claim myapp:api"],
  });
  expect((await play({ path: "/services", events: [] })).count).toBe(1);
});
