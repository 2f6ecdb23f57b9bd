// Completion. A shell asks at every TAB, so that what it offers cannot be out of date; it is told in time, or nothing.

import { readConfig } from "../config.ts";
import type { Field } from "../contract/fields.ts";
import { candidateLines, isTypeable, type Candidate } from "./candidates.ts";
import type { Command, Noun } from "./command.ts";
import { wordsUnderWay } from "./line.ts";
import { findShell, shells } from "./completions/index.ts";
import { namesOf } from "./names.ts";
import { apart, flagsOf, split, type Flags } from "./parse.ts";
import { takeApart } from "./words.ts";

/** What is left of the 150 ms that a TAB may take, after the process has ended and the shell has read. */
const deadlineMs = 110;

/** What the shell itself completes: a program with its words, or the path of a directory. */
type Left = "program" | "directory";

export type Offer = Candidate[] | { left: Left };

/** The names of things at the moment. */
export type Names = (noun: Noun) => Promise<Candidate[]>;

/**
 * Lines for a shell, by what its script hands over: `SHELL WORD…`, the last of them under way, or `SHELL LINE [PART]`,
 * which ends at the cursor and of whose last word the shell replaces only that part.
 * A line is a candidate and its note, with a tab between them; one that begins with a tab says what the shell is to
 * complete by itself. Nothing is ever thrown, and nothing asked of a daemon later than the deadline.
 */
export async function complete(asked: string[], commands: readonly Command[]): Promise<string[]> {
  const [name, ...given] = asked;
  const shell = findShell(name);
  const isLine = shell !== undefined && shells[shell].asksWith === "line";
  const words = isLine ? wordsUnderWay(given[0] ?? "").slice(1) : given;
  const word = words.at(-1) ?? "";
  const offer = await offerIn(words, commands, liveNames);
  if ("left" in offer) return [`\t${offer.left}`];
  // The others choose among all by rules of their own, which the user may have set.
  if (!isLine) return candidateLines(offer);
  const matching = offer.filter(([each]) => each.startsWith(word));
  if (shell !== "bash") return candidateLines(matching);
  // bash takes a word apart at colons and more (COMP_WORDBREAKS), and shows no notes.
  const part = wordsUnderWay(given[1] ?? word).join(" ");
  const kept = word.endsWith(part) ? word.length - part.length : 0;
  return matching.map(([each]) => each.slice(kept));
}

/** What may come in the place of the last word. Nothing where the words before it make no sense. */
export async function offerIn(
  words: string[],
  commands: readonly Command[],
  names: Names,
): Promise<Offer> {
  const isHelp = words[0] === "help" && words.length > 1;
  const before = words.slice(isHelp ? 1 : 0, -1);
  const word = words.at(-1) ?? "";
  const found = splitOrMiss(before, commands);
  if (!found) return [];
  const { command, family, rest } = found;
  if (!command) return word.startsWith("-") ? commonOffer(family) : nextNames(family, commands);
  if (isHelp) return [];
  const { own } = apart(rest, command);
  const isAfterDashes = rest.includes("--");
  if (command.program && isAfterDashes) return { left: "program" };
  const flags = flagsOf(command);
  const { uses, args } = takeApart(own, flags);
  if (!isAfterDashes) {
    const last = uses.at(-1);
    const open = last && last.value === undefined ? flags.get(last.word) : undefined;
    if (open && !open.isSwitch) return valuesOf(open.field, names);
    const [, begun, name] = /^(--([^=]+)=)/.exec(word) ?? [];
    if (begun !== undefined) return within(begun, await valuesOf(flags.get(name!)?.field, names));
    if (word.startsWith("-"))
      return flagOffer(
        flags,
        uses.map(({ word }) => word),
      );
  }
  return argumentOffer(command, args, names);
}

function splitOrMiss(words: string[], commands: readonly Command[]) {
  try {
    return split(words, commands);
  } catch {
    return undefined; // There is no such command: whoever types it hears of it when it is run.
  }
}

/** The words that commands begin with, or after the first of them, the second ones. */
function nextNames(family: readonly Command[], commands: readonly Command[]): Candidate[] {
  const prefix = family.length > 0 ? `${family[0]!.name.split(" ")[0]} ` : "";
  const all = commands.flatMap(({ name, aliases = [], summary }) =>
    [name, ...aliases].map((each) => ({ name: each, summary })),
  );
  const next = Map.groupBy(
    all.filter(({ name }) => name.startsWith(prefix)),
    ({ name }) => name.slice(prefix.length).split(" ")[0]!,
  );
  const names = [...next].map(([word, [first, ...others]]): Candidate => {
    const isOne = others.length === 0 && first!.name === prefix + word;
    return [word, isOne ? first!.summary : memberWords([first!, ...others])];
  });
  return prefix === "" ? [...names, ["help", "Show how a command is used"]] : names;
}

/** `register, heartbeat, show` */
function memberWords(members: { name: string }[]): string {
  return members.map(({ name }) => name.split(" ")[1]).join(", ");
}

/** The flags that may stand before a command. */
function commonOffer(family: readonly Command[]): Candidate[] {
  const common = flagOffer(flagsOf(undefined), []);
  return family.length > 0 ? common : [...common, ["--version", "Show the version"]];
}

function flagOffer(flags: Flags, used: string[]): Candidate[] {
  return [...flags]
    .filter(([word]) => !used.includes(word))
    .map(([word, { field }]) => [`--${word}`, field.summary]);
}

/** What stands for a value in the fields of flags, and what it is the name of. */
const named: Record<string, Noun> = { "<agent>": "agents", "<env>": "environments" };

async function valuesOf(field: Field<unknown> | undefined, names: Names): Promise<Offer> {
  if (!field) return [];
  if (field.placeholder === "<dir>") return { left: "directory" };
  const noun = named[field.placeholder];
  if (noun !== undefined) return names(noun);
  const { enum: values = [] } = field.schema() as { enum?: string[] };
  return values.map((value) => [value]);
}

/** Values as the whole word `--flag=value`; the shell could not tell which part of it a path of its own is. */
function within(begun: string, values: Offer): Offer {
  return "left" in values ? [] : values.map(([value, note]) => [begun + value, note ?? ""]);
}

async function argumentOffer(
  { args: wanted = "", argsOf = [], program }: Command,
  args: string[],
  names: Names,
): Promise<Candidate[]> {
  const isMore = args.length > 0;
  if (isMore && program) return [["--", "Then the command to run"]];
  // Only the first is a name, unless there may be several: of `<channel> <msg>` the second is anything.
  if (isMore && !wanted.includes("...")) return [];
  const offered =
    typeof argsOf === "string" ? await names(argsOf) : argsOf.map((word): Candidate => [word]);
  return offered.filter(([word]) => !args.includes(word));
}

/** Names from the daemon, if it tells them in time; there is nothing to be said of one that does not. */
async function liveNames(noun: Noun): Promise<Candidate[]> {
  // Counted from the start of the process.
  const leftMs = Math.max(1, deadlineMs - performance.now());
  try {
    const late = Bun.sleep(leftMs).then((): Candidate[] => []);
    const names = await Promise.race([namesOf(noun, readConfig(), leftMs), late]);
    return names.filter(isTypeable);
  } catch {
    return []; // A line that is being typed is no place for an error.
  }
}
