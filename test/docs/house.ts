// A home in which pages are followed: a project, the programs that they mention, and a receiver of webhooks.

import * as fs from "node:fs";
import * as path from "node:path";
import type { Reader } from "./reader.ts";
import { binary, Home } from "../home.ts";

/** It listens where it is told: by --port, else by PORT. */
const server = `#!/usr/bin/env node
const flag = process.argv.indexOf("--port");
const port = flag < 0 ? process.env.PORT : process.argv[flag + 1];
require("node:http").createServer((_, response) => response.end("hello")).listen(port);
`;

/** Programs that pages run and are not about. */
const standIns: Record<string, string> = {
  vite: server,
  prisma: "#!/bin/sh\n",
  claude: "#!/bin/sh\n",
  npx: '#!/bin/sh\nexec "$@"\n',
  npm: '#!/bin/sh\n[ "$1 $2" != "run dev" ] || { shift 2; [ "${1:-}" != -- ] || shift; exec vite "$@"; }\necho npm "$@"\n',
};

/** Where pages say that their receivers of webhooks are. */
const receivers = ["https://example.com/hook", "https://your-server.com/port-daddy-events"];

/** What pages take for granted beside that; without it they can't be followed. */
export const isEquipped = ["bash", "curl", "jq", "node"].every((name) => Bun.which(name) !== null);

/** Lines of pages that can't be run as they stand. */
export const instead: Reader["instead"] = {
  "git clone https://github.com/erichowens/port-daddy.git": {
    because: "a test does not go to the internet; npm run compat begins with a clean checkout",
    type: "true",
  },
  "port-daddy install": {
    because: "this home has no service manager; test/binary/service.test.ts has one",
    type: "port-daddy install --dry-run",
  },
  "port-daddy uninstall": {
    because: "likewise",
    type: "port-daddy uninstall --dry-run",
  },
};

export type House = Reader & AsyncDisposable;

export function furnish(): House {
  const home = new Home();
  const cwd = home.makeDirectory("myapp");
  fs.writeFileSync(path.join(cwd, "server.js"), server);
  const bin = home.makeDirectory("bin");
  fs.symlinkSync(binary, path.join(bin, "port-daddy"));
  for (const [name, text] of Object.entries(standIns))
    fs.writeFileSync(path.join(bin, name), text, { mode: 0o755 });
  const receiver = receive(path.join(cwd, "delivery.json"));

  const { start, end } = home.range;
  return {
    home,
    cwd,
    instead,
    env: {
      PATH: `${bin}:${process.env["PATH"]}`,
      BROWSER: "true",
      SECRET: "a secret of the receiver's",
      PORT_DADDY_PORT: `${end}`,
      PORT_DADDY_RANGE_END: `${end - 1}`,
      PORT_DADDY_WEBHOOK_ALLOW: "127.0.0.1",
    },
    rewritten: [
      ["localhost:9876", `localhost:${end}`],
      ["-p 9876", `-p ${end}`],
      ...receivers.map((url) => [url, `${receiver.url}${path.basename(url)}`] as const),
      ...Array.from({ length: 100 }, (_, at) => [`${3100 + at}`, `${start + at}`] as const),
    ],
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
      await receiver.stop(true);
    },
  };
}

/** A receiver of webhooks, which keeps the last that came in a file. */
function receive(file: string) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const headers = Object.fromEntries(request.headers);
      fs.writeFileSync(file, JSON.stringify({ headers, body: await request.text() }));
      return new Response("ok");
    },
  });
}
