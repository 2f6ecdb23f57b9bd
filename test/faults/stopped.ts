// SIGSTOP: a daemon that is not let run for a while. Nobody loses anything by it but what has a time of its own, nobody
// starts a second one, and who asks meanwhile is answered afterwards or told that nobody answers.

import { eventually } from "../home.ts";
import { ask, must, mustSay, openHome, type Effort } from "./experiment.ts";

/** Longer than a round of the reaper may be late. A command gives up after 15 s. */
const pauseMs = { short: 7_000, full: 30_000 };

export async function stopped({ length }: Effort): Promise<string> {
  const ms = pauseMs[length];
  const home = openHome();
  const { pid } = await home.json(["start"]);
  // Each would be over by the end, if the time counted.
  const ttl = ms / 2;
  const lock = (await ask(home, "POST", "/locks/deploy", { owner: "ada", ttl })).body;
  await ask(home, "POST", "/claim/brief", { expires: ttl });
  await ask(home, "POST", "/claim/lasting", {});
  const wish = { owner: "bob", wait: true, timeout: ttl };
  const waiting = ask(home, "POST", "/locks/deploy", wish, { signal: null });
  const sub = home.spawn(["sub", "news", "--count", "1"]);
  await eventually("both are there", async () => {
    const { subscribers } = (await ask(home, "GET", "/health")).body;
    return subscribers === 1 && (await ask(home, "GET", "/locks/deploy")).body.lock.waiting === 1;
  });

  process.kill(pid, "SIGSTOP");
  const asked = [1, 2, 3].map((n) =>
    ask(home, "POST", "/msg/news", { payload: n }, { signal: null }),
  );
  const started = Date.now();
  const command = home.run(["claim", "meanwhile", "-q"]);
  if (length === "full") mustSay(await command, { code: 6, says: /did not answer within 15 s/ });
  await Bun.sleep(Math.max(0, ms - (Date.now() - started)));
  must(String(home.daemons()) === String(pid), "there is another daemon", home.daemons());
  process.kill(pid, "SIGCONT");

  const ids = (await Promise.all(asked)).map(({ body }) => body.id as number);
  must(new Set(ids).size === 3 && ids.every(Number.isInteger), "a request was not answered", ids);
  if (length === "short") must((await command).code === 0, "the command failed", await command);
  must((await sub.exited) === 0, "the subscriber has ended without its message");
  const { held, lock: now } = (await ask(home, "GET", "/locks/deploy")).body;
  must(held && now.fence === lock.fence, "a lock lapsed while nobody could extend it", now);
  const gone = await ask(home, "GET", "/services/brief");
  must(gone.status === 404, "a claim outlived its time", gone.body);
  must((await ask(home, "GET", "/services/lasting")).status === 200, "a claim is lost");
  await ask(home, "DELETE", "/locks/deploy", { owner: "ada" });
  const next = await waiting;
  must(next.body.fence > lock.fence, "whoever waited was not served", next.body);
  return `stopped for ${ms / 1_000} s: 3 requests and 1 waiter answered, 1 lock kept, 1 expired claim gone`;
}
