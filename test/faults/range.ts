// The range is exhausted by many at once, partly by servers that nobody claimed for, and ports come back one by one.

import { eventually, type Home } from "../home.ts";
import { ask, atEnd, must, mustSay, openHome, type Answer, type Effort } from "./experiment.ts";

const sizes = { short: 20, full: 200 };
const strangers = 3;

export async function range({ length }: Effort): Promise<string> {
  const settings: Record<string, string> = {};
  const home = openHome(settings);
  const { start } = home.range;
  const size = sizes[length];
  settings["PORT_DADDY_RANGE_END"] = String(start + size - 1);
  const servers = Array.from({ length: strangers }, (_, n) =>
    Bun.listen({ hostname: "127.0.0.1", port: start + n * 5, socket: { data() {} } }),
  );
  atEnd(() => servers.forEach((server) => server.stop(true)));
  await home.json(["start"]);

  const first = await claimMany(home, "first", size * 2);
  const held = first.filter(({ status }) => status === 200).map(({ body }) => body);
  must(held.length === size - strangers, "not every free port was given out", held.length);
  const ports = new Set(held.map(({ port }) => port));
  must(ports.size === held.length, "two identities hold one port", held);
  for (const { status, body } of first.filter(({ status }) => status !== 200)) {
    must(status === 409 && body.code === "no_port", "it is not said that none is left", body);
    must(body.longestUnused.length === Math.min(10, held.length), "nobody idle is named", body);
  }
  mustSay(await home.run(["claim", "one-more"]), { code: 5, says: /No port is left in/ });
  must((await ask(home, "POST", `/claim/${held[0].id}`, {})).body.existing, "a repeat was refused");

  // As many come back as are let go: by release, by a crash in between, by time, by a server that ends.
  for (const { id } of held.slice(0, 5)) await ask(home, "DELETE", `/release/${id}`);
  await home.kill((await home.daemonPid())!);
  await home.json(["start"]);
  await mustGive(home, "second", 5);
  const brief = held[5];
  await ask(home, "POST", `/claim/${brief.id}`, { expires: 1 });
  await eventually("its time is over", async () => {
    return (await ask(home, "GET", `/services/${brief.id}`)).status === 404;
  });
  await mustGive(home, "third", 1);
  servers[0]!.stop(true);
  await eventually("a port that a server left is seen to be free", async () => {
    return (await ask(home, "POST", "/claim/fourth", {})).status === 200;
  });
  await mustGive(home, "fifth", 0);

  const { services } = (await ask(home, "GET", "/services")).body;
  const { count } = (await ask(home, "GET", "/activity?action=claim&targetId=first:*&limit=1000"))
    .body;
  must(services.length === size - strangers + 1, "the claims are not as many as the ports");
  must(count === held.length + 2, "what was refused was logged as done", count);
  return `${size} ports, ${strangers} of them strangers': ${held.length} claimed, ${first.length - held.length} refused; 7 came back and were given out again`;
}

function claimMany(home: Home, name: string, count: number): Promise<Answer[]> {
  const ids = Array.from({ length: count }, (_, n) => `${name}:${n}`);
  return Promise.all(ids.map((id) => ask(home, "POST", `/claim/${id}`, {})));
}

/** That exactly so many ports can be had now. */
async function mustGive(home: Home, name: string, count: number): Promise<void> {
  const answers = await claimMany(home, name, count + 3);
  const got = answers.filter(({ status }) => status === 200).length;
  must(got === count, `${got} ports came back and not ${count}`);
}
