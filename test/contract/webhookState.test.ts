// The word for how a webhook stands, wherever one is shown.

import { expect, test } from "bun:test";
import { webhookState, type WebhookState } from "../../src/contract/entities.ts";

const reason = "the last 10 events could not be delivered";

test.each([
  ["on", { active: true, paused: null }],
  ["paused", { active: true, paused: reason }],
  ["off", { active: false, paused: null }],
  // Whoever switches it on resumes it as well.
  ["off", { active: false, paused: reason }],
])("a webhook is %s where it is %o", (state, webhook) => {
  expect(webhookState(webhook)).toBe(state as WebhookState);
});
