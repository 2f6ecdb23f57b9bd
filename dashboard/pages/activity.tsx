// What happened, newest first, as it happens; and further back, as far as the log goes.

import { useLayoutEffect, useMemo, useRef, useState } from "hono/jsx/dom";
import type { ActivityEntry } from "../../src/contract/entities.ts";
import { entryMatcher, type EntryFilter } from "../../src/contract/entryFilter.ts";
import { actions } from "../../src/contract/events.ts";
import { asFault } from "../../src/contract/faults.ts";
import { call } from "../daemon.ts";
import { tell } from "../notices.ts";
import { Empty } from "../parts/empty.tsx";
import { Choice, Filter, wordMatcher } from "../parts/filter.tsx";
import { Line, sentence } from "../parts/line.tsx";
import { Page } from "../parts/page.tsx";
import type { Params } from "../route.ts";
import { firstId, type State } from "../state.ts";

/** So many are shown of those that are there; older ones are a button away. */
const pageSize = 200;

export function Activity({ state, params }: { state: State; params: Params }) {
  const filter = filterOf(params);
  const { older, isEnd, loadOlder } = useOlder(state, filter);
  const [limit, setLimit] = useState(pageSize);
  const { q = "" } = params;
  const shown = useMemo(() => {
    const isText = wordMatcher(q);
    const known = state.entries.filter(entryMatcher(filter)).toReversed();
    return [...known, ...older].filter((entry) =>
      isText(entry.actor, entry.targetId, entry.action, sentence(entry)),
    );
  }, [state.entries, older, q, JSON.stringify(filter)]);

  const held = useHeld(state.id);
  const visible = shown.filter(({ id }) => id <= held);
  const fresh = shown.length - visible.length;

  function showMore(): void {
    setLimit(limit + pageSize);
    if (shown.length <= limit && !isEnd) void loadOlder();
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
      {fresh > 0 && (
        <button type="button" class="fresh" onClick={() => scrollTo(0, 0)}>
          {fresh} new ↑
        </button>
      )}
      {shown.length === 0 ? (
        <Empty>{isEnd ? "Nothing that matches is in the log." : "Nothing that matches yet."}</Empty>
      ) : (
        <ol class="log" aria-label="Activity">
          {visible.slice(0, limit).map((entry) => (
            <Line key={entry.id} entry={entry} />
          ))}
        </ol>
      )}
      {!(isEnd && shown.length <= limit) && (
        <button type="button" onClick={showMore}>
          Load older
        </button>
      )}
    </Page>
  );
}

/** Scrolled further than this, somebody reads. */
const readingPx = 200;

/** Up to which event the list is shown: all, unless somebody reads further down, where nothing may move. */
function useHeld(id: number): number {
  const latest = useRef(id);
  latest.current = id;
  const [held, setHeld] = useState(Infinity);
  useLayoutEffect(() => {
    const look = () =>
      setHeld((before) =>
        scrollY < readingPx ? Infinity : before === Infinity ? latest.current! : before,
      );
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  return held;
}

function filterOf({ action, target, actor }: Params): EntryFilter {
  return {
    ...(action && { action }),
    ...(target && { targetId: target }),
    ...(actor && { actor }),
  };
}

/** Entries before the one of the id `joins`, newest first, that meet a filter. */
type Older = { filter: string; joins: number; entries: ActivityEntry[]; isEnd: boolean };

/** What the page does not keep is asked of the daemon, with the filter, and goes where what is kept begins. */
function useOlder(state: State, filter: EntryFilter) {
  const [kept, setKept] = useState<Older | undefined>(undefined);
  const name = JSON.stringify(filter);
  const joins = firstId(state);
  // What is kept may have been cut or begun anew since: between it and the older ones would be a hole.
  const isFitting = kept?.filter === name && joins <= kept.joins;
  const older = useMemo(
    () => (isFitting ? kept.entries.filter(({ id }) => id < joins) : []),
    [kept, isFitting, joins],
  );

  const isUnderWay = useRef(false);
  async function loadOlder(): Promise<void> {
    if (isUnderWay.current) return;
    isUnderWay.current = true;
    try {
      const before = older.at(-1)?.id ?? joins;
      const page = await call("activity", { ...filter, limit: pageSize, before });
      const isEnd = page.count < pageSize;
      setKept({ filter: name, joins, entries: [...older, ...page.entries], isEnd });
    } catch (error) {
      tell({ text: asFault(error).message, isFailure: true });
    } finally {
      isUnderWay.current = false;
    }
  }

  return { older, isEnd: state.coveredSince === 0 || (isFitting && kept.isEnd), loadOlder };
}
