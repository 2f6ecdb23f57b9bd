// A terminal with a shell in it, for lines that are typed one after the other.

import * as fs from "node:fs";
import type { Home } from "../home.ts";

/** Reads lines from a descriptor of its own, so that those who run in the terminal have its input. */
const shell = `
  stty cols 110
  trap : INT
  while IFS= read -r -u 3 -d '' line; do
    eval "$line" 3<&-
    printf '\\036%d\\036' "$?"
  done
`;

export class Terminal {
  private readonly process;
  private readonly lines: number;
  private written = "";
  private ending = Promise.withResolvers<void>();

  constructor(home: Home, env: Record<string, string>, cwd: string) {
    const file = `${home.directory}/shell`;
    fs.writeFileSync(file, shell);
    this.process = Bun.spawn(
      ["script", "--quiet", "--return", "--command", `exec bash ${file}`, "/dev/null"],
      { cwd, env: home.environment(env), stdio: ["pipe", "pipe", "ignore", "pipe"] },
    );
    this.lines = this.process.stdio[3] as number;
    this.ending.resolve();
    void this.listen();
  }

  /** Types a line; the one before must have ended. */
  type(text: string): void {
    this.written = "";
    this.ending = Promise.withResolvers();
    fs.writeSync(this.lines, `${text}\0`);
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Settles when the line has ended. */
  get ended(): Promise<void> {
    return this.ending.promise;
  }

  /** The exit code of the line, where it has ended. */
  get code(): number | undefined {
    const [, code] = /\x1e(\d+)\x1e$/.exec(this.written) ?? [];
    return code === undefined ? undefined : Number(code);
  }

  /** What the line has printed so far, as a person sees it. */
  get output(): string {
    return Bun.stripANSI(this.written.replace(/\x1e.*$/, "").replaceAll("\r\n", "\n"));
  }

  /** What Ctrl-C does. */
  async interrupt(): Promise<void> {
    this.process.stdin.write("\x03");
    await this.process.stdin.flush();
    await this.ended;
  }

  /** Closes it, as by its window. */
  async [Symbol.asyncDispose](): Promise<void> {
    fs.closeSync(this.lines);
    this.process.kill("SIGKILL");
    await this.process.exited;
  }

  private async listen(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.process.stdout) {
      this.written += decoder.decode(chunk, { stream: true });
      if (this.code !== undefined) this.ending.resolve();
    }
    this.ending.resolve();
  }
}
