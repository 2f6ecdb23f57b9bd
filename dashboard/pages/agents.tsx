// The agents: who is there, when each was last heard from, and what it holds of what it may.

import { useMemo } from "hono/jsx/dom";
import { agentStatuses, type Unregistered } from "../../src/contract/entities.ts";
import { count } from "../words.ts";
import { perform } from "../notices.ts";
import { call } from "../daemon.ts";
import { useAsked } from "../parts/asked.ts";
import { Badge } from "../parts/badge.tsx";
import { ask } from "../parts/dialog.tsx";
import { Facts, Json } from "../parts/facts.tsx";
import { Choice, Filter, wordMatcher } from "../parts/filter.tsx";
import { counted, Page } from "../parts/page.tsx";
import { Listing, type Column, type Shape } from "../parts/table.tsx";
import { byName } from "../order.ts";
import { linkTo, type Params } from "../route.ts";
import type { Member, State } from "../state.ts";
import { Ago } from "../time.tsx";

/** `services` and `locks`: the names of what it holds. */
type Row = { member: Member; heardAt: number | undefined; services: string[]; locks: string[] };

const columns: Column<Row>[] = [
  { head: "Type", cell: ({ member }) => member.type ?? "–" },
  {
    head: "Status",
    cell: ({ member: { status } }) => (
      <Badge tone={status === "active" ? "good" : "warn"}>{status}</Badge>
    ),
  },
  {
    head: "Heartbeat",
    cell: ({ heardAt }) => (heardAt === undefined ? "–" : <Ago at={heardAt} />),
  },
  {
    head: "Services",
    cell: ({ member, services }) => (
      <Share held={services.length} most={member.maxServices} of="services" />
    ),
  },
  {
    head: "Locks",
    cell: ({ member, locks }) => <Share held={locks.length} most={member.maxLocks} of="locks" />,
  },
];

const shape: Shape<Row> = {
  label: "Agents",
  noun: "agent",
  keyOf: ({ member }) => member.id,
  first: {
    head: "Agent",
    text: ({ member: { id, name } }) => (name === null ? id : `${id} · ${name}`),
  },
  columns,
  actions: (row) => (
    <button
      type="button"
      data-key="x"
      aria-label={`Unregister ${row.member.id}`}
      onClick={() => askToUnregister(row)}
    >
      Unregister
    </button>
  ),
  details: (row) => <Details {...row} />,
  empty: {
    says: "No agent is registered. What a registered one holds is freed when it dies, and nothing else:",
    command: "port-daddy agent run builder -- npm run dev",
  },
};

export function Agents({ state, params }: { state: State; params: Params }) {
  const { agents, services, locks, heard } = state;
  const { q = "", status = "", open } = params;
  const rows = useMemo(() => {
    const isMatch = wordMatcher(q);
    const claims = Map.groupBy(services.values(), ({ agent }) => agent);
    const holds = Map.groupBy(locks.values(), ({ agent }) => agent);
    return [...agents.values()]
      .filter((member) => status === "" || member.status === status)
      .filter(({ id, name, type }) => isMatch(id, name, type))
      .map((member): Row => ({
        member,
        heardAt: heard.get(member.id),
        services: (claims.get(member.id) ?? []).map(({ id }) => id),
        locks: (holds.get(member.id) ?? []).map(({ name }) => name),
      }))
      .sort(byName(({ member }) => member.id));
  }, [agents, services, locks, heard, q, status]);
  return (
    <Page
      title="Agents"
      note={counted(rows.length, agents.size, "agent")}
      tools={
        <>
          <Filter label="Agent, name, type" />
          <Choice name="status" label="Status" values={agentStatuses} />
        </>
      }
    >
      <Listing shape={shape} rows={rows} all={agents.size} open={open} />
    </Page>
  );
}

/** How much of a limit is used, as a bar and in figures. */
function Share({ held, most, of }: { held: number; most: number; of: string }) {
  return (
    <span class="share">
      <meter
        min={0}
        max={Math.max(most, 1)}
        high={Math.max(most, 1) * 0.9}
        value={Math.min(held, most)}
        aria-label={`${held} of ${most} ${of}`}
      />{" "}
      {held} / {most}
    </span>
  );
}

function Details({ member, services, locks }: Row) {
  const { value } = useAsked("agent", { id: member.id }, member);
  return (
    <Facts
      facts={{
        Registered: <Ago at={member.registeredAt} />,
        "Lives with": value && value.pid !== null && `process ${value.pid}`,
        Metadata: value?.metadata && <Json value={value.metadata} />,
        Services: services.length > 0 && <Names names={services} page="services" />,
        Locks: locks.length > 0 && <Names names={locks} page="locks" />,
        "What it did": <a href={linkTo("activity", { actor: member.id })}>see the log</a>,
      }}
    />
  );
}

function Names({ names, page }: { names: string[]; page: "services" | "locks" }) {
  return (
    <ul class="names">
      {names.map((name) => (
        <li key={name}>
          <a href={linkTo(page, { open: name })}>{name}</a>
        </li>
      ))}
    </ul>
  );
}

function askToUnregister({ member: { id }, services, locks }: Row): void {
  ask({
    title: `Unregister the agent ${id}?`,
    body: <p>It holds {heldInWords(services.length, locks.length)}, which are freed with it.</p>,
    action: {
      label: "Unregister",
      isDangerous: true,
      run: () => perform(() => call("unregisterAgent", { id }), freedInWords),
    },
  });

  /** It may have got something, or given it back, while the question was asked. */
  function freedInWords({ services, locks }: Unregistered): string {
    return `Unregistered ${id}, which held ${heldInWords(services.length, locks.length)}`;
  }
}

function heldInWords(services: number, locks: number): string {
  return `${count(services, "service")} and ${count(locks, "lock")}`;
}
