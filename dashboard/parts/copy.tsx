// Text to take along.

import { Fault } from "../../src/contract/faults.ts";
import { perform } from "../notices.ts";

/** A command line with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <p class="command">
      <code>{text}</code>
      <Copy text={text} label="Copy" />
    </p>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
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

/** Puts text where it can be pasted. */
function copy(text: string): Promise<boolean> {
  return perform(async () => {
    // Beyond loopback, without TLS, a page has no clipboard.
    if (!navigator.clipboard)
      throw new Fault("forbidden", "This browser lets the page copy nothing; select it by hand");
    await navigator.clipboard.writeText(text);
  }, `Copied ${text}`);
}
