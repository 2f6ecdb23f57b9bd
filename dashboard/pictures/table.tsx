// The facts of a picture as a table.

import { memo } from "hono/jsx/dom";
import { Sideways } from "./figure.tsx";

export type Cell = string | { text: string; href: string };
export type Row = { key: string; cells: readonly Cell[] };
/** `number`: set flush right. */
export type Column = { label: string; isNumber?: boolean };

export function Table({
  label,
  columns,
  rows,
  note,
}: {
  label: string;
  columns: readonly Column[];
  rows: readonly Row[];
  note?: string;
}) {
  return (
    <Sideways label={label}>
      <table class="fact-table">
        <caption>{note ?? label}</caption>
        <thead>
          <tr>
            {columns.map(({ label, isNumber }) => (
              <th scope="col" class={isNumber ? "number" : undefined}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells }) => (
            <FactRow key={key} cells={cells} columns={columns} />
          ))}
        </tbody>
      </table>
      {rows.length === 0 ? <p class="nothing">Nothing to list.</p> : null}
    </Sideways>
  );
}

type FactRowProps = { cells: readonly Cell[]; columns: readonly Column[] };

const FactRow = memo<FactRowProps>(
  ({ cells, columns }) => (
    <tr>
      {cells.map((cell, at) => (
        <td class={columns[at]?.isNumber ? "number" : undefined} data-head={columns[at]?.label}>
          {typeof cell === "string" ? cell : <a href={cell.href}>{cell.text}</a>}
        </td>
      ))}
    </tr>
  ),
  (before, after) =>
    before.columns === after.columns &&
    before.cells.length === after.cells.length &&
    before.cells.every((cell, at) => isSame(cell, after.cells[at]!)),
);

function isSame(one: Cell, other: Cell): boolean {
  if (typeof one === "string" || typeof other === "string") return one === other;
  return one.text === other.text && one.href === other.href;
}
