// What narrows a list: words, a pattern, or a choice; kept in the URL.

import { matcher } from "../../src/contract/pattern.ts";
import { setParams, useRoute } from "../route.ts";

/** The field that `/` leads to. */
export function Filter({ name = "q", label }: { name?: string; label: string }) {
  const { params } = useRoute();
  return (
    <input
      type="search"
      class="filter"
      data-filter={name === "q" ? "" : undefined}
      aria-label={label}
      placeholder={name === "q" ? `${label}  ( / )` : label}
      value={params[name] ?? ""}
      spellcheck={false}
      autocomplete="off"
      onInput={(event: Event) => setParams({ [name]: (event.target as HTMLInputElement).value })}
    />
  );
}

/** One of a few, or all. */
export function Choice({
  name,
  label,
  values,
}: {
  name: string;
  label: string;
  values: readonly string[];
}) {
  const { params } = useRoute();
  const chosen = params[name] ?? "";
  return (
    <select
      aria-label={label}
      onChange={(event: Event) => setParams({ [name]: (event.target as HTMLSelectElement).value })}
    >
      <option value="" selected={chosen === ""}>
        {label}: all
      </option>
      {values.map((value) => (
        <option key={value} value={value} selected={chosen === value}>
          {value}
        </option>
      ))}
    </select>
  );
}

/** What a link has narrowed the list to, with the way out of it. */
export function Chosen({ name, label }: { name: string; label: string }) {
  const { params } = useRoute();
  const chosen = params[name] ?? "";
  if (chosen === "") return <></>;
  return (
    <button type="button" onClick={() => setParams({ [name]: "" })}>
      {label}: {chosen} <span aria-label="Show all">×</span>
    </button>
  );
}

/** Leads out of a filter that nothing matches. */
export function ClearFilter() {
  const { params } = useRoute();
  const cleared = Object.fromEntries(Object.keys(params).map((name) => [name, ""]));
  return (
    <button type="button" onClick={() => setParams(cleared)}>
      Clear the filter
    </button>
  );
}

/** Whether every word of a filter is found in one of the texts; a word with a `*` is a pattern of the whole text. */
export function wordMatcher(
  filter: string,
): (...texts: (string | number | null | undefined)[]) => boolean {
  const rules = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => (word.includes("*") ? matcher(word) : (text: string) => text.includes(word)));
  return (...texts) => {
    const known = texts.filter((text) => text !== null && text !== undefined);
    const lower = known.map((text) => String(text).toLowerCase());
    return rules.every((rule) => lower.some(rule));
  };
}
