// What several commands say in the same words.

import type { Version } from "../client/connect.ts";
import { homeDirectory } from "../config.ts";
import { Fault } from "../contract/faults.ts";
import { inUrl } from "../contract/loopback.ts";
import { pagePath } from "../contract/pages.ts";
import * as paths from "../system/paths.ts";
import type { Context, Say } from "./command.ts";
import { directory, plain, toJson } from "./render.ts";
import type { Terminal } from "./terminal.ts";

/** Says what went otherwise than it should have, though what was asked for is done. */
export function warn(text: string, { err }: Pick<Terminal, "err">): void {
  err(`warning: ${plain(text)}`);
}

/** What is in force, a line each. */
export function tell(version: Version, what: string, { json, quiet }: Say, context: Context): void {
  const { out, paint } = context.terminal;
  if (json) return out(toJson(version));
  if (quiet) return;
  const socket = directory(paths.socketFile(version.home), homeDirectory());
  out(`port-daddy ${version.version} ${paint.good(what)}, pid ${version.pid}`);
  if (version.port === undefined) {
    out(`  API        ${socket} alone: another user's port-daddy has port ${version.wantedPort}`);
  } else {
    const { host, port, needsToken } = version;
    const beyond = host === undefined ? "" : `, http://${inUrl(host)}:${port} (with the token)`;
    out(`  API        http://localhost:${port}${beyond} and ${socket}`);
    out(
      `  dashboard  ${needsToken ? "port-daddy dashboard" : `http://localhost:${port}${pagePath}`}`,
    );
  }
  out(`  state      ${directory(version.home, homeDirectory())}`);
}

export function refuseRemote({ config }: Context, verb: string): void {
  if (config.url === undefined) return;
  throw new Fault(
    "invalid_input",
    `PORT_DADDY_URL names a daemon at ${config.url}, which this command cannot ${verb}`,
    {
      hint: `without it: env -u PORT_DADDY_URL port-daddy ${verb}`,
    },
  );
}
