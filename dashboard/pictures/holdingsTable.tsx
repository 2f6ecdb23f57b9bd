// Who holds what as a table: a row for each thing that is held and for each wait.

import { linkTo } from "../route.ts";
import { inFull } from "../time.tsx";
import { count, ordinal } from "../words.ts";
import { FactTable, type Row } from "./factTable.tsx";
import type { Holder } from "./holders.ts";

export function HoldingsTable({ holders }: { holders: readonly Holder[] }) {
  const rows = holders.flatMap(rowsOf);
  return <FactTable label={count(rows.length, "holding")} columns={holdingColumns} rows={rows} />;
}

const holdingColumns = [
  { head: "Holder" },
  { head: "Kind" },
  { head: "What" },
  { head: "Since", isNumber: true },
  { head: "Waiting for" },
];

function rowsOf({ key, name, kind, isStale, holds, waits }: Holder): Row[] {
  const shown = isStale ? `${name} (stale)` : name;
  const who = kind === "agent" ? { text: shown, href: linkTo("agents", { open: name }) } : shown;
  const held = holds.map((thing) => {
    const href = linkTo(thing.kind === "service" ? "services" : "locks", { open: thing.name });
    const what = { text: thing.name, href };
    return { key: `${key} ${thing.key}`, cells: [who, thing.kind, what, inFull(thing.since), "–"] };
  });
  const waited = waits.map(({ lock, since, place, of }) => {
    const text = of > 1 ? `${lock} (${ordinal(place)} of ${of})` : lock;
    const what = { text, href: linkTo("locks", { open: lock }) };
    return { key: `${key} waits ${lock}`, cells: [who, "lock", "–", inFull(since), what] };
  });
  return [...held, ...waited];
}
