// Text to take along.

import { copy } from "../actions.tsx";

/** A command line with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <p class="command">
      <code>{text}</code>
      <Copy text={text} label="Copy" />
    </p>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  return (
    <button
      type="button"
      data-key="c"
      aria-label={`${label} ${text}`}
      onClick={() => void copy(text)}
    >
      {label}
    </button>
  );
}
