// The keys: what each does, and the help that lists them.

import { undoLast } from "./notices.ts";
import { ask, isAsking } from "./parts/dialog.tsx";
import { go, pages, setParams } from "./route.ts";
import { switchTheme } from "./theme.ts";

type Key = { key: string; does: string; act: (focused: Element | null) => void };

/** Keys of the page itself. */
const keys: Key[] = [
  { key: "/", does: "Filter", act: () => find("[data-filter]")?.focus() },
  { key: "j", does: "Next row", act: (focused) => step(focused, 1) },
  { key: "k", does: "Previous row", act: (focused) => step(focused, -1) },
  { key: "u", does: "Undo", act: undoLast },
  { key: "d", does: "Light, dark, or as the system has it", act: switchTheme },
  { key: "?", does: "These keys", act: showKeys },
];

type Pair = [key: string, does: string];

/** Keys of the row that has the focus; which of them there are depends on the row. */
const rowKeys: Pair[] = [
  ["Enter", "Open and close"],
  ["o", "Open a service in the browser"],
  ["c", "Copy what the row offers to copy"],
  ["h", "Check a service's health"],
  ["x", "Release, unlock, unregister, clear or delete"],
  ["p", "Publish to a channel, switch a webhook off and on"],
  ["e", "Edit a webhook"],
  ["t", "Test a webhook"],
];

/** Keys of the timeline, while its plot has the focus. */
const timelineKeys: Pair[] = [
  ["+ −", "Zoom in and out"],
  ["← →", "Go back and forth"],
  ["Esc", "Back to live"],
];

export function listenToKeys(): void {
  document.addEventListener("focusin", noteFocus);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isAsking()) return;
    const focused = document.activeElement;
    if (isTyping(focused)) {
      if (event.key !== "Escape") return;
      event.preventDefault(); // A search field would be emptied, and the list not know of it.
      (focused as HTMLElement).blur();
      return;
    }
    if (press(event.key, focused)) event.preventDefault();
  });
}

/** Does what a key stands for; returns whether it stands for anything. */
function press(pressed: string, focused: Element | null): boolean {
  const page = pages[Number(pressed) - 1];
  if (page !== undefined && /^\d$/.test(pressed)) {
    go(page);
    return true;
  }
  if (pressed === "Escape") {
    setParams({ open: "" });
    return true;
  }
  const key = keys.find(({ key }) => key === pressed);
  if (key) {
    key.act(focused);
    return true;
  }
  const button = buttonFor(focused, pressed);
  button?.click();
  return button !== undefined;
}

/** What a key presses in the row that has the focus, or in what is shown below it. */
function buttonFor(focused: Element | null, key: string): HTMLElement | undefined {
  const main = mainRowOf(focused);
  const below = main?.nextElementSibling;
  for (const part of [main, below?.matches(".details") ? below : null]) {
    const found = part?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
    if (found) return found;
  }
  return undefined;
}

/** The row itself, also from what is shown below it. */
function mainRowOf(focused: Element | null): Element | null {
  const below = focused?.closest("tr.details");
  return below ? below.previousElementSibling : (focused?.closest("tr, li") ?? null);
}

/** Where the focus was among the rows: a row that was removed takes it along. */
let lastAt = 0;

function step(focused: Element | null, by: 1 | -1): void {
  const rows = rowsOfPage();
  const own = mainRowOf(focused)?.querySelector("[data-row]") ?? null;
  const at = rows.findIndex((row) => row === own);
  const next = at < 0 ? rows[Math.min(lastAt, rows.length - 1)] : rows[at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function noteFocus({ target }: FocusEvent): void {
  const own = mainRowOf(target as Element)?.querySelector("[data-row]") ?? null;
  lastAt = Math.max(
    0,
    rowsOfPage().findIndex((row) => row === own),
  );
}

function rowsOfPage(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("main [data-row]")];
}

function find(selector: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(selector);
}

function isTyping(element: Element | null): boolean {
  return element instanceof HTMLElement && element.matches("input, textarea, select");
}

export function showKeys(): void {
  ask({
    title: "Keys",
    body: (
      <>
        <Keys
          where="Everywhere"
          pairs={[
            [`1–${pages.length}`, `Pages: ${pages.join(", ")}`],
            ...keys.map(({ key, does }): Pair => [key, does]),
            ["Esc", "Close, leave a field"],
          ]}
        />
        <Keys where="In a row" pairs={rowKeys} />
        <Keys where="In the timeline" pairs={timelineKeys} />
      </>
    ),
  });
}

function Keys({ where, pairs }: { where: string; pairs: readonly Pair[] }) {
  return (
    <>
      <h3>{where}</h3>
      <dl class="keys">
        {pairs.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
