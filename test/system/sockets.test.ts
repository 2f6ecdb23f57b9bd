// Who listens on the machine's ports: recorded tables of the kernel, and real listeners.

import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { accountName } from "../../src/system/accounts.ts";
import { parseTable } from "../../src/system/linux.ts";
import { machine, type Listener } from "../../src/system/machine.ts";
import { listeningSockets } from "../../src/system/sockdiag.ts";
import { listenersOn } from "../../src/system/sockets.ts";

// Linux 6.1, less the last columns: two listeners, a connection, and one that is closing.
const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2694 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 18734 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15302 1 0000000000000000 100 0 0 10 0
   2: 0100007F:2694 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 18790 1 0000000000000000 20 4 30 10 -1
 123: 0100007F:D2F0 0100007F:2694 06 00000000:00000000 03:00001620 00000000     0        0 0 3 0000000000000000
`;
const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0C1C 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 29911 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000000000000:FFFF 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 29912 1 0000000000000000 100 0 0 10 0
`;

const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "pd-")));
const children: ReturnType<typeof Bun.spawn>[] = [];
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  fs.rmSync(directory, { recursive: true });
});

/** A process of its own that listens on a port of the kernel's choice, in the temporary directory. */
async function listenElsewhere(hostname: string, marker: string) {
  const script = `console.log(Bun.listen({ hostname: "${hostname}", port: 0, socket: { data() {} } }).port)`;
  const child = Bun.spawn([process.execPath, "-e", script, marker], {
    cwd: directory,
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  return { pid: child.pid, port: Number(new TextDecoder().decode(value)) };
}

describe("a table of the kernel", () => {
  test("has its listeners, and no connection", () => {
    expect(parseTable(tcp)).toEqual([
      { port: 9876, uid: 1000, inode: "18734" },
      { port: 22, uid: 0, inode: "15302" },
    ]);
  });

  test("of IPv6 is read the same way", () => {
    expect(parseTable(tcp6)).toEqual([
      { port: 3100, uid: 1001, inode: "29911" },
      { port: 65535, uid: 0, inode: "29912" },
    ]);
  });

  test("that is empty or missing has none", () => {
    expect(parseTable("")).toEqual([]);
    expect(parseTable(tcp.split("\n")[0])).toEqual([]);
    expect(parseTable(undefined)).toEqual([]);
  });
});

describe("who listens on a port", () => {
  test.each(["127.0.0.1", "::1", "0.0.0.0"])(
    "is the process, with its directory and command line, on %s",
    async (hostname) => {
      const { pid, port } = await listenElsewhere(hostname, `marker-${hostname}`);
      expect(listenersOn(port)).toEqual([
        {
          pid,
          command: expect.stringContaining(`marker-${hostname}`),
          cwd: directory,
          user: accountName(process.getuid!())!,
          startedAt: expect.any(Number),
        },
      ]);
    },
  );

  test("is one process once, though it listens on both loopbacks", async () => {
    const first = net.createServer().listen(0, "127.0.0.1");
    await new Promise((done) => first.once("listening", done));
    const { port } = first.address() as net.AddressInfo;
    const second = net.createServer().listen(port, "::1");
    await new Promise((done) => second.once("listening", done));
    expect(machine.listeners().filter((socket) => socket.port === port)).toHaveLength(2);
    expect(listenersOn(port).map(({ pid }) => pid)).toEqual([process.pid]);
    first.close();
    second.close();
  });

  test("is nobody where nobody listens, nor where somebody did", async () => {
    const server = net.createServer().listen(0, "127.0.0.1");
    await new Promise((done) => server.once("listening", done));
    const { port } = server.address() as net.AddressInfo;
    expect(listenersOn(port)).toHaveLength(1);
    await new Promise((done) => server.close(done));
    expect(listenersOn(port)).toEqual([]);
  });
});

test("what the kernel says of listening sockets is what its tables say", () => {
  const listeners = ["127.0.0.1", "::1", "0.0.0.0"].map((hostname) =>
    Bun.listen({ hostname, port: 0, socket: { data() {} } }),
  );
  const ports = listeners.map(({ port }) => port);
  const own = (rows: Listener[]) =>
    rows
      .filter(({ port }) => ports.includes(port))
      .map((row) => JSON.stringify(row, ["port", "uid", "inode"]))
      .sort();
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) =>
    parseTable(fs.readFileSync(file, "utf8")),
  );
  const asked = listeningSockets();
  for (const listener of listeners) listener.stop(true);
  expect(own(tables)).toHaveLength(3);
  // Some sandboxes do not let anybody ask; then the tables are read.
  if (asked) expect(own(asked)).toEqual(own(tables));
  expect(own(machine.listeners())).toEqual([]);
});
