// The grammar of identities, against a reading of it character by character.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { identity } from "../../src/contract/values.ts";
import { isIdentity } from "../../src/contract/identity.ts";

const starts = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
const followers = starts + ".-";

/** `project[:stack[:context]]`, each part 1 to 64 of letters, digits and `._-`, not starting with `.` or `-`. */
function isIdentityByHand(text: string): boolean {
  const parts = text.split(":");
  if (parts.length > 3) return false;
  for (const part of parts) {
    if (part.length < 1 || part.length > 64 || !starts.includes(part.charAt(0))) return false;
    for (let at = 1; at < part.length; at++) {
      if (!followers.includes(part.charAt(at))) return false;
    }
  }
  return true;
}

test.each(["myapp", "myapp:api", "myapp:api:main", "myapp:api:feature-auth", "_:9:Z", "v1.2_x-y"])(
  "%j is an identity",
  (text) => expect(isIdentity(text)).toBe(true),
);

test.each([
  ["", "nothing"],
  [":", "empty parts"],
  ["myapp:", "an empty last part"],
  ["myapp::main", "an empty part in the middle"],
  ["a:b:c:d", "a fourth part"],
  [".git", "a part that starts with a dot"],
  ["myapp:-x", "a part that starts with a dash"],
  ["..", "the parent directory"],
  ["myapp/api", "a slash"],
  ["my app", "a space"],
  ["myapp:*", "a star"],
  ["%", "a percent sign"],
  ["münchen", "a letter outside ASCII"],
  ["１", "a digit outside ASCII"],
  ["myapp\n", "a newline at the end"],
  ["my\0app", "NUL"],
])("%j is not an identity: %s", (text) => expect(isIdentity(text)).toBe(false));

test("a part has at most 64 characters, in each of the three places", () => {
  const full = "x".repeat(64);
  expect(isIdentity(`${full}:${full}:${full}`)).toBe(true);
  for (const place of [0, 1, 2]) {
    const parts = [full, full, full];
    parts[place] += "x";
    expect(isIdentity(parts.join(":")), `part ${place}`).toBe(false);
  }
});

test("every text is judged as the grammar read by hand judges it", () => {
  const character = fc.constantFrom(...followers, ":", ":", ":", " ", "*", "/", "%", "é", "\n");
  const text = fc.oneof(
    fc.string({ unit: character, maxLength: 12 }),
    fc.string({ unit: fc.constantFrom("a", "b", ":", "-"), maxLength: 200 }),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(text, (each) => expect(isIdentity(each)).toBe(isIdentityByHand(each))),
    { numRuns: 2000 },
  );
});

test("identities put together by the grammar are accepted, and as they are", () => {
  const part = fc
    .tuple(
      fc.constantFrom(...starts),
      fc.string({ unit: fc.constantFrom(...followers), maxLength: 63, size: "max" }),
    )
    .map(([first, rest]) => first + rest);
  const whole = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(":"));
  fc.assert(fc.property(whole, (each) => expect(identity.accept(each, "id")).toBe(each)));
});
