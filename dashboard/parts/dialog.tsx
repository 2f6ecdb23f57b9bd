// A question, or a form, in front of the page. One at a time; Escape closes it.

import { useEffect, useRef, type Child } from "hono/jsx/dom";
import { createValue } from "../value.ts";
import { Notices } from "./notices.tsx";

export type Dialog = {
  title: string;
  body: Child;
  /** What the button that goes on says; left out, there is only one to close. */
  action?: string;
  isDangerous?: boolean;
  /** Called with what the form holds; the dialog closes if it comes to true. */
  onAction?: (form: FormData) => Promise<boolean>;
};

const shown = createValue<Dialog | undefined>(undefined);

export function ask(dialog: Dialog): void {
  shown.set(dialog);
}

export function isAsking(): boolean {
  return shown.get() !== undefined;
}

/** Where the dialog appears; there once in the page. What lies behind one cannot be reached, so notices stand in it. */
export function DialogHost() {
  const dialog = shown.use();
  return dialog ? <Shown dialog={dialog} /> : <Notices />;
}

function Shown({ dialog }: { dialog: Dialog }) {
  const element = useRef<HTMLDialogElement>(null);
  const close = () => shown.set(undefined);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    if (!dialog.onAction || (await dialog.onAction(form))) close();
  }
  return (
    <dialog ref={element} onClose={close} aria-labelledby="dialog-title">
      <form method="dialog" onSubmit={submit}>
        <h2 id="dialog-title">{dialog.title}</h2>
        <div class="dialog-body">{dialog.body}</div>
        <div class="dialog-actions">
          <button type="button" onClick={close}>
            {dialog.action ? "Cancel" : "Close"}
          </button>
          {dialog.action && (
            <button type="submit" class={dialog.isDangerous ? "danger" : "primary"}>
              {dialog.action}
            </button>
          )}
        </div>
      </form>
      <Notices />
    </dialog>
  );
}
