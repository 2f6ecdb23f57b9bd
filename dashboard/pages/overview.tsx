// Everything at a glance: the figures, the three pictures, and what happened last.

import { useCallback, useMemo } from "hono/jsx/dom";
import { webhookState } from "../../src/contract/entities.ts";
import { parse } from "../../src/contract/range.ts";
import { Command } from "../parts/copy.tsx";
import { Empty } from "../parts/empty.tsx";
import { Page } from "../parts/page.tsx";
import { count } from "../words.ts";
import { Holdings } from "../pictures/holdings.tsx";
import { PortMap } from "../pictures/portMap.tsx";
import { Timeline } from "../pictures/timeline.tsx";
import { linkTo, type PageName, type Params } from "../route.ts";
import { seen, type State } from "../state.ts";
import { daemon, loadHistory } from "../stream.ts";
import { Line } from "../parts/line.tsx";

/** The range that is looked at until the daemon has said its own. */
const usualRange = { start: 3100, end: 9999 };

/** So much of the log is shown. */
const lastEntries = 8;

export function Overview({ state }: { state: State; params: Params }) {
  const { services, servers, locks, agents, waiting, entries, coveredSince } = state;
  const claims = useMemo(() => seen({ services, servers }), [services, servers]);
  const range = daemon.use()?.range;
  const ports = useMemo(() => parse(range ?? "") ?? usualRange, [range]);
  const needHistory = useCallback((since: number) => void loadHistory(since), []);
  return (
    <Page title="Overview">
      <ul class="figures">
        {figuresOf(state).map(({ page, count, noun, note }) => (
          <li key={page}>
            <a href={linkTo(page)}>
              <strong>{count}</strong> {count === 1 ? noun : `${noun}s`}
              <small>{note}</small>
            </a>
          </li>
        ))}
      </ul>
      {services.size + locks.size + agents.size === 0 && (
        <Empty command="port-daddy claim myapp:api">No port is claimed yet. Claim one:</Empty>
      )}
      <PortMap services={claims} range={ports} />
      <Holdings services={services} locks={locks} agents={agents} waiting={waiting} />
      <Timeline
        entries={entries}
        services={claims}
        locks={locks}
        coveredSince={coveredSince}
        onNeedHistory={needHistory}
      />
      <section>
        <h2>
          <a href={linkTo("activity")}>What happened last</a>
        </h2>
        <ol class="log">
          {entries
            .slice(-lastEntries)
            .toReversed()
            .map((entry) => (
              <Line key={entry.id} entry={entry} />
            ))}
        </ol>
        {entries.length === 0 && <Command text="port-daddy log --follow" />}
      </section>
    </Page>
  );
}

type Figure = { page: PageName; count: number; noun: string; note: string };

function figuresOf({
  services,
  servers,
  locks,
  agents,
  waiting,
  channels,
  webhooks,
}: State): Figure[] {
  const running = services
    .keys()
    .filter((id) => servers.get(id)?.status === "running")
    .toArray().length;
  const stale = [...agents.values()].filter(({ status }) => status === "stale").length;
  const kept = channels.reduce((sum, { count }) => sum + count, 0);
  const paused = webhooks.filter((each) => webhookState(each) === "paused").length;
  return [
    { page: "services", count: services.size, noun: "service", note: `${running} running` },
    { page: "locks", count: locks.size, noun: "lock", note: `${waiting.length} waiting` },
    { page: "agents", count: agents.size, noun: "agent", note: `${stale} stale` },
    {
      page: "messages",
      count: kept,
      noun: "message",
      note: `in ${count(channels.length, "channel")}`,
    },
    { page: "webhooks", count: webhooks.length, noun: "webhook", note: `${paused} paused` },
  ];
}
