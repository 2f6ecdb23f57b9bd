// One thing that happened, in a line; unfolded, with everything that the log has of it.

import { memo, useState } from "hono/jsx/dom";
import type { ActivityEntry } from "../../src/contract/entities.ts";
import { sentenceOf } from "../../src/contract/events.ts";
import { linkTo } from "../route.ts";
import { Time } from "../time.tsx";
import { Json } from "./facts.tsx";

export function sentence({ event, targetId, metadata }: ActivityEntry): string {
  return sentenceOf(event, targetId, metadata);
}

export const Line = memo(function Line({ entry }: { entry: ActivityEntry }) {
  const { timestamp, actor, action } = entry;
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      <details onToggle={(event: Event) => setOpen((event.target as HTMLDetailsElement).open)}>
        <summary data-row="">
          <Time at={timestamp} /> <span class="action">{action}</span>{" "}
          <span class="what">
            <b>{actor}</b> {sentence(entry)}
          </span>
        </summary>
        {isOpen && (
          <>
            <Json value={entry} />
            <a href={linkTo("activity", { target: entry.targetId })}>
              all of {entry.targetId}
            </a>{" "}
            <a href={linkTo("activity", { actor })}>all by {actor}</a>
          </>
        )}
      </details>
    </li>
  );
}, isSameEntry);

function isSameEntry(before: { entry: ActivityEntry }, after: { entry: ActivityEntry }): boolean {
  return before.entry === after.entry;
}
