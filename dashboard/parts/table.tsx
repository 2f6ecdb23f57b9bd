// A list as a table: a row can be opened, its actions have keys, and on a narrow screen each row becomes a card.
// The elements carry their roles in so many words, because as cards they lose what they are.

import { memo, useState, type Child } from "hono/jsx/dom";
import { setParams } from "../route.ts";
import { Empty } from "./empty.tsx";
import { ClearFilter } from "./filter.tsx";

export type Column<T> = {
  head: string;
  cell: (row: T) => Child;
  isNumber?: true;
};

/** What a table is, whatever is in it. */
export type Shape<T> = {
  /** What it lists, for those who do not see it. */
  label: string;
  /** One of what it lists: `service`. */
  noun: string;
  keyOf: (row: T) => string;
  /** What the first cell says; its button opens the row. */
  first: { head: string; text: (row: T) => Child };
  columns: readonly Column<T>[];
  /** Buttons; one with a `data-key` is also pressed by that key. */
  actions: (row: T) => Child;
  /** What is shown below a row that is open. */
  details: (row: T) => Child;
  /** What is said where there is nothing at all, and the command that makes it so. */
  empty: { says: string; command: string };
};

type Filled<T> = {
  shape: Shape<T>;
  /** Those that match the filter. */
  rows: readonly T[];
  /** How many there are, filtered or not. */
  all: number;
  /** The key of the row that is open. */
  open: string | undefined;
};

/** A page stays quick with so many rows; more are a button away. */
const firstRows = 200;

export function Listing<T extends object>({ shape, rows, all, open }: Filled<T>) {
  const [isAll, setAll] = useState(false);
  const { label, noun, first, columns, keyOf, empty } = shape;
  if (all === 0) return <Empty command={empty.command}>{empty.says}</Empty>;
  if (rows.length === 0) {
    return (
      <Empty>
        No {noun} matches this filter. <ClearFilter />
      </Empty>
    );
  }
  const shown = isAll ? rows : rows.slice(0, firstRows);
  return (
    <>
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            <Head text={first.head} />
            {columns.map(({ head, isNumber }) => (
              <Head key={head} text={head} isNumber={isNumber} />
            ))}
            <th role="columnheader" scope="col">
              <span class="unseen">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <Row key={keyOf(row)} row={row} isOpen={keyOf(row) === open} shape={shape} />
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {rows.length}
        </button>
      )}
    </>
  );
}

function Head({ text, isNumber }: { text: string; isNumber?: true | undefined }) {
  return (
    <th role="columnheader" scope="col" class={isNumber ? "number" : ""}>
      {text}
    </th>
  );
}

type RowProps<T> = { row: T; isOpen: boolean; shape: Shape<T> };

function RowOf<T>({ row, isOpen, shape }: RowProps<T>) {
  const { keyOf, first, columns, actions, details } = shape;
  const toggle = () => setParams({ open: isOpen ? "" : keyOf(row) });
  return (
    <>
      <tr
        role="row"
        class={isOpen ? "open" : ""}
        onClick={(event: MouseEvent) => {
          if (!(event.target as Element).closest("a, button, input, select, summary")) toggle();
        }}
      >
        <th role="rowheader" scope="row">
          <button
            type="button"
            class="opener"
            data-row=""
            aria-expanded={String(isOpen)}
            onClick={toggle}
          >
            {first.text(row)}
          </button>
        </th>
        {columns.map(({ head, cell, isNumber }) => (
          <td role="cell" key={head} data-head={head} class={isNumber ? "number" : ""}>
            {cell(row)}
          </td>
        ))}
        <td role="cell" class="actions" onClickCapture={onlyOnce}>
          {actions(row)}
        </td>
      </tr>
      {isOpen && (
        <tr role="row" class="details">
          <td role="cell" colSpan={columns.length + 2}>
            {details(row)}
          </td>
        </tr>
      )}
    </>
  );
}

/** The second click of a double one would meet the row that has come in the place of the first. */
function onlyOnce(event: MouseEvent): void {
  if (event.detail < 2) return;
  event.preventDefault();
  event.stopPropagation();
}

/** Rendered again only where what it is about has changed, however it was put together. */
const Row = memo(
  RowOf,
  (before: RowProps<unknown>, after: RowProps<unknown>) =>
    before.isOpen === after.isOpen && JSON.stringify(before.row) === JSON.stringify(after.row),
) as typeof RowOf;
