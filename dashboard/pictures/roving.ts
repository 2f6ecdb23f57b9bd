// Many links that are one stop of the Tab key: the arrow keys go on from there, as the WAI-ARIA practices have it for
// composite widgets ("roving tabindex").

import { useState } from "hono/jsx/dom";

const steps: Record<string, (at: number, last: number) => number> = {
  ArrowRight: (at, last) => Math.min(at + 1, last),
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowLeft: (at) => Math.max(at - 1, 0),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, last) => last,
};

/** Where a key leads from one of `last + 1` links; `undefined` where it is none of ours. */
export function stepOf(key: string, at: number, last: number): number | undefined {
  return Object.hasOwn(steps, key) ? steps[key]!(at, last) : undefined;
}

/**
 * `stop` is the href of the one link to be in the Tab order, the rest have `tabindex="-1"`; `listeners` go on an
 * HTML element that the links are in: Chromium makes an SVG element that listens for focus a stop of its own.
 */
export function useRoving(hrefs: readonly string[]) {
  const [chosen, choose] = useState<string | undefined>(undefined);
  const stop = chosen !== undefined && hrefs.includes(chosen) ? chosen : hrefs[0];

  function onFocusIn({ target }: Event): void {
    const link = target instanceof Element ? target.closest("a") : null;
    if (link) choose(link.getAttribute("href") ?? undefined);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const { currentTarget, target, key } = event;
    if (!(currentTarget instanceof Element) || !(target instanceof Element)) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const links = [...currentTarget.querySelectorAll<SVGAElement>("a")];
    const at = links.findIndex((link) => link.contains(target));
    const next = at === -1 ? undefined : stepOf(key, at, links.length - 1);
    if (next === undefined) return;
    event.preventDefault();
    links[next]?.focus();
  }

  return { stop, listeners: { onFocusIn, onKeyDown } };
}
