// The one connection by which the page lives: what it tells goes into the state, and how it stands is shown. There is no
// polling. It resumes by the id of the last event, by itself or where the browser gave it up, and is closed while
// nobody looks.

import type { ActivityEntry } from "../src/contract/entities.ts";
import type { Live, Snapshot } from "../src/contract/feed.ts";
import { asFault, Fault } from "../src/contract/faults.ts";
import type { OutputOf } from "../src/contract/operations.ts";
import { call } from "./daemon.ts";
import { tell } from "./notices.ts";
import { firstId, maxEntries, nothing, reduce, type Received } from "./state.ts";
import { createValue } from "./value.ts";

/** `refused`: the daemon asks for a session that this browser does not have. */
export type Connection = {
  status: "connecting" | "live" | "away" | "refused";
  since: number;
};

export const state = createValue(nothing);
export const connection = createValue<Connection>({ status: "connecting", since: Date.now() });
/** Who the daemon is, as it said when the connection was made. */
export const daemon = createValue<OutputOf<"version"> | undefined>(undefined);

/** Whether the daemon is another build than the one that this page came from. */
export const isOutdated = createValue(false);

/** The page is rendered this often at most, however much arrives. */
const showEveryMs = 100;

/** So much is taken in between two looks at the keyboard. */
const takenAtOnce = 500;

/** After the browser has given a connection up, which it does where it was refused. */
const tryAgainAfterMs = 2_000;

/** So much of the log is asked for at once. */
const pageSize = 1_000;

/** Further behind than this, the page takes the whole state anew. */
const mostBehind = 5_000;

/** Opens the stream and keeps it while the page is visible. */
export function live(): void {
  let source = document.hidden ? undefined : open();
  document.addEventListener("visibilitychange", () => {
    source?.close();
    source = document.hidden ? undefined : open();
  });

  /** Forgets everything and begins with a snapshot. */
  function beginAnew(): void {
    source?.close();
    forget();
    source = open();
  }

  function open(): EventSource {
    const { id } = state.get();
    const opened = new EventSource(id === 0 ? "/events" : `/events?after=${id}`);
    opened.addEventListener("open", () => void greet(beginAnew));
    opened.addEventListener("error", () => {
      // The browser comes back by itself, unless it was refused.
      if (opened.readyState === EventSource.CLOSED) void retry(opened);
      else setStatus("away");
    });
    on(opened, "snapshot", (snapshot: Snapshot) => {
      receive({ kind: "snapshot", snapshot });
      generation++;
      // What is asked for next goes before what is there then.
      showAll();
      void loadHistory();
    });
    on(opened, "message", (entry: ActivityEntry) => {
      receive({ kind: "event", entry });
      if (received.length > mostBehind) beginAnew();
    });
    on(opened, "live", (live: Partial<Live>) => receive({ kind: "live", live }));
    return opened;
  }

  /** The browser does not say why it was refused; the daemon does. */
  async function retry(lost: EventSource): Promise<void> {
    const isLockedOut = await isRefused();
    if (isLockedOut) forget(); // What it may not see any more.
    setStatus(isLockedOut ? "refused" : "away");
    setTimeout(() => {
      if (source === lost) source = open();
    }, tryAgainAfterMs);
  }
}

async function isRefused(): Promise<boolean> {
  try {
    await call("version", {});
    return false;
  } catch (error) {
    return error instanceof Fault && error.code === "unauthorized";
  }
}

/** Grows with each snapshot: what was asked for before it may go before something else by now. */
let generation = 0;
let loadingIn = -1;

/** Asks for what the log has since an instant and the page has not; without one, for the newest page of it. */
export async function loadHistory(since?: number): Promise<void> {
  const { entries, coveredSince } = state.get();
  const mine = generation;
  if (loadingIn === mine || entries.length >= maxEntries || (since ?? 0) >= coveredSince) return;
  loadingIn = mine;
  try {
    let before = firstId(state.get());
    for (let count = entries.length; count < maxEntries; count += pageSize) {
      const page = await call("activity", {
        limit: pageSize,
        before,
        ...(since !== undefined && { since }),
      });
      if (generation !== mine) return;
      const last = page.entries.at(-1);
      const isEnd = page.count < pageSize || !last;
      const from = isEnd ? (since ?? 0) : last.timestamp + 1;
      receive({ kind: "history", before, since: from, entries: page.entries });
      if (isEnd || since === undefined) return;
      before = last.id;
    }
  } catch (error) {
    tell({ text: `The log could not be read: ${asFault(error).message}`, isFailure: true });
  } finally {
    if (loadingIn === mine) loadingIn = -1;
  }
}

async function greet(beginAnew: () => void): Promise<void> {
  setStatus("live");
  const before = daemon.get();
  const version = await call("version", {}).catch(() => before);
  if (before && version?.codeHash !== before.codeHash) isOutdated.set(true);
  daemon.set(version);
  // On another state the same ids are other events.
  if (before && version?.state !== before.state) return beginAnew();
  // What could not be read of the log when the page was opened.
  if (state.get().id > 0 && state.get().coveredSince === Infinity) void loadHistory();
}

function forget(): void {
  clearTimeout(timer);
  timer = undefined;
  received = [];
  generation++;
  state.set(nothing);
}

function setStatus(status: Connection["status"]): void {
  if (connection.get().status !== status) connection.set({ status, since: Date.now() });
}

function on<T>(source: EventSource, name: string, take: (data: T) => void): void {
  source.addEventListener(name, ({ data }: MessageEvent<string>) => take(JSON.parse(data)));
}

let received: Received[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let shownAt = 0;

function receive(what: Received): void {
  received.push(what);
  timer ??= setTimeout(show, Math.max(0, shownAt + showEveryMs - performance.now()));
}

function show(): void {
  take(takenAtOnce);
  timer = received.length > 0 ? setTimeout(show, 0) : undefined;
}

function showAll(): void {
  clearTimeout(timer);
  timer = undefined;
  take(received.length);
}

function take(count: number): void {
  const taken = received.slice(0, count);
  received = received.slice(count);
  shownAt = performance.now();
  state.set(taken.reduce(reduce, state.get()));
}
