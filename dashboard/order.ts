// The order of names as people expect it: `api:9` before `api:10`.

const collator = new Intl.Collator("en", { numeric: true });

export function byName<T>(nameOf: (item: T) => string): (one: T, other: T) => number {
  return (one, other) => collator.compare(nameOf(one), nameOf(other));
}
