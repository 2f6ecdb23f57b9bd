// The values that many operations and nouns share.

import { integer, text, type Field } from "./fields.ts";
import { identityPattern, identityRule, isIdentity } from "./identity.ts";
import * as range from "./range.ts";

export const port = integer({ summary: "A TCP port", min: 1, max: 65535 });
export const pid = integer({ summary: "A process id", min: 1, max: 4_194_304 });
export const instant = integer({
  summary: "An instant, in milliseconds since 1970",
  min: 0,
  max: 8_640_000_000_000_000, // the last instant a JavaScript Date can hold
});

export const identity: Field<string> = {
  ...text({
    summary: "The identity of a service",
    max: 194,
    pattern: identityPattern,
    placeholder: "<id>",
  }),
  expects: identityRule,
  accept: (value) => (typeof value === "string" && isIdentity(value) ? value : undefined),
};

export const pattern = text({
  summary: "A name, or a pattern with `*`",
  max: 200,
  pattern: "^[A-Za-z0-9._:@/*-]+$",
  placeholder: "<pattern>",
  expects: "a name or a pattern with '*' (letters, digits and . _ : @ / * -, at most 200)",
});

/** An agent's name for itself; `.` and `..` would be lost from a path. */
export const agentId = text({
  summary: "An agent",
  max: 100,
  pattern: "^(?!\\.{1,2}$)[A-Za-z0-9._:@-]+$",
  placeholder: "<agent>",
  expects: "an agent's id: 1 to 100 letters, digits and . _ : @ -",
});

/** A name of a lock or a channel: it may be a path, but has no segment that a URL would lose. */
function pathName(what: string, placeholder: string, wildcard = ""): Field<string> {
  const segment = `(?!\\.{0,2}(?:/|$))[A-Za-z0-9._:@${wildcard}-]+`;
  const characters = [..."._:@-/", wildcard].join(" ").trim();
  return text({
    summary: `The ${what}`,
    max: 200,
    pattern: `^${segment}(?:/${segment})*$`,
    placeholder,
    expects: `the name of a ${what}: 1 to 200 letters, digits and ${characters}, without empty, '.' or '..' segments`,
  });
}

export const lockName = pathName("lock", "<name>");
export const channelName = pathName("channel", "<channel>");
export const channelPattern = pathName("channel or pattern", "<channel>", "*");

/** What a command line is called, where no agent is named. */
export const callerId = text({
  summary: "A caller",
  max: 300,
  pattern: "^[\\x21-\\x7e]+$",
  expects: "a caller's id: 1 to 300 printable ASCII characters without spaces",
});

/** Long enough for "until I say so", short enough that a slip shows. */
export const tenYearsMs = 3650 * 86_400_000;

export const portRange: Field<string> = {
  summary: "Ports that are acceptable, first and last",
  expects: "two ports as a-b, the first not above the second, such as 4000-4999",
  placeholder: "<a>-<b>",
  schema: () => ({ type: "string", pattern: "^\\d{1,5}-\\d{1,5}$", examples: ["4000-4999"] }),
  accept: (value) => (typeof value === "string" && range.parse(value) ? value : undefined),
  read: (raw) => raw,
};
