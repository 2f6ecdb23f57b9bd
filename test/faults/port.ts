// The daemon's own port is taken, by servers of every manner; and left in a hurry, with connections on it.

import { eventually, type Home } from "../home.ts";
import { must, mustSay, openHome } from "./experiment.ts";

const silent = { data() {} };
const talking = {
  open: (socket: Bun.Socket) => void socket.write("SSH-2.0-something\r\n"),
  data() {},
};

/** Who has it: where they listen, and what they say to whoever asks them for a version. */
const strangers: Record<string, (port: number) => { stop(isAbrupt: boolean): unknown }> = {
  "127.0.0.1, silent": (port) => Bun.listen({ hostname: "127.0.0.1", port, socket: silent }),
  "::1, silent": (port) => Bun.listen({ hostname: "::1", port, socket: silent }),
  "all addresses, no HTTP": (port) => Bun.listen({ hostname: "0.0.0.0", port, socket: talking }),
  "127.0.0.1, another's HTTP": (port) =>
    Bun.serve({ hostname: "127.0.0.1", port, fetch: () => new Response("{}") }),
};

export async function port(): Promise<string> {
  const settings: Record<string, string> = {};
  const home = openHome(settings);
  // Nobody else takes it: it is of this home's block.
  const own = home.range.end;
  settings["PORT_DADDY_PORT"] = String(own);
  for (const listen of Object.values(strangers)) {
    const stranger = listen(own);
    for (const words of [["start"], ["claim", "myapp"]]) {
      const code = words[0] === "start" ? 4 : 7;
      mustSay(await home.run(words), { code, says: new RegExp(`Port ${own} is in use by`) });
    }
    await home.noDaemon();
    await stranger.stop(true);
    must((await home.run(["start"])).code === 0, "it does not start on a port that was left");
    await home.run(["stop"]);
  }
  const left = await leaveInAHurry(home, own);
  return `${Object.keys(strangers).length} kinds of strangers named, and started after each; bound again at once with ${left} connections of a killed one`;
}

/** Its connections keep a port busy for a minute, unless the next one says that this does not matter. */
async function leaveInAHurry(home: Home, own: number): Promise<number> {
  await home.json(["start"]);
  const connections = await Promise.all(
    Array.from({ length: 50 }, () =>
      Bun.connect({ hostname: "127.0.0.1", port: own, socket: { data() {}, error() {} } }),
    ),
  );
  connections.slice(25).forEach((each) => each.end());
  await home.kill((await home.daemonPid())!);
  const { code, err } = await home.run(["start"]);
  must(code === 0, "a port is not had again after a crash", err);
  await eventually("it serves there", async () => (await home.json(["status"])).port === own);
  return connections.length;
}
