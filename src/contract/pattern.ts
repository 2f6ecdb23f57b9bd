// The one rule by which names are matched: services, channels, locks, webhook filters, activity targets.
//
// A name is parts joined by `:`. In a pattern, `*` inside a part is any run of characters of that part; a part that
// is `*` is exactly one part; a last part that is `*` is any number of further parts, also none; a part that is `**`
// is one or more parts. Everything else stands for itself, and case matters.

const separator = ":";

export function isPattern(text: string): boolean {
  return text.includes("*");
}

/** True for `*`, `*:*`, `**` and the like: patterns that say nothing about what they match. */
export function matchesEverything(pattern: string): boolean {
  return /^[*:]+$/.test(pattern) && isPattern(pattern);
}

/** Compiles a pattern once; what it returns tells whether a name matches. */
export function matcher(pattern: string): (name: string) => boolean {
  if (!isPattern(pattern)) return (name) => name === pattern;
  const expression = new RegExp(`^${source(pattern.split(separator))}$`, "su");
  return (name) => expression.test(name);
}

export function matches(pattern: string, name: string): boolean {
  return matcher(pattern)(name);
}

/** The text that every match starts with: what a database can look up before the rule itself is applied. */
export function literalPrefix(pattern: string): string {
  const head = pattern.slice(0, pattern.indexOf("*"));
  // `myapp:*` also matches `myapp`, so a separator right before the star is not yet certain.
  return head.endsWith(separator) ? head.slice(0, -1) : head;
}

function source(parts: string[]): string {
  return parts
    .map((part, index) => partSource(part, index === 0, index === parts.length - 1))
    .join("");
}

function partSource(part: string, isFirst: boolean, isLast: boolean): string {
  const lead = isFirst ? "" : separator;
  if (part === "**") return `${lead}.+`;
  if (part === "*" && isLast) return isFirst ? ".*" : `(?:${separator}.*)?`;
  return lead + part.split(/\*+/).map(escape).join(`[^${separator}]*`);
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
