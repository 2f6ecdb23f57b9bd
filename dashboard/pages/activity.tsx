// What happened, newest first, as it happens; and further back, as far as the log goes.

import { useMemo, useState } from "hono/jsx/dom";
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
      {shown.length === 0 ? (
        <Empty>{isEnd ? "Nothing that matches is in the log." : "Nothing that matches yet."}</Empty>
      ) : (
        <ol class="log" aria-label="Activity">
          {shown.slice(0, limit).map((entry) => (
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

  async function loadOlder(): Promise<void> {
    const before = isFitting ? (kept.entries.at(-1)?.id ?? kept.joins) : joins;
    try {
      const page = await call("activity", { ...filter, limit: pageSize, before });
      setKept({
        filter: name,
        joins: isFitting ? kept.joins : joins,
        entries: [...(isFitting ? kept.entries : []), ...page.entries],
        isEnd: page.count < pageSize,
      });
    } catch (error) {
      tell({ text: asFault(error).message, isFailure: true });
    }
  }

  return { older, isEnd: state.coveredSince === 0 || (isFitting && kept.isEnd), loadOlder };
}
