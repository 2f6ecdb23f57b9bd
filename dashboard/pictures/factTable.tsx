// The facts of a picture as a table.

import { memo } from "hono/jsx/dom";
import { Sideways } from "./figure.tsx";

type Cell = string | { text: string; href: string };
export type Row = { key: string; cells: readonly Cell[] };
/** `isNumber`: set flush right. */
type Column = { head: string; isNumber?: boolean };

export function FactTable({
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
            {columns.map(({ head, isNumber }) => (
              <th scope="col" class={isNumber ? "number" : undefined}>
                {head}
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
        <td class={columns[at]?.isNumber ? "number" : undefined} data-head={columns[at]?.head}>
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
