// What was measured, as a table for people and as JSON for programs.

import { median, show, type Line } from "./measure.ts";

export function heading(): string {
  return columns("", "product", "ceiling", "ratio", "rounds", "target", "met");
}

/** One line, and below it what helps to judge it. */
export function inWords(line: Line): string {
  const { what, product, ceiling, ratios, steps, note } = line;
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  const isKept = isMet(line);
  const row = columns(
    what,
    show(product),
    show(ceiling),
    `${median(ratios).toFixed(2)} ×`,
    ratios.length > 1 ? `${least.toFixed(2)}–${most.toFixed(2)}` : "",
    targetOf(line),
    isKept === undefined ? "" : isKept ? "yes" : "NO",
  );
  const sizes = steps?.map(({ size, figure }) => `${size.toLocaleString("en")}: ${show(figure)}`);
  const below = [...(sizes ? [sizes.join("   ")] : []), ...(note === undefined ? [] : [note])];
  return [row, ...below.map((text) => `    ${text}`)].join("\n");
}

/** With what is worked out from it: the ratio, and whether the target is met (null where there is none). */
export function inJson(line: Line) {
  return { ...line, ratio: median(line.ratios), met: isMet(line) ?? null };
}

function isMet({ ratios, target, allowed, isMost, product }: Line): boolean | undefined {
  if (allowed !== undefined) return product.value <= allowed;
  if (target === undefined) return undefined;
  const ratio = median(ratios);
  return isMost ? ratio <= target : ratio >= target;
}

function targetOf({ target, allowed, isMost, product }: Line): string {
  if (allowed !== undefined) return `≤ ${show({ ...product, value: allowed })}`;
  return target === undefined ? "" : `${isMost ? "≤" : "≥"} ${target}`;
}

function columns(what: string, ...cells: string[]): string {
  return `${what.padEnd(58)}${cells.map((cell) => cell.padStart(12)).join("")}`;
}
