// Who holds what as a picture: holders on the left, what they hold on the right, and dashed who waits for it.

import type { Child } from "hono/jsx";
import { useMemo } from "hono/jsx/dom";
import { linkTo } from "../route.ts";
import { characterWidth, cut } from "../words.ts";
import { holdsPath, placeOn, waitsPath } from "./curves.ts";
import { Legend, Sideways, useWidth } from "./figure.tsx";
import { layOutHoldings, type Holder, type Holdings, type Node } from "./holders.ts";
import { useRoving } from "./roving.ts";

// Pixels.
const boxHeight = 20;
const narrowest = 280;
const widest = 860;
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

export function HoldingsPicture({ holders }: { holders: readonly Holder[] }) {
  const [measure, available] = useWidth(700);
  const layout = useMemo(() => layOutHoldings(holders), [holders]);
  const hrefs = useMemo(() => hrefsOf(layout), [layout]);
  const { stop, listeners } = useRoving(hrefs);
  const columns = columnsOf(available);
  return (
    <div class="holdings" ref={measure} {...listeners}>
      <Sideways label="Who holds what">
        <svg
          width={columns.width}
          height={layout.height}
          role="group"
          aria-label="Links to agents and to what they hold. The arrow keys go from one to the next."
        >
          {layout.left.map(({ holder }, at) => (
            <WithHoldings key={holder.key} layout={layout} at={at} columns={columns} stop={stop} />
          ))}
          {unheld(layout).map((node) => (
            <NodeBox key={node.key} node={node} {...columns.right} stop={stop} />
          ))}
          <Places layout={layout} columns={columns} />
        </svg>
      </Sideways>
      <Legend shapes={legend()} />
    </div>
  );
}

type Columns = ReturnType<typeof columnsOf>;

/** Where the two columns of boxes stand, in the room that is there, and the gap between them. */
function columnsOf(available: number) {
  const width = Math.max(narrowest, Math.min(widest, available - 2));
  const left = Math.round(width * 0.36);
  const right = Math.round(width * 0.42);
  return {
    width,
    left: { width: left },
    gap: { from: left, to: width - right },
    right: { x: width - right, width: right },
  };
}

type PartProps = { layout: Holdings; columns: Columns };

/** A holder with what it holds: a group of their own, so that a pointer on one of them marks the curves. */
function WithHoldings({
  layout,
  at,
  columns: { left, gap, right },
  stop,
}: PartProps & { at: number; stop: string | undefined }) {
  const { holder, y } = layout.left[at]!;
  return (
    <g class="holder">
      <path class="service curve" d={holdsPath(layout, at, "service", gap)} />
      <path class="lock curve" d={holdsPath(layout, at, "lock", gap)} />
      <path class="wait" d={waitsPath(layout, at, gap)} />
      <HolderBox holder={holder} y={y} {...left} stop={stop} />
      {layout.holds
        .filter(({ holder }) => holder === at)
        .map(({ node }) => (
          <NodeBox node={layout.right[node]!} {...right} stop={stop} />
        ))}
    </g>
  );
}

/** Those who stand in line with others have their place written on their curve. */
function Places({ layout: { left, right, waits }, columns: { gap } }: PartProps) {
  return (
    <>
      {waits.map(({ holder, node, place }) => {
        if (place === undefined) return null;
        const { x, y } = placeOn(gap, left[holder]!.y, right[node]!.y);
        return (
          <text key={`${holder} ${node}`} class="place" text-anchor="middle" x={x} y={y + 4}>
            {place}
          </text>
        );
      })}
    </>
  );
}

function Glyph({ kind }: { kind: keyof typeof glyphs }) {
  return (
    <svg width={10} height={10} aria-hidden="true">
      <path class={`glyph ${kind}`} d={glyphs[kind]} />
    </svg>
  );
}

function legend() {
  return [
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
  ];
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
        {cut(name, room / characterWidth[12])}
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
        {labelOf(node, Math.floor((width - glyphRoom - 4) / characterWidth[12]))}
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

function unheld({ right, holds }: Holdings): Node[] {
  const held = new Set(holds.map(({ node }) => node));
  return right.filter((_, at) => !held.has(at));
}

/** In the order in which they are drawn. */
function hrefsOf({ left, right }: Holdings): string[] {
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
