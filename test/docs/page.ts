// A page of Markdown as somebody follows it: the command lines in it, in order, and what it shows of their output.

import * as fs from "node:fs";

export type Line = {
  /** What is typed. */
  text: string;
  /** Where it stands: `README.md:12`. */
  at: string;
  /** The lines of one block end together; a command line in the prose is a block of its own. */
  block: number;
  /** In which terminal it is typed; a comment in a block opens another. */
  terminal: string;
  /** The exit code, which a comment beside it may tell: `# exit 4, and who holds it`. */
  code: number;
  /** What it prints, where the page shows that: below it, or beside it as `# → 3100`. */
  shown: string | undefined;
};

export type Section = { title: string; lines: Line[] };

export type Page = {
  sections: Section[];
  /** Blocks of anything but shell, by their language. */
  others: { language: string; text: string; at: string }[];
  /** What stands between backticks in the prose. */
  inline: { text: string; at: string }[];
};

const shells = ["sh", "bash", "console"];

/** Reads a page. Its generated tables are left out: what is in them is written by the code itself. */
export function readPage(file: string, name: string): Page {
  const text = fs
    .readFileSync(file, "utf8")
    .replace(/<!-- table: [^]*?<!-- end -->/g, (table) => table.replace(/[^\n]/g, ""));
  const page: Page = { sections: [{ title: "at the top", lines: [] }], others: [], inline: [] };
  let [at, block] = [1, 0];
  const lines = () => page.sections.at(-1)!.lines;
  // Headings, blocks and the paragraphs between them.
  for (const part of text.split(/(^#{2,} .*\n|^```.*\n[^]*?^```\n)/m)) {
    const [, title] = /^#{2,} (.*)/.exec(part) ?? [];
    const [, language, body] = /^```(.*)\n([^]*)```\n$/.exec(part) ?? [];
    const place = (offset: number) => `${name}:${at + offset}`;
    if (body === undefined && part.includes("```"))
      throw new Error(`${place(0)}: a block begins or ends hereafter that is not at the margin`);
    if (title) page.sections.push({ title, lines: [] });
    else if (body === undefined) {
      for (const inline of inlineIn(part, place)) {
        page.inline.push(inline);
        if (!/\bport-daddy \S|^curl /.test(inline.text)) continue;
        lines().push({ ...inline, ...plain, block: ++block });
      }
    } else if (shells.includes(language!))
      lines().push(...linesOf(body, language!, ++block, place));
    else page.others.push({ language: language!, text: body, at: place(0) });
    at += part.split("\n").length - 1;
  }
  page.sections = page.sections.filter(({ lines }) => lines.length > 0);
  return page;
}

const plain = { terminal: "", code: 0, shown: undefined };

function inlineIn(prose: string, place: (offset: number) => string) {
  return [...prose.matchAll(/`([^`]+)`/g)].map((match) => ({
    text: match[1]!.replaceAll("\n", " "),
    at: place(prose.slice(0, match.index).split("\n").length - 1),
  }));
}

/** In `sh` every line is typed; in `console` those after a `$`, and what stands below is what they print. */
function linesOf(body: string, language: string, block: number, place: (offset: number) => string) {
  const lines: Line[] = [];
  let [terminal, document] = ["", undefined as string | undefined];
  for (const [offset, row] of body.split("\n").slice(0, -1).entries()) {
    const before = lines.at(-1);
    if (before && document !== undefined) {
      before.text += `\n${row}`;
      if (row === document) document = undefined;
    } else if (/^# /.test(row))
      terminal = /^# (Agent \w+|In another terminal)/.exec(row)?.[1] ?? terminal;
    else if (language === "console" && !row.startsWith("$ "))
      before!.shown = `${before!.shown ?? ""}${row}\n`;
    else if (before && language !== "console" && /^[\s})]|^(?:done|fi)\b/.test(row))
      Object.assign(before, typed(row, before));
    else if (row !== "")
      lines.push({ ...typed(row.replace(/^\$ /, "")), at: place(offset + 1), block, terminal });
    document ??= /<<'(\w+)'/.exec(lines.at(-1)?.text.split("\n").at(-1) ?? "")?.[1];
  }
  // A command that shows nothing of what it prints, among others that do, prints nothing.
  if (language === "console") for (const line of lines) line.shown ??= "";
  return lines;
}

/** What is typed of a row, after what stands before it, and what the comment beside it says. */
function typed(row: string, before?: Line): Pick<Line, "text" | "code" | "shown"> {
  const [text = "", comment = ""] = row.split(/\s+# /);
  const shown = /^→ (.*)/.exec(comment)?.[1];
  return {
    text: before ? `${before.text}\n${text}` : text,
    code: Number(/^exit (\d+)/.exec(comment)?.[1] ?? before?.code ?? 0),
    shown: shown === undefined ? before?.shown : `${shown}\n`,
  };
}

/**
 * What a shown output stands for. `…` is anything within a line, and on a line of its own any number of lines; an instant
 * is any instant, an age any age; and columns are as wide as what is in them.
 */
export function patternOf(shown: string): RegExp {
  const rows = shown.split("\n").slice(0, -1);
  const sources = rows.map((row) =>
    row === "…" ? "(?:.*\\n)*" : `${row.split(volatile).map(sourceOf).join("")} *\\n`,
  );
  return new RegExp(`^${sources.join("")}$`);
}

const instant = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?/.source;
const age = /just now|\d+[smhd] ago/.source;
const volatile = new RegExp(`(…|${instant}|${age}| {2,})`);

/** Of a row split at what is volatile, every other part is that. */
function sourceOf(part: string, at: number): string {
  if (at % 2 === 0) return RegExp.escape(part);
  if (part === "…") return ".*";
  if (part.startsWith(" ")) return " {2,}";
  return part.includes(":") ? instant : `(?:${age})`;
}
