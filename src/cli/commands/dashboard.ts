// dashboard.

import type { Version } from "../../client/connect.ts";
import type { Config } from "../../config.ts";
import { Fault } from "../../contract/faults.ts";
import { boolean } from "../../contract/fields.ts";
import { entrance, pagePath } from "../../contract/pages.ts";
import { anotherPort } from "../../contract/range.ts";
import { open } from "../../system/browser.ts";
import { command, type Context } from "../command.ts";
import { plain, relative, toJson } from "../render.ts";

export const dashboard = command({
  name: "dashboard",
  group: "Daemon",
  summary: "Open the dashboard in a browser",
  flags: () => ({ noOpen: boolean({ summary: "Only print its URL" }) }),
  examples: ["port-daddy dashboard", "port-daddy dashboard --no-open"],
  async run({ flags: { noOpen, json, quiet } }, context) {
    const { config, daemon, terminal } = context;
    const version = await daemon.call("version", {});
    const origin = originOf(version, config);
    const page = origin + pagePath;
    const key = version.needsToken ? await daemon.call("browserKey", {}) : undefined;
    const link = key ? origin + entrance(key.key) : page;
    const obstacle = noOpen ? undefined : await open(link, config.desktop);
    const opened = !noOpen && obstacle === undefined;
    // The browser has used the key up; what is left is the page, which it may keep.
    const url = opened ? page : link;
    if (json) return terminal.out(toJson({ url, opened }));
    if (quiet || !opened || !terminal.isInteractive) terminal.out(url);
    if (quiet) return;
    if (opened) return (terminal.isInteractive ? terminal.out : terminal.err)(`Opened ${url}`);
    if (key)
      terminal.err(`The key in it works once and expires ${relative(key.expiresAt, Date.now())}`);
    if (obstacle !== undefined) tellObstacle(obstacle, version, context);
  },
});

/** Where a browser finds the daemon. Throws `unavailable` where none can. */
function originOf({ port, wantedPort }: Version, { url }: Config): string {
  if (url !== undefined) return url;
  if (port !== undefined) return `http://localhost:${port}`;
  throw new Fault(
    "unavailable",
    `The daemon serves its socket alone, where no browser can go: another user's port-daddy has port ${wantedPort}`,
    { hint: `give it another: PORT_DADDY_PORT=${anotherPort(wantedPort)} port-daddy restart` },
  );
}

function tellObstacle(
  obstacle: string,
  { port }: Version,
  { config: { url, desktop }, terminal }: Context,
): void {
  terminal.err(`No browser was opened: ${plain(obstacle)}`);
  if (desktop.isSsh && url === undefined)
    terminal.err(
      `hint: to see it where you sit, run there: ssh -L ${port}:localhost:${port} <host>`,
    );
}
