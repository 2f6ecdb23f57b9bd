// More connections than the daemon may have files open. Who is connected is answered or told why not, nobody who lives is
// taken for dead because /proc cannot be read, the processor is left alone, and it goes on when there is room again.

import * as fs from "node:fs";
import { binary, eventually, type Home } from "../home.ts";
import { ask, atEnd, must, mustSay, openHome, type Answer, type Effort } from "./experiment.ts";

/** Files that the daemon may have open, and who wants to be connected. */
const limit = 128;
const crowd = 300;

/** Some rounds of the reaper, which looks at every process that something lives with. */
const crowdedMs = { short: 5_000, full: 12_000 };

type Way = { how: string; address: (home: Home, port: number) => Bun.UnixSocketOptions | Tcp };
type Tcp = { hostname: string; port: number };

const ways: Way[] = [
  { how: "TCP", address: (_, port) => ({ hostname: "127.0.0.1", port }) as Tcp },
  { how: "the socket", address: ({ socket }) => ({ unix: socket }) as never },
];

export async function descriptors({ length }: Effort): Promise<string> {
  const seen: string[] = [];
  // A crowd at the socket stays for longer: nothing there is ended for being quiet.
  for (const { how, address } of length === "short" ? ways.slice(0, 1) : ways) {
    const home = openHome();
    const { pid, port } = await startWithFew(home);
    const before = await setUp(home);
    const kept = await keepConnection(home);
    const wish = { owner: "bob", wait: true, timeout: 0 };
    const waiting = ask(home, "POST", "/locks/with-pid", wish, { signal: null });
    await eventually("somebody waits", async () => {
      const { lock } = (await ask(home, "GET", "/locks/with-pid")).body;
      return lock.waiting === 1;
    });
    const connections = await crowdAt(address(home, port));
    const began = cpuMsOf(pid);
    const start = performance.now();
    let [answered, refused] = [0, 0];
    while (performance.now() - start < crowdedMs[length]) {
      for (const answer of await kept.changes()) {
        if (answer.status === 200) answered++;
        else refused++;
        const isSaid = answer.status === 200 || /files/.test(answer.body.error);
        must(isSaid && [200, 503].includes(answer.status), "it is not said why", answer);
      }
      await Bun.sleep(200);
    }
    const share = (cpuMsOf(pid) - began) / (performance.now() - start);
    const command = await home.run(["find", "-q"]);
    if (command.code !== 0) mustSay(command, { code: command.code, says: /did not answer/ });
    connections.forEach((each) => each.end());
    kept.end();
    await eventually("it goes on", async () => (await change(home)).every(isDone), 20_000);
    await mustBeAlive(home, before, pid);
    await ask(home, "DELETE", "/locks/with-pid", { owner: "ada" });
    must((await waiting).body.owner === "bob", "whoever waited was not served", await waiting);
    must(share < 0.5, `it is busy with nothing: ${Math.round(share * 100)} % of a core`);
    seen.push(
      `${crowd} connections over ${how} at ${limit} files: ${answered} changes done and ${refused} refused meanwhile, ` +
        `a command ${command.code === 0 ? "done" : "refused"}, ${Math.round(share * 100)} % of a core`,
    );
  }
  return `${seen.join("; ")}; nobody taken for dead`;
}

async function startWithFew(home: Home): Promise<{ pid: number; port: number }> {
  home.start(["sh", "-c", `ulimit -n ${limit}; exec ${binary} daemon`]);
  return eventually("it serves", async () => {
    const answer = await ask(home, "GET", "/version").catch(() => undefined);
    return answer?.body;
  });
}

type Before = { fence: number };

/** Somebody who lives with a process, in every way, and a server that is seen. */
async function setUp(home: Home): Promise<Before> {
  const { pid } = home.start(["sleep", "600"]);
  await ask(home, "POST", "/agents/claude", { pid });
  await ask(home, "POST", "/claim/with-pid", { pid });
  const { port } = (await ask(home, "POST", "/claim/served", {})).body;
  const server = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  atEnd(() => server.stop(true));
  const { fence } = (await ask(home, "POST", "/locks/with-pid", { owner: "ada", pid })).body;
  await eventually("the server is seen", async () => {
    const { count } = (await ask(home, "GET", "/activity?action=service_start")).body;
    return count === 1;
  });
  return { fence };
}

async function mustBeAlive(home: Home, { fence }: Before, pid: number): Promise<void> {
  must((await home.daemonPid()) === pid, "it is another daemon");
  const { lock } = (await ask(home, "GET", "/locks/with-pid")).body;
  must(lock?.fence === fence, "a lock was taken from a process that lives", lock);
  const { status } = (await ask(home, "GET", "/agents/claude")).body;
  must(status === "active", "an agent whose process lives is stale");
  for (const id of ["with-pid", "served"])
    must((await ask(home, "GET", `/services/${id}`)).status === 200, `the claim ${id} is lost`);
  for (const action of ["cleanup", "service_stop"]) {
    const { entries } = (await ask(home, "GET", `/activity?action=${action}`)).body;
    must(entries.length === 0, "something was taken for dead", entries);
  }
}

const isDone = ({ status }: Answer) => status === 200;

let turn = 0;

/** What needs a file, a port and nothing. */
function requests(): [method: string, route: string, body: unknown][] {
  turn++;
  return [
    ["POST", `/claim/new:n${turn}`, {}],
    ["POST", `/locks/new-${turn}`, { owner: "ada", pid: process.pid }],
    ["POST", "/msg/news", { payload: turn }],
  ];
}

function change(home: Home): Promise<Answer[]> {
  return Promise.all(requests().map(([method, route, body]) => ask(home, method, route, body)));
}

/** A connection from before the crowd came, with one request at a time; one that is idle may be closed. */
async function keepConnection(home: Home) {
  let received = "";
  let waiting = Promise.withResolvers<string>();
  let isOpen = true;
  const socket = await Bun.connect({
    unix: home.socket,
    socket: {
      data(_, bytes) {
        received += bytes.toString();
        const [head = "", body = ""] = received.split("\r\n\r\n");
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? NaN);
        if (body.length === length) waiting.resolve(received);
      },
      close() {
        isOpen = false;
        waiting.reject(new Error("a connection was closed before its answer"));
      },
    },
  });
  async function request(method: string, route: string, body: unknown): Promise<Answer> {
    [received, waiting] = ["", Promise.withResolvers()];
    const text = JSON.stringify(body);
    const head = `${method} ${route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}`;
    socket.write(`${head}\r\n\r\n${text}`);
    const answer = await waiting.promise;
    const status = Number(answer.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length));
    return { status, body: JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) };
  }
  return {
    end: () => void socket.end(),
    async changes(): Promise<Answer[]> {
      const answers: Answer[] = [];
      for (const each of requests()) if (isOpen) answers.push(await request(...each));
      return answers;
    },
  };
}

/** They send half a request, so that nobody can have done with them. */
async function crowdAt(address: object): Promise<Bun.Socket[]> {
  const socket = { data() {}, error() {}, close() {} };
  const found: Bun.Socket[] = [];
  for (let n = 0; n < crowd; n++) {
    const made = await Bun.connect({ ...(address as Tcp), socket }).catch(() => undefined);
    made?.write("GET /health HTTP/1.1\r\n");
    if (made) found.push(made as Bun.Socket);
  }
  must(found.length > limit / 2, "nobody could connect", found.length);
  return found;
}

/** Ticks of a hundredth of a second, in user and system mode (man 5 proc_pid_stat). */
function cpuMsOf(pid: number): number {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
