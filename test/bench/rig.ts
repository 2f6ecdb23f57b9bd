// The two servers of a comparison, each a process of its own in a temporary home on a port that the kernel picked.

import * as path from "node:path";
import { eventually, Home } from "../home.ts";

export type Server = { pid: number; port: number };

/** The homes that a signal must not leave behind. */
const open = new Set<Home>();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, async () => {
    for (const home of open) await home[Symbol.asyncDispose]();
    process.exit(1);
  });
}

/** A home that a signal does not leave behind. */
export function openHome(settings: Record<string, string> = {}): Home {
  const home = new Home({
    PORT_DADDY_RANGE_START: "10000",
    PORT_DADDY_RANGE_END: "60000",
    PORT_DADDY_LOG_LEVEL: "warn",
    ...settings,
  });
  open.add(home);
  return home;
}

export class Rig {
  readonly home: Home;
  readonly product: Server;
  readonly bare: Server;

  private constructor(home: Home, product: Server, bare: Server) {
    this.home = home;
    this.product = product;
    this.bare = bare;
  }

  /** Starts the product's binary as a daemon, and the bare server beside it. */
  static async open(binary: string): Promise<Rig> {
    const home = openHome();
    const product = await startProduct(home, binary);
    return new Rig(home, product, await startBare(home));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]();
    open.delete(this.home);
  }
}

/** Starts the product's binary as a daemon of this home. */
export async function startProduct(home: Home, binary: string): Promise<Server> {
  home.start([binary, "daemon"]);
  return eventually("the daemon answers", async () => {
    const response = await home.fetch("/version").catch(() => undefined);
    return (await response?.json()) as Server | undefined;
  });
}

function startBare(home: Home): Promise<Server> {
  const program = path.join(import.meta.dir, "bare.ts");
  return startPrinting(home, [process.execPath, program, path.join(home.directory, "bare.db")]);
}

/** Starts a server that prints its port when it serves. */
export async function startPrinting(home: Home, command: string[]): Promise<Server> {
  const child = home.start(command);
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) throw new Error(await new Response(child.stderr).text());
  return { pid: child.pid, port: Number(Buffer.from(value).toString()) };
}
