// What was just done, or could not be; with a way back where there is one.

import { dismiss, notices, type Notice } from "../notices.ts";

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.use().map((notice) => (
        <Shown key={notice.id} notice={notice} />
      ))}
    </div>
  );
}

function Shown({ notice: { id, text, hint, isFailure, undo } }: { notice: Notice }) {
  function takeBack(): void {
    dismiss(id);
    undo?.();
  }
  return (
    <div class={isFailure ? "notice failed" : "notice"}>
      <p>
        {isFailure && <strong>Not done. </strong>}
        {text}
        {hint && <small>{hint}</small>}
      </p>
      {undo && (
        <button type="button" onClick={takeBack}>
          Undo <kbd>u</kbd>
        </button>
      )}
      <button type="button" class="plain" aria-label="Dismiss" onClick={() => dismiss(id)}>
        ×
      </button>
    </div>
  );
}
