// The services: which port each has, whether its server listens, and who that is.

import { useMemo, useState } from "hono/jsx/dom";
import {
  processInWords,
  serviceStatuses,
  type Listener,
  type ServiceStatus,
} from "../../src/contract/entities.ts";
import { asFault, Fault } from "../../src/contract/faults.ts";
import type { InputOf } from "../../src/contract/operations.ts";
import { perform } from "../notices.ts";
import { call } from "../daemon.ts";
import { AgentLink } from "../parts/agentLink.tsx";
import { daemon } from "../stream.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Copy } from "../parts/copy.tsx";
import { Facts, Json } from "../parts/facts.tsx";
import { Choice, Chosen, Filter, wordMatcher } from "../parts/filter.tsx";
import { counted, Page } from "../parts/page.tsx";
import { Listing, type Column, type Shape } from "../parts/table.tsx";
import { byName } from "../order.ts";
import type { Params } from "../route.ts";
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

const shape: Shape<Row> = {
  label: "Services",
  noun: "service",
  keyOf: ({ claim }) => claim.id,
  first: { head: "Identity", text: ({ claim }) => claim.id },
  columns,
  actions: ({ claim }) => (
    <>
      <a
        class="button"
        data-key="o"
        href={localUrl(claim)}
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
  empty: {
    says: "No port is claimed yet. Whoever claims one has it for good:",
    command: "port-daddy claim myapp:api",
  },
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
          <Chosen name="agent" label="Agent" />
          <Choice name="status" label="Status" values={serviceStatuses} />
        </>
      }
    >
      <Listing shape={shape} rows={rows} all={services.size} open={open} />
    </Page>
  );
}

/**
 * Where a service answers on this machine. Cookies know no ports: where a session is kept in one, the link goes by the
 * other name of loopback, so that what listens there is not handed it.
 */
function localUrl({ port }: Claim): string {
  const isKept = daemon.get()?.needsToken === true && location.hostname === "localhost";
  return `http://${isKept ? "127.0.0.1" : "localhost"}:${port}`;
}

function Details({ claim, listener }: Row) {
  const { id, port, cmd, cwd, pid, urls, metadata, createdAt } = claim;
  return (
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
            <code>{`port-daddy claim ${id}`}</code> <Copy text={String(port)} label="Copy port" />{" "}
            <Copy text={`port-daddy claim ${id}`} label="Copy command" />
          </>
        ),
      }}
    />
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
      <code>{health ?? "TCP connection"}</code>{" "}
      <button type="button" data-key="h" onClick={check}>
        Check
      </button>{" "}
      <span role="status">{result}</span>
    </>
  );
}

/** Releases a claim; taken back, it is claimed again as it was. */
function release(claim: Claim): Promise<boolean> {
  const { id, port } = claim;
  return perform(
    async () => {
      const { released } = await call("release", { id, port });
      if (released === 0) throw new Fault("not_found", `${id} holds port ${port} no more`);
    },
    `Released ${id} (port ${port})`,
    () => void perform(() => call("claim", again(claim)), `Claimed ${id} again (port ${port})`),
  );
}

/** What is taken back at the last moment is not over at once. */
const leastSpanMs = 1_000;

/** What a claim was made with, as far as it is known. */
function again(claim: Claim): InputOf<"claim"> {
  const { id, port, pid, agent, cmd, cwd, health, metadata, expiresAt } = claim;
  const { local: _, ...urls } = claim.urls;
  return {
    id,
    port,
    // Somebody else may have claimed it meanwhile.
    onlyIfFree: true,
    urls,
    ...(pid !== null && { pid }),
    ...(agent !== null && { agent }),
    ...(cmd !== null && { cmd }),
    ...(cwd !== null && { cwd }),
    ...(health !== null && { health }),
    ...(metadata !== null && { metadata }),
    ...(expiresAt !== null && { expires: Math.max(leastSpanMs, expiresAt - Date.now()) }),
  };
}
