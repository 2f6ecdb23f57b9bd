// Names and what they stand for, in two columns; what is not known is left out.

import type { Child } from "hono/jsx/dom";

export function Facts({ facts }: { facts: Record<string, Child> }) {
  return (
    <dl class="facts">
      {Object.entries(facts)
        .filter(
          ([, value]) => value !== null && value !== undefined && value !== "" && value !== false,
        )
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Any value, as JSON that people can read. */
export function Json({ value }: { value: unknown }) {
  return (
    <pre tabIndex={0}>
      <code>{JSON.stringify(value, null, 2)}</code>
    </pre>
  );
}
