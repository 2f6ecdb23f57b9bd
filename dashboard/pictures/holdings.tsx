// Who holds what: holders on the left, what they hold on the right, and dashed who waits for it.

import type { Child } from "hono/jsx";
import { memo, useMemo } from "hono/jsx/dom";
import type { Waiting } from "../../src/contract/feed.ts";
import { linkTo } from "../route.ts";
import type { Claim, Hold, Member } from "../state.ts";
import { inFull } from "../time.tsx";
import { Figure, Legend, Sideways, useWidth } from "./figure.tsx";
import {
  holdersOf,
  layOutHoldings,
  summaryOfHoldings,
  type Holder,
  type Holdings as Layout,
  type Node,
} from "./holders.ts";
import { useRoving } from "./roving.ts";
import { Table, type Row } from "./table.tsx";
import { count, cut, ordinal } from "./words.ts";

type HoldingsProps = {
  services: ReadonlyMap<string, Claim>;
  locks: ReadonlyMap<string, Hold>;
  agents: ReadonlyMap<string, Member>;
  waiting: readonly Waiting[];
};

export const Holdings = memo<HoldingsProps>(({ services, locks, agents, waiting }) => {
  const holders = useMemo(
    () => holdersOf({ services, locks, agents, waiting }),
    [services, locks, agents, waiting],
  );
  return (
    <Figure
      title="Who holds what"
      summary={summaryOfHoldings(holders, { services, agents })}
      picture={
        holders.length === 0 ? (
          <p class="nothing">
            Here stand the agents beside the services and locks that they hold, and whoever waits
            for a lock.
          </p>
        ) : (
          <HoldingsPicture holders={holders} />
        )
      }
      table={<HoldingsTable holders={holders} />}
    />
  );
});

// Pixels.
const boxHeight = 20;
const narrowest = 280;
const widest = 860;
/** A character of the pictures' monospaced names is no wider. */
const characterWidth = 7.4;
/** What a box has left of its name: a glyph and some air. */
const glyphRoom = 22;
const staleRoom = 44;

const glyphs = {
  agent: "M5 0a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
  owner: "M5 .5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
  service: "M.5.5h9v9h-9z",
  services: "M.5 2.5h7v7h-7zM2.5 2.5v-2h7v7h-2",
  lock: "M.5 4.5h9v5h-9zM2.5 4.5v-2a2.5 2 0 0 1 5 0v2",
} as const;

function HoldingsPicture({ holders }: { holders: readonly Holder[] }) {
  const [measure, available] = useWidth(700);
  const layout = useMemo(() => layOutHoldings(holders), [holders]);
  const hrefs = useMemo(() => hrefsOf(layout), [layout]);
  const { stop, listeners } = useRoving(hrefs);
  const width = Math.max(narrowest, Math.min(widest, available - 2));
  const leftWidth = Math.round(width * 0.36);
  const rightWidth = Math.round(width * 0.42);
  const rightEdge = width - rightWidth;
  return (
    <div class="holdings" ref={measure} {...listeners}>
      <Sideways label="Who holds what">
        <svg
          width={width}
          height={layout.height}
          role="group"
          aria-label="Links to agents and to what they hold. The arrow keys go from one to the next."
        >
          {layout.left.map(({ holder, y }, at) => (
            <g key={holder.key} class="holder">
              <path class="service curve" d={curves(layout, at, "service", leftWidth, rightEdge)} />
              <path class="lock curve" d={curves(layout, at, "lock", leftWidth, rightEdge)} />
              <path class="wait" d={dashes(layout, at, leftWidth, rightEdge)} />
              <HolderBox holder={holder} y={y} width={leftWidth} stop={stop} />
              {layout.holds
                .filter(({ holder }) => holder === at)
                .map(({ node }) => (
                  <NodeBox
                    node={layout.right[node]!}
                    x={rightEdge}
                    width={rightWidth}
                    stop={stop}
                  />
                ))}
            </g>
          ))}
          {unheld(layout).map((node) => (
            <NodeBox key={node.key} node={node} x={rightEdge} width={rightWidth} stop={stop} />
          ))}
          {layout.waits.map(({ holder, node, place }) =>
            place === undefined ? null : (
              <text
                key={`${holder} ${node}`}
                class="place"
                text-anchor="middle"
                x={leftWidth + (rightEdge - leftWidth) * alongX(placeAt)}
                y={4 + between(layout.left[holder]!.y, layout.right[node]!.y, alongY(placeAt))}
              >
                {place}
              </text>
            ),
          )}
        </svg>
      </Sideways>
      <Legend
        shapes={[
          { key: "agent", sample: <Glyph kind="agent" />, label: "agent" },
          { key: "owner", sample: <Glyph kind="owner" />, label: "owner that is no agent" },
          { key: "service", sample: <Glyph kind="service" />, label: "service" },
          { key: "lock", sample: <Glyph kind="lock" />, label: "lock" },
          {
            key: "wait",
            sample: (
              <svg width={24} height={10} aria-hidden="true">
                <path class="wait" d="M0 5.5h24" />
              </svg>
            ),
            label: "waits for",
          },
        ]}
      />
    </div>
  );
}

function Glyph({ kind }: { kind: keyof typeof glyphs }) {
  return (
    <svg width={10} height={10} aria-hidden="true">
      <path class={`glyph ${kind}`} d={glyphs[kind]} />
    </svg>
  );
}

type HolderBoxProps = { holder: Holder; y: number; width: number; stop: string | undefined };

function HolderBox({ holder: { name, kind, isStale }, y, width, stop }: HolderBoxProps) {
  const room = width - glyphRoom - 4 - (isStale ? staleRoom : 0);
  const href = kind === "agent" ? hrefOfAgent(name) : undefined;
  return (
    <Linked href={href} isStop={href === stop}>
      <title>{isStale ? `${name} · stale` : name}</title>
      <rect class={isStale ? "box stale" : "box"} {...boxAt(0, y, width)} />
      <path class={`glyph ${kind}`} transform={`translate(7 ${y - 5})`} d={glyphs[kind]} />
      <text x={glyphRoom} y={y + 4}>
        {cut(name, room / characterWidth)}
      </text>
      {isStale ? (
        <text class="stale" x={width - 7} y={y + 4} text-anchor="end">
          stale
        </text>
      ) : null}
    </Linked>
  );
}

/** In so many characters. Of a group its number stays, whatever has to go. */
function labelOf(node: Node, characters: number): string {
  if (!node.isGroup || node.project === undefined || node.label.length <= characters)
    return cut(node.label, characters);
  const number = ` · ${node.of}`;
  return `${cut(node.project, characters - number.length)}${number}`;
}

type NodeBoxProps = { node: Node; x: number; width: number; stop: string | undefined };

function NodeBox({ node, x, width, stop }: NodeBoxProps) {
  const href = hrefOfNode(node);
  const glyph = node.kind === "service" && node.isGroup ? "services" : node.kind;
  return (
    <Linked href={href} isStop={href === stop}>
      <title>{`${node.isGroup ? "" : `${node.kind} `}${node.label}`}</title>
      <rect class="box" {...boxAt(x, node.y, width)} />
      <path
        class={`glyph ${glyph}`}
        transform={`translate(${x + 7} ${node.y - 5})`}
        d={glyphs[glyph]}
      />
      <text x={x + glyphRoom} y={node.y + 4}>
        {labelOf(node, Math.floor((width - glyphRoom - 4) / characterWidth))}
      </text>
    </Linked>
  );
}

function Linked({
  href,
  isStop,
  children,
}: {
  href: string | undefined;
  isStop: boolean;
  children?: Child;
}) {
  if (href === undefined) return <g>{children}</g>;
  return (
    <a href={href} tabindex={isStop ? 0 : -1}>
      {children}
    </a>
  );
}

function boxAt(x: number, y: number, width: number) {
  const [left, top] = [x + 0.5, y - boxHeight / 2 + 0.5];
  return { x: left, y: top, width: width - 1, height: boxHeight - 1, rx: 2 };
}

/** One path for all that a holder has of a kind. */
function curves(
  { left, right, holds }: Layout,
  at: number,
  kind: "service" | "lock",
  from: number,
  to: number,
): string {
  return holds
    .filter((curve) => curve.holder === at && curve.kind === kind)
    .map(({ node }) => curve(from, left[at]!.y, to, right[node]!.y))
    .join("");
}

function dashes({ left, right, waits }: Layout, at: number, from: number, to: number): string {
  return waits
    .filter(({ holder }) => holder === at)
    .map(({ node }) => curve(from, left[at]!.y, to, right[node]!.y))
    .join("");
}

function curve(x1: number, y1: number, x2: number, y2: number): string {
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

/** How far along its curve a waiter's place in line is written: near the waiter, where the curves are still apart. */
const placeAt = 0.3;

/** Where a point of `curve` lies between its ends: a cubic Bézier with its control points halfway. */
function alongX(t: number): number {
  return 1.5 * t * (1 - t) + t ** 3;
}
function alongY(t: number): number {
  return 3 * t ** 2 - 2 * t ** 3;
}
function between(from: number, to: number, part: number): number {
  return from + (to - from) * part;
}

function unheld({ right, holds }: Layout): Node[] {
  const held = new Set(holds.map(({ node }) => node));
  return right.filter((_, at) => !held.has(at));
}

/** In the order in which they are drawn. */
function hrefsOf({ left, right }: Layout): string[] {
  const agents = left.flatMap(({ holder }) =>
    holder.kind === "agent" ? [hrefOfAgent(holder.name)] : [],
  );
  return [...agents, ...right.map(hrefOfNode)];
}

function hrefOfAgent(name: string): string {
  return linkTo("agents", { open: name });
}

function hrefOfNode(node: Node): string {
  const page = node.kind === "service" ? "services" : "locks";
  if (!node.isGroup) return linkTo(page, { open: node.name });
  if (node.kind === "lock") return linkTo(page, { q: node.holder });
  return linkTo(page, { agent: node.holder, q: node.project ?? "" });
}

function HoldingsTable({ holders }: { holders: readonly Holder[] }) {
  const rows = holders.flatMap(rowsOf);
  return <Table label={count(rows.length, "holding")} columns={holdingColumns} rows={rows} />;
}

const holdingColumns = [
  { label: "Holder" },
  { label: "Kind" },
  { label: "What" },
  { label: "Since", isNumber: true },
  { label: "Waiting for" },
];

function rowsOf({ key, name, kind, isStale, holds, waits }: Holder): Row[] {
  const shown = isStale ? `${name} (stale)` : name;
  const who = kind === "agent" ? { text: shown, href: hrefOfAgent(name) } : shown;
  const held = holds.map((thing) => {
    const href = linkTo(thing.kind === "service" ? "services" : "locks", { open: thing.name });
    const what = { text: thing.name, href };
    return { key: `${key} ${thing.key}`, cells: [who, thing.kind, what, inFull(thing.since), "–"] };
  });
  const waited = waits.map(({ lock, since, place, of }) => {
    const text = of > 1 ? `${lock} (${ordinal(place)} of ${of})` : lock;
    const what = { text, href: linkTo("locks", { open: lock }) };
    return { key: `${key} waits ${lock}`, cells: [who, "lock", "–", inFull(since), what] };
  });
  return [...held, ...waited];
}
