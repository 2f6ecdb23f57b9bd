// Many at once.

import { expect, test } from "bun:test";
import { Home } from "../home.ts";

const foreignHosts = ["127.0.0.1", "::1", "0.0.0.0", "::"];

/** A server of somebody who never asked for a port. */
function listen(hostname: string, port: number): Disposable {
  const server = Bun.listen({ hostname, port, exclusive: true, socket: { data() {} } });
  return { [Symbol.dispose]: () => server.stop(true) };
}

test("two hundred claims at once are two hundred ports, and none that a stranger listens on", async () => {
  await using home = new Home();
  using strangers = new DisposableStack();
  const taken = foreignHosts.map((hostname, i) => {
    // The first few that would be given out, and some on the way.
    const port = home.range.start + i * 30;
    strangers.use(listen(hostname, port));
    strangers.use(listen(hostname, port + 1));
    return [port, port + 1];
  });
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => home.run(["claim", `race:${i}`, "-q"])),
  );
  expect(answers.filter(({ code }) => code !== 0)).toEqual([]);
  const ports = answers.map(({ out }) => Number(out));
  expect(new Set(ports).size).toBe(200);
  for (const port of taken.flat()) expect(ports).not.toContain(port);

  const { services } = await home.json(["find", "race:*"]);
  const stored = Object.fromEntries(services.map((each: any) => [each.id, each.port]));
  expect(stored).toEqual(Object.fromEntries(ports.map((port, i) => [`race:${i}`, port])));
  expect(home.daemons()).toHaveLength(1);
});

test("a hundred claims of one identity at once are one port", async () => {
  await using home = new Home();
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => home.json(["claim", "myapp"])),
  );
  expect(new Set(answers.map(({ port }) => port)).size).toBe(1);
  expect(answers.filter(({ existing }) => !existing)).toHaveLength(1);
});

test("a hundred claims of one port at once have one winner, and the others are told who it is", async () => {
  await using home = new Home();
  const port = String(home.range.end);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => home.run(["claim", `rival:${i}`, "-p", port])),
  );
  const winner = answers.findIndex(({ code }) => code === 0);
  expect(winner).toBeGreaterThanOrEqual(0);
  for (const [i, { code, err }] of answers.entries()) {
    if (i === winner) continue;
    expect({ code, err }).toEqual({
      code: 4,
      err: expect.stringContaining(`Port ${port} is held by rival:${winner}`),
    });
  }
});

test("fifty commands that find no daemon start exactly one, and all succeed", async () => {
  for (let round = 0; round < 3; round++) {
    await using home = new Home();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => home.run(["claim", `cold:${i}`, "-q"])),
    );
    expect(answers.filter(({ code }) => code !== 0)).toEqual([]);
    expect(new Set(answers.map(({ out }) => out)).size).toBe(50);
    expect(home.daemons()).toEqual([(await home.daemonPid())!]);
    const { count } = await home.json(["log", "--action", "daemon_start"]);
    expect(count).toBe(1);
  }
});
