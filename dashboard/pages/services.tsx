// The services: which port each has, whether its server listens, and who that is.

import { useMemo, useState } from "hono/jsx/dom";
import {
  processInWords,
  serviceStatuses,
  type Listener,
  type ServiceStatus,
} from "../../src/contract/entities.ts";
import { asFault } from "../../src/contract/faults.ts";
import { release } from "../actions.tsx";
import { call } from "../daemon.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Copy } from "../parts/copy.tsx";
import { Empty } from "../parts/empty.tsx";
import { Facts, Json } from "../parts/facts.tsx";
import { Choice, Filter, wordMatcher } from "../parts/filter.tsx";
import { counted, Page } from "../parts/page.tsx";
import { Table, type Column, type TableOf } from "../parts/table.tsx";
import { byName } from "../order.ts";
import { linkTo, type Params } from "../route.ts";
import { serverOf, type Claim, type State } from "../state.ts";
import { Ago, Left } from "../time.tsx";

type Row = { claim: Claim; status: ServiceStatus; listener: Listener | null };

const tones: Record<ServiceStatus, Tone> = { running: "good", assigned: "idle", stopped: "warn" };

const columns: Column<Row>[] = [
  { head: "Port", isNumber: true, cell: ({ claim }) => <code>{claim.port}</code> },
  {
    head: "Status",
    cell: ({ status, listener }) =>
      listener?.stranger ? (
        <Badge tone="bad">stranger</Badge>
      ) : (
        <Badge tone={tones[status]}>{status}</Badge>
      ),
  },
  {
    head: "Who listens",
    cell: ({ listener }) =>
      listener ? <code class="cut">{listener.command ?? processInWords(listener)}</code> : "–",
  },
  { head: "Agent", cell: ({ claim: { agent } }) => <AgentLink id={agent} /> },
  {
    head: "Claimed",
    cell: ({ claim: { createdAt, expiresAt } }) => (
      <>
        <Ago at={createdAt} />
        {expiresAt !== null && (
          <>
            , <Left until={expiresAt} />
          </>
        )}
      </>
    ),
  },
];

const table: Pick<TableOf<Row>, "keyOf" | "first" | "columns" | "actions" | "details"> = {
  keyOf: ({ claim }) => claim.id,
  first: { head: "Identity", text: ({ claim }) => claim.id },
  columns,
  actions: ({ claim }) => (
    <>
      <a
        class="button"
        data-key="o"
        href={claim.urls["local"] ?? `http://localhost:${claim.port}`}
        target="_blank"
        rel="noopener noreferrer"
        aria-label={`Open ${claim.id}`}
      >
        Open
      </a>
      <button
        type="button"
        data-key="x"
        aria-label={`Release ${claim.id}`}
        onClick={() => void release(claim)}
      >
        Release
      </button>
    </>
  ),
  details: (row) => <Details {...row} />,
};

export function Services({ state, params }: { state: State; params: Params }) {
  const { services, servers } = state;
  const { q = "", status = "", agent = "", open } = params;
  const rows = useMemo(() => {
    const isMatch = wordMatcher(q);
    return [...services.values()]
      .map((claim): Row => ({ claim, ...serverOf(servers, claim.id) }))
      .filter(
        ({ claim, status: own, listener }) =>
          (status === "" || own === status) &&
          (agent === "" || claim.agent === agent) &&
          isMatch(claim.id, claim.port, claim.agent, claim.cwd, claim.cmd, listener?.command),
      )
      .sort(byName(({ claim }) => claim.id));
  }, [services, servers, q, status, agent]);
  return (
    <Page
      title="Services"
      note={counted(rows.length, services.size, "service")}
      tools={
        <>
          <Filter label="Identity, port, agent" />
          <Choice name="status" label="Status" values={serviceStatuses} />
        </>
      }
    >
      {services.size === 0 ? (
        <Empty command="port-daddy claim myapp:api">
          No port is claimed yet. Whoever claims one has it for good:
        </Empty>
      ) : rows.length === 0 ? (
        <Empty>No service matches this filter.</Empty>
      ) : (
        <Table label="Services" rows={rows} open={open} {...table} />
      )}
    </Page>
  );
}

export function AgentLink({ id }: { id: string | null }) {
  return id === null ? <>–</> : <a href={linkTo("agents", { open: id })}>{id}</a>;
}

function Details({ claim, listener }: Row) {
  const { id, port, cmd, cwd, pid, urls, metadata, createdAt } = claim;
  return (
    <>
      <Facts
        facts={{
          "Who listens": listener && <Who listener={listener} />,
          Health: <Health claim={claim} />,
          Command: cmd && <code>{cmd}</code>,
          Directory: cwd && <code>{cwd}</code>,
          URLs: <Urls urls={urls} />,
          "Lives with": pid !== null && `process ${pid}`,
          Claimed: <Ago at={createdAt} />,
          Metadata: metadata && <Json value={metadata} />,
          "In a shell": (
            <>
              <code>{`port-daddy claim ${id}`}</code> <Copy text={String(port)} label="Copy port" />
            </>
          ),
        }}
      />
    </>
  );
}

function Who({ listener }: { listener: Listener }) {
  const { command, cwd, user, startedAt, stranger } = listener;
  return (
    <>
      {stranger && <strong>A stranger has this port. </strong>}
      {processInWords(listener)}
      {command !== null && cwd !== null && (
        <>
          , in <code>{cwd}</code>
        </>
      )}
      {user !== null && <>, as {user}</>}
      {startedAt !== null && (
        <>
          , started <Ago at={startedAt} />
        </>
      )}
    </>
  );
}

function Urls({ urls }: { urls: Record<string, string> }) {
  return (
    <ul class="plain">
      {Object.entries(urls).map(([environment, url]) => (
        <li key={environment}>
          {environment}:{" "}
          {/^https?:/.test(url) ? (
            <a href={url} target="_blank" rel="noopener noreferrer">
              {url}
            </a>
          ) : (
            url
          )}
        </li>
      ))}
    </ul>
  );
}

/** How long a check waits for a service to answer. Browsers repeat by themselves what is answered with 408, once or twice. */
const checkMs = 1_000;

/** A check that is made when somebody asks for it: by the same rule as `port-daddy wait`. */
function Health({ claim: { id, health } }: { claim: Claim }) {
  const [result, setResult] = useState<string>("");
  async function check(): Promise<void> {
    setResult("checking…");
    const from = performance.now();
    try {
      await call("wait", { id: [id], timeout: checkMs });
      setResult(`healthy, answered within ${Math.ceil(performance.now() - from)} ms`);
    } catch (error) {
      setResult(asFault(error).message);
    }
  }
  return (
    <>
      <code>{health ?? "a connection"}</code>{" "}
      <button type="button" data-key="h" onClick={check}>
        Check
      </button>{" "}
      <span role="status">{result}</span>
    </>
  );
}
