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
  return isPattern(pattern) && /^[*:]+$/.test(pattern);
}

/** Compiles a pattern once; what it returns tells whether a name matches, in time that no pattern can blow up. */
export function matcher(pattern: string): (name: string) => boolean {
  if (!isPattern(pattern)) return (name) => name === pattern;
  const steps = stepsOf(pattern.split(separator));
  return (name) => fits(steps, name.split(separator));
}

export function matches(pattern: string, name: string): boolean {
  return matcher(pattern)(name);
}

/** The text that every match starts with: what a database can look up before the rule itself is applied. */
export function literalPrefix(pattern: string): string {
  if (!isPattern(pattern)) return pattern;
  const head = pattern.slice(0, pattern.indexOf("*"));
  // `myapp:*` also matches `myapp`, so a separator right before the star is not yet certain.
  return head.endsWith(separator) ? head.slice(0, -1) : head;
}

/** Something that one item must fit, or any run of items, also none. */
type Step<T> = ((item: T) => boolean) | typeof anyRun;
const anyRun = Symbol("any run");

function stepsOf(parts: string[]): Step<string>[] {
  return parts.flatMap((part, index): Step<string>[] => {
    if (part === "**") return [() => true, anyRun];
    if (part === "*" && index === parts.length - 1) return [anyRun];
    return [partMatcher(part)];
  });
}

function partMatcher(part: string): (text: string) => boolean {
  if (part === "*") return () => true;
  if (!isPattern(part)) return (text) => text === part;
  const steps = [...part].map((own): Step<string> =>
    own === "*" ? anyRun : (character) => character === own,
  );
  return (text) => fits(steps, [...text]);
}

/**
 * Matches greedily with two pointers: on a mismatch only the latest run takes one item more, so it takes at most
 * steps × items comparisons (R. Cox, "Glob Matching Can Be Simple And Fast Too", 2017).
 */
function fits<T>(steps: readonly Step<T>[], items: readonly T[]): boolean {
  let [step, item] = [0, 0];
  let retry: { step: number; item: number } | undefined;
  while (step < steps.length || item < items.length) {
    const current = steps[step];
    if (current === anyRun) {
      retry = { step, item: item + 1 };
      step++;
    } else if (current !== undefined && item < items.length && current(items[item]!)) {
      step++;
      item++;
    } else if (retry !== undefined && retry.item <= items.length) {
      [step, item] = [retry.step, retry.item];
    } else {
      return false;
    }
  }
  return true;
}
