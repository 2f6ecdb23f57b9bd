// What happened, newest first, as it happens; and further back, as far as the log goes.

import { memo, useEffect, useMemo, useState } from "hono/jsx/dom";
import type { ActivityEntry } from "../../src/contract/entities.ts";
import { actions, sentenceOf } from "../../src/contract/events.ts";
import { asFault } from "../../src/contract/faults.ts";
import { isPattern, matcher } from "../../src/contract/pattern.ts";
import { tell } from "../actions.tsx";
import { call } from "../daemon.ts";
import { Empty } from "../parts/empty.tsx";
import { Json } from "../parts/facts.tsx";
import { Choice, Filter, wordMatcher } from "../parts/filter.tsx";
import { Page } from "../parts/page.tsx";
import { linkTo, type Params } from "../route.ts";
import type { State } from "../state.ts";
import { clockTime, inFull } from "../time.tsx";

/** So many are shown of those that are there; older ones are a button away. */
const pageSize = 200;

export function Activity({ state, params }: { state: State; params: Params }) {
  const { entries, coveredSince } = state;
  const { q = "", action = "", target = "", actor = "" } = params;
  const filters = JSON.stringify({ action, target, actor });
  const [older, setOlder] = useState<Older>({ filters, entries: [], isEnd: false });
  useEffect(() => setOlder({ filters, entries: [], isEnd: false }), [filters]);
  const before = older.filters === filters ? older : { filters, entries: [], isEnd: false };
  const shown = useMemo(() => {
    const isText = wordMatcher(q);
    const isWanted = entryMatcher({ action, target, actor });
    const known = entries.filter((entry) => isWanted(entry)).toReversed();
    const oldest = before.entries.length > 0 ? before.entries[0]!.id : 0;
    return [...known.filter(({ id }) => id > oldest), ...before.entries].filter((entry) =>
      isText(entry.actor, entry.targetId, entry.action, sentence(entry)),
    );
  }, [entries, before, q, filters]);
  const [limit, setLimit] = useState(pageSize);
  const isAll = coveredSince === 0 || before.isEnd;

  async function loadOlder(): Promise<void> {
    setLimit(limit + pageSize);
    if (shown.length > limit || isAll) return;
    const last = before.entries.at(-1)?.id ?? entries[0]?.id;
    try {
      const page = await call("activity", {
        limit: pageSize,
        ...(action !== "" && { action }),
        ...(target !== "" && { targetId: target }),
        ...(actor !== "" && { actor }),
        ...(last !== undefined && { before: last }),
      });
      setOlder({
        filters,
        entries: [...before.entries, ...page.entries],
        isEnd: page.count < pageSize,
      });
    } catch (error) {
      tell({ text: asFault(error).message, isFailure: true });
    }
  }

  return (
    <Page
      title="Activity"
      note="Newest first, live"
      tools={
        <>
          <Filter label="Text" />
          <Choice name="action" label="Action" values={actions} />
          <Filter name="target" label="Target or pattern" />
          <Filter name="actor" label="Actor" />
        </>
      }
    >
      {shown.length === 0 ? (
        <Empty>{isAll ? "Nothing that matches is in the log." : "Nothing that matches yet."}</Empty>
      ) : (
        <ol class="log" aria-label="Activity">
          {shown.slice(0, limit).map((entry) => (
            <Line key={entry.id} entry={entry} />
          ))}
        </ol>
      )}
      {!(isAll && shown.length <= limit) && (
        <button type="button" onClick={loadOlder}>
          Load older
        </button>
      )}
    </Page>
  );
}

/** What was asked for beyond what the page keeps, for filters that may have changed since. */
type Older = { filters: string; entries: ActivityEntry[]; isEnd: boolean };

/** The rule by which the daemon filters. */
function entryMatcher({
  action,
  target,
  actor,
}: Record<"action" | "target" | "actor", string>): (entry: ActivityEntry) => boolean {
  const isTarget = isPattern(target) ? matcher(target) : (id: string) => id === target;
  return (entry) =>
    (action === "" || entry.action === action) &&
    (target === "" || isTarget(entry.targetId)) &&
    (actor === "" || entry.actor === actor);
}

export function sentence({ event, targetId, metadata }: ActivityEntry): string {
  return sentenceOf(event, targetId, metadata);
}

export const Line = memo(function Line({ entry }: { entry: ActivityEntry }) {
  const { timestamp, actor, action, metadata } = entry;
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      <details onToggle={(event: Event) => setOpen((event.target as HTMLDetailsElement).open)}>
        <summary data-row="">
          <time dateTime={new Date(timestamp).toISOString()} title={inFull(timestamp)}>
            {clockTime(timestamp)}
          </time>{" "}
          <span class="action">{action}</span>{" "}
          <span class="what">
            <b>{actor}</b> {sentence(entry)}
          </span>
        </summary>
        {isOpen && (
          <>
            <Json value={{ ...entry, metadata }} />
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
