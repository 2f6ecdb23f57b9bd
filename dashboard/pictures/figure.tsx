// What every picture stands in: a heading, the picture in one sentence, and the choice of a table with the same facts.

import type { Child } from "hono/jsx";
import { useCallback, useId, useState } from "hono/jsx/dom";
import { setParams, useRoute } from "../route.ts";

/** `picture` and `table` are best components of their own: only the one that is looked at is then made. */
export function Figure({
  name,
  title,
  summary,
  controls,
  picture,
  table,
}: {
  /** What it is called in the URL. */
  name: string;
  title: string;
  summary: string;
  controls?: Child;
  picture: Child;
  table: Child;
}) {
  const isTable = useRoute().params[name] === "table";
  const heading = useId();
  return (
    <figure class="figure" aria-labelledby={heading}>
      <header class="figure-head">
        <h2 id={heading}>{title}</h2>
        <div class="choice" role="group" aria-label={`${title}, shown as`}>
          <Toggle label="Picture" isChosen={!isTable} onChoose={() => setParams({ [name]: "" })} />
          <Toggle
            label="Table"
            isChosen={isTable}
            onChoose={() => setParams({ [name]: "table" })}
          />
        </div>
        <p class="figure-summary">{summary}</p>
      </header>
      {controls}
      {isTable ? table : picture}
    </figure>
  );
}

/** One button of several of which one is pressed. */
export function Toggle({
  label,
  isChosen,
  onChoose,
}: {
  label: string;
  isChosen: boolean;
  onChoose: () => void;
}) {
  return (
    <button type="button" aria-pressed={String(isChosen)} onClick={onChoose}>
      {label}
    </button>
  );
}

/** What may be wider than the page: it scrolls sideways in itself, by keyboard too. */
export function Sideways({ label, children }: { label: string; children?: Child }) {
  return (
    <div class="sideways" tabindex={0} role="region" aria-label={label}>
      {children}
    </div>
  );
}

/** The shapes of a picture and what they stand for. */
export function Legend({
  shapes,
}: {
  shapes: readonly { key: string; sample: Child; label: string }[];
}) {
  return (
    <ul class="legend">
      {shapes.map(({ key, sample, label }) => (
        <li key={key}>
          {sample}
          {label}
        </li>
      ))}
    </ul>
  );
}

/** How wide an element is, in whole pixels; `guess` until it is known. The first of the two is its `ref`. */
export function useWidth(guess: number): [(element: Element) => () => void, number] {
  const [width, setWidth] = useState(guess);
  const measure = useCallback((element: Element) => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) setWidth(Math.floor(entry.contentRect.width));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [measure, width];
}
