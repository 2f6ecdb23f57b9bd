// A process of the storm: a subscriber as the web has it, which comes back by itself with the id that it has seen last.

import * as fs from "node:fs";
import { EventSource } from "eventsource";
import { openLedger } from "./ledger.ts";

const [socket, ledger, over] = process.argv.slice(2) as [string, string, string];
const write = openLedger(ledger);

// Where nobody listens yet, a stock client gives up: there must be a stream once, which it then goes on with.
const source = new EventSource("http://localhost/subscribe/load:*?after=0", {
  fetch: async (url, init) => {
    while (true) {
      try {
        return await fetch(url, { ...(init as RequestInit), unix: socket, proxy: false });
      } catch (error) {
        if (fs.existsSync(over)) throw error;
        await Bun.sleep(5);
      }
    }
  },
});
source.addEventListener("message", ({ data, lastEventId }) => {
  const message = JSON.parse(data) as { id: number; payload: { tag: string } };
  if (String(message.id) !== lastEventId)
    write({ kind: "problem", text: `message ${message.id} came under the id ${lastEventId}` });
  write({ kind: "seen", reader: "eventsource", id: message.id, tag: message.payload.tag });
});
source.addEventListener("gap", ({ data }) =>
  write({ kind: "problem", text: `eventsource was told of a gap: ${data}` }),
);
while (!fs.existsSync(over)) await Bun.sleep(20);
source.close();
