// Beyond loopback: the daemon listens there for whoever has the token, and its socket stays its user's own.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Home, isRoot, nobody } from "../home.ts";

const token = "the-token-of-this-test-4711";

const addresses = Object.values(os.networkInterfaces())
  .flatMap((each) => each ?? [])
  .filter(({ internal, scopeid }) => !internal && !scopeid);
/** An address of this machine that others could reach, if it has one. */
const address = addresses.find(({ family }) => family === "IPv4")?.address;

const inUrl = (host: string) => (host.includes(":") ? `[${host}]` : host);

/** Asks over TCP; the status, or that nobody listens. */
async function statusAt(host: string, port: number, headers: Record<string, string> = {}) {
  try {
    const url = `http://${inUrl(host)}:${port}/health`;
    return (await fetch(url, { headers, proxy: false, signal: AbortSignal.timeout(5_000) })).status;
  } catch (error) {
    const { code = "" } = error as { code?: string };
    return /refused/i.test(code) ? "refused" : code;
  }
}

const bearer = { Authorization: `Bearer ${token}` };

describe("without a token", () => {
  test.each(["0.0.0.0", "::", address ?? "192.0.2.1", "build.example"])(
    "a daemon does not start at %s, and says what to do",
    async (host) => {
      await using home = new Home({ PORT_DADDY_HOST: host });
      for (const [args, code] of [
        [["start"], 2],
        [["daemon"], 2],
        [["claim", "x"], 7],
      ] as const) {
        const result = await home.run([...args]);
        expect({ args, ...result }).toEqual({
          args,
          code,
          out: "",
          err: expect.stringContaining(`PORT_DADDY_HOST=${host} lets others in`),
        });
        expect(result.err).toMatch(/\nhint: .*PORT_DADDY_TOKEN=/);
      }
      await home.noDaemon();
    },
  );

  test("one that is set to loopback starts, and one that is set to nothing", async () => {
    for (const host of ["127.0.0.1", "localhost", "::1", ""]) {
      await using home = new Home({ PORT_DADDY_HOST: host });
      const { port } = await home.json(["start"]);
      expect(await statusAt("127.0.0.1", port)).toBe(200);
      if (address) expect(await statusAt(address, port)).toBe("refused");
    }
  });
});

test("a token that is none is refused without being shown", async () => {
  for (const bad of ["short", "correct horse battery staple", "passwörd-passwörd-passwörd"]) {
    await using home = new Home({ PORT_DADDY_TOKEN: bad });
    for (const word of ["start", "status", "daemon"]) {
      const { code, out, err } = await home.run([word]);
      expect(code).toBe(2);
      expect(err).toContain("PORT_DADDY_TOKEN must be");
      expect(out + err).not.toContain(bad);
    }
  }
});

test.each([
  ["an address of another machine", "192.0.2.77"],
  ["a name that leads nowhere", "no-such-host.invalid"],
])("%s is refused as a host, by its variable", async (_, host) => {
  await using home = new Home({ PORT_DADDY_HOST: host, PORT_DADDY_TOKEN: token });
  const { code, out, err } = await home.run(["start"]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain(`error: PORT_DADDY_HOST=${host} `);
  await home.noDaemon();
});

test.each(["0.0.0.0", "::"])("%s takes in both loopbacks, and every address", async (host) => {
  await using home = new Home({ PORT_DADDY_HOST: host, PORT_DADDY_TOKEN: token });
  const { port } = await home.json(["start"]);
  const own = addresses.map((each) =>
    each.family === "IPv4" || host === "::" ? each.address : "",
  );
  for (const each of ["127.0.0.1", "::1", "localhost", ...own].filter(Boolean)) {
    expect([each, await statusAt(each, port)]).toEqual([each, 401]);
    expect([each, await statusAt(each, port, bearer)]).toEqual([each, 200]);
  }
});

describe.skipIf(address === undefined)("at an address of this machine", () => {
  let home: Home;
  let port: number;
  const said: string[] = [];

  beforeAll(async () => {
    home = new Home({ PORT_DADDY_HOST: address!, PORT_DADDY_TOKEN: token });
    port = (await home.json(["start"])).port;
  });
  afterAll(() => home[Symbol.asyncDispose]());

  /** Runs a command over TCP, and keeps what it said. */
  async function overTcp(args: string[], of = token, host = address!) {
    const url = `http://${inUrl(host)}:${port}`;
    const env = { PORT_DADDY_URL: url, PORT_DADDY_TOKEN: of };
    const result = await home.run(args, { env });
    said.push(result.out, result.err);
    return result;
  }

  test("it listens there and on both loopbacks, for whoever has the token", async () => {
    for (const each of [address!, "127.0.0.1", "::1"]) {
      expect([each, await statusAt(each, port)]).toEqual([each, 401]);
      expect([each, await statusAt(each, port, bearer)]).toEqual([each, 200]);
      const foreign = { ...bearer, Host: `evil.com:${port}` };
      expect([each, await statusAt(each, port, foreign)]).toEqual([each, 403]);
    }
  });

  // Each leaves the state as the next one needs it.
  test.each<[string, number]>([
    ["claim tcp:web", 0],
    ["url tcp:web", 0],
    ["find", 0],
    ["status", 0],
    ["version", 0],
    ["lock tcp-lock", 0],
    ["locks", 0],
    ["unlock tcp-lock", 0],
    ["lock tcp-lock -- true", 0],
    ["pub tcp-channel hello", 0],
    ["sub tcp-channel --last 1 --count 1", 0],
    ["agent register tcp-agent", 0],
    ["agents", 0],
    ["log", 0],
    ["wait tcp:web --timeout 1", 6],
    ["release tcp:web", 0],
  ])("with the token `%s` works over PORT_DADDY_URL", async (line, code) => {
    expect(await overTcp(line.split(" "))).toMatchObject({ code });
  });

  test.each([
    ["without one", ""],
    ["with another", "another-token-of-nobody"],
  ])("%s every command is refused in a sentence, and nothing changes", async (_, of) => {
    const before = await (await home.fetch("/activity")).json();
    for (const line of ["claim x", "find", "status", "lock x", "pub x y", "sub x", "log -f"]) {
      const { code, out, err } = await overTcp(line.split(" "), of);
      expect({ line, code, out }).toEqual({ line, code: 4, out: "" });
      expect(err).toMatch(/^error: .*token.*\nhint: /);
    }
    expect(await (await home.fetch("/activity")).json()).toEqual(before);
  });

  test("over the socket no command needs it", async () => {
    const env = { PORT_DADDY_TOKEN: "" };
    expect((await home.run(["claim", "socket:web", "-q"], { env })).code).toBe(0);
    expect((await home.run(["status"], { env })).code).toBe(0);
  });

  test("a key from the socket opens a session over TCP, once", async () => {
    const { key } = (await (await home.fetch("/keys", { method: "POST" })).json()) as any;
    const origin = `http://${address}:${port}`;
    const entered = await fetch(`${origin}/enter?key=${key}`, { redirect: "manual", proxy: false });
    expect(entered.status).toBe(303);
    const cookie = entered.headers.get("set-cookie")!.split(";")[0]!;
    expect(await statusAt(address!, port, { Cookie: cookie })).toBe(200);
    expect((await fetch(`${origin}/enter?key=${key}`, { proxy: false })).status).toBe(401);
  });

  test("`stop` over TCP takes the token and then stops it", async () => {
    expect((await overTcp(["stop"], "")).code).toBe(4);
    expect((await home.run(["status"])).code).toBe(0);
    expect(await overTcp(["stop"])).toMatchObject({ code: 0, err: "" });
    await home.noDaemon();
    port = (await home.json(["start"])).port;
  });

  test("the token is in nothing that was printed or written, and in nobody's command line", async () => {
    for (const word of ["logs", "log", "version", "whoami", "help"])
      said.push((await home.run([word])).out);
    for (const route of ["/version", "/openapi.json", "/activity?limit=1000", "/health"])
      said.push(await (await home.fetch(route)).text());
    expect(said.join("\n")).not.toContain(token);
    for (const name of fs.readdirSync(home.state)) {
      const file = path.join(home.state, name);
      if (fs.statSync(file).isFile())
        expect([name, fs.readFileSync(file, "latin1").includes(token)]).toEqual([name, false]);
    }
    const [pid] = home.daemons();
    expect(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain(token);
    expect(said.join("").length).toBeGreaterThan(1_000);
  });
});

test("a daemon that asks for a token is still told from another user's where it has the port", async () => {
  await using first = new Home({ PORT_DADDY_TOKEN: token });
  const { port, pid } = await first.json(["start"]);
  await using second = new Home({ PORT_DADDY_PORT: String(port) });
  const { code, err } = await second.run(["start"]);
  expect(err).toStartWith(`error: Port ${port} is in use by process ${pid} (`);
  expect(code).toBe(4);
});

describe.skipIf(!isRoot)("the socket", () => {
  /** Whether another user can connect to it; `curl` tells by 7 that it could not. */
  async function curlAsNobody(home: Home): Promise<number> {
    const user = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
    const curl = ["curl", "-s", "--unix-socket", home.socket, "http://localhost/health"];
    return home.start([...user, ...curl], { cwd: "/" }).exited;
  }

  test("is 0600 in a directory that is 0700, and either keeps another user out", async () => {
    await using home = new Home();
    await home.run(["start"]);
    const modeOf = (file: string) => (fs.statSync(file).mode & 0o777).toString(8);
    expect([modeOf(home.socket), modeOf(home.state)]).toEqual(["600", "700"]);
    fs.chmodSync(home.directory, 0o755);
    expect(await curlAsNobody(home)).toBe(7);

    fs.chmodSync(home.state, 0o755);
    expect(await curlAsNobody(home)).toBe(7);
    fs.chmodSync(home.state, 0o700);
    fs.chmodSync(home.socket, 0o666);
    expect(await curlAsNobody(home)).toBe(7);
    // And it is these modes that did it.
    fs.chmodSync(home.state, 0o755);
    expect(await curlAsNobody(home)).toBe(0);
  });
});
