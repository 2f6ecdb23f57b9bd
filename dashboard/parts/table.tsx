// A list as a table: a row can be opened, its actions have keys, and on a narrow screen each row becomes a card.

import { memo, useState, type Child } from "hono/jsx/dom";
import { setParams } from "../route.ts";

export type Column<T> = {
  head: string;
  cell: (row: T) => Child;
  isNumber?: true;
};

export type TableOf<T> = {
  /** What it lists, for those who do not see it. */
  label: string;
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** What the first cell says; its button opens the row. */
  first: { head: string; text: (row: T) => Child };
  columns: readonly Column<T>[];
  /** Buttons; one with a `data-key` is also pressed by that key. */
  actions: (row: T) => Child;
  /** What is shown below a row that is open. */
  details: (row: T) => Child;
  /** The key of the row that is open. */
  open: string | undefined;
};

/** A page stays quick with so many rows; more are a button away. */
const firstRows = 200;

export function Table<T extends object>(props: TableOf<T>) {
  const { label, rows, keyOf, first, columns, open } = props;
  const [isAll, setAll] = useState(false);
  const shown = isAll ? rows : rows.slice(0, firstRows);
  return (
    <>
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">
              {first.head}
            </th>
            {columns.map(({ head, isNumber }) => (
              <th role="columnheader" scope="col" key={head} class={isNumber ? "number" : ""}>
                {head}
              </th>
            ))}
            <th role="columnheader" scope="col">
              <span class="unseen">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <Row key={keyOf(row)} row={row} isOpen={keyOf(row) === open} table={props} />
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

type RowProps = { row: any; isOpen: boolean; table: TableOf<any> };

/** Rendered again only where something of its own has changed: the functions of a table are always the same. */
const Row = memo(function Row({ row, isOpen, table }: RowProps) {
  const { keyOf, first, columns, actions, details } = table;
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
        <td role="cell" class="actions">
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
}, hasSameParts);

function hasSameParts(before: RowProps, after: RowProps): boolean {
  return (
    before.isOpen === after.isOpen &&
    Object.keys(after.row).every((name) => before.row[name] === after.row[name])
  );
}
