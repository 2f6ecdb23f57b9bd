// A state in a word, with a mark of its own shape beside its colour.

const marks = {
  good: "●",
  idle: "○",
  warn: "◐",
  bad: "▲",
} as const;

export type Tone = keyof typeof marks;

export function Badge({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{marks[tone]}</span> {children}
    </span>
  );
}
