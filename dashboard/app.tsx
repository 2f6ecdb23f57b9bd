// The page as a whole: the menu, how the connection stands, and the page that is chosen.

import { useEffect, useRef } from "hono/jsx/dom";
import { showKeys } from "./keys.tsx";
import { Activity } from "./pages/activity.tsx";
import { Agents } from "./pages/agents.tsx";
import { Locks } from "./pages/locks.tsx";
import { Messages } from "./pages/messages.tsx";
import { Overview } from "./pages/overview.tsx";
import { Services } from "./pages/services.tsx";
import { Webhooks } from "./pages/webhooks.tsx";
import { Command } from "./parts/copy.tsx";
import { DialogHost } from "./parts/dialog.tsx";
import { linkTo, pages, useRoute, type PageName } from "./route.ts";
import type { State } from "./state.ts";
import * as stream from "./stream.ts";
import { switchTheme, theme } from "./theme.ts";
import { Ago } from "./time.tsx";

const contents: Record<PageName, typeof Overview> = {
  overview: Overview,
  services: Services,
  locks: Locks,
  agents: Agents,
  messages: Messages,
  webhooks: Webhooks,
  activity: Activity,
};

export function App() {
  const { page, params } = useRoute();
  const state = stream.state.use();
  const { status } = stream.connection.use();
  const main = useRef<HTMLElement>(null);
  const Content = contents[page];
  useEffect(() => {
    document.title = `${titleOf(page)} · port-daddy`;
    scrollTo(0, 0);
  }, [page]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Menu page={page} state={state} />
      <main ref={main} tabIndex={-1} class={status === "live" ? "" : "old"}>
        <Bar />
        {state.id > 0 && <Content key={page} state={state} params={params} />}
      </main>
      <DialogHost />
    </>
  );
}

function Menu({ page, state }: { page: PageName; state: State }) {
  const version = stream.daemon.use()?.version;
  return (
    <header class="menu">
      <p class="brand">
        port-daddy <small>{version}</small>
      </p>
      <nav aria-label="Pages">
        <ul>
          {pages.map((each) => (
            <li key={each}>
              <a href={linkTo(each)} aria-current={each === page ? "page" : undefined}>
                {titleOf(each)} <Count page={each} state={state} />
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="menu-tools">
        <Light />
        <button type="button" onClick={switchTheme}>
          Theme: {theme.use()}
        </button>
        <button type="button" onClick={showKeys} aria-label="Keys">
          ?
        </button>
      </div>
    </header>
  );
}

function titleOf(page: PageName): string {
  return page[0]!.toUpperCase() + page.slice(1);
}

function Count({ page, state }: { page: PageName; state: State }) {
  const counts: Partial<Record<PageName, number>> = {
    services: state.services.size,
    locks: state.locks.size,
    agents: state.agents.size,
    messages: state.channels.length,
    webhooks: state.webhooks.length,
  };
  const count = counts[page];
  return count === undefined ? <></> : <span class="count">{count}</span>;
}

/** Whether what is shown is what is so. */
function Light() {
  const { status } = stream.connection.use();
  const words = {
    live: "● live",
    connecting: "○ connecting",
    away: "▲ away",
    refused: "▲ refused",
  };
  return <span class={`light ${status}`}>{words[status]}</span>;
}

/** Says that the daemon is away, and since when the page is as it was. */
function Bar() {
  const { status, since } = stream.connection.use();
  const isOutdated = stream.isOutdated.use();
  if (status === "refused") {
    return (
      <div class="bar" role="alert">
        <p>This daemon asks for a token. A browser is let in by a key, which this makes:</p>
        <Command text="port-daddy dashboard" />
      </div>
    );
  }
  if (status === "live" && isOutdated) {
    return (
      <div class="bar" role="alert">
        <p>
          port-daddy was upgraded; this page is from before.{" "}
          <button type="button" onClick={() => location.reload()}>
            Reload
          </button>
        </p>
      </div>
    );
  }
  if (status !== "away") return <></>;
  return (
    <div class="bar" role="alert">
      <p>
        <strong>The daemon is away.</strong> What you see is from <Ago at={since} />; the page goes
        on by itself when it is back.
      </p>
      <Command text="port-daddy start" />
    </div>
  );
}
