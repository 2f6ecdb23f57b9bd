// Where in the dashboard one is: a page and what is filtered and opened there, all of it in the URL, so that a link
// leads to the same view.

import { useSubscription } from "./value.ts";

/** The pages, in the order of the menu. */
export const pages = [
  "overview",
  "services",
  "locks",
  "agents",
  "messages",
  "webhooks",
  "activity",
] as const;
export type PageName = (typeof pages)[number];

export type Params = Record<string, string>;
export type Route = { page: PageName; params: Params };

/** `#/services?q=shop` */
export function linkTo(page: PageName, params: Params = {}): string {
  const given = Object.entries(params).filter(([, value]) => value !== "");
  const query = new URLSearchParams(given).toString();
  return `#/${page}${query === "" ? "" : `?${query}`}`;
}

/** What a hash stands for; anything unknown is the overview. */
function parseHash(hash: string): Route {
  const [name = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const page = pages.find((each) => each === name) ?? "overview";
  return { page, params: Object.fromEntries(new URLSearchParams(query)) };
}

export function go(page: PageName, params: Params = {}): void {
  const hash = linkTo(page, params);
  if (hash === location.hash) return;
  history.pushState(null, "", hash);
  tellAtOnce();
}

/** Changes what is filtered or opened on the page that is shown; going back does not pass through each letter. */
export function setParams(change: Params): void {
  const { page, params } = parseHash(location.hash);
  history.replaceState(null, "", linkTo(page, { ...params, ...change }));
  tellAtOnce();
}

/** The browser would tell later, or not at all: the next key is for the page that is there then. */
function tellAtOnce(): void {
  dispatchEvent(new HashChangeEvent("hashchange"));
}

let current = { hash: "", route: parseHash("") };

/** The same object as long as the hash is the same. */
function currentRoute(): Route {
  const { hash } = location;
  if (current.hash !== hash) current = { hash, route: parseHash(hash) };
  return current.route;
}

export function useRoute(): Route {
  return useSubscription(onHashChange, currentRoute);
}

function onHashChange(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}
