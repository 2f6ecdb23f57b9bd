// The port map: a row is a hundred ports, so that its label plus the column is the number.

import { memo, useMemo } from "hono/jsx/dom";
import type { Range } from "../../src/contract/range.ts";
import { linkTo } from "../route.ts";
import type { Seen } from "../state.ts";
import { count } from "../words.ts";
import { FactTable } from "./factTable.tsx";
import { Figure, Legend, Sideways } from "./figure.tsx";
import {
  layOutPorts,
  marksOf,
  portStates,
  summaryOfPorts,
  type Mark,
  type PortRow,
  type PortState,
} from "./ports.ts";
import { useRoving } from "./roving.ts";

// Pixels. Every tenth column stands a little off, so that the eye finds the number without counting.
const pitch = 9;
const tenGap = 6;
const side = 8;
const headHeight = 20;
const rowHeight = 18;
const labelWidth = 46;
const plotWidth = xOf(99) + side + 2;

const words: Record<PortState, string> = {
  running: "running",
  assigned: "assigned",
  stopped: "stopped",
  stranger: "a stranger listens",
};

/** Drawn in a square of 8 pixels, the lines on half pixels so that they are sharp. */
const shapes: Record<PortState, string> = {
  running: "M.5.5h7v7h-7z",
  assigned: "M.5.5h7v7h-7z",
  stopped: "M.5.5h7v7h-7zM.5 7.5l7-7",
  stranger: "M-.5-.5h9v9h-9zM2 2l4 4M6 2l-4 4",
};

type PortMapProps = {
  services: ReadonlyMap<string, Seen>;
  range: Range;
};

export const PortMap = memo<PortMapProps>(({ services, range }) => {
  const marks = useMemo(() => marksOf(services), [services]);
  return (
    <Figure
      name="ports"
      title="Ports"
      summary={summaryOfPorts(marks, range)}
      picture={<PortPicture marks={marks} range={range} />}
      table={<PortTable marks={marks} />}
    />
  );
});

function PortPicture({ marks, range }: { marks: readonly Mark[]; range: Range }) {
  const rows = useMemo(() => layOutPorts(marks, range), [marks, range]);
  const hrefs = useMemo(() => new Map(marks.map(({ id }) => [id, hrefOf(id)])), [marks]);
  const { stop, listeners } = useRoving([...hrefs.values()]);
  const height = headHeight + rows.length * rowHeight + 4;
  return (
    <div class="port-map" {...listeners}>
      <Sideways label="Map of the ports">
        <svg class="labels" width={labelWidth} height={height} aria-hidden="true">
          {rows.map((row, at) => (
            <text x={labelWidth - 8} y={textLine(at)} text-anchor="end">
              {row.kind === "hundred" ? row.start : ""}
            </text>
          ))}
        </svg>
        <svg
          width={plotWidth}
          height={height}
          role="group"
          aria-label="A link for each claim, by port. The arrow keys go from one to the next."
        >
          <path class="ruler" d={rulerPath(height)} />
          <path class="track" d={trackPath(rows)} />
          {tens.map((ten) => (
            <text class="head" x={xOf(ten)} y={13}>
              {String(ten).padStart(2, "0")}
            </text>
          ))}
          {rows.map((row, at) =>
            row.kind === "free" ? (
              <text class="free" x={0} y={textLine(at)}>
                {`${row.first}–${row.last} free`}
              </text>
            ) : null,
          )}
          {rows.flatMap((row, at) =>
            row.kind === "free"
              ? []
              : row.marks.map(({ id, port, state }) => (
                  <MarkLink
                    key={id}
                    id={id}
                    port={port}
                    state={state}
                    y={headHeight + at * rowHeight + (rowHeight - side) / 2}
                    href={hrefs.get(id)!}
                    isStop={hrefs.get(id) === stop}
                  />
                )),
          )}
        </svg>
      </Sideways>
      <Legend
        shapes={portStates.map((state) => ({
          key: state,
          sample: (
            <svg width={side} height={side} aria-hidden="true">
              <path class={state} d={shapes[state]} />
            </svg>
          ),
          label: `${words[state]} ${marks.filter((mark) => mark.state === state).length}`,
        }))}
      />
    </div>
  );
}

const tens = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90];

type MarkProps = {
  id: string;
  href: string;
  port: number;
  state: PortState;
  y: number;
  isStop: boolean;
};

const MarkLink = memo<MarkProps>(({ id, href, port, state, y, isStop }) => (
  <a href={href} tabindex={isStop ? 0 : -1}>
    <title>{`${id} · ${port} · ${words[state]}`}</title>
    <path class={state} transform={`translate(${xOf(port % 100)} ${y})`} d={shapes[state]} />
  </a>
));

function PortTable({ marks }: { marks: readonly Mark[] }) {
  return (
    <FactTable
      label={count(marks.length, "claimed port")}
      columns={portColumns}
      rows={marks.map(({ id, port, state, agent }) => ({
        key: id,
        cells: [String(port), { text: id, href: hrefOf(id) }, words[state], agent ?? "–"],
      }))}
    />
  );
}

const portColumns = [{ head: "Port" }, { head: "Identity" }, { head: "Status" }, { head: "Agent" }];

function hrefOf(id: string): string {
  return linkTo("services", { open: id });
}

/** The left edge of a column. */
function xOf(column: number): number {
  return column * pitch + Math.floor(column / 10) * tenGap;
}

/** The middle of a row, on a half pixel. */
function middle(row: number): number {
  return headHeight + row * rowHeight + rowHeight / 2 + 0.5;
}

function textLine(row: number): number {
  return middle(row) + 3.5;
}

/** A thin line for each ten. */
function rulerPath(height: number): string {
  return tens.map((ten) => `M${xOf(ten) - 3.5} ${headHeight - 3}V${height}`).join("");
}

/** What of each row is given out; beside a free run, what its words leave. */
function trackPath(rows: readonly PortRow[]): string {
  return rows
    .map((row, at) => {
      if (row.kind === "free") return `M${xOf(20)} ${middle(at)}H${plotWidth}`;
      if (row.first === undefined || row.last === undefined) return "";
      const [from, to] = [xOf(row.first - row.start), xOf(row.last - row.start) + side];
      return `M${from} ${middle(at)}H${to}`;
    })
    .join("");
}
