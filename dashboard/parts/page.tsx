// The frame of a page: what it is, how much of it there is, and what narrows it.

import type { Child } from "hono/jsx/dom";
import { count, grouped } from "../words.ts";

type PageProps = { title: string; note?: Child; tools?: Child; children: Child };

export function Page({ title, note, tools, children }: PageProps) {
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1}>{title}</h1>
        {note && <p class="note">{note}</p>}
        {tools && <div class="tools">{tools}</div>}
      </header>
      {children}
    </>
  );
}

/** `3 of 8 services`, or `8 services` where nothing is hidden. */
export function counted(shown: number, all: number, noun: string): string {
  return shown === all ? count(all, noun) : `${grouped(shown)} of ${count(all, noun)}`;
}
