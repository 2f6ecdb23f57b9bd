// What clients were answered, held against the log, and against each other.

import type { Event } from "./replay.ts";
import { textOf } from "./replay.ts";
import { maybe, type Asked, type Entry, type Held, type Seen, type Span } from "./ledger.ts";

export type Promises = ReturnType<typeof createPromises>;

export function createPromises() {
  const problems: string[] = [];
  /** What the log has under a tag, and what its client was told so far; a tag is asked for again only where it was lost. */
  const logged = new Map<string, string[]>();
  const lost = new Map<string, Asked>();
  const answered = new Map<string, Asked>();
  const judged = new Map<string, Asked>();
  const held: Held[] = [];
  const seen = new Map<string, Seen[]>();
  const published = new Map<number, string>();
  const ports = new Map<string, string>();
  const numbers: Record<"lock.acquire" | "message.publish", ({ number: number } & Span)[]> = {
    "lock.acquire": [],
    "message.publish": [],
  };
  const totals = { done: 0, refused: 0, lost: 0 };

  function account(entry: Entry): void {
    if (entry.kind === "problem") problems.push(entry.text);
    if (entry.kind === "held") held.push(entry);
    if (entry.kind === "seen") {
      const list = seen.get(entry.reader) ?? [];
      seen.set(entry.reader, list);
      list.push(entry);
    }
    if (entry.kind !== "asked") return;
    totals[entry.outcome]++;
    if (entry.outcome === "lost") return void lost.set(entry.tag, entry);
    lost.delete(entry.tag);
    answered.set(entry.tag, entry);
    if (entry.outcome === "done") keepNumbers(entry);
  }

  /** An identity keeps its port, but where it asks for another; numbers are kept to be put in order. */
  function keepNumbers({ tag, events, from, to }: Asked): void {
    for (const text of events) {
      const [event = "", target = "", number] = text.split(" ");
      if (event === "service.claim" && !target.startsWith("rival:")) {
        const before = ports.get(target) ?? number!;
        if (before !== number) problems.push(`${tag}: ${target} had ${before} and got ${number}`);
        ports.set(target, number!);
      }
      if (event === "lock.acquire" || event === "message.publish")
        numbers[event].push({ number: Number(number), from, to });
    }
  }

  function note(event: Event): void {
    // The daemon does what it does by itself under a name without a number.
    if (!event.actor.includes(".")) return;
    const texts = logged.get(event.actor) ?? [];
    logged.set(event.actor, texts);
    texts.push(textOf(event));
    if (event.event === "message.publish") published.set(event.metadata["id"], event.actor);
  }

  function judge({ tag, outcome, events, mayRepeat }: Asked): void {
    const all = logged.get(tag) ?? [];
    const found = mayRepeat ? [...new Set(all)] : all;
    if (!isSame(found, events))
      problems.push(`${tag} was ${outcome} as ${show(events)}, and the log has ${show(found)}`);
  }

  /** Nothing of it, or all that must be: numbers are not known, and what is optional need not be there. */
  function judgeLost({ tag, events, mayRepeat }: Asked): void {
    const all = (logged.get(tag) ?? []).map((text) => text.split(" ").slice(0, 2).join(" "));
    const found = mayRepeat ? [...new Set(all)] : all;
    const needed = events.filter((text) => !text.startsWith(maybe));
    const others = found.filter((text) => !needed.includes(text));
    const isWhole =
      isSame(
        found.filter((text) => needed.includes(text)),
        needed,
      ) && others.every((text) => events.includes(maybe + text));
    if (found.length > 0 && !isWhole)
      problems.push(`${tag} was lost as ${show(events)}, and the log has only ${show(found)}`);
  }

  return {
    problems,
    totals,
    /** Takes what ledgers say, and what the log has by now: an answer that is in the one must be in the other. */
    advance(entries: Entry[], events: Event[]): void {
      entries.forEach(account);
      events.forEach(note);
      for (const [tag, entry] of answered) {
        judge(entry);
        judged.set(tag, entry);
      }
      answered.clear();
    },
    /** When nobody asks any more. */
    conclude(): void {
      for (const entry of lost.values()) judgeLost(entry);
      if (problems.length === 0) for (const entry of judged.values()) judge(entry); // Was anything added since?
      for (const [tag, events] of logged)
        if (!judged.has(tag) && !lost.has(tag))
          problems.push(`nobody asked for ${tag}, and the log has ${show(events)}`);
      problems.push(...overlaps(held));
      for (const [event, list] of Object.entries(numbers))
        problems.push(...disorder(list).map((text) => `${event}: ${text}`));
      for (const [reader, list] of seen) problems.push(...misread(reader, list, published));
    },
    published: () => published.size,
    readBy: (reader: string) => seen.get(reader)?.length ?? 0,
  };
}

function isSame(found: string[], expected: string[]): boolean {
  return String([...found].sort()) === String([...expected].sort());
}

function show(texts: string[]): string {
  return texts.length === 0 ? "nothing" : texts.join(" + ");
}

/** A lock or a port that two had at one time, and a lock whose later holder had no higher fence. */
function overlaps(held: Held[]): string[] {
  const problems: string[] = [];
  const last = new Map<string, Held>();
  const inOrder = (a: Held, b: Held) => a.from - b.from || (a.fence ?? 0) - (b.fence ?? 0);
  for (const entry of held.toSorted(inOrder)) {
    const { what, by, fence, from } = entry;
    const before = last.get(what);
    last.set(what, before && before.to > entry.to ? before : entry);
    if (!before) continue;
    if (from < before.to && (fence !== undefined || by !== before.by))
      problems.push(`${what} was had by ${before.by} (${before.fence ?? ""}) and ${by} at once`);
    if (fence !== undefined && fence <= before.fence!)
      problems.push(`${what} was had with fence ${before.fence}, and later with ${fence}`);
  }
  return problems;
}

/** Whoever began after another was answered has the greater number; and no number comes twice. */
function disorder(list: ({ number: number } & Span)[]): string[] {
  const problems: string[] = [];
  const byEnd = list.toSorted((a, b) => a.to - b.to);
  const numbers = new Set<number>();
  let [next, most] = [0, 0];
  for (const { number, from } of list.toSorted((a, b) => a.from - b.from)) {
    for (; byEnd[next] && byEnd[next]!.to < from; next++)
      most = Math.max(most, byEnd[next]!.number);
    if (number <= most) problems.push(`${number} was given out after ${most}`);
    if (numbers.has(number)) problems.push(`${number} was given out twice`);
    numbers.add(number);
  }
  return problems;
}

/** A subscriber sees every message that is in the log, once, in order, and nothing else. */
function misread(reader: string, list: Seen[], published: Map<number, string>): string[] {
  const problems: string[] = [];
  let last = 0;
  for (const { id, tag } of list) {
    if (id <= last) problems.push(`${reader} was sent ${id} after ${last}`);
    if (published.get(id) !== tag) problems.push(`${reader} was sent ${id} of ${tag}`);
    last = id;
  }
  const ids = new Set(list.map(({ id }) => id));
  const missing = [...published.keys()].filter((id) => !ids.has(id));
  if (missing.length > 0)
    problems.push(`${reader} was never sent ${missing.length}: ${missing.slice(0, 5)}`);
  return problems;
}
