// The locks: who has each, for how long still, and who waits.

import { useMemo } from "hono/jsx/dom";
import type { Waiting } from "../../src/contract/feed.ts";
import { perform } from "../notices.ts";
import { call } from "../daemon.ts";
import { AgentLink } from "../parts/agentLink.tsx";
import { useAsked } from "../parts/asked.ts";
import { byName } from "../order.ts";
import { ask } from "../parts/dialog.tsx";
import { Facts, Json } from "../parts/facts.tsx";
import { Filter, wordMatcher } from "../parts/filter.tsx";
import { counted, Page } from "../parts/page.tsx";
import { Listing, type Column, type Shape } from "../parts/table.tsx";
import type { Params } from "../route.ts";
import type { Hold, State } from "../state.ts";
import { Ago, Left } from "../time.tsx";

type Row = { hold: Hold; expiresAt: number; waiters: Waiting[] };

const columns: Column<Row>[] = [
  {
    head: "Holder",
    cell: ({ hold: { owner, agent } }) =>
      agent === null ? <code>{owner}</code> : <AgentLink id={agent} />,
  },
  { head: "Held since", cell: ({ hold }) => <Ago at={hold.acquiredAt} /> },
  { head: "Remaining", cell: ({ expiresAt }) => <Left until={expiresAt} /> },
  { head: "Waiting", isNumber: true, cell: ({ waiters }) => waiters.length || "–" },
  { head: "Fence", isNumber: true, cell: ({ hold }) => <code>{hold.fence}</code> },
];

const shape: Shape<Row> = {
  label: "Locks",
  noun: "lock",
  keyOf: ({ hold }) => hold.name,
  first: { head: "Lock", text: ({ hold }) => hold.name },
  columns,
  actions: ({ hold }) => (
    <button
      type="button"
      data-key="x"
      aria-label={`Force-unlock ${hold.name}`}
      onClick={() => askToForce(hold)}
    >
      Force-unlock
    </button>
  ),
  details: (row) => <Details {...row} />,
  empty: {
    says: "No lock is held. One holder at a time, and whoever waits is served in order:",
    command: "port-daddy lock build -- npm run build",
  },
};

export function Locks({ state, params }: { state: State; params: Params }) {
  const { locks, waiting, expiries } = state;
  const { q = "", open } = params;
  const rows = useMemo(() => {
    const isMatch = wordMatcher(q);
    const lines = Map.groupBy(waiting, ({ lock }) => lock);
    return [...locks.values()]
      .filter(({ name, owner, agent }) => isMatch(name, owner, agent))
      .map((hold): Row => ({
        hold,
        expiresAt: expiries.get(hold.name) ?? hold.expiresAt,
        waiters: lines.get(hold.name) ?? [],
      }))
      .sort(byName(({ hold }) => hold.name));
  }, [locks, waiting, expiries, q]);
  return (
    <Page
      title="Locks"
      note={`${counted(rows.length, locks.size, "lock")}, ${waiting.length} waiting`}
      tools={<Filter label="Lock, holder" />}
    >
      <Listing shape={shape} rows={rows} all={locks.size} open={open} />
    </Page>
  );
}

function Details({ hold, waiters }: Row) {
  const { value } = useAsked("lockState", { name: hold.name }, hold.fence);
  return (
    <Facts
      facts={{
        Owner: <code>{hold.owner}</code>,
        "Lives with": hold.pid !== null && `process ${hold.pid}`,
        Metadata: value?.lock?.metadata && <Json value={value.lock.metadata} />,
        "In line": waiters.length > 0 && (
          <ol>
            {waiters.map(({ owner, agent, since }) => (
              <li>
                {agent ?? owner ?? "somebody without a name"}, since <Ago at={since} />
              </li>
            ))}
          </ol>
        ),
      }}
    />
  );
}

/** Whoever takes a lock from somebody should know from whom. */
function askToForce({ name, owner, agent, acquiredAt, fence }: Hold): void {
  ask({
    title: `Take the lock ${name} from ${agent ?? owner}?`,
    body: (
      <p>
        <strong>{agent ?? owner}</strong> took it <Ago at={acquiredAt} /> and will not be warned.
        What it was doing may go wrong. The log will say that you forced it.
      </p>
    ),
    action: {
      label: "Force-unlock",
      isDangerous: true,
      run: () =>
        perform(
          () => call("unlock", { name, fence, force: true }),
          `Unlocked ${name}, which ${agent ?? owner} had`,
        ),
    },
  });
}
