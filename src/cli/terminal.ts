// The screen. stdout carries the answer, stderr the narration; nothing else writes to either.

import * as fs from "node:fs";
import { colourWish, forceColour } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { reasonOf } from "../system/paths.ts";

export type Terminal = {
  /** Writes a line of the answer. */
  out(text: string): void;
  /** Writes a line of narration. */
  err(text: string): void;
  /** Whether a person sees the answer, rather than a program that captures it. */
  isInteractive: boolean;
  /** What is piped into the command, as a whole; a last end of line is not part of it. */
  input(): Promise<string>;
  /** The width of the screen in columns; `undefined` where there is none. */
  columns(): number | undefined;
  paint: Paint;
};

/** Emphasis that loses nothing where there is no colour. */
export type Paint = {
  strong(text: string): string;
  faint(text: string): string;
  good(text: string): string;
  bad(text: string): string;
};

export const noPaint: Paint = {
  strong: (text) => text,
  faint: (text) => text,
  good: (text) => text,
  bad: (text) => text,
};

/** The reader of our output has gone: there is nobody left to tell anything. */
export class ReaderGone extends Error {}

export async function openTerminal(): Promise<Terminal> {
  const isInteractive = await isScreen(1);
  return {
    out: (text) => write(1, `${text}\n`),
    err: (text) => write(2, `${text}\n`),
    isInteractive,
    input: async () => asText(await Bun.stdin.bytes()).replace(/\r?\n$/, ""),
    // Touching process.stdout takes longer than the rest of a command, so only a screen pays for it.
    // A terminal that does not know its width says 0.
    columns: () => (isInteractive ? process.stdout.columns || undefined : undefined),
    paint: (colourWish() ?? isInteractive) ? await colours() : noPaint,
  };
}

/** What no text is must not become another one on the way. */
function asText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Fault("invalid_input", "What was piped in is not UTF-8", {
      hint: "write bytes as text first: base64",
    });
  }
}

/** Loading node:tty takes a third of a command's time, so only what may be a screen at all pays for it. */
async function isScreen(descriptor: number): Promise<boolean> {
  const opened = fs.fstatSync(descriptor);
  if (!opened.isCharacterDevice() || opened.rdev === fs.statSync("/dev/null").rdev) return false;
  const { isatty } = await import("node:tty");
  return isatty(descriptor);
}

/** `process.stdout.write` would lose what a pipe does not take at once when the process exits; this does not. */
function write(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += fs.writeSync(descriptor, bytes, sent);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EPIPE" && descriptor === 1) throw new ReaderGone();
      const isLost = descriptor === 2 && code !== "EAGAIN";
      if (isLost || code === "EBADF") return; // Nobody hears the narration; what was asked for goes on.
      if (code !== "EAGAIN")
        throw new Fault(
          "internal",
          `Cannot write to the ${descriptor === 1 ? "output" : "error output"}: ${reasonOf(error)}`,
        );
      Bun.sleepSync(1); // Somebody else made the pipe non-blocking, and it is full.
    }
  }
}

async function colours(): Promise<Paint> {
  forceColour(); // picocolors asks the environment, and otherwise process.stdout, when it is loaded.
  const { default: pico } = await import("picocolors");
  return { strong: pico.bold, faint: pico.dim, good: pico.green, bad: pico.red };
}
