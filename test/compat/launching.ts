// Launches of real projects: from the command line to a page that answers, and on to nothing being left.

import { expect } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, type Home } from "../home.ts";

/** Next compiles its first page on demand, on a machine that may be busy with others. */
export const launchMs = 120_000;

/** What keeps frameworks from asking, telling and looking for their next version. */
const quiet = {
  ASTRO_TELEMETRY_DISABLED: "1",
  NEXT_TELEMETRY_DISABLED: "1",
  npm_config_update_notifier: "false",
  PYTHONDONTWRITEBYTECODE: "1",
};

export type Project = { directory: string; PATH?: string };

/** Writes files of a project into a directory of its own. */
export function write(home: Home, name: string, files: Record<string, string>): Project {
  const directory = home.makeDirectory(name);
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    fs.writeFileSync(path.join(directory, file), text);
  }
  return { directory };
}

export class Launch {
  private output = "";
  private constructor(
    private readonly home: Home,
    readonly id: string,
    private readonly launcher: ReturnType<Home["spawn"]>,
  ) {}

  /** Launches what is named, or without words what the project itself says; returns when it is said to be ready. */
  static async of(home: Home, id: string, { directory, PATH }: Project, words: string[] = []) {
    const env = { ...quiet, ...(PATH !== undefined && { PATH }) };
    const command = words.length > 0 ? ["--", ...words] : [];
    const launcher = home.spawn(["launch", id, "--verbose", ...command], { cwd: directory, env });
    const launch = new Launch(home, id, launcher);
    const written = [launcher.stdout, launcher.stderr].map((stream) => launch.gather(stream));
    const isOver = Promise.all([launcher.exited, ...written]).then(() => true as const);
    const ready = eventually(`${id} is ready`, () => launch.url, launchMs);
    const ended = await Promise.race([isOver, ready.catch(() => undefined)]);
    if (ended === true || launch.url === undefined) throw new Error(launch.output);
    return launch;
  }

  /** Where it is said to be ready. */
  get url(): string | undefined {
    return /ready in \d+ ms → (http:\/\/localhost:\d+)/.exec(this.output)?.[1];
  }

  get port(): number {
    return Number(new URL(this.url!).port);
  }

  /** What it answers to a browser. */
  async page(): Promise<string> {
    const signal = AbortSignal.timeout(launchMs);
    const response = await fetch(this.url!, { proxy: false, signal });
    return response.text();
  }

  /** What is left of it when its launcher has ended by SIGTERM. */
  async end(): Promise<{ processes: string[]; isPortFree: boolean; service: unknown }> {
    this.launcher.kill("SIGTERM");
    await this.launcher.exited;
    return {
      processes: this.processes(),
      isPortFree: isFree(this.port),
      service: await this.home.service(this.id),
    };
  }

  /** The living processes that it was told the identity of, each by its command. */
  processes(): string[] {
    const mine = [`HOME=${this.home.directory}`, `PORT_DADDY_ID=${this.id}`];
    return fs.readdirSync("/proc").flatMap((pid) => {
      const variables = read(pid, "environ").split("\0");
      const isMine = mine.every((variable) => variables.includes(variable));
      return isMine ? [read(pid, "cmdline").replaceAll("\0", " ").trim()] : [];
    });
  }

  private async gather(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.output += decoder.decode(chunk, { stream: true });
  }
}

/** Launches a project, gets its page from the port that is claimed for it, ends it, and sees that nothing is left. */
export async function expectWhole(
  home: Home,
  id: string,
  project: Project,
  words: string[],
  page: string,
): Promise<void> {
  const launch = await Launch.of(home, id, project, words);
  expect(await home.service(id)).toMatchObject({ port: launch.port });
  expect(await launch.page()).toContain(page);
  expect(launch.processes()).not.toEqual([]);
  expect(await launch.end()).toEqual({ processes: [], isPortFree: true, service: undefined });
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "::", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}

/** A file of a process under /proc; nothing where it has ended, or is not ours to see. */
function read(pid: string, file: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
