// The daemon's metrics as those read them that they are for: Prometheus' own checker, a Prometheus that scrapes, and a
// StatsD server.

import { afterEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { metrics } from "../../src/contract/metrics.ts";
import { eventually, Home } from "../home.ts";

const token = "a-token-of-the-tests-0123";

/** Where they are installed, or where `npm test` has unpacked them. */
const fetched = path.join(import.meta.dir, "../../dist/prometheus/usr/bin");
const PATH = `${process.env["PATH"]}:${fetched}`;
const prometheus = Bun.which("prometheus", { PATH });
const promtool = Bun.which("promtool", { PATH });
const isThere = prometheus !== null && promtool !== null;

const homes: Home[] = [];
afterEach(async () => {
  for (const home of homes.splice(0)) await home[Symbol.asyncDispose]();
});

function makeHome(settings: Record<string, string> = {}): Home {
  const home = new Home(settings);
  homes.push(home);
  return home;
}

/** Does a little of everything, so that every metric has a series. */
async function live(home: Home): Promise<void> {
  const sub = home.spawn(["sub", "news", "--count", "1"]);
  await home.run(["claim", "shop:api", "shop:web"]);
  await home.run(["release", "shop:web"]);
  await home.run(["lock", "db", "--", "true"]);
  await eventually("somebody listens", async () => {
    const { subscribers } = await (await home.fetch("/health")).json();
    return subscribers > 0;
  });
  await home.run(["pub", "news", "hello"]);
  await sub.exited;
  await home.fetch("/no/such");
}

test("every metric of the README's table is served", async () => {
  const home = makeHome();
  await live(home);
  const text = await (await home.fetch("/metrics")).text();
  const served = new Set([...text.matchAll(/^(\w+?)(?:_bucket)?[{ ]/gm)].map(([, name]) => name));
  expect(Object.keys(metrics).filter((name) => !served.has(name))).toEqual([]);
});

describe.skipIf(!isThere)(`Prometheus${isThere ? "" : " (apt-get install prometheus)"}`, () => {
  test("promtool has nothing to say against the metrics", async () => {
    const home = makeHome();
    await live(home);
    const text = await (await home.fetch("/metrics")).text();
    const check = Bun.spawnSync([promtool!, "check", "metrics"], { stdin: Buffer.from(text) });
    expect(check.stderr.toString() + check.stdout.toString()).toBe("");
    expect(check.exitCode).toBe(0);
  });

  test("scrapes the daemon over TCP with its token, and answers what has happened", async () => {
    const home = makeHome({ PORT_DADDY_TOKEN: token });
    await live(home);
    const { port } = await home.json(["version"]).then(({ daemon }) => daemon);
    const api = await scrapeBy(home, port);
    const up = await eventually(
      "Prometheus has scraped",
      async () => (await api('up{job="port-daddy"} == 1'))[0],
      20_000, // It looks for what to scrape every five seconds.
    );
    expect(up.value[1]).toBe("1");
    const [claims] = await api('port_daddy_claims_total{kind="new"}');
    expect(claims.value[1]).toBe("2");
    const [published] = await api("port_daddy_messages_published_total");
    expect(published.value[1]).toBe("1");
  });
});

/** Starts a Prometheus that scrapes the daemon, on a port that the kernel picks; returns how it is queried. */
async function scrapeBy(home: Home, port: number): Promise<(query: string) => Promise<any[]>> {
  const directory = home.makeDirectory("prometheus");
  const file = path.join(directory, "prometheus.yml");
  fs.writeFileSync(
    file,
    `scrape_configs:
  - job_name: port-daddy
    scrape_interval: 200ms
    authorization: { credentials: ${token} }
    static_configs: [{ targets: ["localhost:${port}"] }]
`,
  );
  // It ends by a signal where nobody reads what it writes.
  const log = path.join(directory, "log");
  const words = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${path.join(directory, "data")}`,
    "--web.listen-address=127.0.0.1:0",
  ];
  home.start(["sh", "-c", `exec "$0" "$@" 2>"${log}"`, prometheus!, ...words]);
  const [, address] = await eventually("Prometheus says where it listens", () =>
    fs.existsSync(log)
      ? /msg="Listening on"[^\n]* address=(\S+)/.exec(fs.readFileSync(log, "utf8"))
      : null,
  );
  return async (query) => {
    const asked = `http://${address}/api/v1/query?query=${encodeURIComponent(query)}`;
    const response = await fetch(asked, { proxy: false }).catch(() => undefined);
    return response?.ok ? (await response.json()).data.result : [];
  };
}

describe("StatsD", () => {
  test("is sent what happens, up to the daemon's end", async () => {
    const received: string[] = [];
    const home = makeHome();
    const server = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (_, data) => void received.push(...data.toString().split("\n")) },
    });
    try {
      const env = { PORT_DADDY_STATSD: `localhost:${server.port}` };
      await home.run(["claim", "shop:api"], { env });
      await eventually("the claim is told", () =>
        received.includes("port_daddy.claims_total.new:1|c"),
      );
      expect(received).toContain("port_daddy.services.assigned:1|g");
      expect(received.some((line) => line.includes("shop"))).toBe(false);
      await home.run(["claim", "shop:web"]);
      await home.run(["stop"]);
      await eventually("the end is told", () =>
        received.includes("port_daddy.events_total.daemon_stop:1|c"),
      );
      const told = received.filter((line) => line.startsWith("port_daddy.claims_total.new:"));
      expect(told.reduce((sum, line) => sum + Number(/:(\d+)\|c$/.exec(line)![1]), 0)).toBe(2);
    } finally {
      server.close();
    }
  });

  test("is a setting that the daemon does not start with where it is wrong", async () => {
    const home = makeHome();
    const { code, err } = await home.run(["start"], { env: { PORT_DADDY_STATSD: "localhost" } });
    expect(code).toBe(2);
    expect(err).toStartWith("error: PORT_DADDY_STATSD must be a host and a port");
  });
});
