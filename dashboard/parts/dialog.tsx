// A question, or a form, in front of the page. One at a time; Escape closes it.

import { useLayoutEffect, useRef, type Child } from "hono/jsx/dom";
import { createValue } from "../value.ts";
import { Notices } from "./notices.tsx";

type Dialog = {
  title: string;
  body: Child;
  /** What the button that goes on says and does; the dialog closes if that comes to true. Without it there is only one to close. */
  action?: { label: string; isDangerous?: true; run: (form: FormData) => Promise<boolean> };
};

const shown = createValue<Dialog | undefined>(undefined);

export function ask(dialog: Dialog): void {
  shown.set(dialog);
}

/** Whether one is open: the browser closes it at once, and tells of it a moment later. */
export function isAsking(): boolean {
  return document.querySelector("dialog[open]") !== null;
}

/** Where the dialog appears; there once in the page. What lies behind one cannot be reached, so notices stand in it. */
export function DialogHost() {
  const dialog = shown.use();
  return dialog ? <Shown dialog={dialog} /> : <Notices />;
}

function Shown({ dialog }: { dialog: Dialog }) {
  const { title, body, action } = dialog;
  const element = useRef<HTMLDialogElement>(null);
  const isUnderWay = useRef(false);
  function close(): void {
    // Another may have come in its place while it was under way.
    if (shown.get() === dialog) shown.set(undefined);
  }
  useLayoutEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  /** Once, however often the button is pressed. */
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (isUnderWay.current) return;
    isUnderWay.current = true;
    const isDone = !action || (await action.run(new FormData(event.target as HTMLFormElement)));
    isUnderWay.current = false;
    if (isDone) close();
  }
  return (
    <dialog ref={element} onClose={close} aria-labelledby="dialog-title">
      <form method="dialog" onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        <div class="dialog-body">{body}</div>
        <div class="dialog-actions">
          <button type="button" onClick={close}>
            {action ? "Cancel" : "Close"}
          </button>
          {action && (
            <button type="submit" class={action.isDangerous ? "danger" : "primary"}>
              {action.label}
            </button>
          )}
        </div>
      </form>
      <Notices />
    </dialog>
  );
}
