// doctor.

import type { Examined } from "../checks/index.ts";
import { levels, type Level } from "../checks/finding.ts";
import { command, type Context } from "../command.ts";
import { plain, plural, toJson } from "../render.ts";
import type { Paint } from "../terminal.ts";

export const doctor = command({
  name: "doctor",
  group: "Daemon",
  summary: "Look for what is wrong, and say what to do about it",
  flags: () => ({}),
  takesAnySettings: true,
  examples: ["port-daddy doctor", "port-daddy doctor --json"],
  async run({ flags: { json, quiet } }, { config, faults, terminal }) {
    // No other command needs them.
    const { examine, subjectOf } = await import("../checks/index.ts");
    const findings = await examine(subjectOf(config, faults));
    const worst = levels.findLast((level) => findings.some((each) => each.level === level))!;
    if (json)
      terminal.out(toJson(findings.map((each) => ({ ...each, remedy: each.remedy ?? null }))));
    else if (quiet) terminal.out(worst);
    else tell(findings, terminal);
    return worst === "wrong" ? 1 : 0;
  },
});

const marks = {
  ok: (paint: Paint) => paint.good("ok   "),
  note: (paint: Paint) => paint.strong("note "),
  wrong: (paint: Paint) => paint.bad("wrong"),
} satisfies Record<Level, unknown>;

export function tell(findings: Examined[], { out, err, paint }: Context["terminal"]): void {
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, level, says, remedy } of findings) {
    out(`${marks[level](paint)}  ${check.padEnd(width)}  ${plain(says)}`);
    if (remedy !== undefined) out(`${" ".repeat("wrong".length + width + 4)}→ ${plain(remedy)}`);
  }
  const count = (level: Level) => findings.filter((each) => each.level === level).length;
  const [wrong, notes] = [count("wrong"), count("note")];
  if (wrong > 0) err(`${plural(wrong, "thing")} wrong, ${plural(notes, "note")}`);
  else err(`Nothing is wrong${notes > 0 ? `; ${plural(notes, "note")}` : ""}`);
}
